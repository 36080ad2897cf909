//! Scheduled meetings, and who is on duty in them.
