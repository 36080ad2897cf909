//! The append-only, hash-chained record of every power that was used.
