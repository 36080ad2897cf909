//! Pure: text in, assessment out.
