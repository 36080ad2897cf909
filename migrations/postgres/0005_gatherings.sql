-- The twin of migrations/sqlite/0005.
ALTER TABLE gathering ADD COLUMN watch TEXT NOT NULL DEFAULT 'handle' CHECK (watch IN ('handle', 'public'));
ALTER TABLE gathering ADD COLUMN series_id TEXT COLLATE "C";
ALTER TABLE gathering ADD COLUMN theme TEXT NOT NULL DEFAULT '';
ALTER TABLE gathering ADD COLUMN words TEXT NOT NULL DEFAULT '';
ALTER TABLE gathering ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE gathering ADD COLUMN seats BIGINT NOT NULL DEFAULT 0;
ALTER TABLE gathering ADD COLUMN guard_first BIGINT NOT NULL DEFAULT 0;
ALTER TABLE gathering ADD COLUMN cancel_words TEXT NOT NULL DEFAULT '';

ALTER TABLE room ADD COLUMN since_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE room ADD COLUMN locked BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE room ADD COLUMN topic_sealed BYTEA;
ALTER TABLE room ADD COLUMN n_acts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE room ADD COLUMN n_admits BIGINT NOT NULL DEFAULT 0;
CREATE INDEX room_state ON room (state);

CREATE TABLE room_person (
    room_id TEXT COLLATE "C" NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    participant TEXT COLLATE "C" NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('admitted', 'moved')),
    PRIMARY KEY (room_id, participant, what)
);

CREATE TABLE on_call (
    gathering_id TEXT COLLATE "C" NOT NULL REFERENCES gathering (id) ON DELETE CASCADE,
    staff_id TEXT COLLATE "C" NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    accepted_ms BIGINT NOT NULL,
    phone_until_ms BIGINT,
    PRIMARY KEY (gathering_id, staff_id)
);

CREATE TABLE staff_lease (
    staff_id TEXT COLLATE "C" NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    conn TEXT COLLATE "C" NOT NULL,
    node TEXT NOT NULL,
    until_ms BIGINT NOT NULL,
    PRIMARY KEY (staff_id, conn)
);

CREATE TABLE alert (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    once TEXT COLLATE "C" NOT NULL UNIQUE,
    gathering_id TEXT COLLATE "C" REFERENCES gathering (id) ON DELETE CASCADE,
    at_ms BIGINT NOT NULL,
    seen_by TEXT,
    seen_ms BIGINT
);
CREATE INDEX alert_open ON alert (seen_ms, at_ms);
