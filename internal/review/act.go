package review

import (
	"context"
	"fmt"
	"strings"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/order"
)

// refuse is the answer to an action that the message's state forbids: polite,
// with the state, and the reason where there is one.
func refuse(m Message) error {
	e := errs.E(errs.Conflict, "review.message_"+string(m.State), nil, m.OrderName)
	e.With("state", string(m.State)).With("message_id", m.ID)
	if m.Reason != "" {
		e.With("reason", m.Reason).With("reason_args", m.Args)
	}
	return e
}

// notEligible says why an order's customer may not be asked, whoever wants it.
func notEligible(m Message, v Verdict) error {
	m.Reason, m.Args = v.Reason, v.Args
	e := errs.E(errs.Conflict, "review.message_not_eligible", nil, v.Reason.ref(v.Args))
	return e.With("state", string(m.State)).With("message_id", m.ID).With("reason", v.Reason).With("reason_args", v.Args)
}

// SendNow makes a message due at once, past delay, quiet hours and cool-down,
// but not past suppression, consent or eligibility. Doing it again while it is
// due changes nothing. While it is on its way, sent or unknown the answer is a
// conflict (409) that tells the state; skipped tells the reason.
func (s *Service) SendNow(ctx context.Context, shopID, id, actor string) (m Message, err error) {
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		m, err = s.sendNow(ctx, tx, shopID, id, actor)
		return err
	})
	s.poke()
	return m, err
}

func (s *Service) sendNow(ctx context.Context, tx *db.Tx, shopID, id, actor string) (Message, error) {
	m, err := s.lock(ctx, tx, shopID, id)
	if err != nil {
		return m, err
	}
	at := s.now()
	switch m.State {
	case Scheduled, Queued, Cancelled, Failed:
	default:
		return m, refuse(m)
	}
	if m.State == Queued && m.Asked == 2 && !m.DueAt.After(at) {
		return m, nil // it is due already: another click
	}
	o, err := s.orders.ByID(ctx, tx, m.OrderID)
	if err != nil {
		return m, err
	}
	w, err := s.world(ctx, tx, shopID, o, m.Kind)
	if err != nil {
		return m, err
	}
	if v, err := s.judge(ctx, tx, w, m.Kind, 2, at); err != nil {
		return m, err
	} else if !v.OK {
		return m, notEligible(m, v)
	}
	m.Asked, m.DueAt = 2, at
	ok, err := move(ctx, tx, &m, []State{Scheduled, Queued, Cancelled, Failed}, note{state: Queued, reason: ByPerson, actor: actor, at: at},
		`asked = 2, due_us = $6, attempt_id = '', first_us = 0, attempts = 0, addr_hash = $7, addr_masked = $8`, db.US(at), s.hash(o.Email), Mask(o.Email))
	if err == nil && !ok {
		err = refuse(m) // cannot be: the row is locked
	}
	return m, err
}

// lock reads a message and keeps others from changing it until tx ends.
func (s *Service) lock(ctx context.Context, tx *db.Tx, shopID, id string) (Message, error) {
	if _, err := tx.Exec(ctx, `UPDATE message SET updated_us = updated_us WHERE id = $1 AND shop_id = $2`, id, shopID); err != nil {
		return Message{}, fmt.Errorf("lock message %s: %w", id, err)
	}
	return getMessage(ctx, tx, shopID, id)
}

// Cancel keeps a message from going out; it is never scheduled again by
// itself. Cancelling it again changes nothing. What is on its way or over is a
// conflict (409) that tells the state.
func (s *Service) Cancel(ctx context.Context, shopID, id, actor string) (m Message, err error) {
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		m, err = s.cancel(ctx, tx, shopID, id, actor)
		return err
	})
	return m, err
}

func (s *Service) cancel(ctx context.Context, tx *db.Tx, shopID, id, actor string) (Message, error) {
	m, err := s.lock(ctx, tx, shopID, id)
	if err != nil || m.State == Cancelled {
		return m, err
	}
	switch m.State {
	case Scheduled, Queued, Skipped, Failed:
	default:
		return m, refuse(m)
	}
	if _, err = move(ctx, tx, &m, []State{m.State}, note{state: Cancelled, reason: ByPerson, actor: actor, at: s.now()}, ""); err != nil {
		return m, err
	}
	return m, unask(ctx, tx, m)
}

// Resend makes a new message with the next turn for one that was sent, is
// unknown or was skipped. why is logged with who. When a newer one is there
// already, the answer is a conflict that tells its state: two clicks make one
// mail.
func (s *Service) Resend(ctx context.Context, shopID, id, actor, why string) (m Message, err error) {
	if why = strings.TrimSpace(why); why == "" {
		return m, errs.InvalidField("why", "review.why_missing")
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		old, err := s.lock(ctx, tx, shopID, id)
		if err != nil {
			return err
		}
		switch old.State {
		case Sent, Unknown, Skipped:
		default:
			return refuse(old)
		}
		var newest string
		err = tx.QueryRow(ctx, `SELECT id FROM message WHERE shop_id = $1 AND order_id = $2 AND kind = $3 ORDER BY seq DESC LIMIT 1`, shopID, old.OrderID, string(old.Kind)).Scan(&newest)
		if err != nil {
			return fmt.Errorf("newest message of order %s: %w", old.OrderID, err)
		}
		if newest != old.ID {
			n, err := getMessage(ctx, tx, shopID, newest)
			if err != nil {
				return err
			}
			return refuse(n)
		}
		m, err = s.another(ctx, tx, old, actor, why)
		return err
	})
	s.poke()
	return m, err
}

// another inserts the next turn of old, due at once.
func (s *Service) another(ctx context.Context, tx *db.Tx, old Message, actor, why string) (m Message, err error) {
	at := s.now()
	o, err := s.orders.ByID(ctx, tx, old.OrderID)
	if err != nil {
		return m, err
	}
	w, err := s.world(ctx, tx, old.ShopID, o, old.Kind)
	if err != nil {
		return m, err
	}
	v, err := s.judge(ctx, tx, w, old.Kind, 2, at)
	if err != nil {
		return m, err
	}
	if !v.OK {
		return m, notEligible(old, v)
	}
	m = Message{ID: db.NewID(), Kind: old.Kind, Seq: old.Seq + 1, State: Queued, Reason: ByPerson, Asked: 2, ClockAt: at, DueAt: at}
	n := note{state: Queued, reason: ByPerson, actor: actor, detail: why, at: at}
	if err := s.insert(ctx, tx, o, m, n); err != nil {
		return m, err
	}
	if err := logMessage(ctx, tx, old.ID, note{state: old.State, reason: SentAgain, actor: actor, detail: why, at: at}); err != nil {
		return m, err
	}
	return getMessage(ctx, tx, old.ShopID, m.ID)
}

// Ask makes the first message of an order that has none, due at once: a past
// order that somebody wants to ask about after all.
func (s *Service) Ask(ctx context.Context, shopID, orderID, actor string) (m Message, err error) {
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		o, err := s.orders.ByID(ctx, tx, orderID)
		if err != nil {
			return err
		}
		if o.ShopID != shopID {
			return errs.E(errs.NotFound, "order.not_found", nil)
		}
		w, err := s.world(ctx, tx, shopID, o, Request)
		if err != nil {
			return err
		}
		at := s.now()
		m = Message{ID: db.NewID(), Kind: Request, State: Queued, Reason: ByPerson, Asked: 2, ClockAt: at, DueAt: at}
		if v, err := s.judge(ctx, tx, w, Request, 2, at); err != nil {
			return err
		} else if !v.OK {
			return notEligible(m, v)
		}
		if err := s.insert(ctx, tx, o, m, note{state: Queued, reason: ByPerson, actor: actor, at: at}); err != nil {
			return err
		}
		all, err := s.ofOrder(ctx, tx, o)
		if err != nil {
			return err
		}
		for _, have := range all {
			if have.Kind == Request && have.ID != m.ID {
				return refuse(have)
			}
		}
		m, err = getMessage(ctx, tx, shopID, m.ID)
		return err
	})
	s.poke()
	return m, err
}

// Standing is where the request of an order stands, for a page about it.
type Standing struct {
	Messages []Message
	Verdict  Verdict // of asking now, by itself; of no matter when there is a message
}

// Of says where an order's request stands.
func (s *Service) Of(ctx context.Context, o order.Order) (st Standing, err error) {
	if st.Messages, err = s.ofOrder(ctx, s.d, o); err != nil {
		return st, err
	}
	w, err := s.world(ctx, s.d, o.ShopID, o, Request)
	if err != nil {
		return st, err
	}
	st.Verdict, err = s.judge(ctx, s.d, w, Request, 0, s.now())
	return st, err
}

func (s *Service) ofOrder(ctx context.Context, q db.Queryer, o order.Order) ([]Message, error) {
	all, err := db.All(ctx, q, scanMessage, `SELECT `+messageColumns+` FROM message WHERE shop_id = $1 AND order_id = $2 ORDER BY kind DESC, seq`, o.ShopID, o.ID)
	if err != nil {
		return nil, fmt.Errorf("messages of order %s: %w", o.ID, err)
	}
	return all, nil
}
