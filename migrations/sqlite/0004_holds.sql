-- Lines that wait for a human before others see them. A row stays until its room is forgotten, so that a repeat of its key
-- gets the same answer; its words go when it ends. n is the order in which they came, change_n the room's count of what
-- happened to its holds (room.n_holds). due_ms is when its clock strikes; while the room is paused the clock stands, and
-- left_ms is what is left on it.
ALTER TABLE room ADD COLUMN n_holds INTEGER NOT NULL DEFAULT 0;
CREATE TABLE hold (
    room_id TEXT NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    id TEXT NOT NULL,
    author TEXT NOT NULL,
    client_key TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason IN ('newcomer', 'guard', 'contact', 'risk', 'threat', 'abuse', 'sexual', 'solicitation')),
    at_ms INTEGER NOT NULL,
    due_ms INTEGER,
    left_ms INTEGER,
    looked INTEGER NOT NULL CHECK (looked IN (0, 1)),
    told INTEGER NOT NULL CHECK (told IN (0, 1)),
    ended TEXT CHECK (ended IN ('approved', 'rejected', 'passed', 'withdrawn', 'closed')),
    ended_ms INTEGER,
    seq INTEGER,
    change_n INTEGER NOT NULL,
    key_version INTEGER NOT NULL,
    sealed BLOB,
    PRIMARY KEY (room_id, n),
    UNIQUE (room_id, author, client_key)
) STRICT, WITHOUT ROWID;
