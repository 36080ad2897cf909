//! Role × duty × audience × action: the one function that decides who may do what.
