-- +goose Up

-- A mail to the customer of an order: asked once per order, kind and turn.
-- The row is the authority over what was sent; states as in docs/mail.md.
CREATE TABLE message (
	id          TEXT PRIMARY KEY,
	shop_id     TEXT NOT NULL,
	order_id    TEXT NOT NULL,
	kind        TEXT NOT NULL CHECK (kind IN ('review_request', 'reminder')),
	seq         INTEGER NOT NULL, -- 0: by itself; n: sent again by a person, or the n-th reminder
	state       TEXT NOT NULL CHECK (state IN ('scheduled', 'queued', 'sending', 'dot', 'sent', 'unknown', 'skipped', 'failed', 'cancelled')),
	reason      TEXT NOT NULL, -- code; empty: none
	reason_args TEXT NOT NULL, -- JSON array, of the reason's sentences
	asked       SMALLINT NOT NULL, -- 1: an import asked for it, age does not matter; 2: a person did, nor do delay, quiet hours and cool-down
	clock_us    BIGINT NOT NULL, -- when the order's clock started
	due_us      BIGINT NOT NULL,
	attempts    INTEGER NOT NULL,
	first_us    BIGINT NOT NULL, -- first attempt: Date of every one, and the start of giving up; 0: none yet
	attempt_id  TEXT NOT NULL, -- who is at it; empty: nobody
	lease_us    BIGINT NOT NULL, -- database clock
	addr_hash   TEXT NOT NULL, -- keyed; empty: no address
	addr_masked TEXT NOT NULL, -- "j***@example.com"
	order_name  TEXT NOT NULL,
	external_id TEXT NOT NULL,
	find        TEXT NOT NULL, -- the order's name as people type it: lower-case, without "#"
	sent_us     BIGINT NOT NULL, -- 0: not known to be sent
	reply       TEXT NOT NULL, -- the server's last words
	bounce      TEXT NOT NULL, -- '', 'soft', 'hard', 'complaint'
	created_us  BIGINT NOT NULL,
	updated_us  BIGINT NOT NULL,
	UNIQUE (shop_id, order_id, kind, seq)
);
CREATE INDEX message_due ON message (shop_id, due_us) WHERE state IN ('scheduled', 'queued');
CREATE INDEX message_asked ON message (shop_id, due_us) WHERE state IN ('scheduled', 'queued') AND asked = 2;
CREATE INDEX message_in_flight ON message (lease_us) WHERE state IN ('sending', 'dot');
CREATE INDEX message_of_shop ON message (shop_id, id);
CREATE INDEX message_by_state ON message (shop_id, state, id);
CREATE INDEX message_by_name ON message (shop_id, find, id);
CREATE INDEX message_by_external ON message (shop_id, external_id, id);
CREATE INDEX message_by_address ON message (addr_hash, shop_id, id);
CREATE INDEX message_outcome ON message (shop_id, updated_us) WHERE state = 'sent' OR bounce <> '';

-- What happened to a message. Rows are only ever added.
CREATE TABLE message_log (
	message_id TEXT NOT NULL,
	seq        INTEGER NOT NULL, -- from 1
	state      TEXT NOT NULL,
	reason     TEXT NOT NULL,
	args       TEXT NOT NULL, -- JSON array
	actor      TEXT NOT NULL, -- person's name; empty: the program
	detail     TEXT NOT NULL, -- a server's words, a person's why; addresses masked
	at_us      BIGINT NOT NULL,
	PRIMARY KEY (message_id, seq)
);

-- One person of a shop, by the keyed hash of the address. Claims lock the row,
-- so that two orders of one person cannot pass the cool-down together.
CREATE TABLE contact (
	shop_id   TEXT NOT NULL,
	addr_hash TEXT NOT NULL,
	asked_us  BIGINT NOT NULL, -- last request, also one that is under way; 0: never
	asked_by  TEXT NOT NULL, -- its message
	asked_for TEXT NOT NULL, -- its order
	before_us BIGINT NOT NULL, -- asked_us before that, in case it fails
	PRIMARY KEY (shop_id, addr_hash)
);

-- Addresses that get no mail. shop_id '' is every shop (complaints).
CREATE TABLE suppression (
	shop_id   TEXT NOT NULL,
	addr_hash TEXT NOT NULL,
	why       TEXT NOT NULL CHECK (why IN ('unsubscribed', 'bounced', 'complained', 'erased', 'manual', 'soft_bounces')),
	detail    TEXT NOT NULL,
	masked    TEXT NOT NULL,
	at_us     BIGINT NOT NULL,
	until_us  BIGINT NOT NULL, -- 0: for good
	PRIMARY KEY (shop_id, addr_hash)
);
CREATE INDEX suppression_age ON suppression (shop_id, at_us);

-- Which process sends for a sender's address, so that its rate is one.
CREATE TABLE mail_sender (
	sender   TEXT PRIMARY KEY,
	owner    TEXT NOT NULL,
	lease_us BIGINT NOT NULL -- database clock
);

-- When the next mail of an import is due, so that they are spread.
CREATE TABLE mail_spread (
	import_id TEXT PRIMARY KEY,
	next_us   BIGINT NOT NULL
);

-- Bounces and complaints that were taken, by the hash of their bytes.
CREATE TABLE mail_event (
	hash       TEXT PRIMARY KEY,
	message_id TEXT NOT NULL, -- empty: not one of ours
	kind       TEXT NOT NULL,
	status     TEXT NOT NULL,
	at_us      BIGINT NOT NULL
);

-- Something done to many messages at a rate.
CREATE TABLE message_bulk (
	id         TEXT PRIMARY KEY,
	shop_id    TEXT NOT NULL,
	action     TEXT NOT NULL CHECK (action IN ('send_now', 'cancel')),
	filter     TEXT NOT NULL, -- JSON
	per_minute INTEGER NOT NULL,
	state      TEXT NOT NULL CHECK (state IN ('running', 'stopped', 'done')),
	total      INTEGER NOT NULL, -- when it began
	done       INTEGER NOT NULL,
	refused    INTEGER NOT NULL,
	cursor     TEXT NOT NULL, -- last message seen
	actor      TEXT NOT NULL,
	next_us    BIGINT NOT NULL,
	created_us BIGINT NOT NULL,
	ended_us   BIGINT NOT NULL
);
CREATE INDEX message_bulk_running ON message_bulk (next_us) WHERE state = 'running';
CREATE INDEX message_bulk_of_shop ON message_bulk (shop_id, id);
