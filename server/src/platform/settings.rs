//! File, then environment, then flags; checked whole at start.
