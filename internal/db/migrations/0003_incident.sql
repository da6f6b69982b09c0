-- +goose Up

-- Something that needs a person, however often it was met.
CREATE TABLE incident (
	id           TEXT PRIMARY KEY,
	workspace_id TEXT NOT NULL REFERENCES workspace (id),
	kind         TEXT NOT NULL, -- "key_invalid"
	subject      TEXT NOT NULL, -- what it is about: an api key's id
	reason       TEXT NOT NULL, -- short name of the cause; may be empty
	args         TEXT NOT NULL, -- JSON array, of the kind's sentences
	link         TEXT NOT NULL, -- page where it is repaired: "/api-keys/ID"; may be empty
	count        BIGINT NOT NULL,
	opened_us    BIGINT NOT NULL,
	last_us      BIGINT NOT NULL,
	resolved_us  BIGINT NOT NULL, -- 0: open
	notified_us  BIGINT NOT NULL  -- 0: nobody was told yet
);
CREATE UNIQUE INDEX incident_open ON incident (workspace_id, kind, subject) WHERE resolved_us = 0;
CREATE INDEX incident_of_workspace ON incident (workspace_id, id);
