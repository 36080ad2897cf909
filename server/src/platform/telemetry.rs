//! Logs and numbers, without any body, handle, address or cookie.
