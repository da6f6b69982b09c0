package review

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
)

// Message is a mail to the customer of an order.
type Message struct {
	ID         string
	ShopID     string
	OrderID    string
	ExternalID string // the order's, in the shop
	OrderName  string
	Kind       Kind
	Seq        int
	State      State
	Reason     Reason
	Args       []string // of the reason's sentences
	Asked      int      // 1: by an import, 2: by a person
	ClockAt    time.Time
	DueAt      time.Time
	Attempts   int
	FirstAt    time.Time // of the first attempt; zero: none yet
	SentAt     time.Time
	Address    string // masked
	Bounce     string // "", "soft", "hard", "complaint"
	CreatedAt  time.Time
	UpdatedAt  time.Time

	addrHash  string
	attemptID string
}

// Text says the reason in words; empty without one.
func (m Message) Text(l i18n.Lang) string { return m.Reason.Text(l, m.Args) }

// Action says what would make the message go; empty where nothing would.
func (m Message) Action(l i18n.Lang) string { return m.Reason.Action(l, m.Args) }

// Text says r in words.
func (r Reason) Text(l i18n.Lang, args []string) string { return r.say(l, "", args) }

// Action says what would make a message with reason r go.
func (r Reason) Action(l i18n.Lang, args []string) string { return r.say(l, ".action", args) }

func (r Reason) say(l i18n.Lang, part string, args []string) string {
	key := "review.reason." + string(r) + part
	if r == "" || !i18n.Has(key) {
		return ""
	}
	all := make([]any, len(args))
	for i, a := range args {
		all[i] = a
		if r == Suppressed {
			all[i] = i18n.Ref("review.suppressed." + a)
		}
	}
	return i18n.T(l, key, all...)
}

// LogRow is one line of a message's log.
type LogRow struct {
	Seq    int
	State  State
	Reason Reason
	Args   []string
	Actor  string // a person's name; empty: the program
	Detail string
	At     time.Time
}

const messageColumns = `id, shop_id, order_id, external_id, order_name, kind, seq, state, reason, reason_args, asked, clock_us, due_us,
	attempts, first_us, sent_us, addr_masked, bounce, created_us, updated_us, addr_hash, attempt_id`

func scanMessage(r db.Scanner) (m Message, err error) {
	var args string
	var clock, due, first, sent, created, updated int64
	err = r.Scan(&m.ID, &m.ShopID, &m.OrderID, &m.ExternalID, &m.OrderName, &m.Kind, &m.Seq, &m.State, &m.Reason, &args, &m.Asked, &clock, &due,
		&m.Attempts, &first, &sent, &m.Address, &m.Bounce, &created, &updated, &m.addrHash, &m.attemptID)
	if err != nil {
		return m, err
	}
	m.ClockAt, m.DueAt, m.FirstAt, m.SentAt = db.Time(clock), db.Time(due), db.Time(first), db.Time(sent)
	m.CreatedAt, m.UpdatedAt = db.Time(created), db.Time(updated)
	return m, json.Unmarshal([]byte(args), &m.Args)
}

// Get is a message of a shop; review.message_not_found when there is none.
func (s *Service) Get(ctx context.Context, shopID, id string) (Message, error) {
	m, err := getMessage(ctx, s.d, shopID, id)
	if err != nil {
		return m, err
	}
	one := []Message{m}
	err = s.held(ctx, shopID, one)
	return one[0], err
}

func getMessage(ctx context.Context, q db.Queryer, shopID, id string) (Message, error) {
	m, err := scanMessage(q.QueryRow(ctx, `SELECT `+messageColumns+` FROM message WHERE id = $1 AND shop_id = $2`, id, shopID))
	if errors.Is(err, sql.ErrNoRows) {
		return m, errs.E(errs.NotFound, "review.message_not_found", nil)
	}
	if err != nil {
		return m, fmt.Errorf("message %s: %w", id, err)
	}
	return m, nil
}

// Log is what happened to a message, oldest first, after seq after.
func (s *Service) Log(ctx context.Context, shopID, id string, after, limit int) ([]LogRow, error) {
	if _, err := s.Get(ctx, shopID, id); err != nil {
		return nil, err
	}
	all, err := db.All(ctx, s.d, func(r db.Scanner) (w LogRow, err error) {
		var at int64
		var args string
		if err = r.Scan(&w.Seq, &w.State, &w.Reason, &args, &w.Actor, &w.Detail, &at); err != nil {
			return w, err
		}
		w.At = db.Time(at)
		return w, json.Unmarshal([]byte(args), &w.Args)
	}, `SELECT seq, state, reason, args, actor, detail, at_us FROM message_log
		WHERE message_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`, id, after, limit)
	if err != nil {
		return nil, fmt.Errorf("log of message %s: %w", id, err)
	}
	return all, nil
}

// note is a line of the log about to be written.
type note struct {
	state  State
	reason Reason
	args   []string
	actor  string
	detail string
	at     time.Time
}

const detailMax = 500 // bytes

func logMessage(ctx context.Context, q db.Queryer, id string, n note) error {
	if n.detail = hushed(n.detail); len(n.detail) > detailMax {
		n.detail = clean(n.detail[:detailMax])
	}
	_, err := q.Exec(ctx, `INSERT INTO message_log (message_id, seq, state, reason, args, actor, detail, at_us)
		SELECT $1, coalesce(max(seq), 0) + 1, $2, $3, $4, $5, $6, $7 FROM message_log WHERE message_id = $1`,
		id, string(n.state), string(n.reason), list(n.args), n.actor, n.detail, db.US(n.at))
	if err != nil {
		return fmt.Errorf("log message %s: %w", id, err)
	}
	return nil
}

func list(args []string) string {
	if len(args) == 0 {
		return "[]"
	}
	b, _ := json.Marshal(args) // strings always marshal
	return string(b)
}

// move changes a message that stands in one of from, and its log. It reports
// false, and does nothing, when the message has gone elsewhere meanwhile.
func move(ctx context.Context, tx *db.Tx, m *Message, from []State, n note, set string, args ...any) (bool, error) {
	all := []any{m.ID, string(n.state), string(n.reason), list(n.args), db.US(n.at)}
	in := ""
	for i, f := range from {
		if i > 0 {
			in += ", "
		}
		in += "'" + string(f) + "'" // constants of this package
	}
	if set != "" {
		set = ", " + set
	}
	rows, err := tx.Exec(ctx, `UPDATE message SET state = $2, reason = $3, reason_args = $4, updated_us = $5`+set+`
		WHERE id = $1 AND state IN (`+in+`)`, append(all, args...)...)
	if err != nil {
		return false, fmt.Errorf("message %s to %s: %w", m.ID, n.state, err)
	}
	if rows == 0 {
		return false, nil
	}
	m.State, m.Reason, m.Args = n.state, n.reason, n.args
	return true, logMessage(ctx, tx, m.ID, n)
}
