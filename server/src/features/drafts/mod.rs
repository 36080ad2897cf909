//! Unsent text, sealed, read by its author only.
