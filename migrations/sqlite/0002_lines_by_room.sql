-- A line is found by its room and number, and by its author's key; so the table is its own first index, and the rows of
-- a room stand together. Its room is looked for at the commit, so that no statement has to be undone by itself. What was
-- never changed needs no place among the changes: most lines never are.
CREATE TABLE message_by_room (
    room_id TEXT NOT NULL REFERENCES room (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    seq INTEGER NOT NULL,
    author TEXT NOT NULL,
    client_key TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    shows TEXT NOT NULL CHECK (shows IN ('yes', 'hidden', 'taken_back')),
    change_n INTEGER NOT NULL,
    key_version INTEGER NOT NULL,
    sealed BLOB,
    PRIMARY KEY (room_id, seq),
    UNIQUE (room_id, author, client_key)
) STRICT, WITHOUT ROWID;
INSERT INTO message_by_room (room_id, seq, author, client_key, at_ms, shows, change_n, key_version, sealed)
SELECT room_id, seq, author, client_key, at_ms, shows, change_n, key_version, sealed FROM message;
DROP TABLE message;
ALTER TABLE message_by_room RENAME TO message;
CREATE INDEX message_change ON message (room_id, change_n) WHERE change_n > 0;
