-- +goose Up

-- A shop whose orders arrive here.
CREATE TABLE shop (
	id               TEXT PRIMARY KEY,
	workspace_id     TEXT NOT NULL REFERENCES workspace (id),
	name             TEXT NOT NULL,
	domain           TEXT NOT NULL, -- lower-case host; may be empty
	zone             TEXT NOT NULL, -- IANA name
	lang             TEXT NOT NULL,
	secrets          TEXT NOT NULL, -- sealed JSON array of webhook secrets, newest first
	secret_count     INTEGER NOT NULL,
	admin_token      TEXT NOT NULL, -- sealed; empty: none
	review_delay_us  BIGINT NOT NULL,
	cooldown_us      BIGINT NOT NULL, -- 0: off
	quiet_from       SMALLINT NOT NULL, -- minute of the day; -1: no quiet hours
	quiet_to         SMALLINT NOT NULL,
	max_order_age_us BIGINT NOT NULL,
	mail_rate        DOUBLE PRECISION NOT NULL, -- per second
	mail_retry_us    BIGINT NOT NULL,
	mail_from        TEXT NOT NULL,
	connected_us     BIGINT NOT NULL,
	installed_us     BIGINT NOT NULL,
	uninstalled_us   BIGINT NOT NULL, -- 0: installed
	reconciled_us    BIGINT NOT NULL, -- orders changed up to then are known; 0: never asked
	reconcile_due_us BIGINT NOT NULL, -- when a process may ask next
	reconcile_problem TEXT NOT NULL, -- why the last try failed; empty: it did not
	subscribed_us    BIGINT NOT NULL, -- when the subscriptions were looked at last
	last_hook_us     BIGINT NOT NULL, -- last webhook taken; 0: none yet
	created_us       BIGINT NOT NULL,
	updated_us       BIGINT NOT NULL
);
CREATE INDEX shop_of_workspace ON shop (workspace_id, id);

-- Access codes, hashed. until_us 0: the current one; above: an old one, whose
-- hook address still lives until then; -1: one that only works in the address
-- of subscriptions that imreport made itself.
CREATE TABLE shop_code (
	hash       TEXT PRIMARY KEY,
	shop_id    TEXT NOT NULL REFERENCES shop (id),
	created_us BIGINT NOT NULL,
	until_us   BIGINT NOT NULL
);
CREATE UNIQUE INDEX shop_code_current ON shop_code (shop_id) WHERE until_us = 0;
