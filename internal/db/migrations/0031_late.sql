-- +goose Up

-- Pieces that a spreadsheet was filled without: a second refresh brings them,
-- of cause late, or repair where what the platform gave was doubtful. Rows go
-- when their day is old; whether the refresh was asked for is in refresh.
CREATE TABLE late_piece (
	raw_data_id  TEXT NOT NULL,
	day          INTEGER NOT NULL,
	report       TEXT NOT NULL,
	workspace_id TEXT NOT NULL,
	doubtful     BOOLEAN NOT NULL,
	again_us     BIGINT NOT NULL, -- when to ask again
	PRIMARY KEY (raw_data_id, day, report)
);

-- Pieces that the platform restated, until those who have older numbers were
-- refreshed. raw_data_id is for whom it was fetched anew.
CREATE TABLE restated_piece (
	customer_id TEXT NOT NULL,
	report      TEXT NOT NULL,
	day         INTEGER NOT NULL,
	raw_data_id TEXT NOT NULL,
	at_us       BIGINT NOT NULL,
	PRIMARY KEY (customer_id, report, day)
);
