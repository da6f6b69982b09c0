-- +goose Up

-- Files of orders on their way in. The file itself stands in the data folder
-- under the import's id, for 30 days.
CREATE TABLE order_import (
	id           TEXT PRIMARY KEY,
	shop_id      TEXT NOT NULL,
	file_name    TEXT NOT NULL,
	bytes        BIGINT NOT NULL,
	sha256       TEXT NOT NULL,
	format       TEXT NOT NULL, -- JSON
	mapping      TEXT NOT NULL, -- JSON; what a person said about the columns; empty: nothing
	columns      TEXT NOT NULL, -- JSON array: the header
	password     TEXT NOT NULL, -- sealed, until the import has ended
	state        TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
	dry_run      BOOLEAN NOT NULL,
	mail         BOOLEAN NOT NULL,
	rate         DOUBLE PRECISION NOT NULL,
	by_person    TEXT NOT NULL,
	rows_done    BIGINT NOT NULL,
	rows_total   BIGINT NOT NULL, -- 0: not counted yet
	orders_done  BIGINT NOT NULL, -- where a process that takes over goes on
	errors_bytes BIGINT NOT NULL,
	report       TEXT NOT NULL, -- JSON, without its errors
	errors       TEXT NOT NULL, -- JSON array: the report's
	failure      TEXT NOT NULL, -- key of a message; empty: none
	attempt      BIGINT NOT NULL, -- epoch of the worker
	lease_us     BIGINT NOT NULL,
	created_us   BIGINT NOT NULL,
	ended_us     BIGINT NOT NULL
);
CREATE INDEX order_import_of_shop ON order_import (shop_id, id);
CREATE INDEX order_import_open ON order_import (id) WHERE state IN ('waiting', 'running');
CREATE INDEX order_import_age ON order_import (created_us);
