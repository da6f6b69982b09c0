-- +goose Up

-- How a shop asks, beside what the shop itself says.
CREATE TABLE review_setting (
	shop_id           TEXT PRIMARY KEY,
	reminder_delay_us BIGINT NOT NULL, -- after the request; 0: no reminder
	reminders         INTEGER NOT NULL,
	link_days         INTEGER NOT NULL, -- how long a review link lives
	hold              BOOLEAN NOT NULL, -- reviews wait for the shop's word
	may_edit          BOOLEAN NOT NULL, -- customers may change what they wrote
	incentivised      BOOLEAN NOT NULL, -- reviews are rewarded: said beside them
	sender_block      TEXT NOT NULL, -- name, address, phone: what advertising mail has to say
	opt_out_tag       TEXT NOT NULL, -- orders with this tag are not asked about
	stopped_us        BIGINT NOT NULL, -- nothing goes out; 0: it does
	stopped_why       TEXT NOT NULL, -- 'bounces', 'complaints', 'person', 'refused'
	watched_us        BIGINT NOT NULL, -- the breaker counts what was sent later
	updated_us        BIGINT NOT NULL
);

-- The words of a mail, per shop, language and kind. Without a row: ours.
CREATE TABLE mail_template (
	shop_id    TEXT NOT NULL,
	lang       TEXT NOT NULL,
	kind       TEXT NOT NULL,
	mode       TEXT NOT NULL CHECK (mode IN ('informational', 'ad')),
	subject    TEXT NOT NULL,
	body       TEXT NOT NULL,
	button     TEXT NOT NULL,
	updated_us BIGINT NOT NULL,
	PRIMARY KEY (shop_id, lang, kind)
);

-- The form of an order: what is typed so far, and when it was sent.
CREATE TABLE review_form (
	shop_id      TEXT NOT NULL,
	order_id     TEXT NOT NULL,
	draft        TEXT NOT NULL, -- JSON; empty once submitted
	draft_us     BIGINT NOT NULL,
	submitted_us BIGINT NOT NULL, -- 0: not yet
	message_id   TEXT NOT NULL, -- by whose link
	PRIMARY KEY (shop_id, order_id)
);

CREATE TABLE review (
	id           TEXT PRIMARY KEY,
	shop_id      TEXT NOT NULL,
	order_id     TEXT NOT NULL,
	line         TEXT NOT NULL, -- which line of the order
	product_id   TEXT NOT NULL,
	product      TEXT NOT NULL,
	order_name   TEXT NOT NULL,
	stars        SMALLINT NOT NULL CHECK (stars BETWEEN 1 AND 5),
	body         TEXT NOT NULL,
	author       TEXT NOT NULL, -- as shown: "김*민"
	lang         TEXT NOT NULL,
	state        TEXT NOT NULL CHECK (state IN ('pending', 'published', 'hidden')),
	reply        TEXT NOT NULL, -- the shop's answer
	incentivised BOOLEAN NOT NULL,
	created_us   BIGINT NOT NULL,
	updated_us   BIGINT NOT NULL,
	UNIQUE (shop_id, order_id, line)
);
CREATE INDEX review_of_shop ON review (shop_id, id);
CREATE INDEX review_by_state ON review (shop_id, state, id);
CREATE INDEX review_of_product ON review (shop_id, product_id, state, id);

-- Pictures, re-encoded; the bytes are files.
CREATE TABLE review_photo (
	id         TEXT PRIMARY KEY,
	shop_id    TEXT NOT NULL,
	order_id   TEXT NOT NULL,
	line       TEXT NOT NULL,
	width      INTEGER NOT NULL,
	height     INTEGER NOT NULL,
	bytes      BIGINT NOT NULL,
	created_us BIGINT NOT NULL
);
CREATE INDEX review_photo_of_order ON review_photo (shop_id, order_id, line, id);

-- What was done to a review, by whom and why. Rows are only ever added.
CREATE TABLE review_log (
	review_id TEXT NOT NULL,
	seq       INTEGER NOT NULL,
	state     TEXT NOT NULL,
	actor     TEXT NOT NULL,
	why       TEXT NOT NULL,
	at_us     BIGINT NOT NULL,
	PRIMARY KEY (review_id, seq)
);
