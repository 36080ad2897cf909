//! The live side of a gathering.
