-- What a planned gathering is besides its hours. seats bounds writers, never readers; 0 is no bound. words are the host's,
-- as staff typed them; cancel_words is the line to those who come where it does not take place.
ALTER TABLE gathering ADD COLUMN watch TEXT NOT NULL DEFAULT 'handle' CHECK (watch IN ('handle', 'public'));
ALTER TABLE gathering ADD COLUMN series_id TEXT;
ALTER TABLE gathering ADD COLUMN theme TEXT NOT NULL DEFAULT '';
ALTER TABLE gathering ADD COLUMN words TEXT NOT NULL DEFAULT '';
ALTER TABLE gathering ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE gathering ADD COLUMN seats INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gathering ADD COLUMN guard_first INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gathering ADD COLUMN cancel_words TEXT NOT NULL DEFAULT '';

-- since_ms is when the stored state began (0: not known), n_acts how often a human did something to the room as a whole,
-- n_admits how often all who waited were let in.
-- The topic is sealed under the room's key: people write it.
ALTER TABLE room ADD COLUMN since_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE room ADD COLUMN locked INTEGER NOT NULL DEFAULT 0 CHECK (locked IN (0, 1));
ALTER TABLE room ADD COLUMN topic_sealed BLOB;
ALTER TABLE room ADD COLUMN n_acts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE room ADD COLUMN n_admits INTEGER NOT NULL DEFAULT 0;
CREATE INDEX room_state ON room (state);

-- Who was let in where newcomers wait, and who was taken to the other side: by their ids in that room, which tell nobody
-- anything once its key is gone.
CREATE TABLE room_person (
    room_id TEXT NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    participant TEXT NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('admitted', 'moved')),
    PRIMARY KEY (room_id, participant, what)
) STRICT;

-- A member of staff who accepted to be on call for a gathering. phone_until_ms is set where they said that they answer
-- the telephone: until the end, or until a host says that they do not.
CREATE TABLE on_call (
    gathering_id TEXT NOT NULL REFERENCES gathering (id) ON DELETE CASCADE,
    staff_id TEXT NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    accepted_ms INTEGER NOT NULL,
    phone_until_ms INTEGER,
    PRIMARY KEY (gathering_id, staff_id)
) STRICT;

-- An open socket of somebody with powers: whoever is on call is reached by it.
CREATE TABLE staff_lease (
    staff_id TEXT NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    conn TEXT NOT NULL,
    node TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (staff_id, conn)
) STRICT;

-- What staff must hear of. once names what it is about, so that two nodes that see the same thing raise one alert.
CREATE TABLE alert (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    once TEXT NOT NULL UNIQUE,
    gathering_id TEXT REFERENCES gathering (id) ON DELETE CASCADE,
    at_ms INTEGER NOT NULL,
    seen_by TEXT,
    seen_ms INTEGER
) STRICT;
CREATE INDEX alert_open ON alert (seen_ms, at_ms);
