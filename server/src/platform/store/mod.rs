//! SQLite or PostgreSQL behind one body of statements.
