package order

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// Erasure is a privacy request at work: what listeners have to forget.
type Erasure struct {
	ShopID string
	// Email is the normalised address; empty when the whole shop is erased or
	// only orders were named.
	Email string
	// OrderIDs are the orders (Order.ID) that become tombstones.
	OrderIDs []string
	// Shop: everything of the shop.
	Shop bool
	At   time.Time
}

// EraseListener is told of an erasure inside its transaction, before the
// orders lose their data. A large erasure comes in several parts; the first
// one comes even when there is no order, because an address may be known
// elsewhere.
type EraseListener func(ctx context.Context, tx *db.Tx, e Erasure) error

// EraseRequest says whose data goes: one address, named orders, or both; or
// everything of the shop.
type EraseRequest struct {
	Email       string
	ExternalIDs []string
	Shop        bool
}

// erasePart bounds the orders that one transaction erases.
const erasePart = 500

// Erase makes tombstones of a customer's orders and tells the listeners. Named
// orders that are not known yet become tombstones too, so that a late retry
// does not bring them in. It returns the orders that were erased and is safe
// to repeat.
func (s *Service) Erase(ctx context.Context, shopID string, r EraseRequest, at time.Time) (ids []string, err error) {
	r.Email = NormalEmail(r.Email)
	if r.Email == "" && len(r.ExternalIDs) == 0 && !r.Shop {
		return nil, errs.InvalidField("email", "order.erase.nobody")
	}
	for part := 0; ; part++ {
		var done []string
		err := s.d.InTx(ctx, func(tx *db.Tx) (err error) {
			done, err = s.erasePart(ctx, tx, shopID, r, at, part == 0)
			return err
		})
		if err != nil {
			return ids, fmt.Errorf("erase in shop %s: %w", shopID, err)
		}
		ids = append(ids, done...)
		if len(done) < erasePart {
			return ids, nil
		}
	}
}

func (s *Service) erasePart(ctx context.Context, tx *db.Tx, shopID string, r EraseRequest, at time.Time, first bool) ([]string, error) {
	var whose []string
	args := []any{shopID}
	if r.Email != "" {
		args = append(args, r.Email)
		whose = append(whose, "email = $2")
	}
	if n := len(r.ExternalIDs); n > 0 {
		whose = append(whose, "external_id IN ("+db.Params(len(args)+1, n)+")")
		for _, id := range r.ExternalIDs {
			args = append(args, id)
		}
	}
	if r.Shop {
		whose = append(whose, "TRUE")
	}
	b := &batch{tx: tx}
	rows, err := db.All(ctx, tx, scanRow, `SELECT `+rowColumns+` FROM shop_order WHERE shop_id = $1 AND NOT gone AND (`+
		strings.Join(whose, " OR ")+`) ORDER BY external_id LIMIT `+fmt.Sprint(erasePart)+b.lock(), args...)
	if err != nil {
		return nil, err
	}
	e := Erasure{ShopID: shopID, Email: r.Email, Shop: r.Shop, At: at}
	for _, w := range rows {
		e.OrderIDs = append(e.OrderIDs, w.id)
	}
	if first || len(rows) > 0 {
		for _, fn := range s.erasers {
			if err := fn(ctx, tx, e); err != nil {
				return nil, err
			}
		}
	}
	for _, w := range rows {
		before, known := w.order(), w.parts.known()
		w.parts.Erased = db.US(at)
		w.parts.bury()
		_, err := tx.Exec(ctx, `UPDATE shop_order SET name = '', email = '', status = '', source = $2, gone = TRUE, created_us = 0, parts = $3, rev = rev + 1
			WHERE id = $1`, w.id, string(Webhook), string(asJSON(w.parts)))
		if err != nil {
			return nil, fmt.Errorf("order %s: %w", w.id, err)
		}
		if !known {
			continue // nobody has seen it
		}
		for _, fn := range s.listeners {
			if err := fn(ctx, tx, &before, w.order(), Origin{Source: Webhook, Topic: "erase", At: at}); err != nil {
				return nil, fmt.Errorf("order %s: %w", w.id, err)
			}
		}
	}
	return e.OrderIDs, s.buryUnknown(ctx, tx, shopID, r.ExternalIDs, at)
}

// buryUnknown leaves a tombstone for named orders that are not there.
func (s *Service) buryUnknown(ctx context.Context, tx *db.Tx, shopID string, ids []string, at time.Time) error {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		_, err := tx.Exec(ctx, `INSERT INTO shop_order (id, shop_id, external_id, name, email, status, source, gone, created_us, parts, rev)
			VALUES ($1, $2, $3, '', '', '', $4, TRUE, 0, $5, 1) ON CONFLICT (shop_id, external_id) DO NOTHING`,
			db.NewID(), shopID, id, string(Webhook), string(asJSON(parts{Erased: db.US(at)})))
		if err != nil {
			return fmt.Errorf("tombstone %s: %w", id, err)
		}
	}
	return nil
}

// Export is all that is kept of a customer's orders, the newest first.
func (s *Service) Export(ctx context.Context, shopID, email string) ([]Order, error) {
	all, err := db.All(ctx, s.d, scanOrder, `SELECT `+rowColumns+` FROM shop_order
		WHERE shop_id = $1 AND email = $2 AND email <> '' ORDER BY created_us DESC, id DESC`, shopID, NormalEmail(email))
	if err != nil {
		return nil, fmt.Errorf("export orders: %w", err)
	}
	return all, nil
}
