//! Engawa.
