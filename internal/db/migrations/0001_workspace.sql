-- +goose Up
CREATE TABLE workspace (
	id         TEXT PRIMARY KEY,
	name       TEXT NOT NULL,
	zone       TEXT NOT NULL,
	lang       TEXT NOT NULL,
	created_us BIGINT NOT NULL
);

-- One row per human, however many workspaces. The first owner begins without
-- an address and sets one when they like.
CREATE TABLE person (
	id             TEXT PRIMARY KEY,
	email          TEXT NOT NULL, -- lower case; empty: none yet
	name           TEXT NOT NULL,
	password_hash  TEXT NOT NULL, -- argon2id, PHC text; empty: none yet
	lang           TEXT NOT NULL,
	instance_owner BOOLEAN NOT NULL,
	created_us     BIGINT NOT NULL
);
CREATE UNIQUE INDEX person_email ON person (email) WHERE email <> '';

CREATE TABLE member (
	workspace_id TEXT NOT NULL REFERENCES workspace (id),
	person_id    TEXT NOT NULL REFERENCES person (id),
	role         TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'viewer', 'client')),
	created_us   BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, person_id)
);
CREATE INDEX member_person ON member (person_id);

CREATE TABLE api_token (
	id           TEXT PRIMARY KEY,
	workspace_id TEXT NOT NULL REFERENCES workspace (id),
	person_id    TEXT NOT NULL REFERENCES person (id),
	name         TEXT NOT NULL,
	hash         TEXT NOT NULL UNIQUE,
	role         TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'viewer', 'client')),
	instance     BOOLEAN NOT NULL, -- carries its person's rights over the whole instance
	bootstrap    BOOLEAN NOT NULL, -- from IMREPORT_ADMIN_TOKEN
	created_us   BIGINT NOT NULL,
	used_us      BIGINT NOT NULL,
	revoked_us   BIGINT NOT NULL
);
CREATE INDEX api_token_of_workspace ON api_token (workspace_id, id);

CREATE TABLE session (
	hash         TEXT PRIMARY KEY,
	person_id    TEXT NOT NULL REFERENCES person (id),
	workspace_id TEXT NOT NULL REFERENCES workspace (id), -- the one that is looked at
	created_us   BIGINT NOT NULL,
	used_us      BIGINT NOT NULL,
	expires_us   BIGINT NOT NULL
);
CREATE INDEX session_of_person ON session (person_id);

-- A link that signs a person in, or lets them set a password, once.
CREATE TABLE sign_in_link (
	hash         TEXT PRIMARY KEY,
	person_id    TEXT NOT NULL REFERENCES person (id),
	workspace_id TEXT NOT NULL REFERENCES workspace (id),
	purpose      TEXT NOT NULL CHECK (purpose IN ('sign_in', 'password')),
	created_us   BIGINT NOT NULL,
	expires_us   BIGINT NOT NULL,
	used_us      BIGINT NOT NULL
);
CREATE INDEX sign_in_link_of_person ON sign_in_link (person_id);

-- A person comes into being when they accept, not when they are invited.
CREATE TABLE invitation (
	id           TEXT PRIMARY KEY,
	workspace_id TEXT NOT NULL REFERENCES workspace (id),
	email        TEXT NOT NULL,
	role         TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'viewer', 'client')),
	hash         TEXT NOT NULL UNIQUE,
	invited_by   TEXT NOT NULL REFERENCES person (id),
	created_us   BIGINT NOT NULL,
	expires_us   BIGINT NOT NULL,
	used_us      BIGINT NOT NULL
);
CREATE UNIQUE INDEX invitation_open ON invitation (workspace_id, email) WHERE used_us = 0;

-- Failed sign-ins by address and by who tried (both hashed).
CREATE TABLE sign_in_attempt (
	key      TEXT PRIMARY KEY,
	failures INTEGER NOT NULL,
	last_us  BIGINT NOT NULL,
	until_us BIGINT NOT NULL -- no further try before
);

-- Who did what. Rows are only ever added.
CREATE TABLE audit (
	id           TEXT PRIMARY KEY,
	workspace_id TEXT NOT NULL,
	person_id    TEXT NOT NULL,
	via          TEXT NOT NULL,
	action       TEXT NOT NULL,
	subject      TEXT NOT NULL,
	detail       TEXT NOT NULL,
	at_us        BIGINT NOT NULL
);
CREATE INDEX audit_of_workspace ON audit (workspace_id, id);

-- Answers of POSTs by Idempotency-Key, kept 24 h. status 0 = still running.
CREATE TABLE idempotency (
	workspace_id TEXT NOT NULL,
	key          TEXT NOT NULL,
	request_hash TEXT NOT NULL,
	attempt      TEXT NOT NULL, -- who is running it
	status       INTEGER NOT NULL,
	headers      TEXT NOT NULL, -- JSON object
	body         TEXT NOT NULL, -- base64
	created_us   BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, key)
);
CREATE INDEX idempotency_age ON idempotency (created_us);

-- Single values of the whole instance: name, value.
CREATE TABLE setting (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
);
