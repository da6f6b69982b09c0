-- +goose Up

-- One row per order of a shop. What people see is computed from parts; the
-- other columns are for finding and sorting.
CREATE TABLE shop_order (
	id           TEXT PRIMARY KEY,
	shop_id      TEXT NOT NULL,
	external_id  TEXT NOT NULL, -- the shop's id; "name:…" while only a file's order name is known
	name         TEXT NOT NULL,
	email        TEXT NOT NULL, -- normalised; empty: none
	status       TEXT NOT NULL, -- "cancelled", else the fulfilment status, else the financial one
	source       TEXT NOT NULL, -- empty: only facts so far, not shown to anybody
	gone         BOOLEAN NOT NULL, -- tombstone: deleted or erased
	created_us   BIGINT NOT NULL, -- when it was ordered
	parts        TEXT NOT NULL, -- JSON: newest snapshot, newest file row, facts
	rev          BIGINT NOT NULL, -- counts the changes of the row
	-- The id first: PostgreSQL, when it knows little of a young table, would
	-- rather read all of a shop than look up each of many ids.
	UNIQUE (external_id, shop_id)
);
-- Partial, so that only lists can use it: PostgreSQL must not take it for
-- looking up external ids.
CREATE INDEX shop_order_list ON shop_order (shop_id, created_us, id) WHERE source <> '';
CREATE INDEX shop_order_email ON shop_order (shop_id, email) WHERE email <> '';

-- Order names: what files know an order by. Inserted before the order, in the
-- same transaction.
CREATE TABLE order_alias (
	shop_id   TEXT NOT NULL,
	alias     TEXT NOT NULL,
	order_id  TEXT NOT NULL,
	ambiguous BOOLEAN NOT NULL, -- a second order of the shop has this name
	PRIMARY KEY (alias, shop_id)
);
