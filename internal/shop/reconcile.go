package shop

import (
	"context"
	"fmt"
	"time"

	"imreport/internal/db"
)

// ReconcileSoon has the Admin API asked at the instant at, if it would be asked
// later.
func (s *Service) ReconcileSoon(ctx context.Context, tx *db.Tx, id string, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE shop SET reconcile_due_us = $2 WHERE id = $1 AND reconcile_due_us > $2 AND admin_token <> ''`, id, db.US(at))
	if err != nil {
		return fmt.Errorf("reconcile shop %s soon: %w", id, err)
	}
	return nil
}

// ClaimReconcile takes up to limit shops that are due to be asked about, until
// lease has passed; no other process takes them meanwhile.
func (s *Service) ClaimReconcile(ctx context.Context, now time.Time, lease time.Duration, limit int) (all []Shop, err error) {
	const due = `admin_token <> '' AND domain <> '' AND uninstalled_us = 0 AND reconcile_due_us <= $1`
	var n int
	if err := s.d.QueryRow(ctx, `SELECT count(*) FROM shop WHERE `+due, db.US(now)).Scan(&n); err != nil || n == 0 {
		return nil, err
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) (err error) {
		all, err = db.All(ctx, tx, scan, `UPDATE shop SET reconcile_due_us = $2 WHERE `+due+` AND id IN
			(SELECT id FROM shop WHERE `+due+` ORDER BY reconcile_due_us LIMIT $3) RETURNING `+columns, db.US(now), db.US(now.Add(lease)), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim shops to reconcile: %w", err)
	}
	return all, nil
}

// Reconciled notes how asking the Admin API ended: orders changed up to upTo
// are known (zero: no news about that), problem says why it failed, and next
// is when to ask again.
func (s *Service) Reconciled(ctx context.Context, id string, upTo time.Time, problem string, next time.Time) error {
	_, err := s.d.Exec(ctx, `UPDATE shop SET reconciled_us = CASE WHEN $2 > reconciled_us THEN $2 ELSE reconciled_us END,
		reconcile_problem = $3, reconcile_due_us = $4 WHERE id = $1`, id, db.US(upTo), problem, db.US(next))
	if err != nil {
		return fmt.Errorf("reconciled shop %s: %w", id, err)
	}
	return nil
}

// SubscriptionsDue reports whether the shop's webhook subscriptions were last
// looked at more than every ago, and notes that they are now.
func (s *Service) SubscriptionsDue(ctx context.Context, id string, now time.Time, every time.Duration) (bool, error) {
	n, err := s.d.Exec(ctx, `UPDATE shop SET subscribed_us = $2 WHERE id = $1 AND subscribed_us <= $3`, id, db.US(now), db.US(now.Add(-every)))
	return n > 0, err
}
