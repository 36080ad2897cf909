//! What people see: typed views over the templates in `web/`.
