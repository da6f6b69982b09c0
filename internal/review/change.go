package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/order"
	"imreport/internal/shop"
)

// world is what a message is judged in.
type world struct {
	shop     shop.Shop
	set      Settings
	order    order.Order
	template Template
}

// judge gathers the facts about an order and judges them. q is the transaction
// that acts on the answer.
func (s *Service) judge(ctx context.Context, q db.Queryer, w world, kind Kind, asked int, judged time.Time) (Verdict, error) {
	f := Facts{Order: w.order, Asked: asked, Kind: kind, Judged: judged, MaxAge: w.shop.MaxOrderAge,
		Uninstalled: !w.shop.UninstalledAt.IsZero(), Ad: w.template.Mode == Ad, OptOutTag: w.set.OptOutTag}
	var err error
	if f.SuppressedBy, err = suppressed(ctx, q, w.shop.ID, s.hash(w.order.Email), s.now()); err != nil {
		return Verdict{}, err
	}
	var submitted int64
	err = q.QueryRow(ctx, `SELECT submitted_us FROM review_form WHERE shop_id = $1 AND order_id = $2`, w.shop.ID, w.order.ID).Scan(&submitted)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Verdict{}, fmt.Errorf("review of order %s: %w", w.order.ID, err)
	}
	f.Reviewed = submitted > 0
	if kind == Reminder {
		err := q.QueryRow(ctx, `SELECT count(*) > 0 FROM message WHERE shop_id = $1 AND order_id = $2 AND kind = 'review_request' AND state = 'sent'`,
			w.shop.ID, w.order.ID).Scan(&f.Requested)
		if err != nil {
			return Verdict{}, fmt.Errorf("request of order %s: %w", w.order.ID, err)
		}
	}
	return Judge(f), nil
}

// world reads what a message of an order is judged in.
func (s *Service) world(ctx context.Context, q db.Queryer, shopID string, o order.Order, kind Kind) (w world, err error) {
	w.order = o
	if w.shop, err = s.shops.ByID(ctx, q, shopID); err != nil {
		return w, err
	}
	if w.set, err = settings(ctx, q, shopID); err != nil {
		return w, err
	}
	w.template, err = template(ctx, q, w.shop, langOf(w.shop, o), kind)
	return w, err
}

// Changed schedules, holds back or starts anew what a changed order means for
// its messages, in the transaction that changed it. It is an order.Listener.
func (s *Service) Changed(ctx context.Context, tx *db.Tx, before *order.Order, o order.Order, origin order.Origin) error {
	at := s.now()
	if err := s.rename(ctx, tx, before, o); err != nil {
		return err
	}
	if !o.Live && before == nil {
		return nil // a past order from a file: nobody asked for a mail
	}
	all, err := db.All(ctx, tx, scanMessage, `SELECT `+messageColumns+` FROM message WHERE shop_id = $1 AND order_id = $2 ORDER BY kind DESC, seq DESC`, o.ShopID, o.ID)
	if err != nil {
		return fmt.Errorf("messages of order %s: %w", o.ID, err)
	}
	// Most events are about orders that have nothing to ask yet, or no more.
	open := len(all) == 0 && o.Live && shipped(o).Reason == ""
	for _, m := range all {
		open = open || m.open()
	}
	if !open {
		return nil
	}
	w, err := s.world(ctx, tx, o.ShopID, o, Request)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return s.first(ctx, tx, w, origin, at)
	}
	newest := map[Kind]bool{}
	for i := range all {
		m := &all[i]
		if newest[m.Kind] && !m.State.Pending() {
			continue
		}
		newest[m.Kind] = true
		if err := s.again(ctx, tx, w, m, at); err != nil {
			return err
		}
	}
	return nil
}

// rename keeps what messages say of their order.
func (s *Service) rename(ctx context.Context, tx *db.Tx, before *order.Order, o order.Order) error {
	if before == nil || before.Name == o.Name && before.ExternalID == o.ExternalID && before.Email == o.Email {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE message SET order_name = $3, find = $4, external_id = $5 WHERE shop_id = $1 AND order_id = $2`,
		o.ShopID, o.ID, o.Name, find(o.Name), o.ExternalID)
	if err == nil && before.Email != o.Email && o.Email != "" {
		// What was sent stays with the address that it was sent to.
		_, err = tx.Exec(ctx, `UPDATE message SET addr_hash = $3, addr_masked = $4
			WHERE shop_id = $1 AND order_id = $2 AND state IN ('scheduled', 'queued', 'skipped', 'cancelled')`, o.ShopID, o.ID, s.hash(o.Email), Mask(o.Email))
	}
	if err != nil {
		return fmt.Errorf("rename messages of order %s: %w", o.ID, err)
	}
	return nil
}

// first makes the message of a shipped order that has none: it is scheduled,
// or the order will not be asked about. Of an order that was cancelled before
// it was shipped there was never anything to say.
func (s *Service) first(ctx context.Context, tx *db.Tx, w world, origin order.Origin, at time.Time) error {
	asked := 0
	if origin.ImportID != "" && origin.Live {
		asked = 1
	}
	v, err := s.judge(ctx, tx, w, Request, asked, at)
	if err != nil || v.Waits {
		return err
	}
	m := Message{ID: db.NewID(), Kind: Request, State: Scheduled, Asked: asked, ClockAt: clock(w.order)}
	m.DueAt = loud(later(m.ClockAt.Add(w.shop.ReviewDelay), at), w.shop.QuietHours, w.shop.Location())
	n := note{state: Scheduled, at: at}
	if !v.OK {
		m.State, m.Reason, m.Args = Skipped, v.Reason, v.Args
		n.state, n.reason, n.args = Skipped, v.Reason, v.Args
	} else if asked == 1 {
		if m.DueAt, err = s.spread(ctx, tx, w, origin, m.DueAt, at); err != nil {
			return err
		}
	}
	return s.insert(ctx, tx, w.order, m, n)
}

// spread gives the mails of an import their places, at its rate.
func (s *Service) spread(ctx context.Context, tx *db.Tx, w world, origin order.Origin, dueAt, at time.Time) (time.Time, error) {
	rate := origin.MailRate
	if rate <= 0 {
		return dueAt, nil // the sender's own rate is enough
	}
	step := int64(1e6 / rate)
	start := db.US(later(dueAt, at))
	var next int64
	err := tx.QueryRow(ctx, `INSERT INTO mail_spread (import_id, next_us) VALUES ($1, $2)
		ON CONFLICT (import_id) DO UPDATE SET next_us = CASE WHEN mail_spread.next_us > $3 THEN mail_spread.next_us ELSE $3 END + $4
		RETURNING next_us`, origin.ImportID, start+step, start, step).Scan(&next)
	if err != nil {
		return dueAt, fmt.Errorf("spread import %s: %w", origin.ImportID, err)
	}
	return loud(db.Time(next-step), w.shop.QuietHours, w.shop.Location()), nil
}

// insert adds a message. One that is there already stays as it is.
func (s *Service) insert(ctx context.Context, tx *db.Tx, o order.Order, m Message, n note) error {
	rows, err := tx.Exec(ctx, `INSERT INTO message (id, shop_id, order_id, kind, seq, state, reason, reason_args, asked, clock_us, due_us,
			attempts, first_us, attempt_id, lease_us, addr_hash, addr_masked, order_name, external_id, find, sent_us, reply, bounce, created_us, updated_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0, '', 0, $12, $13, $14, $15, $16, 0, '', '', $17, $17)
		ON CONFLICT (shop_id, order_id, kind, seq) DO NOTHING`,
		m.ID, o.ShopID, o.ID, string(m.Kind), m.Seq, string(m.State), string(m.Reason), list(m.Args), m.Asked, db.US(m.ClockAt), db.US(m.DueAt),
		s.hash(o.Email), Mask(o.Email), o.Name, o.ExternalID, find(o.Name), db.US(n.at))
	if err != nil {
		return fmt.Errorf("insert message of order %s: %w", o.ID, err)
	}
	if rows == 0 {
		return nil
	}
	tx.AfterCommit(s.poke)
	return logMessage(ctx, tx, m.ID, n)
}

// anew are the reasons whose end starts the clock anew: the order had gone the
// other way. A mere gap (an address, a consent) keeps the order's own clock.
var anew = map[Reason]bool{OrderCancelled: true, OrderRefunded: true, NotPaid: true, NotFulfilled: true, PartlyFulfilled: true,
	NoReviewableLine: true, OrderDeleted: true}

// open reports whether a change of the order may change the message.
func (m Message) open() bool {
	return m.State.Pending() || m.State == Skipped && m.Reason != InCooldown
}

// again judges a message that is there. What a person cancelled, what is under
// way or over, and what the cool-down skipped is left alone.
func (s *Service) again(ctx context.Context, tx *db.Tx, w world, m *Message, at time.Time) error {
	if !m.open() {
		return nil
	}
	judged := m.CreatedAt // an order does not grow too old while it waits
	if m.State == Skipped {
		judged = at
	}
	v, err := s.judge(ctx, tx, w, m.Kind, m.Asked, judged)
	if err != nil {
		return err
	}
	if !v.OK {
		if m.State == Skipped && m.Reason == v.Reason {
			return nil
		}
		if _, err = move(ctx, tx, m, []State{m.State}, note{state: Skipped, reason: v.Reason, args: v.Args, at: at}, ""); err != nil {
			return err
		}
		return unask(ctx, tx, *m) // an attempt that failed was none
	}
	start, reason := m.ClockAt, Reason("")
	delay := w.shop.ReviewDelay
	switch {
	case m.Kind == Reminder:
		delay = w.set.ReminderDelay
	case m.State == Skipped && anew[m.Reason]:
		start, reason = at, ClockRestart
	case m.State == Skipped:
		start = clock(w.order)
	case clock(w.order).After(m.ClockAt) && m.Asked < 2 && m.FirstAt.IsZero():
		start, reason = clock(w.order), ClockRestart
	default:
		return nil // it is on its way, and nothing is new
	}
	dueAt := loud(later(start.Add(delay), at), w.shop.QuietHours, w.shop.Location())
	_, err = move(ctx, tx, m, []State{m.State}, note{state: Scheduled, reason: reason, at: at}, `clock_us = $6, due_us = $7`, db.US(start), db.US(dueAt))
	tx.AfterCommit(s.poke)
	return err
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
