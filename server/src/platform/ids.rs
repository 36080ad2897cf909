//! Every kind of id is its own type, and chance comes from one place.
