-- What was never changed needs no place among the changes: most lines never are.
DROP INDEX message_change;
CREATE INDEX message_change ON message (room_id, change_n) WHERE change_n > 0;
