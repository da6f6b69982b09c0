package review

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"time"

	"imreport/internal/db"
	"imreport/internal/quota"
)

// The named steps of a sending, in order; see Options.Step. Those that end in
// -ing are inside a transaction, before it commits.
const (
	StepClaiming = "claiming"
	StepClaimed  = "claimed"
	StepWritten  = "written" // the body is over, the mark not begun
	StepMarking  = "marking"
	StepMarked   = "marked"  // the dot is next
	StepReplied  = "replied" // the server has answered
	StepSettling = "settling"
	StepSettled  = "settled"
)

// Steps are all of them.
var Steps = []string{StepClaiming, StepClaimed, StepWritten, StepMarking, StepMarked, StepReplied, StepSettling, StepSettled}

// PerSender bounds the open connections for one sender's address in one
// process: as many messages at most are of unknown fate after a crash.
const PerSender = 4

const (
	perProcess = 16
	// lookEvery is how often Run looks for what is due, when nobody wakes it.
	lookEvery = 500 * time.Millisecond
	// tidyEvery is how often what has run out is removed.
	tidyEvery = time.Hour
	// graceFor is how long a stopping process waits for replies to dots that
	// are written.
	graceFor = 10 * time.Second
)

// Run sends what is due, until ctx ends. Every working process runs it: a
// sender's address has one owner at a time.
func (s *Service) Run(ctx context.Context) error {
	if err := s.void(ctx); err != nil {
		return err
	}
	// What has passed its mark is waited for, whatever happens to ctx.
	flights, land := context.WithCancel(context.WithoutCancel(ctx))
	defer land()
	done := make(chan struct{}, perProcess)
	running := 0
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	renewed, tidied := time.Now(), time.Time{}
	for {
		if time.Since(tidied) >= tidyEvery {
			tidied = time.Now()
			if err := s.tidyUp(ctx); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "reviews: what has run out is not removed", "error", err)
			}
		}
		if time.Since(renewed) >= s.o.Lease/4 {
			renewed = time.Now()
			s.renew(ctx)
		}
		if s.o.Carrier != nil {
			n, err := s.look(ctx, flights, perProcess-running, done)
			running += n
			if err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "mails: looking for what is due", "error", err)
			}
		}
		if err := s.bulks(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "mails: bulk actions", "error", err)
		}
		select {
		case <-ctx.Done():
			return s.landed(land, done, running)
		case <-done:
			running--
			s.poke()
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// landed waits for the mails on their way; those that take too long are cut
// off and become unknown, or wait again when they had not come to their mark.
func (s *Service) landed(land func(), done <-chan struct{}, running int) error {
	late := time.NewTimer(graceFor)
	defer late.Stop()
	for running > 0 {
		select {
		case <-done:
			running--
		case <-late.C:
			land()
			return nil
		}
	}
	return nil
}

// void settles what a dead process left: nothing was handed over before the
// mark; after it nobody knows. On SQLite there is only this process, so every
// lease is void; on PostgreSQL those that have run out.
func (s *Service) void(ctx context.Context) error {
	limit := time.Now().Add(100 * 365 * 24 * time.Hour)
	if s.d.Dialect() == db.Postgres {
		now, err := s.d.Now(ctx, s.d)
		if err != nil {
			return err
		}
		limit = now
	}
	for {
		all, err := db.All(ctx, s.d, scanMessage, `SELECT `+messageColumns+` FROM message
			WHERE state IN ('sending', 'dot') AND lease_us < $1 ORDER BY lease_us LIMIT 100`, db.US(limit))
		if err != nil {
			return fmt.Errorf("mails in flight: %w", err)
		}
		for _, m := range all {
			if err := s.voidOne(ctx, m, db.US(limit)); err != nil {
				return err
			}
		}
		if len(all) < 100 {
			return nil
		}
	}
}

func (s *Service) voidOne(ctx context.Context, m Message, limit int64) error {
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		at := s.now()
		rows, err := tx.Exec(ctx, `UPDATE message SET lease_us = $4 WHERE id = $1 AND attempt_id = $2 AND lease_us < $3`, m.ID, m.attemptID, limit, int64(0))
		if err != nil || rows == 0 {
			return err
		}
		m := m
		ok, err := move(ctx, tx, &m, []State{Sending}, note{state: Queued, reason: Restarted, at: at}, `attempt_id = '', due_us = $6`, db.US(at))
		if err != nil || ok {
			return err
		}
		_, err = move(ctx, tx, &m, []State{Dot}, note{state: Unknown, reason: LostInFlight, at: at}, "")
		return err
	})
}

// renew shows that this process is alive, and reaps those that are not.
func (s *Service) renew(ctx context.Context) {
	if s.d.Dialect() != db.Postgres {
		return // nothing is reaped while the one process lives
	}
	ids := s.inHand()
	err := s.d.InTx(ctx, func(tx *db.Tx) error {
		now, err := s.d.Now(ctx, tx)
		if err != nil || len(ids) == 0 {
			return err
		}
		args := []any{db.US(now.Add(s.o.Lease))}
		for _, id := range ids {
			args = append(args, id)
		}
		_, err = tx.Exec(ctx, `UPDATE message SET lease_us = $1 WHERE state IN ('sending', 'dot') AND id IN (`+db.Params(2, len(ids))+`)`, args...)
		return err
	})
	if err == nil {
		err = s.void(ctx)
	}
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "mails: leases", "error", err)
	}
}

func (s *Service) inHand() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range s.busy {
		for id := range of {
			ids = append(ids, id)
		}
	}
	return ids
}

// dueShop is a shop with something to send.
type dueShop struct {
	id, from string
	rate     float64
}

// look starts what is due and has room; it returns how many it started.
func (s *Service) look(ctx, flights context.Context, room int, done chan<- struct{}) (started int, err error) {
	at := s.now()
	shops, err := db.All(ctx, s.d, func(r db.Scanner) (v dueShop, err error) {
		err = r.Scan(&v.id, &v.from, &v.rate)
		return v, err
	}, `SELECT s.id, s.mail_from, s.mail_rate FROM shop s
		WHERE s.uninstalled_us = 0 AND EXISTS (SELECT 1 FROM message m WHERE m.shop_id = s.id AND m.state IN ('scheduled', 'queued') AND m.due_us <= $1)
			AND NOT EXISTS (SELECT 1 FROM review_setting v WHERE v.shop_id = s.id AND v.stopped_us > 0)`, db.US(at))
	if err != nil {
		return 0, fmt.Errorf("shops with mail: %w", err)
	}
	rates := map[string]float64{} // shops of one sender share its rate: the least one
	for i := range shops {
		v := &shops[i]
		if v.from == "" {
			v.from = s.o.MailFrom
		}
		v.from = bare(v.from)
		if r, ok := rates[v.from]; !ok || v.rate < r {
			rates[v.from] = v.rate
		}
	}
	for sender, rate := range rates {
		s.gate.SetRate(quota.Scope{Kind: quota.SMTP, ID: sender}, rate)
	}
	for _, v := range shops {
		mine, err := s.own(ctx, v.from)
		if err != nil {
			return started, err
		}
		if !mine {
			continue
		}
		if err := s.queue(ctx, v.id, at); err != nil {
			return started, err
		}
		n, err := s.start(ctx, flights, v, at, room-started, done)
		started += n
		if err != nil {
			return started, err
		}
	}
	return started, nil
}

// own takes or keeps the right to send for a sender's address.
func (s *Service) own(ctx context.Context, sender string) (bool, error) {
	if s.d.Dialect() != db.Postgres {
		return true, nil
	}
	now, err := s.d.Now(ctx, s.d)
	if err != nil {
		return false, err
	}
	n, err := s.d.Exec(ctx, `INSERT INTO mail_sender (sender, owner, lease_us) VALUES ($1, $2, $3)
		ON CONFLICT (sender) DO UPDATE SET owner = excluded.owner, lease_us = excluded.lease_us
		WHERE mail_sender.owner = excluded.owner OR mail_sender.lease_us < $4`, sender, s.o.Process, db.US(now.Add(s.o.Lease/4)), db.US(now))
	if err != nil {
		return false, fmt.Errorf("own sender: %w", err)
	}
	return n > 0, nil
}

// queue shows what is due as waiting for its turn. It remembers up to where it
// looked, so that a long line is not read again and again.
func (s *Service) queue(ctx context.Context, shopID string, at time.Time) error {
	const batch = 100
	s.mu.Lock()
	from := s.shown[shopID]
	s.mu.Unlock()
	last := db.US(at)
	ids, err := db.All(ctx, s.d, func(r db.Scanner) (id string, err error) {
		err = r.Scan(&id, &last)
		return id, err
	}, `SELECT id, due_us FROM message WHERE shop_id = $1 AND state IN ('scheduled', 'queued') AND due_us >= $2 AND due_us <= $3 AND state = 'scheduled'
		ORDER BY due_us LIMIT $4`, shopID, from, db.US(at), batch)
	if err != nil {
		return fmt.Errorf("mails due in shop %s: %w", shopID, err)
	}
	if len(ids) < batch {
		last = db.US(at)
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		for _, id := range ids {
			m := Message{ID: id}
			if _, err := move(ctx, tx, &m, []State{Scheduled}, note{state: Queued, at: at}, ""); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.mu.Lock()
		s.shown[shopID] = last
		s.mu.Unlock()
	}
	return err
}

// start begins to send a shop's messages that are due.
func (s *Service) start(ctx, flights context.Context, v dueShop, at time.Time, room int, done chan<- struct{}) (started int, err error) {
	s.mu.Lock()
	of := s.busy[v.from]
	if of == nil {
		of = map[string]bool{}
		s.busy[v.from] = of
	}
	n := len(of)
	f := s.flow[v.id]
	if f == nil {
		f = s.gate.Flow(quota.FlowOptions{ID: v.id, Tenant: v.id, Class: quota.Bulk})
		s.flow[v.id] = f
	}
	s.mu.Unlock()
	if room = min(room, PerSender-n); room <= 0 {
		return 0, nil
	}
	// What a person asked for stands before what is due by itself.
	var ids []string
	for _, which := range []string{"AND asked = 2", ""} {
		some, err := db.All(ctx, s.d, db.Value[string], `SELECT id FROM message
			WHERE shop_id = $1 AND state IN ('scheduled', 'queued') AND due_us <= $2 `+which+` ORDER BY due_us LIMIT $3`, v.id, db.US(at), room+n)
		if err != nil {
			return 0, fmt.Errorf("mails of shop %s: %w", v.id, err)
		}
		ids = append(ids, some...)
	}
	for _, id := range ids {
		s.mu.Lock()
		taken := of[id] || started == room
		if !taken {
			of[id] = true
		}
		s.mu.Unlock()
		if taken {
			continue
		}
		started++
		go func() {
			defer func() {
				s.mu.Lock()
				delete(of, id)
				s.mu.Unlock()
				done <- struct{}{}
			}()
			s.turn(ctx, flights, f, v.from, id)
		}()
	}
	return started, nil
}

// turn waits for the sender's turn and makes one attempt.
func (s *Service) turn(ctx, flights context.Context, f *quota.Flow, sender, id string) {
	call := quota.Call{Scopes: []quota.Scope{{Kind: quota.SMTP, ID: sender}}, Operation: "smtp.send"}
	err := s.gate.Do(ctx, f, call, func(ctx context.Context) (quota.Answer, error) {
		a, ok, err := s.claim(ctx, id)
		if err != nil || !ok {
			return quota.Answer{}, err
		}
		return s.attempt(ctx, flights, a)
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.WarnContext(ctx, "mail not sent", "message", id, "error", err)
	}
}

// attempt hands a claimed message over and settles what became of it.
func (s *Service) attempt(ctx, flights context.Context, a attempt) (quota.Answer, error) {
	s.o.Step(StepClaimed)
	var out Outcome
	l, err := s.letter(a.w, a.Message)
	if err != nil {
		out = Outcome{Fate: FateDenied, Phase: "write", Err: err}
	} else {
		out = s.o.Carrier.Carry(ctx, l, func(context.Context) error {
			s.o.Step(StepWritten)
			// Past this point only time ends the delivery, not a stopping process.
			err := s.mark(flights, a)
			s.o.Step(StepMarked)
			return err
		})
	}
	s.o.Step(StepReplied)
	if ctx.Err() != nil && out.Fate == FateLater && out.Code == 0 {
		out.Fate = FateStopped // we hung up ourselves: no attempt is used up
	}
	if err := s.settled(flights, a, out); err != nil {
		return quota.Answer{}, err
	}
	if out.Err != nil {
		s.log.InfoContext(ctx, "mail not delivered", "message", a.ID, "attempt", a.Attempts, "phase", out.Phase, "code", out.Code)
	}
	s.o.Step(StepSettled)
	if out.Throttled {
		// The message is back in line, due at once; the gate pauses the sender
		// and then sends it again.
		return quota.Answer{Refused: true}, nil
	}
	return quota.Answer{}, nil
}

// settled writes down an outcome, also through a short failure of the
// database. What cannot be written stays where it is: a mark becomes unknown.
func (s *Service) settled(ctx context.Context, a attempt, out Outcome) (err error) {
	for i := range 8 {
		if err = s.settle(ctx, a, out); err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond << i):
		}
	}
	return err
}

// bare is the address of "Name <a@example.kr>".
func bare(from string) string {
	if a, err := mail.ParseAddress(from); err == nil {
		return a.Address
	}
	return from
}
