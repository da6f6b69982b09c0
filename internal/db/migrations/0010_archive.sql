-- +goose Up

-- A version of a piece: the rows of one (platform, customer, report, day), kept
-- in an immutable object. Exactly one version of a piece that was ever stored
-- is current. Snapshots of names have a report that begins with @, and day 0.
CREATE TABLE piece (
	id            TEXT PRIMARY KEY,
	platform      TEXT NOT NULL,
	customer_id   TEXT NOT NULL,
	report        TEXT NOT NULL,
	day           INTEGER NOT NULL, -- days since 1970-01-01, Korea
	current       BOOLEAN NOT NULL,
	object        TEXT NOT NULL,    -- name in the store; empty: no rows, or removed
	row_count     BIGINT NOT NULL,
	bytes         BIGINT NOT NULL,
	columns       TEXT NOT NULL,    -- "date:date,campaign_id:id,…"
	sums          TEXT NOT NULL,    -- JSON: sum of each numeric column
	meta          TEXT NOT NULL,    -- JSON of the source
	stored_us     BIGINT NOT NULL,
	superseded_us BIGINT NOT NULL   -- when it stopped being current; 0: it is
);
CREATE UNIQUE INDEX piece_current ON piece (platform, customer_id, report, day) WHERE current;
CREATE INDEX piece_superseded ON piece (superseded_us) WHERE superseded_us > 0;
CREATE INDEX piece_versions ON piece (platform, customer_id, report, day, superseded_us);
CREATE INDEX piece_object ON piece (object) WHERE object <> '';
