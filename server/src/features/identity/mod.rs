//! Handles, their words to come back by, sessions, and the accounts of people with powers.
