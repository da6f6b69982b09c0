package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"imreport/internal/db"
)

// attempt is a claimed message on its way to the mail server.
type attempt struct {
	Message
	w world
}

// claim takes a message that is due: it locks the person, judges again, and
// marks the message as being sent by one attempt. ok is false when there is
// nothing to send: somebody else has it, it is not eligible any more, or it has
// to wait. Those are settled here, with their log.
func (s *Service) claim(ctx context.Context, id string) (a attempt, ok bool, err error) {
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		a, ok = attempt{}, false
		m, err := scanMessage(tx.QueryRow(ctx, `SELECT `+messageColumns+` FROM message WHERE id = $1`, id))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("claim %s: %w", id, err)
		}
		at := s.now()
		if !m.State.Pending() || m.DueAt.After(at) {
			return nil
		}
		c, err := lockContact(ctx, tx, m.ShopID, m.addrHash)
		if err != nil {
			return err
		}
		// Only now is what we read of the message in force.
		if m, err = scanMessage(tx.QueryRow(ctx, `SELECT `+messageColumns+` FROM message WHERE id = $1`, id)); err != nil {
			return fmt.Errorf("claim %s: %w", id, err)
		}
		if !m.State.Pending() || m.DueAt.After(at) { // put off meanwhile
			return nil
		}
		o, err := s.orders.ByID(ctx, tx, m.OrderID)
		if err != nil {
			return err
		}
		w, err := s.world(ctx, tx, m.ShopID, o, m.Kind)
		if err != nil {
			return err
		}
		if w.set.Stopped() || !w.shop.UninstalledAt.IsZero() {
			return nil
		}
		if late := w.shop.MaxOrderAge; m.Asked == 0 && late > 0 && at.Sub(m.DueAt) > late {
			// The shop was stopped, or we were, for so long that nobody knows
			// any more what is asked about.
			_, err := move(ctx, tx, &m, []State{Scheduled, Queued}, note{state: Skipped, reason: TooOld, args: []string{days(late)}, at: at}, "")
			return err
		}
		if v, err := s.judge(ctx, tx, w, m.Kind, m.Asked, m.CreatedAt); err != nil {
			return err
		} else if !v.OK {
			_, err := move(ctx, tx, &m, []State{Scheduled, Queued}, note{state: Skipped, reason: v.Reason, args: v.Args, at: at}, "")
			return err
		}
		if until, cool := c.cooling(m, w, at); cool {
			n := note{state: Skipped, reason: InCooldown, args: []string{until.In(w.shop.Location()).Format("2006-01-02")}, at: at}
			_, err := move(ctx, tx, &m, []State{Scheduled, Queued}, n, "")
			return err
		}
		if open := loud(at, w.shop.QuietHours, w.shop.Location()); m.Asked < 2 && open.After(at) {
			_, err := move(ctx, tx, &m, []State{Scheduled, Queued}, note{state: Scheduled, reason: QuietNow, at: at}, `due_us = $6`, db.US(open))
			return err
		}
		if m.FirstAt.IsZero() {
			m.FirstAt = at
		}
		m.attemptID, m.Attempts = db.NewID(), m.Attempts+1
		clock, err := s.d.Now(ctx, tx)
		if err != nil {
			return err
		}
		ok, err = move(ctx, tx, &m, []State{Scheduled, Queued}, note{state: Sending, at: at},
			`attempt_id = $6, attempts = $7, first_us = $8, lease_us = $9`, m.attemptID, m.Attempts, db.US(m.FirstAt), db.US(clock.Add(s.o.Lease)))
		if err != nil || !ok {
			return err
		}
		a = attempt{Message: m, w: w}
		if err := c.ask(ctx, tx, m, at); err != nil {
			return err
		}
		s.o.Step(StepClaiming)
		return nil
	})
	return a, ok && err == nil, err
}

// contact is a person of a shop, locked until the transaction ends.
type contact struct {
	shopID, hash     string
	asked, before    int64
	askedBy, askedOf string
}

func lockContact(ctx context.Context, tx *db.Tx, shopID, hash string) (c contact, err error) {
	c.shopID, c.hash = shopID, hash
	err = tx.QueryRow(ctx, `INSERT INTO contact (shop_id, addr_hash, asked_us, asked_by, asked_for, before_us) VALUES ($1, $2, 0, '', '', 0)
		ON CONFLICT (shop_id, addr_hash) DO UPDATE SET asked_us = contact.asked_us
		RETURNING asked_us, asked_by, asked_for, before_us`, shopID, hash).Scan(&c.asked, &c.askedBy, &c.askedOf, &c.before)
	if err != nil {
		return c, fmt.Errorf("lock contact: %w", err)
	}
	return c, nil
}

// cooling reports whether the person was asked for another order too recently,
// and until when. A person's send-now does not care.
func (c contact) cooling(m Message, w world, at time.Time) (until time.Time, cool bool) {
	if c.asked == 0 || c.askedOf == m.OrderID || m.Asked == 2 || w.shop.Cooldown <= 0 {
		return time.Time{}, false
	}
	until = db.Time(c.asked).Add(w.shop.Cooldown)
	return until, at.Before(until)
}

// ask notes that the person is being asked by m.
func (c contact) ask(ctx context.Context, tx *db.Tx, m Message, at time.Time) error {
	if m.Kind != Request {
		return nil
	}
	before := c.asked
	if c.askedBy == m.ID {
		before = c.before
	}
	_, err := tx.Exec(ctx, `UPDATE contact SET asked_us = $3, asked_by = $4, asked_for = $5, before_us = $6 WHERE shop_id = $1 AND addr_hash = $2`,
		c.shopID, c.hash, db.US(at), m.ID, m.OrderID, before)
	if err != nil {
		return fmt.Errorf("note request: %w", err)
	}
	return nil
}

// unask takes back that the person was asked by m, which did not arrive.
func unask(ctx context.Context, tx *db.Tx, m Message) error {
	_, err := tx.Exec(ctx, `UPDATE contact SET asked_us = before_us, asked_by = '', asked_for = '' WHERE shop_id = $1 AND addr_hash = $2 AND asked_by = $3`,
		m.ShopID, m.addrHash, m.ID)
	if err != nil {
		return fmt.Errorf("take back request: %w", err)
	}
	return nil
}

// errOvertaken stops a delivery before its dot: the message is not ours any
// more, or its customer is not to be asked any more.
var errOvertaken = errors.New("overtaken before the dot")

// mark commits, on the disk, that the final dot of an attempt may be written.
// It is a compare-and-set that judges once more: what was unsubscribed,
// cancelled or reaped since the claim stops here.
func (s *Service) mark(ctx context.Context, a attempt) error {
	var stopped bool
	err := s.d.InSyncedTx(ctx, func(tx *db.Tx) error {
		stopped = false
		at := s.now()
		m := a.Message
		rows, err := tx.Exec(ctx, `UPDATE message SET updated_us = $3 WHERE id = $1 AND attempt_id = $2 AND state = 'sending'`, m.ID, m.attemptID, db.US(at))
		if err != nil {
			return fmt.Errorf("mark %s: %w", m.ID, err)
		}
		if rows == 0 {
			stopped = true
			return nil
		}
		o, err := s.orders.ByID(ctx, tx, m.OrderID)
		if err != nil {
			return err
		}
		w, err := s.world(ctx, tx, m.ShopID, o, m.Kind)
		if err != nil {
			return err
		}
		v, err := s.judge(ctx, tx, w, m.Kind, m.Asked, m.CreatedAt)
		if err != nil {
			return err
		}
		if v.OK && s.hash(o.Email) != m.addrHash {
			v = Verdict{Reason: ClockRestart} // another address meanwhile: it goes to that one
			stopped = true
			_, err := move(ctx, tx, &m, []State{Sending}, note{state: Queued, reason: v.Reason, at: at}, `attempt_id = '', addr_hash = $6, addr_masked = $7`,
				s.hash(o.Email), Mask(o.Email))
			return err
		}
		if !v.OK {
			stopped = true
			if _, err := move(ctx, tx, &m, []State{Sending}, note{state: Skipped, reason: v.Reason, args: v.Args, at: at}, `attempt_id = ''`); err != nil {
				return err
			}
			return unask(ctx, tx, m)
		}
		_, err = move(ctx, tx, &m, []State{Sending}, note{state: Dot, at: at}, "")
		s.o.Step(StepMarking)
		return err
	})
	if err == nil && stopped {
		return errOvertaken
	}
	return err
}

// settle writes down what became of an attempt.
func (s *Service) settle(ctx context.Context, a attempt, out Outcome) error {
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		m, at := a.Message, s.now()
		// Who is at it: reaped and claimed by another, it is not ours to settle.
		rows, err := tx.Exec(ctx, `UPDATE message SET updated_us = $3 WHERE id = $1 AND attempt_id = $2 AND state IN ('sending', 'dot', 'unknown')`,
			m.ID, m.attemptID, db.US(at))
		if err != nil {
			return fmt.Errorf("settle %s: %w", m.ID, err)
		}
		if rows == 0 {
			return nil
		}
		flight := []State{Sending, Dot, Unknown}
		switch out.Fate {
		case FateSent:
			_, err = move(ctx, tx, &m, flight, note{state: Sent, detail: out.Reply, at: at}, `sent_us = $6, reply = $7`, db.US(at), hushed(out.Reply))
			if err == nil {
				err = s.remind(ctx, tx, a, at)
			}
		case FateUnknown:
			_, err = move(ctx, tx, &m, []State{Sending, Dot}, note{state: Unknown, reason: LostInFlight, detail: text(out), at: at}, `sent_us = 0`)
		case FateDenied:
			err = s.denied(ctx, tx, m, out, at)
		case FateStopped:
			// Where mark said no it has settled the message. An error of the
			// database leaves it here, perhaps marked: no dot was written.
			_, err = move(ctx, tx, &m, flight, note{state: Queued, reason: Restarted, detail: text(out), at: at}, `attempt_id = '', attempts = $6, due_us = $7`,
				m.Attempts-1, db.US(at.Add(time.Second)))
		default:
			err = s.retry(ctx, tx, a, out, at)
		}
		s.o.Step(StepSettling)
		return err
	})
}

// retry puts a message back in line, after a pause that grows.
func (s *Service) retry(ctx context.Context, tx *db.Tx, a attempt, out Outcome, at time.Time) error {
	m := a.Message
	flight := []State{Sending, Dot, Unknown}
	if out.Throttled {
		_, err := move(ctx, tx, &m, flight, note{state: Queued, reason: Throttled, detail: text(out), at: at},
			`attempt_id = '', attempts = $6, due_us = $7`, m.Attempts-1, db.US(at))
		return err
	}
	if at.Sub(m.FirstAt) >= giveUpAfter {
		if _, err := move(ctx, tx, &m, flight, note{state: Failed, reason: GaveUp, detail: text(out), at: at}, `reply = $6`, hushed(out.Reply)); err != nil {
			return err
		}
		if err := unask(ctx, tx, m); err != nil {
			return err
		}
		return s.softFailed(ctx, tx, m, at)
	}
	n := note{state: Queued, reason: Retrying, args: []string{strconv.Itoa(out.Code)}, detail: text(out), at: at}
	if out.Code == 0 {
		n.reason, n.args = Unreachable, nil
	}
	next := at.Add(backoff(a.w.shop.MailRetryAfter, m.Attempts, out.Code == 0))
	_, err := move(ctx, tx, &m, flight, n, `attempt_id = '', due_us = $6, reply = $7`, db.US(next), hushed(out.Reply))
	return err
}

// denied ends a message that the server refuses for good. Where the refusal is
// about the address, the address gets no more mail; where it is about us, the
// shop stops.
func (s *Service) denied(ctx context.Context, tx *db.Tx, m Message, out Outcome, at time.Time) error {
	n := note{state: Failed, reason: RefusedByMail, args: []string{strconv.Itoa(out.Code), hushed(out.Reply)}, detail: text(out), at: at}
	if out.Phase == "write" {
		n.reason, n.args = BadTemplate, nil
	}
	bounce := ""
	if out.Address {
		bounce = bounceHard
	}
	if _, err := move(ctx, tx, &m, []State{Sending, Dot, Unknown}, n, `attempt_id = '', reply = $6, bounce = $7`, hushed(out.Reply), bounce); err != nil {
		return err
	}
	if err := unask(ctx, tx, m); err != nil {
		return err
	}
	if !out.Address {
		return nil
	}
	if err := s.suppress(ctx, tx, m.ShopID, m.addrHash, m.Address, WhyBounced, text(out), time.Time{}); err != nil {
		return err
	}
	return s.breaker(ctx, tx, m.ShopID, at)
}

func text(out Outcome) string {
	t := out.Phase
	if out.Code > 0 {
		t += " " + strconv.Itoa(out.Code)
	}
	if out.Reply != "" {
		t += " " + out.Reply
	} else if out.Err != nil {
		t += " " + out.Err.Error()
	}
	return t
}

// remind schedules the reminder that follows a request which was sent.
func (s *Service) remind(ctx context.Context, tx *db.Tx, a attempt, at time.Time) error {
	seq := 0
	if a.Kind == Reminder {
		seq = a.Seq + 1
	}
	if a.w.set.ReminderDelay <= 0 || seq >= a.w.set.Reminders {
		return nil
	}
	m := Message{ID: db.NewID(), Kind: Reminder, Seq: seq, State: Scheduled, ClockAt: at}
	m.DueAt = due(at, a.w.set.ReminderDelay, a.w.shop.QuietHours, a.w.shop.Location())
	return s.insert(ctx, tx, a.w.order, m, note{state: Scheduled, at: at})
}
