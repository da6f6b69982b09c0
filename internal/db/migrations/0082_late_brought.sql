-- +goose Up

-- When a piece was noted as lacking, and when a run that had begun after that
-- brought it; 0: it is lacking.
ALTER TABLE late_piece ADD COLUMN noted_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE late_piece ADD COLUMN brought_us BIGINT NOT NULL DEFAULT 0;
