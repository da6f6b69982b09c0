-- +goose Up

-- For those who listen to events: which runs have ended lately.
CREATE INDEX run_ended_of_workspace ON run (workspace_id, ended_us) WHERE ended_us > 0;
