package review

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// Action is what a bulk does to each message.
type Action string

// The actions.
const (
	BulkSendNow Action = "send_now"
	BulkCancel  Action = "cancel"
)

// Bulk is something done to many messages at a rate; it can be stopped.
type Bulk struct {
	ID        string
	ShopID    string
	Action    Action
	Filter    Filter
	PerMinute int
	State     string // "running", "stopped", "done"
	Total     int    // when it began
	Done      int
	Refused   int // their state or eligibility forbade it
	Actor     string
	CreatedAt time.Time
	EndedAt   time.Time // zero: running
	cursor    string
}

const (
	bulkMost        = 100_000 // messages in one go
	perMinuteMost   = 6000
	perMinuteNormal = 60
)

// able are the states that an action can change.
var able = map[Action][]State{
	BulkSendNow: {Scheduled, Queued, Cancelled, Failed},
	BulkCancel:  {Scheduled, Queued, Skipped, Failed},
}

// Preview counts what a bulk would touch.
func (s *Service) BulkPreview(ctx context.Context, shopID string, a Action, f Filter) (total int, err error) {
	if f, err = bulkFilter(a, f); err != nil {
		return 0, err
	}
	return s.count(ctx, shopID, f, bulkMost)
}

func bulkFilter(a Action, f Filter) (Filter, error) {
	may, ok := able[a]
	if !ok {
		return f, errs.InvalidField("action", "review.action_unknown", string(a))
	}
	if err := f.check(); err != nil {
		return f, err
	}
	if len(f.States) == 0 {
		f.States = []State{Scheduled, Queued}
	}
	var states []State
	for _, st := range f.States {
		if slices.Contains(may, st) {
			states = append(states, st)
		}
	}
	if len(states) == 0 {
		return f, errs.InvalidField("state", "review.bulk_nothing")
	}
	f.States = states
	return f, nil
}

// StartBulk begins to do a to all messages of a shop that f picks, so many a
// minute (0: 60). Run does it, message by message, as if somebody clicked.
func (s *Service) StartBulk(ctx context.Context, shopID string, a Action, f Filter, perMinute int, actor string) (Bulk, error) {
	f, err := bulkFilter(a, f)
	if err != nil {
		return Bulk{}, err
	}
	if perMinute == 0 {
		perMinute = perMinuteNormal
	}
	if perMinute < 1 || perMinute > perMinuteMost {
		return Bulk{}, errs.InvalidField("per_minute", "review.per_minute", perMinuteMost)
	}
	total, err := s.count(ctx, shopID, f, bulkMost)
	if err != nil {
		return Bulk{}, err
	}
	raw, err := json.Marshal(f)
	if err != nil {
		return Bulk{}, err
	}
	at := s.now()
	b := Bulk{ID: db.NewID(), ShopID: shopID, Action: a, Filter: f, PerMinute: perMinute, State: "running", Total: total, Actor: actor, CreatedAt: at}
	_, err = s.d.Exec(ctx, `INSERT INTO message_bulk (id, shop_id, action, filter, per_minute, state, total, done, refused, cursor, actor, next_us, created_us, ended_us)
		VALUES ($1, $2, $3, $4, $5, 'running', $6, 0, 0, '', $7, $8, $8, 0)`, b.ID, shopID, string(a), string(raw), perMinute, total, actor, db.US(at))
	if err != nil {
		return Bulk{}, fmt.Errorf("start bulk: %w", err)
	}
	s.poke()
	return b, nil
}

const bulkColumns = `id, shop_id, action, filter, per_minute, state, total, done, refused, actor, created_us, ended_us, cursor`

func scanBulk(r db.Scanner) (b Bulk, err error) {
	var filter string
	var created, ended int64
	if err = r.Scan(&b.ID, &b.ShopID, &b.Action, &filter, &b.PerMinute, &b.State, &b.Total, &b.Done, &b.Refused, &b.Actor, &created, &ended, &b.cursor); err != nil {
		return b, err
	}
	b.CreatedAt, b.EndedAt = db.Time(created), db.Time(ended)
	return b, json.Unmarshal([]byte(filter), &b.Filter)
}

// Bulk is one bulk of a shop.
func (s *Service) Bulk(ctx context.Context, shopID, id string) (Bulk, error) {
	b, err := scanBulk(s.d.QueryRow(ctx, `SELECT `+bulkColumns+` FROM message_bulk WHERE shop_id = $1 AND id = $2`, shopID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return b, errs.E(errs.NotFound, "review.bulk_not_found", nil)
	}
	if err != nil {
		return b, fmt.Errorf("bulk %s: %w", id, err)
	}
	return b, nil
}

// Bulks are a shop's bulks, the newest first.
func (s *Service) Bulks(ctx context.Context, shopID string, limit int) ([]Bulk, error) {
	all, err := db.All(ctx, s.d, scanBulk, `SELECT `+bulkColumns+` FROM message_bulk WHERE shop_id = $1 ORDER BY id DESC LIMIT $2`, shopID, limit)
	if err != nil {
		return nil, fmt.Errorf("bulks: %w", err)
	}
	return all, nil
}

// StopBulk ends a bulk; what it has done stays done. Stopping it again changes
// nothing.
func (s *Service) StopBulk(ctx context.Context, shopID, id string) (Bulk, error) {
	_, err := s.d.Exec(ctx, `UPDATE message_bulk SET state = 'stopped', ended_us = $3 WHERE shop_id = $1 AND id = $2 AND state = 'running'`, shopID, id, db.US(s.now()))
	if err != nil {
		return Bulk{}, fmt.Errorf("stop bulk %s: %w", id, err)
	}
	return s.Bulk(ctx, shopID, id)
}

// bulks takes the bulks whose turn it is one step on.
func (s *Service) bulks(ctx context.Context) error {
	at := s.now()
	ids, err := db.All(ctx, s.d, db.Value[string], `SELECT id FROM message_bulk WHERE state = 'running' AND next_us <= $1 ORDER BY next_us LIMIT 10`, db.US(at))
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.bulkStep(ctx, id, at); err != nil {
			return err
		}
	}
	return nil
}

// bulkStep does the share of one step, in one transaction with the place that
// it has come to: a crash neither leaves out nor repeats a message.
func (s *Service) bulkStep(ctx context.Context, id string, at time.Time) error {
	const step = time.Second
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		rows, err := tx.Exec(ctx, `UPDATE message_bulk SET next_us = $2 WHERE id = $1 AND state = 'running' AND next_us <= $3`, id, db.US(at.Add(step)), db.US(at))
		if err != nil || rows == 0 {
			return err
		}
		b, err := scanBulk(tx.QueryRow(ctx, `SELECT `+bulkColumns+` FROM message_bulk WHERE id = $1`, id))
		if err != nil {
			return err
		}
		share, wait := b.PerMinute/60, step
		if share == 0 {
			share, wait = 1, time.Minute/time.Duration(b.PerMinute)
		}
		ids, err := s.after(ctx, tx, b, share)
		if err != nil {
			return err
		}
		for _, m := range ids {
			act := s.sendNow
			if b.Action == BulkCancel {
				act = s.cancel
			}
			_, err := act(ctx, tx, b.ShopID, m, b.Actor)
			switch {
			case err == nil:
				b.Done++
			case errs.KindOf(err) == errs.Conflict || errs.KindOf(err) == errs.NotFound:
				b.Refused++
			default:
				return err
			}
			b.cursor = m
		}
		state, ended := "running", int64(0)
		if len(ids) < share {
			state, ended = "done", db.US(at)
		}
		_, err = tx.Exec(ctx, `UPDATE message_bulk SET done = $2, refused = $3, cursor = $4, state = $5, ended_us = $6, next_us = $7 WHERE id = $1`,
			id, b.Done, b.Refused, b.cursor, state, ended, db.US(at.Add(wait)))
		tx.AfterCommit(s.poke)
		return err
	})
}

// after are the next messages of a bulk: the oldest first, and none that came
// to be after it began.
func (s *Service) after(ctx context.Context, tx *db.Tx, b Bulk, limit int) ([]string, error) {
	alternatives, args := s.where(b.ShopID, b.Filter)
	args = append(args, b.cursor, db.US(b.CreatedAt), limit)
	tail := fmt.Sprintf(" AND id > $%d AND created_us <= $%d ORDER BY id LIMIT $%d", len(args)-2, len(args)-1, len(args))
	q := ""
	for i, a := range alternatives {
		if i > 0 {
			q += " UNION "
		}
		q += "SELECT * FROM (SELECT id FROM message WHERE " + a + tail + ") part"
	}
	return db.All(ctx, tx, db.Value[string], q+fmt.Sprintf(" ORDER BY id LIMIT $%d", len(args)), args...)
}
