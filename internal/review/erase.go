package review

import (
	"context"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/order"
)

// Erased forgets a person, or a whole shop, in the transaction that erases the
// orders; it is an order.EraseListener. What was written goes, with its
// pictures; that a mail was sent stays, under the keyed hash of the address,
// and so does the word that this address is not mailed again.
func (s *Service) Erased(ctx context.Context, tx *db.Tx, e order.Erasure) error {
	orders := e.OrderIDs
	if e.Shop {
		var err error
		orders, err = db.All(ctx, tx, db.Value[string], `SELECT DISTINCT order_id FROM message WHERE shop_id = $1
			UNION SELECT order_id FROM review WHERE shop_id = $1 UNION SELECT order_id FROM review_form WHERE shop_id = $1`, e.ShopID)
		if err != nil {
			return fmt.Errorf("orders of shop %s: %w", e.ShopID, err)
		}
	}
	if e.Email != "" {
		if err := s.suppress(ctx, tx, e.ShopID, s.hash(e.Email), "", WhyErased, "", time.Time{}); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE suppression SET masked = '', detail = '' WHERE shop_id = $1 AND addr_hash = $2`, e.ShopID, s.hash(e.Email)); err != nil {
			return fmt.Errorf("forget address: %w", err)
		}
		if _, err := tx.Exec(ctx, `UPDATE message SET addr_masked = '' WHERE shop_id = $1 AND addr_hash = $2`, e.ShopID, s.hash(e.Email)); err != nil {
			return fmt.Errorf("forget address: %w", err)
		}
	}
	for _, id := range orders {
		if err := s.forgetOrder(ctx, tx, e, id); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) forgetOrder(ctx context.Context, tx *db.Tx, e order.Erasure, orderID string) error {
	all, err := db.All(ctx, tx, scanMessage, `SELECT `+messageColumns+` FROM message WHERE shop_id = $1 AND order_id = $2`, e.ShopID, orderID)
	if err != nil {
		return fmt.Errorf("messages of order %s: %w", orderID, err)
	}
	for i := range all {
		m := &all[i]
		if m.State.Pending() || m.State == Cancelled || m.State == Failed || m.State == Skipped {
			if _, err := move(ctx, tx, m, []State{m.State}, note{state: Skipped, reason: OrderErased, at: s.now()}, ""); err != nil {
				return err
			}
		}
		// Who was asked before only some of their orders were named is not
		// asked about the others by another address row: the hash stays.
		for _, q := range []string{
			`UPDATE message SET addr_masked = '', order_name = '', find = '', reply = '' WHERE id = $1`,
			`UPDATE message_log SET detail = '' WHERE message_id = $1`,
		} {
			if _, err := tx.Exec(ctx, q, m.ID); err != nil {
				return fmt.Errorf("forget message %s: %w", m.ID, err)
			}
		}
	}
	photos, err := db.All(ctx, tx, db.Value[string], `SELECT id FROM review_photo WHERE shop_id = $1 AND order_id = $2`, e.ShopID, orderID)
	if err != nil {
		return fmt.Errorf("pictures of order %s: %w", orderID, err)
	}
	for _, q := range []string{
		`DELETE FROM review_log WHERE review_id IN (SELECT id FROM review WHERE shop_id = $1 AND order_id = $2)`,
		`DELETE FROM review WHERE shop_id = $1 AND order_id = $2`,
		`DELETE FROM review_photo WHERE shop_id = $1 AND order_id = $2`,
		`UPDATE review_form SET draft = '' WHERE shop_id = $1 AND order_id = $2`,
	} {
		if _, err := tx.Exec(ctx, q, e.ShopID, orderID); err != nil {
			return fmt.Errorf("forget reviews of order %s: %w", orderID, err)
		}
	}
	tx.AfterCommit(func() {
		for _, id := range photos {
			s.removePhoto(id)
		}
	})
	return nil
}

// Copy is what is kept of one customer here.
type Copy struct {
	Suppressed string // why the address gets no mail; empty: it may
	Messages   []Message
	Reviews    []Review
}

// Export is all that is kept of a customer: mails to the address, and mails
// and reviews of the named orders.
func (s *Service) Export(ctx context.Context, shopID, email string, orderIDs []string) (c Copy, err error) {
	h := s.hash(email)
	if c.Suppressed, err = suppressed(ctx, s.d, shopID, h, s.now()); err != nil {
		return c, err
	}
	if c.Messages, err = db.All(ctx, s.d, scanMessage, `SELECT `+messageColumns+` FROM message
		WHERE shop_id = $1 AND addr_hash = $2 AND addr_hash <> '' ORDER BY id LIMIT 10000`, shopID, h); err != nil {
		return c, fmt.Errorf("export messages: %w", err)
	}
	seen := map[string]bool{}
	for _, m := range c.Messages {
		seen[m.OrderID] = true
	}
	for _, id := range orderIDs {
		seen[id] = true
	}
	for id := range seen {
		all, err := s.reviewsOf(ctx, s.d, shopID, id)
		if err != nil {
			return c, err
		}
		c.Reviews = append(c.Reviews, all...)
	}
	return c, s.illustrate(ctx, c.Reviews)
}
