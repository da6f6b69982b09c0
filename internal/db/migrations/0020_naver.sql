-- +goose Up

-- A piece on its way from Naver. At most one fetch of a piece exists, whoever
-- asks in whatever process; its row outlives a crash, so that the same job is
-- waited for again.
CREATE TABLE naver_fetch (
	customer_id TEXT NOT NULL,
	report      TEXT NOT NULL,
	day         INTEGER NOT NULL, -- days since 1970-01-01, Korea
	job_id      BIGINT NOT NULL,  -- 0: asked for, the answer was not seen
	jobs        SMALLINT NOT NULL, -- how many were made for it
	asked_us    BIGINT NOT NULL,  -- when the job was asked for
	run_id      TEXT NOT NULL,    -- who asked
	owner       TEXT NOT NULL,    -- the process that fetches it
	until_us    BIGINT NOT NULL,  -- its lease; later another may go on with it
	PRIMARY KEY (customer_id, report, day)
);

-- The report jobs that we made and that exist at Naver as far as we know. One
-- that is neither current nor waited for is to be deleted there.
CREATE TABLE naver_job (
	customer_id TEXT NOT NULL,
	job_id      BIGINT NOT NULL,
	report      TEXT NOT NULL,
	day         INTEGER NOT NULL,
	made_us     BIGINT NOT NULL,
	current     BOOLEAN NOT NULL, -- the current piece came from it
	PRIMARY KEY (customer_id, job_id)
);
CREATE UNIQUE INDEX naver_job_current ON naver_job (customer_id, report, day) WHERE current;

-- The lists of entities ("master reports") that we made and have not deleted.
-- Naver refuses more than 100 per customer.
CREATE TABLE naver_master (
	customer_id TEXT NOT NULL,
	master_id   TEXT NOT NULL,
	made_us     BIGINT NOT NULL,
	PRIMARY KEY (customer_id, master_id)
);

-- When a run that must fetch everything again first began, so that after a
-- crash it does not begin from the start.
CREATE TABLE naver_forced (
	run_id   TEXT PRIMARY KEY,
	began_us BIGINT NOT NULL
);

-- Lines of reports that could not be read as rows, newest fetch of each piece.
CREATE TABLE naver_odd_line (
	customer_id TEXT NOT NULL,
	report      TEXT NOT NULL,
	day         INTEGER NOT NULL,
	line        BIGINT NOT NULL,
	why         TEXT NOT NULL, -- columns, form, other_day, too_long
	content     TEXT NOT NULL, -- cut to 2,000 bytes
	PRIMARY KEY (customer_id, report, day, line)
);
