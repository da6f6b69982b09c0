-- +goose Up

-- Webhooks as they came; kept 30 days.
CREATE TABLE inbox (
	id           TEXT PRIMARY KEY,
	shop_id      TEXT NOT NULL,
	topic        TEXT NOT NULL,
	-- The same snapshot twice can do nothing new: hash of topic, firing time
	-- and body. The id itself where every delivery counts.
	dedupe       TEXT NOT NULL,
	event_id     TEXT NOT NULL, -- for information: headers are not signed
	webhook_id   TEXT NOT NULL,
	triggered    TEXT NOT NULL, -- as sent
	body         TEXT NOT NULL,
	packed       BOOLEAN NOT NULL, -- body is base64, because it is no valid text
	received_us  BIGINT NOT NULL,
	due_us       BIGINT NOT NULL, -- a sweep takes it from then on
	attempts     INTEGER NOT NULL,
	applied_us   BIGINT NOT NULL, -- 0: not yet
	problem      TEXT NOT NULL,   -- why it cannot be applied: kept aside; empty otherwise
	UNIQUE (shop_id, dedupe)
);
CREATE INDEX inbox_due ON inbox (due_us) WHERE applied_us = 0 AND problem = '';
CREATE INDEX inbox_kept ON inbox (shop_id, id) WHERE problem <> '';
CREATE INDEX inbox_age ON inbox (received_us);

-- What privacy law asks of the merchant or of us; kept without an address once
-- it is done.
CREATE TABLE privacy_request (
	id          TEXT PRIMARY KEY,
	shop_id     TEXT NOT NULL,
	kind        TEXT NOT NULL CHECK (kind IN ('data_request', 'redact_customer', 'redact_shop')),
	email       TEXT NOT NULL, -- empty once it is done
	customer_id TEXT NOT NULL,
	orders      TEXT NOT NULL, -- JSON array of external ids
	received_us BIGINT NOT NULL,
	done_us     BIGINT NOT NULL -- 0: open
);
CREATE INDEX privacy_request_of_shop ON privacy_request (shop_id, id);
