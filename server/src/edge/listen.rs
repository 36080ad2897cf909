//! Our own accept loop: a deadline for the request head, upgrades, and a drain that waits.
