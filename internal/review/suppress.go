package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// Why an address gets no mail.
const (
	WhyUnsubscribed = "unsubscribed"
	WhyBounced      = "bounced"
	WhyComplained   = "complained"
	WhyErased       = "erased"
	WhyManual       = "manual"
	WhySoft         = "soft_bounces" // three failed in 30 days: 90 days of rest
)

// everyShop is the shop_id of suppressions that hold for all: who complained
// about one shop is asked by none.
const everyShop = ""

// suppressed says why an address gets no mail from a shop; empty: it may.
func suppressed(ctx context.Context, q db.Queryer, shopID, hash string, at time.Time) (why string, err error) {
	err = q.QueryRow(ctx, `SELECT why FROM suppression WHERE shop_id IN ($1, $2) AND addr_hash = $3 AND (until_us = 0 OR until_us > $4)
		ORDER BY until_us LIMIT 1`, shopID, everyShop, hash, db.US(at)).Scan(&why)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("suppressions: %w", err)
	}
	return why, nil
}

// suppress notes that an address gets no mail, and holds back what waits for
// it. A suppression for good is not weakened by one that ends.
func (s *Service) suppress(ctx context.Context, tx *db.Tx, shopID, hash, masked, why, detail string, until time.Time) error {
	if hash == "" {
		return nil
	}
	at := s.now()
	_, err := tx.Exec(ctx, `INSERT INTO suppression (shop_id, addr_hash, why, detail, masked, at_us, until_us) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (shop_id, addr_hash) DO UPDATE SET why = excluded.why, detail = excluded.detail, masked = excluded.masked,
			at_us = excluded.at_us, until_us = excluded.until_us
		WHERE suppression.until_us > 0 AND (excluded.until_us = 0 OR excluded.until_us > suppression.until_us)`,
		shopID, hash, why, hushed(detail), masked, db.US(at), db.US(until))
	if err != nil {
		return fmt.Errorf("suppress: %w", err)
	}
	all, err := db.All(ctx, tx, scanMessage, `SELECT `+messageColumns+` FROM message
		WHERE addr_hash = $1 AND (shop_id = $2 OR $2 = '') AND state IN ('scheduled', 'queued')`, hash, shopID)
	if err != nil {
		return fmt.Errorf("messages to a suppressed address: %w", err)
	}
	for i := range all {
		if _, err := move(ctx, tx, &all[i], []State{Scheduled, Queued}, note{state: Skipped, reason: Suppressed, args: []string{why}, at: at}, ""); err != nil {
			return err
		}
	}
	return nil
}

// Suppression is an address that gets no mail.
type Suppression struct {
	Hash    string // the id by which it is lifted
	Why     string
	Detail  string
	Address string // masked
	At      time.Time
	Until   time.Time // zero: for good
}

// Suppressions of a shop, the newest first. cursor is the hash of the last one.
func (s *Service) Suppressions(ctx context.Context, shopID, cursor string, limit int) ([]Suppression, error) {
	before := int64(1) << 62
	if cursor != "" {
		err := s.d.QueryRow(ctx, `SELECT at_us FROM suppression WHERE shop_id = $1 AND addr_hash = $2`, shopID, cursor).Scan(&before)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("suppressions: %w", err)
		}
	}
	all, err := db.All(ctx, s.d, func(r db.Scanner) (v Suppression, err error) {
		var at, until int64
		err = r.Scan(&v.Hash, &v.Why, &v.Detail, &v.Address, &at, &until)
		v.At, v.Until = db.Time(at), db.Time(until)
		return v, err
	}, `SELECT addr_hash, why, detail, masked, at_us, until_us FROM suppression
		WHERE shop_id = $1 AND (at_us, addr_hash) < ($2, $3) ORDER BY at_us DESC, addr_hash DESC LIMIT $4`, shopID, before, cursor, limit)
	if err != nil {
		return nil, fmt.Errorf("suppressions: %w", err)
	}
	return all, nil
}

// SuppressByHand notes an address that the shop does not want to mail.
func (s *Service) SuppressByHand(ctx context.Context, shopID, address, detail string) error {
	if !validAddress(normal(address)) {
		return errs.InvalidField("email", "review.email_malformed")
	}
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		return s.suppress(ctx, tx, shopID, s.hash(address), Mask(normal(address)), WhyManual, detail, time.Time{})
	})
}

// Lift ends a suppression of a shop by its hash. Complaints and erasures are
// not lifted: the person has spoken.
func (s *Service) Lift(ctx context.Context, shopID, hash string) error {
	n, err := s.d.Exec(ctx, `DELETE FROM suppression WHERE shop_id = $1 AND addr_hash = $2 AND why IN ('bounced', 'manual', 'soft_bounces')`, shopID, hash)
	if err == nil && n == 0 {
		return errs.E(errs.NotFound, "review.suppression_not_found", nil)
	}
	return err
}
