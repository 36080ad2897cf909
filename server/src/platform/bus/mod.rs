//! Hints between nodes. It may lose, repeat or reorder; nothing breaks.
