-- +goose Up
CREATE TABLE raw_data (
	id            TEXT PRIMARY KEY,
	workspace_id  TEXT NOT NULL REFERENCES workspace (id),
	ad_account_id TEXT NOT NULL,
	name          TEXT NOT NULL,
	reports       TEXT NOT NULL, -- JSON: ["AD"]
	period        TEXT NOT NULL, -- JSON: {"from","to"} or {"last_days"}
	destination   TEXT NOT NULL, -- JSON: {"type":"xlsx"}
	schedule      TEXT NOT NULL, -- JSON or empty: {"daily_at","mode","zone"}
	paused        BOOLEAN NOT NULL,
	paused_until_us BIGINT NOT NULL, -- 0: until somebody resumes it
	created_by    TEXT NOT NULL,
	created_us    BIGINT NOT NULL,
	updated_us    BIGINT NOT NULL,
	opened_us     BIGINT NOT NULL, -- when somebody last looked at it
	deleted_us    BIGINT NOT NULL
);
CREATE INDEX raw_data_of_workspace ON raw_data (workspace_id, id) WHERE deleted_us = 0;
CREATE INDEX raw_data_of_account ON raw_data (ad_account_id) WHERE deleted_us = 0;
