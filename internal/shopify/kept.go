package shopify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
)

var likeText = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// Kept is a webhook whose body could not be understood.
type Kept struct {
	ID         string
	Topic      string
	Problem    string // "unreadable", "incomplete", "no_topic"; "hook.problem.X" is its sentence
	Bytes      int
	Head       string // the first characters of the body
	ReceivedAt time.Time
}

const headMax = 300 // bytes of a kept body that a list shows

// Kept lists a shop's webhooks that were kept aside, newest first, before the
// id cursor when it is not empty.
func (s *Service) Kept(ctx context.Context, shopID, cursor string, limit int) ([]Kept, error) {
	if cursor == "" {
		cursor = "~"
	}
	all, err := db.All(ctx, s.d, scanReceipt, `SELECT `+receiptColumns+` FROM inbox
		WHERE shop_id = $1 AND problem <> '' AND id < $2 ORDER BY id DESC LIMIT $3`, shopID, cursor, limit)
	if err != nil {
		return nil, fmt.Errorf("kept webhooks: %w", err)
	}
	out := make([]Kept, 0, len(all))
	for _, r := range all {
		out = append(out, Kept{ID: r.id, Topic: r.topic, Problem: r.problem, Bytes: len(r.body),
			Head: clean(string(r.body), headMax), ReceivedAt: r.at})
	}
	return out, nil
}

// KeptBody is the body of a kept webhook as it came; hook.kept_not_found when
// there is none.
func (s *Service) KeptBody(ctx context.Context, shopID, id string) ([]byte, error) {
	r, err := s.kept(ctx, shopID, id)
	if err != nil {
		return nil, err
	}
	return r.body, nil
}

func (s *Service) kept(ctx context.Context, shopID, id string) (*receipt, error) {
	r, err := scanReceipt(s.d.QueryRow(ctx, `SELECT `+receiptColumns+` FROM inbox WHERE shop_id = $1 AND id = $2 AND problem <> ''`, shopID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.E(errs.NotFound, "hook.kept_not_found", nil)
	}
	if err != nil {
		return nil, fmt.Errorf("kept webhook %s: %w", id, err)
	}
	return r, nil
}

// Replay tries a kept webhook again: after an update of this program, or as
// another topic than its header said (empty: the same). It is applied when
// Replay returns nil. Errors: hook.kept_not_found, hook.body_unreadable.
func (s *Service) Replay(ctx context.Context, shopID, id, topic string) error {
	r, err := s.kept(ctx, shopID, id)
	if err != nil {
		return err
	}
	if topic != "" {
		r.topic = clean(topic, 100)
	}
	if r.news, err = Decode(r.topic, r.triggered, r.body); err != nil {
		return errs.E(errs.Invalid, "hook.body_unreadable", err)
	}
	n, err := s.d.Exec(ctx, `UPDATE inbox SET problem = '', topic = $3, due_us = $4 WHERE shop_id = $1 AND id = $2 AND problem <> ''`,
		shopID, id, r.topic, db.US(s.o.Now().Add(sweepAfter)))
	if err != nil || n == 0 {
		return err
	}
	if r.news.Privacy != nil {
		return s.applyPrivacy(ctx, r)
	}
	return s.applyTogether(ctx, []*receipt{r})
}

// DropKept forgets a kept webhook.
func (s *Service) DropKept(ctx context.Context, shopID, id string) error {
	n, err := s.d.Exec(ctx, `DELETE FROM inbox WHERE shop_id = $1 AND id = $2 AND problem <> ''`, shopID, id)
	if err == nil && n == 0 {
		return errs.E(errs.NotFound, "hook.kept_not_found", nil)
	}
	return err
}
