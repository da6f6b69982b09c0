-- +goose Up

-- What the gate has learned, kept over restarts and handed from owner to owner.
CREATE TABLE quota_rate (
	kind   TEXT NOT NULL,             -- of the scope: "ip", "licence", …
	id     TEXT NOT NULL,             -- which one; "*": what a kind learned together
	per_s  DOUBLE PRECISION NOT NULL, -- learned calls per second
	ref    DOUBLE PRECISION NOT NULL, -- highest rate that once held; 0: none
	budget DOUBLE PRECISION NOT NULL, -- share of refusals in use
	at_us  BIGINT NOT NULL,
	PRIMARY KEY (kind, id)
);

-- The processes that work, each alive until until_us by the database's clock.
CREATE TABLE quota_process (
	process  TEXT PRIMARY KEY,
	address  TEXT NOT NULL, -- processes with the same one call from the same address
	until_us BIGINT NOT NULL
);

-- Who may send on a scope. An owner whose until_us has passed has none of it.
CREATE TABLE quota_owner (
	kind     TEXT NOT NULL,
	id       TEXT NOT NULL,
	owner    TEXT NOT NULL,   -- a process
	epoch    BIGINT NOT NULL, -- grows with each change of owner
	until_us BIGINT NOT NULL,
	used_us  BIGINT NOT NULL, -- when it was last needed
	PRIMARY KEY (kind, id)
);
CREATE INDEX quota_owner_owner ON quota_owner (owner);

-- Which licences reach a scope inside them, to find those that cross owners.
CREATE TABLE quota_reach (
	kind    TEXT NOT NULL,
	id      TEXT NOT NULL, -- the customer
	licence TEXT NOT NULL,
	at_us   BIGINT NOT NULL,
	PRIMARY KEY (kind, id, licence)
);

-- Slots of scopes that cross owners: each process reserves a few in advance.
CREATE TABLE quota_slot (
	kind     TEXT NOT NULL,
	id       TEXT NOT NULL,
	next_us  BIGINT NOT NULL,           -- the first slot that nobody has
	per_s    DOUBLE PRECISION NOT NULL, -- rate that all share
	quiet_us BIGINT NOT NULL,           -- the last refusal; 0: none yet
	grown_us BIGINT NOT NULL,           -- when the rate last grew
	PRIMARY KEY (kind, id)
);

-- How a licence stands, as its owner last told, for pages of other processes.
CREATE TABLE quota_usage (
	licence TEXT PRIMARY KEY,
	doc     TEXT NOT NULL, -- JSON of quota.Usage
	at_us   BIGINT NOT NULL
);
