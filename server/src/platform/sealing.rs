//! AES-256-GCM over bodies, bound to the place they stand in.
