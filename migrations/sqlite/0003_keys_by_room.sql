-- Which of an author's keys a room has is known by reading the room's lines once, when it comes to its one node; an index
-- over them made each line change a page of its own, and was most of what a line cost. PostgreSQL keeps it: several nodes
-- write there (docs/decisions/0016).
CREATE TABLE message_without_index (
    room_id TEXT NOT NULL REFERENCES room (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    seq INTEGER NOT NULL,
    author TEXT NOT NULL,
    client_key TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    shows TEXT NOT NULL CHECK (shows IN ('yes', 'hidden', 'taken_back')),
    change_n INTEGER NOT NULL,
    key_version INTEGER NOT NULL,
    sealed BLOB,
    PRIMARY KEY (room_id, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO message_without_index (room_id, seq, author, client_key, at_ms, shows, change_n, key_version, sealed)
SELECT room_id, seq, author, client_key, at_ms, shows, change_n, key_version, sealed FROM message;
DROP TABLE message;
ALTER TABLE message_without_index RENAME TO message;
CREATE INDEX message_change ON message (room_id, change_n) WHERE change_n > 0;
