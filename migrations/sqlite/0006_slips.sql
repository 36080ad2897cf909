-- 案内カード: a number from the centre, good once. The number itself stands nowhere: a keyed hash does, and the id is the stub's
-- number, which opens nothing. Whose it became is known while the handle is, so that taking a slip back takes back what it gave.
CREATE TABLE slip (
    id TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    standing TEXT NOT NULL CHECK (standing IN ('tojisha', 'family')),
    made_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL,
    used_ms INTEGER,
    handle_id TEXT REFERENCES handle (id) ON DELETE SET NULL,
    revoked_ms INTEGER,
    doubted_ms INTEGER
) STRICT;
CREATE INDEX slip_handle ON slip (handle_id);
