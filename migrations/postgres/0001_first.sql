-- The first schema, for PostgreSQL. migrations/sqlite/0001 is its twin; a test compares the two.

-- What holds for the whole store: the epoch, the first manager's one-time token, the participant pepper's version.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- A pseudonym. No real name, mail, telephone or network address; days, not instants.
CREATE TABLE handle (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    standing TEXT NOT NULL CHECK (standing IN ('tojisha', 'family')),
    by_slip BOOLEAN NOT NULL,
    acted BOOLEAN NOT NULL,
    recovery TEXT UNIQUE,
    made_day TEXT NOT NULL,
    last_day TEXT NOT NULL
);

-- Accounts of people with powers.
CREATE TABLE staff (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    password TEXT NOT NULL,
    totp_sealed BYTEA NOT NULL,
    totp_step BIGINT NOT NULL,
    made_ms BIGINT NOT NULL,
    ended_ms BIGINT
);

CREATE TABLE staff_role (
    staff_id TEXT COLLATE "C" NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('peer_supporter', 'moderator', 'coordinator', 'manager')),
    audience TEXT NOT NULL CHECK (audience IN ('', 'tojisha', 'family')),
    specialist BOOLEAN NOT NULL,
    PRIMARY KEY (staff_id, role, audience)
);

-- The cookie's SHA-256 is the key; the cookie itself stands nowhere.
CREATE TABLE session (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    token_hash TEXT NOT NULL UNIQUE,
    handle_id TEXT REFERENCES handle (id) ON DELETE CASCADE,
    staff_id TEXT REFERENCES staff (id) ON DELETE CASCADE,
    device TEXT NOT NULL CHECK (device IN ('mine', 'shared')),
    made_ms BIGINT NOT NULL,
    used_ms BIGINT NOT NULL,
    ends_ms BIGINT NOT NULL,
    hidden_ms BIGINT
);
CREATE INDEX session_handle ON session (handle_id);
CREATE INDEX session_staff ON session (staff_id);

-- Sessions that ended lately, so that every node closes their sockets; a poll removes old rows.
CREATE TABLE session_ended (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL
);

CREATE TABLE gathering (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('ibasho', 'tojisha_kai', 'kazoku_kai')),
    audience TEXT NOT NULL CHECK (audience IN ('tojisha', 'family')),
    entry TEXT NOT NULL CHECK (entry IN ('open', 'introduced')),
    title TEXT NOT NULL,
    starts_ms BIGINT NOT NULL,
    ends_ms BIGINT NOT NULL,
    forgets_ms BIGINT NOT NULL
);

-- The live side of a gathering. last_seq counts the lines that passed, n_changes what was hidden, shown or taken back.
CREATE TABLE room (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES gathering (id) ON DELETE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('planned', 'doors_open', 'open', 'paused', 'last_call', 'afterglow', 'closed', 'cancelled', 'forgotten')),
    guard BIGINT NOT NULL,
    slow_ms BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    n_changes BIGINT NOT NULL
);

-- author is the participant id of this room alone; who it was cannot be told without the room's key.
CREATE TABLE message (
    room_id TEXT COLLATE "C" NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    author TEXT COLLATE "C" NOT NULL,
    client_key TEXT COLLATE "C" NOT NULL,
    at_ms BIGINT NOT NULL,
    shows TEXT NOT NULL CHECK (shows IN ('yes', 'hidden', 'taken_back')),
    change_n BIGINT NOT NULL,
    key_version BIGINT NOT NULL,
    sealed BYTEA,
    PRIMARY KEY (room_id, seq),
    UNIQUE (room_id, author, client_key)
);
CREATE INDEX message_change ON message (room_id, change_n);

-- Stamps are states, so that one person's stamp is there once; nobody is ever shown whose or how many.
CREATE TABLE stamp (
    room_id TEXT COLLATE "C" NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    author TEXT COLLATE "C" NOT NULL,
    stamp TEXT NOT NULL CHECK (stamp IN ('nod', 'listening', 'thanks', 'warm', 'same')),
    PRIMARY KEY (room_id, seq, author, stamp)
);

CREATE TABLE roster (
    gathering_id TEXT COLLATE "C" NOT NULL REFERENCES gathering (id) ON DELETE CASCADE,
    staff_id TEXT COLLATE "C" NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    duty TEXT NOT NULL CHECK (duty IN ('host', 'supporter', 'on_call')),
    PRIMARY KEY (gathering_id, staff_id)
);

-- Nothing else says that a room is attended. A lease that ended stays for a day: its end is since when nobody is there.
CREATE TABLE duty_lease (
    room_id TEXT COLLATE "C" NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    staff_id TEXT COLLATE "C" NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    conn TEXT NOT NULL,
    node TEXT NOT NULL,
    name TEXT NOT NULL,
    duty TEXT NOT NULL CHECK (duty IN ('host', 'supporter', 'staff')),
    until_ms BIGINT NOT NULL,
    PRIMARY KEY (room_id, staff_id, conn)
);

-- Unsent text, sealed under the key of the room it is for, read by its author only. The owner is the author's
-- participant id, so the row does not say whose it is.
CREATE TABLE draft (
    owner TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('room')),
    place TEXT NOT NULL,
    key_version BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    ends_ms BIGINT NOT NULL,
    PRIMARY KEY (owner, kind, place)
);
CREATE INDEX draft_place ON draft (kind, place);

-- What reports are counted from. There is no person in it.
CREATE TABLE tally (
    day TEXT NOT NULL,
    event TEXT NOT NULL,
    kind TEXT NOT NULL,
    audience TEXT NOT NULL,
    rung TEXT NOT NULL,
    outcome TEXT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (day, event, kind, audience, rung, outcome)
);

-- Append-only, each row bound to the one before by its hash.
CREATE TABLE audit (
    n BIGINT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    node TEXT NOT NULL,
    actor TEXT NOT NULL,
    roles TEXT NOT NULL,
    act TEXT NOT NULL,
    object TEXT NOT NULL,
    reason TEXT NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL
);
-- The newest hash, in one row that every appender locks, so that there is one chain.
CREATE TABLE audit_head (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    n BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (one, n, hash) VALUES (1, 0, '');
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
