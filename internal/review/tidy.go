package review

import (
	"context"
	"fmt"
	"time"

	"imreport/internal/db"
)

// How long things are kept that nobody asks for any more.
const (
	keepDrafts = 120 * 24 * time.Hour // forms that were begun and never sent
	keepEvents = 400 * 24 * time.Hour // hashes of bounces that were taken
	keepSpread = 30 * 24 * time.Hour  // places of an import's mails
)

// tidyUp removes what has run out: drafts that were never sent, with their
// pictures, and what only guards against repetition. Any process may do it.
func (s *Service) tidyUp(ctx context.Context) error {
	at := s.now()
	var photos []string
	err := s.d.InTx(ctx, func(tx *db.Tx) error {
		var err error
		photos, err = db.All(ctx, tx, db.Value[string], `DELETE FROM review_photo WHERE id IN (SELECT p.id FROM review_photo p
			JOIN review_form f ON f.shop_id = p.shop_id AND f.order_id = p.order_id WHERE f.submitted_us = 0 AND p.created_us < $1 LIMIT 500)
			RETURNING id`, db.US(at.Add(-keepDrafts)))
		return err
	})
	if err != nil {
		return fmt.Errorf("old drafts: %w", err)
	}
	for _, id := range photos {
		s.removePhoto(id)
	}
	for _, q := range []struct {
		text string
		at   time.Time
	}{
		{`DELETE FROM review_form WHERE submitted_us = 0 AND draft_us > 0 AND draft_us < $1`, at.Add(-keepDrafts)},
		{`DELETE FROM mail_event WHERE at_us < $1`, at.Add(-keepEvents)},
		{`DELETE FROM mail_spread WHERE next_us < $1`, at.Add(-keepSpread)},
		{`DELETE FROM suppression WHERE until_us > 0 AND until_us < $1`, at},
	} {
		if _, err := s.d.Exec(ctx, q.text, db.US(q.at)); err != nil {
			return fmt.Errorf("tidy up: %w", err)
		}
	}
	return nil
}
