//! Seeds that found something, with what it was. They run with every test, so that it stays found.

/// A seed and what it found.
pub(super) const FOUND: &[(u64, &str)] = &[];
