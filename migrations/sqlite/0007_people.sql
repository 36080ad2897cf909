-- Roles can have an end; from then on the role counts as none.
ALTER TABLE staff_role ADD COLUMN ends_ms INTEGER;

-- One-time addresses for people with powers: to make an account with these roles, or, with staff_id, to set a new second factor.
-- The address itself stands nowhere: a keyed hash of its token does. The id names the row and opens nothing.
CREATE TABLE staff_invite (
    id TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    staff_id TEXT REFERENCES staff (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    new_password INTEGER NOT NULL CHECK (new_password IN (0, 1)),
    made_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX staff_invite_staff ON staff_invite (staff_id);

CREATE TABLE staff_invite_role (
    invite_id TEXT NOT NULL REFERENCES staff_invite (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('peer_supporter', 'moderator', 'coordinator', 'manager')),
    audience TEXT NOT NULL CHECK (audience IN ('', 'tojisha', 'family')),
    specialist INTEGER NOT NULL CHECK (specialist IN (0, 1)),
    ends_ms INTEGER,
    PRIMARY KEY (invite_id, role, audience)
) STRICT;
