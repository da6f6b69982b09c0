-- +goose Up

-- One ad account. Every transaction that admits, starts or ends a run of the
-- lane updates this row first and so holds its lock; ticket gives the order.
CREATE TABLE lane (
	id     TEXT PRIMARY KEY,
	ticket BIGINT NOT NULL
);

CREATE TABLE run (
	id           TEXT PRIMARY KEY,
	raw_data_id  TEXT NOT NULL REFERENCES raw_data (id),
	workspace_id TEXT NOT NULL,
	lane_id      TEXT NOT NULL REFERENCES lane (id),
	kind         TEXT NOT NULL CHECK (kind IN ('create', 'update')),
	cause        TEXT NOT NULL,     -- manual, scheduled, late, repair
	class        SMALLINT NOT NULL, -- 0 interactive, 1 bulk, 2 backfill
	gate_class   SMALLINT NOT NULL, -- at the gate: somebody behind it may lend it theirs
	force        BOOLEAN NOT NULL,
	ticket       BIGINT NOT NULL,
	state        SMALLINT NOT NULL CHECK (state BETWEEN 0 AND 7),
	reason       TEXT NOT NULL,     -- code; empty for none
	reason_args  TEXT NOT NULL,     -- JSON array
	subject      TEXT NOT NULL,     -- what the reason is about: an api key's id
	parked       BOOLEAN NOT NULL,  -- waits for something other than its lane
	wake_us      BIGINT NOT NULL,   -- when to look again; 0: somebody wakes it
	epoch        BIGINT NOT NULL,
	lease_owner  TEXT NOT NULL,
	lease_until_us BIGINT NOT NULL, -- 0: nobody holds it
	promoted_us  BIGINT NOT NULL,   -- when its job was last sent
	cancel_requested BOOLEAN NOT NULL,
	again_class  SMALLINT NOT NULL, -- a refresh asked for while active; -1: none
	again_force  BOOLEAN NOT NULL,
	again_cause  TEXT NOT NULL,
	deadline_us  BIGINT NOT NULL,   -- when it should be ready; 0: nobody said
	definition   TEXT NOT NULL,     -- frozen when it enters 3
	attempt      INTEGER NOT NULL,  -- faults in a row
	fault_us     BIGINT NOT NULL,   -- when that row began
	done         BIGINT NOT NULL,
	total        BIGINT NOT NULL,
	file         TEXT NOT NULL,     -- JSON of the finished file
	created_us   BIGINT NOT NULL,
	started_us   BIGINT NOT NULL,
	ended_us     BIGINT NOT NULL
);
CREATE UNIQUE INDEX run_active_in_lane ON run (lane_id) WHERE state IN (3, 4, 5, 6);
CREATE UNIQUE INDEX run_open_of_raw_data ON run (raw_data_id) WHERE state IN (1, 2, 3, 4, 5, 6);
CREATE INDEX run_in_line ON run (lane_id, class, ticket) WHERE state IN (1, 2);
CREATE INDEX run_open_of_workspace ON run (workspace_id) WHERE state IN (1, 2, 3, 4, 5, 6);
CREATE INDEX run_leased ON run (lease_until_us) WHERE state IN (3, 4, 5, 6);
CREATE INDEX run_to_wake ON run (wake_us) WHERE state IN (1, 2, 3, 4, 5, 6) AND wake_us > 0;
CREATE INDEX run_of_raw_data ON run (raw_data_id, id);

-- Never edited. seq counts per raw data from 1.
CREATE TABLE run_log (
	raw_data_id TEXT NOT NULL,
	seq         BIGINT NOT NULL,
	run_id      TEXT NOT NULL,
	state       SMALLINT NOT NULL,
	reason      TEXT NOT NULL,
	reason_args TEXT NOT NULL,
	at_us       BIGINT NOT NULL,
	PRIMARY KEY (raw_data_id, seq)
);

-- The newest log row of each raw data, written with it, and its current file.
CREATE TABLE raw_data_state (
	raw_data_id  TEXT PRIMARY KEY REFERENCES raw_data (id),
	seq          BIGINT NOT NULL,
	run_id       TEXT NOT NULL,
	state        SMALLINT NOT NULL,
	reason       TEXT NOT NULL,
	reason_args  TEXT NOT NULL,
	at_us        BIGINT NOT NULL,
	file         TEXT NOT NULL,      -- JSON; empty before the first success
	file_run_id  TEXT NOT NULL,
	data_through INTEGER NOT NULL,   -- days since 1970-01-01; 0: none
	filled_us    BIGINT NOT NULL
);
