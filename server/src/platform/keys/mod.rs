//! The key-encryption key, and the store of keys that no backup contains.
