//! The only place that knows every part: it builds them and hands each the parts it needs.
