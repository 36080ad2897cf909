-- The twin of migrations/sqlite/0006.
CREATE TABLE slip (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    hash TEXT COLLATE "C" NOT NULL UNIQUE,
    standing TEXT NOT NULL CHECK (standing IN ('tojisha', 'family')),
    made_ms BIGINT NOT NULL,
    ends_ms BIGINT NOT NULL,
    used_ms BIGINT,
    handle_id TEXT COLLATE "C" REFERENCES handle (id) ON DELETE SET NULL,
    revoked_ms BIGINT,
    doubted_ms BIGINT
);
CREATE INDEX slip_handle ON slip (handle_id);
