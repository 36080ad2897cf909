//! The ledger that reports are counted from; there is no person in it.
