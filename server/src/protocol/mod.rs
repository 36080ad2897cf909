//! The wire: its enums and nothing else.
