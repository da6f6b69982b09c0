-- +goose Up

-- How long Naver takes to build a report or a list of entities, as learned
-- from looks, so that a restart does not look too early again.
CREATE TABLE naver_build (
	kind    TEXT NOT NULL CHECK (kind IN ('report', 'list')),
	name    TEXT NOT NULL, -- report type, or item of the list
	wait_us BIGINT NOT NULL,
	PRIMARY KEY (kind, name)
);

-- How many requests an API key was spared, by why (kept, shared, lists, polls,
-- idle), since it was first counted.
CREATE TABLE naver_spared (
	api_key_id TEXT NOT NULL,
	why        TEXT NOT NULL,
	requests   BIGINT NOT NULL,
	since_us   BIGINT NOT NULL,
	PRIMARY KEY (api_key_id, why)
);

-- When the rows of a version were found to contradict the platform's own
-- statistics: it is fetched again at the next reading. 0: never.
ALTER TABLE piece ADD COLUMN doubted_us BIGINT NOT NULL DEFAULT 0;
