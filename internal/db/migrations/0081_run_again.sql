-- +goose Up

-- Until when the refresh that was asked for during an active run is to be
-- ready; 0: no deadline.
ALTER TABLE run ADD COLUMN again_deadline_us BIGINT NOT NULL DEFAULT 0;
