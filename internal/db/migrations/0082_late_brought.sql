-- +goose Up

-- When a piece was noted as lacking, and when a run that had begun after that
-- brought it; 0: it is lacking.
ALTER TABLE late_piece ADD COLUMN noted_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE late_piece ADD COLUMN brought_us BIGINT NOT NULL DEFAULT 0;
UPDATE late_piece SET brought_us = 1 WHERE EXISTS (SELECT 1 FROM refresh f JOIN run r ON r.id = f.run_id
	WHERE f.raw_data_id = late_piece.raw_data_id AND f.day = late_piece.day AND f.cause IN ('late', 'repair') AND r.state = 7);
