-- +goose Up

-- A platform credential of one workspace. Pace belongs to the licence, which
-- several rows (of one or many workspaces) may share; validity to the row.
CREATE TABLE api_key (
	id             TEXT PRIMARY KEY,
	workspace_id   TEXT NOT NULL REFERENCES workspace (id),
	platform       TEXT NOT NULL,
	name           TEXT NOT NULL,
	license        TEXT NOT NULL,
	secrets        TEXT NOT NULL, -- sealed JSON array, newest first
	secret_count   INTEGER NOT NULL,
	owner_customer TEXT NOT NULL, -- customer id of the key's owner; may be empty
	revision       BIGINT NOT NULL, -- counts changes of licence and secrets
	state          TEXT NOT NULL CHECK (state IN ('valid', 'invalid')),
	reason         TEXT NOT NULL, -- why it is invalid; empty when valid
	invalid_us     BIGINT NOT NULL,
	proved_us      BIGINT NOT NULL, -- when a request with it last went through; 0: never
	head_room      SMALLINT NOT NULL CHECK (head_room BETWEEN 0 AND 90), -- percent left to others
	created_us     BIGINT NOT NULL,
	updated_us     BIGINT NOT NULL
);
CREATE INDEX api_key_of_workspace ON api_key (workspace_id, id);
CREATE INDEX api_key_license ON api_key (platform, license);

CREATE TABLE ad_account (
	id           TEXT PRIMARY KEY,
	workspace_id TEXT NOT NULL REFERENCES workspace (id),
	api_key_id   TEXT NOT NULL REFERENCES api_key (id),
	platform     TEXT NOT NULL,
	customer_id  TEXT NOT NULL, -- digits
	name         TEXT NOT NULL,
	named        BOOLEAN NOT NULL, -- by a person: discovery leaves the name alone
	role         TEXT NOT NULL,    -- what the platform says the key may do; may be empty
	proved_us    BIGINT NOT NULL,  -- when the key last reached the customer; 0: never
	created_us   BIGINT NOT NULL,
	updated_us   BIGINT NOT NULL
);
CREATE UNIQUE INDEX ad_account_customer ON ad_account (workspace_id, platform, customer_id);
CREATE INDEX ad_account_of_key ON ad_account (api_key_id);
