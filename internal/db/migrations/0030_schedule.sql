-- +goose Up

-- Each automatic refresh, once. day is the data day (days since 1970-01-01,
-- Korea) that it brings: for scheduled and late ones yesterday, for a repair
-- the day that the platform restated. run_id is empty when the morning was
-- skipped on purpose; skipped says why.
CREATE TABLE refresh (
	raw_data_id  TEXT NOT NULL,
	day          INTEGER NOT NULL,
	cause        TEXT NOT NULL CHECK (cause IN ('scheduled', 'late', 'repair')),
	workspace_id TEXT NOT NULL,
	run_id       TEXT NOT NULL,
	skipped      TEXT NOT NULL, -- paused, holiday, idle; empty: not skipped
	due_us       BIGINT NOT NULL,
	asked_us     BIGINT NOT NULL,
	PRIMARY KEY (raw_data_id, day, cause)
);
CREATE INDEX refresh_of_workspace ON refresh (workspace_id, day);

-- Since when a raw data has had a schedule: a morning before that is nothing
-- to catch up.
CREATE TABLE schedule_since (
	raw_data_id TEXT PRIMARY KEY,
	since_us    BIGINT NOT NULL
);

-- How a workspace wants its mornings.
CREATE TABLE schedule_setting (
	workspace_id   TEXT PRIMARY KEY,
	daily_at       TEXT NOT NULL,     -- default of new schedules: "07:30"
	skip_weekends  BOOLEAN NOT NULL,
	idle_days      INTEGER NOT NULL,  -- not opened for so long: refresh on demand; 0: off
	slack_url      TEXT NOT NULL,     -- sealed; empty: none
	webhook_url    TEXT NOT NULL,     -- sealed; empty: none
	webhook_secret TEXT NOT NULL,     -- sealed
	digest_mail    BOOLEAN NOT NULL
);

-- Days on which a workspace wants no refresh, in its own zone.
CREATE TABLE holiday (
	workspace_id TEXT NOT NULL,
	day          INTEGER NOT NULL,
	name         TEXT NOT NULL,
	PRIMARY KEY (workspace_id, day)
);

-- One digest and one evening forecast per workspace and day.
CREATE TABLE digest (
	workspace_id TEXT NOT NULL,
	day          INTEGER NOT NULL, -- the morning, Korea
	kind         TEXT NOT NULL,    -- morning, evening
	sent_us      BIGINT NOT NULL,  -- 0: claimed, not sent yet
	body         TEXT NOT NULL,    -- JSON of what it said
	PRIMARY KEY (workspace_id, day, kind)
);
