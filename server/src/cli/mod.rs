//! The command line: parse, run, one clear line on standard error when it cannot.
