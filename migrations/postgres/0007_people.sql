-- The twin of migrations/sqlite/0007.
ALTER TABLE staff_role ADD COLUMN ends_ms BIGINT;

CREATE TABLE staff_invite (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    hash TEXT COLLATE "C" NOT NULL UNIQUE,
    staff_id TEXT COLLATE "C" REFERENCES staff (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    new_password BOOLEAN NOT NULL,
    made_ms BIGINT NOT NULL,
    ends_ms BIGINT NOT NULL
);
CREATE INDEX staff_invite_staff ON staff_invite (staff_id);

CREATE TABLE staff_invite_role (
    invite_id TEXT COLLATE "C" NOT NULL REFERENCES staff_invite (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('peer_supporter', 'moderator', 'coordinator', 'manager')),
    audience TEXT NOT NULL CHECK (audience IN ('', 'tojisha', 'family')),
    specialist BOOLEAN NOT NULL,
    ends_ms BIGINT,
    PRIMARY KEY (invite_id, role, audience)
);
