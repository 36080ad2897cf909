-- The twin of migrations/sqlite/0004. Lines that wait for a human before others see them. A row stays until its room is
-- forgotten, so that a repeat of its key gets the same answer; its words go when it ends.
ALTER TABLE room ADD COLUMN n_holds BIGINT NOT NULL DEFAULT 0;
CREATE TABLE hold (
    room_id TEXT COLLATE "C" NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    n BIGINT NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    author TEXT COLLATE "C" NOT NULL,
    client_key TEXT COLLATE "C" NOT NULL,
    reason TEXT NOT NULL CHECK (reason IN ('newcomer', 'guard', 'contact', 'risk', 'threat', 'abuse', 'sexual', 'solicitation')),
    at_ms BIGINT NOT NULL,
    due_ms BIGINT,
    left_ms BIGINT,
    looked BOOLEAN NOT NULL,
    told BOOLEAN NOT NULL,
    ended TEXT CHECK (ended IN ('approved', 'rejected', 'passed', 'withdrawn', 'closed')),
    ended_ms BIGINT,
    seq BIGINT,
    change_n BIGINT NOT NULL,
    key_version BIGINT NOT NULL,
    sealed BYTEA,
    PRIMARY KEY (room_id, n),
    UNIQUE (room_id, author, client_key)
);
