-- The twin of migrations/sqlite/0003. Nothing changes here: several nodes write lines, so the unique key over room, author
-- and client key stays, and commits look keys up by it (docs/decisions/0016).
SELECT 1;
