package run

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/quota"
)

// Times of the lease (docs/adr/0003; measured: takeover in 7.1-8.6 s). A
// worker stops by its own monotonic clock leaseMargin before the last lease
// that the database confirmed ends.
const (
	leaseFor      = 8 * time.Second
	leaseMargin   = time.Second
	renewEvery    = 2 * time.Second
	reapEvery     = time.Second
	unclaimedFor  = 60 * time.Second // a job not picked up by then is sent again
	sweepAtATime  = 200              // runs one sweep looks at
	releaseWithin = 5 * time.Second  // for giving leases back at a stop
	// sameBlockAfter is how long after the active run of its lane one that is
	// blocked by the same thing looks again.
	sameBlockAfter = 10 * time.Second
	// orphanedFor: when a process is found dead, the jobs that it may have
	// taken without a lease are sent again once they are so old.
	orphanedFor = 3 * time.Second
)

type counter struct{ n atomic.Int64 }

// Why a worker's context ends.
var (
	errLeaseLost = errs.E(errs.LeaseLost, "run.lease_lost", nil)
	errCancelled = errors.New("cancelled by a person")
	errShutdown  = errors.New("the process stops")
	errYield     = errors.New("a backfill lets others of its lane pass")
)

// keeper holds the leases of this process: it renews them all in one
// statement, hears of cancels and class changes, and reaps those of dead
// processes.
type keeper struct {
	s    *Service
	mu   sync.Mutex
	held map[string]*held
	wg   sync.WaitGroup // workers
	stop context.CancelFunc
	// loops renew, reap and sweep, each for itself: a long sweep must not
	// cost a lease.
	loops sync.WaitGroup
	// stopping is closed when the process begins to stop.
	stopping chan struct{}
}

// held is one lease of this process.
type held struct {
	run    Run
	cancel context.CancelCauseFunc
	flow   *quota.Flow
	pace   pace
	timer  *time.Timer // fires leaseMargin before the lease ends
}

func newKeeper(s *Service) *keeper {
	return &keeper{s: s, held: map[string]*held{}, stopping: make(chan struct{})}
}

// Start begins to work: on SQLite it first voids the leases of the process
// that died, then renews, reaps and sweeps until Stop. Jobs must be started
// after it.
func (s *Service) Start(ctx context.Context) error {
	k := s.keeper
	if s.d.Dialect() == db.SQLite {
		if err := s.reap(ctx, true); err != nil {
			return err
		}
		// What the dead process had taken without a lease yet.
		if err := s.sendUnclaimed(ctx, s.now()); err != nil {
			return err
		}
	}
	ctx, k.stop = context.WithCancel(ctx)
	k.loops.Go(func() { k.every(ctx, renewEvery, "renew leases", k.renew) })
	k.loops.Go(func() { k.every(ctx, renewEvery, "tell what is paced", k.tellPace) })
	k.loops.Go(func() { k.every(ctx, reapEvery, "sweep", s.sweep) })
	if s.d.Dialect() == db.Postgres {
		k.loops.Go(func() {
			k.every(ctx, reapEvery, "reap leases", func(ctx context.Context) error { return s.reap(ctx, false) })
		})
	}
	return nil
}

// Stop cancels the workers, waits for them until ctx ends, and gives their
// leases back so that another process takes over at once.
func (s *Service) Stop(ctx context.Context) error {
	k := s.keeper
	if k.stop == nil {
		return nil
	}
	close(k.stopping)
	k.stop()
	k.loops.Wait()
	k.mu.Lock()
	for _, h := range k.held {
		h.cancel(errShutdown)
	}
	k.mu.Unlock()
	finished := make(chan struct{})
	go func() { k.wg.Wait(); close(finished) }()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop runs: %w", ctx.Err())
	}
}

// every does fn again and again until ctx ends.
func (k *keeper) every(ctx context.Context, period time.Duration, what string, fn func(context.Context) error) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := fn(ctx); err != nil && ctx.Err() == nil {
			k.s.log.WarnContext(ctx, what, "error", err)
		}
	}
}

// claim takes the lease of run id at epoch; ok is false when there is nothing
// to do: it is held, has moved on, or has ended.
func (s *Service) claim(ctx context.Context, id string, epoch int64) (r Run, ok bool, err error) {
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		now, err := s.d.Now(ctx, tx)
		if err != nil {
			return err
		}
		var promoted int64
		r, err = scan(more{tx.QueryRow(ctx, `UPDATE run SET lease_owner = $3, lease_until_us = $4
			WHERE id = $1 AND epoch = $2 AND state IN (3, 4, 5, 6) AND lease_until_us = 0 AND NOT parked
			RETURNING `+columns+`, promoted_us`, id, epoch, s.o.Process, db.US(now.Add(leaseFor))), []any{&promoted}})
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		ok = err == nil
		if ok && s.o.Picked != nil {
			tx.AfterCommit(func() { s.o.Picked(s.now().Sub(db.Time(promoted))) })
		}
		return err
	})
	return r, ok && err == nil, err
}

// hold registers a claimed run and returns the context its worker lives by.
// began is when the claim was sent, by this process's monotonic clock.
func (k *keeper) hold(ctx context.Context, r Run, flow *quota.Flow, began time.Time) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	h := &held{run: r, cancel: cancel, flow: flow}
	if k.s.d.Dialect() == db.Postgres {
		h.timer = time.AfterFunc(time.Until(began.Add(leaseFor-leaseMargin)), func() { cancel(errLeaseLost) })
	}
	k.mu.Lock()
	k.held[r.ID] = h
	k.mu.Unlock()
	if r.Cancel {
		cancel(errCancelled)
	}
	return ctx
}

func (k *keeper) release(id string) {
	k.mu.Lock()
	h := k.held[id]
	delete(k.held, id)
	k.mu.Unlock()
	if h != nil {
		if h.timer != nil {
			h.timer.Stop()
		}
		h.cancel(nil)
	}
}

// yields says of a row of run whether it is a backfill that collects while
// somebody more urgent waits for its lane. Backfills take hours; what is
// written already goes on.
const yields = `(class = 2 AND state IN (3, 4) AND EXISTS (SELECT 1 FROM run w
	WHERE w.lane_id = run.lane_id AND w.state IN (1, 2) AND NOT w.parked AND w.class < 2))`

// renew prolongs every lease of this process in one statement. On SQLite
// nobody else could take them, so it only listens.
func (k *keeper) renew(ctx context.Context) error {
	k.mu.Lock()
	n := len(k.held)
	k.mu.Unlock()
	if n == 0 {
		return nil
	}
	began := time.Now()
	type news struct {
		id     string
		epoch  int64
		cancel bool
		class  quota.Class
		yield  bool
	}
	read := func(row db.Scanner) (v news, err error) {
		err = row.Scan(&v.id, &v.epoch, &v.cancel, &v.class, &v.yield)
		return v, err
	}
	var all []news
	var err error
	if k.s.d.Dialect() == db.SQLite {
		all, err = db.All(ctx, k.s.d, read, `SELECT id, epoch, cancel_requested, gate_class, `+yields+` FROM run
			WHERE lease_owner = $1 AND state IN (3, 4, 5, 6)`, k.s.o.Process)
	} else {
		err = k.s.d.InTx(ctx, func(tx *db.Tx) error {
			now, err := k.s.d.Now(ctx, tx)
			if err != nil {
				return err
			}
			all, err = db.All(ctx, tx, read, `UPDATE run SET lease_until_us = $2
				WHERE lease_owner = $1 AND state IN (3, 4, 5, 6) AND lease_until_us > $3
				RETURNING id, epoch, cancel_requested, gate_class, `+yields, k.s.o.Process, db.US(now.Add(leaseFor)), db.US(now))
			return err
		})
	}
	if err != nil {
		return err // the timers stop the workers in time
	}
	mine := make(map[string]news, len(all))
	for _, v := range all {
		mine[v.id] = v
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, h := range k.held {
		v, ok := mine[id]
		switch {
		case !ok || v.epoch != h.run.Epoch:
			// Claimed after the statement began, ended by its own worker a
			// moment ago, or truly lost: only the last does harm, and its
			// timer is not put forward.
			continue
		case v.cancel:
			h.cancel(errCancelled)
		case v.yield:
			h.cancel(errYield)
		}
		if h.timer != nil {
			h.timer.Reset(time.Until(began.Add(leaseFor - leaseMargin)))
		}
		if h.flow != nil {
			h.flow.SetClass(v.class)
		}
	}
	return nil
}

// Forecast is when a run that this process works at is expected to have sent
// its last request; false for others, and while too little is known.
func (s *Service) Forecast(id string) (quota.Range, bool) {
	s.keeper.mu.Lock()
	h := s.keeper.held[id]
	s.keeper.mu.Unlock()
	if h == nil || h.flow == nil {
		return quota.Range{}, false
	}
	return h.flow.Forecast()
}

// kick tells a worker of this process at once that its run was cancelled.
func (k *keeper) kick(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h := k.held[id]; h != nil {
		h.cancel(errCancelled)
	}
}

// reap gives the runs of dead processes to whoever takes them: their leases
// have run out, or all are void because this process alone may hold any.
func (s *Service) reap(ctx context.Context, all bool) error {
	now, err := s.d.Now(ctx, s.d)
	if err != nil {
		return err
	}
	if all {
		now = now.Add(1000 * time.Hour)
	}
	dead, err := db.All(ctx, s.d, scan, `SELECT `+columns+` FROM run
		WHERE state IN (3, 4, 5, 6) AND lease_until_us > 0 AND lease_until_us < $1`, db.US(now))
	if err != nil {
		return fmt.Errorf("leases that ran out: %w", err)
	}
	err = forEach(dead, func(r Run) error { return s.takeOver(ctx, r, now) })
	if len(dead) > 0 && !all {
		err = errors.Join(err, s.sendUnclaimed(ctx, s.now().Add(-orphanedFor)))
	}
	return err
}

// forEach does fn for all: one that cannot be done does not keep the others
// from it. Only when the database cannot be reached it gives up.
func forEach[T any](all []T, fn func(T) error) (failed error) {
	for _, v := range all {
		err := fn(v)
		failed = errors.Join(failed, err)
		if errs.KindOf(err) == errs.Unavailable {
			break
		}
	}
	return failed
}

// takeOver moves a run whose lease ended before now to its next epoch and
// sends its job.
func (s *Service) takeOver(ctx context.Context, r Run, now time.Time) error {
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		if err := lockLane(ctx, tx, r.Lane); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE run SET epoch = epoch + 1, lease_owner = '', lease_until_us = 0
			WHERE id = $1 AND epoch = $2 AND state IN (3, 4, 5, 6) AND lease_until_us > 0 AND lease_until_us < $3`,
			r.ID, r.Epoch, db.US(now))
		if err != nil || n == 0 {
			return err
		}
		cur, err := get(ctx, tx, r.ID)
		if err != nil {
			return err
		}
		if cur.Cancel {
			return s.end(ctx, tx, cur, ended{state: Failed, reason: CodeCancelled})
		}
		if err := enter(ctx, tx, &cur, cur.State, CodeResumed, nil, s.now()); err != nil {
			return err
		}
		acc, err := s.o.Keys.Account(ctx, tx, cur.Lane)
		if err != nil {
			return err
		}
		s.log.InfoContext(ctx, "run taken over", "run", cur.ID, "state", cur.State.String(), "epoch", cur.Epoch)
		return s.send(ctx, tx, cur, acc.APIKeyID)
	})
}

// giveBack ends a lease that this process still holds, because it stops.
func (s *Service) giveBack(ctx context.Context, r Run) error {
	now, err := s.d.Now(ctx, s.d)
	if err != nil {
		return err
	}
	return s.takeOver(ctx, r, now.Add(2*leaseFor))
}

// sweep is the net under the lane machine: it wakes the runs whose pause is
// over, sends jobs again that nobody picked up, and restarts lanes that have
// somebody to start but nobody active, which must never happen.
func (s *Service) sweep(ctx context.Context) error {
	now := s.now()
	due, err := db.All(ctx, s.d, db.Value[string], `SELECT id FROM run
		WHERE state IN (1, 2, 3, 4, 5, 6) AND wake_us > 0 AND wake_us <= $1 ORDER BY class, wake_us LIMIT $2`, db.US(now), sweepAtATime)
	if err != nil {
		return fmt.Errorf("runs to wake: %w", err)
	}
	failed := forEach(due, func(id string) error { return s.wake(ctx, id, true) })
	failed = errors.Join(failed, s.sendUnclaimed(ctx, now.Add(-unclaimedFor)))
	lanes, err := db.All(ctx, s.d, db.Value[string], `SELECT DISTINCT lane_id FROM run w
		WHERE state IN (1, 2) AND NOT parked
			AND NOT EXISTS (SELECT 1 FROM run a WHERE a.lane_id = w.lane_id AND a.state IN (3, 4, 5, 6)) LIMIT $1`, sweepAtATime)
	if err != nil {
		return errors.Join(failed, fmt.Errorf("stranded lanes: %w", err))
	}
	return errors.Join(failed, forEach(lanes, func(lane string) error {
		var started bool
		err := s.d.InTx(ctx, func(tx *db.Tx) (err error) {
			if err := lockLane(ctx, tx, lane); err != nil {
				return err
			}
			started, err = s.promoteNext(ctx, tx, lane)
			return err
		})
		if err != nil {
			return err
		}
		if started {
			s.stranded.n.Add(1)
			s.log.ErrorContext(ctx, "a stranded lane was restarted", "lane", lane)
		}
		return nil
	}))
}

// sendUnclaimed sends the jobs again of active runs that nobody has taken and
// whose job is older than the instant before. A job that was only slow finds
// the lease taken.
func (s *Service) sendUnclaimed(ctx context.Context, before time.Time) error {
	lost, err := db.All(ctx, s.d, scan, `SELECT `+columns+` FROM run
		WHERE state IN (3, 4, 5, 6) AND lease_until_us = 0 AND NOT parked AND promoted_us < $1 ORDER BY promoted_us LIMIT $2`,
		db.US(before), sweepAtATime)
	if err != nil {
		return fmt.Errorf("runs not picked up: %w", err)
	}
	return forEach(lost, func(r Run) error { return s.sendAgain(ctx, r) })
}

func (s *Service) sendAgain(ctx context.Context, r Run) error {
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		if err := lockLane(ctx, tx, r.Lane); err != nil {
			return err
		}
		cur, err := get(ctx, tx, r.ID)
		if err != nil {
			return err
		}
		if cur.Epoch != r.Epoch || !cur.State.Active() || !cur.LeaseUntil.IsZero() || cur.Parked {
			return nil
		}
		acc, err := s.o.Keys.Account(ctx, tx, cur.Lane)
		if err != nil {
			return err
		}
		return s.send(ctx, tx, cur, acc.APIKeyID)
	})
}
