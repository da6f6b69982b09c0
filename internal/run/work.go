package run

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"imreport/internal/account"
	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/quota"
)

// start handles the job: it takes the lease and leaves the run to a worker of
// its own, so that a run of hours does not occupy a handler.
func (s *Service) start(ctx context.Context, a startArgs) error {
	if moved, err := s.elsewhere(ctx, a); err != nil || moved {
		return err
	}
	began := time.Now()
	r, ok, err := s.claim(ctx, a.RunID, a.Epoch)
	if err != nil || !ok {
		return err
	}
	flow := s.o.Gate.Flow(quota.FlowOptions{ID: r.RawDataID, Tenant: r.WorkspaceID, Class: r.GateClass, Deadline: r.Deadline})
	life := s.keeper.hold(context.WithoutCancel(ctx), r, flow, began)
	s.keeper.wg.Go(func() {
		defer s.keeper.release(r.ID)
		defer flow.Close()
		w := &worker{s: s, run: r, flow: flow}
		s.o.Step("claimed")
		f, err := w.walk(life)
		w.finish(life, f, err)
		s.o.Step("ended")
	})
	return nil
}

// prepare reads what the source needs to know.
func (w *worker) prepare(ctx context.Context) (err error) {
	r := w.run
	if w.account, err = w.s.o.Keys.Account(ctx, w.s.d, r.Lane); err != nil {
		return err
	}
	cred, err := w.s.o.Keys.Credential(ctx, r.WorkspaceID, w.account.APIKeyID)
	if err != nil {
		return err
	}
	w.order = Order{
		RunID: r.ID, RawDataID: r.RawDataID, WorkspaceID: r.WorkspaceID, AccountID: w.account.ID, Credential: cred,
		CustomerID: w.account.CustomerID, Reports: r.Definition.Reports, From: r.Definition.From, To: r.Definition.To,
		Force: r.Force, Backfill: r.Class == quota.Backfill, Patient: r.GateClass != quota.Interactive,
		Routine: r.Cause != Manual, Flow: w.flow, Guard: w.guard,
	}
	// What was asked for because something was missing waits until it is there.
	if w.s.o.Lacks != nil && !r.Cause.Second() {
		w.order.Late = &w.late
	}
	return nil
}

// worker walks one run at one epoch through the states 3 to 6.
type worker struct {
	s       *Service
	run     Run
	flow    *quota.Flow
	account account.Account
	order   Order
	late    Lacking // what it went on without

	mu       sync.Mutex
	pieces   int64 // planned
	done     int64 // stored
	rows     int64 // written
	allRows  int64
	written  time.Time // when progress was last stored
	progress bool      // something was stored in this attempt
}

// guard fails when the run is no longer this worker's.
func (w *worker) guard(ctx context.Context, tx *db.Tx) error {
	var cancel bool
	err := tx.QueryRow(ctx, `SELECT cancel_requested FROM run WHERE id = $1 AND epoch = $2 AND state IN (3, 4, 5, 6)`,
		w.run.ID, w.run.Epoch).Scan(&cancel)
	if errors.Is(err, sql.ErrNoRows) {
		return errs.E(errs.LeaseLost, "run.lease_lost", err, w.run.ID)
	}
	if err != nil {
		return fmt.Errorf("look at run %s: %w", w.run.ID, err)
	}
	if cancel {
		return errCancelled
	}
	return nil
}

// walk does the work. The spreadsheet of an attempt is its own: a run that is
// taken over at 5 or 6 writes a new one, in the state where it stood.
func (w *worker) walk(ctx context.Context) (f File, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	if err := w.prepare(ctx); err != nil {
		return f, err
	}
	source, destination := w.s.o.Sources[w.account.Platform], w.s.o.Destinations[w.run.Definition.Destination.Type]
	if source == nil || destination == nil {
		return f, fmt.Errorf("no source %q or no destination %q", w.account.Platform, w.run.Definition.Destination.Type)
	}
	lang, err := w.s.o.Lang(ctx, w.run.WorkspaceID)
	if err != nil {
		return f, err
	}
	book, err := destination.Create(ctx, Work{
		Object: fmt.Sprintf("%s/%s/%s-%d", w.run.WorkspaceID, w.run.RawDataID, w.run.ID, w.run.Epoch),
		Title:  w.run.Definition.Name, Lang: lang,
	})
	if err != nil {
		return f, err
	}
	defer book.Abandon()
	if err := w.advance(ctx, Importing); err != nil {
		return f, err
	}
	if w.run.State == Importing {
		if err := source.Collect(ctx, w.order, w); err != nil {
			return f, err
		}
	}
	select { // from here on it costs CPU and memory, not requests
	case w.s.writers <- struct{}{}:
		defer func() { <-w.s.writers }()
	case <-ctx.Done():
		return f, context.Cause(ctx)
	}
	tabs, err := source.Tabs(ctx, w.order)
	if err != nil {
		return f, err
	}
	if err := w.advance(ctx, Inserting); err != nil {
		return f, err
	}
	w.planRows(tabs)
	if err := book.Insert(ctx, tabs, w.wrote); err != nil {
		return f, err
	}
	if err := w.advance(ctx, Adding); err != nil {
		return f, err
	}
	info := Info{
		Account: w.account.Name, CustomerID: w.account.CustomerID, Platform: w.account.Platform,
		From: w.order.From, To: w.order.To, DataThrough: dataThrough(w.run.Definition, w.late.Pieces), FilledAt: w.s.now(),
		Late: w.late.Pieces,
	}
	if w.s.o.Revisions != nil {
		filled, err := w.s.filledAt(ctx, w.run.RawDataID)
		if err != nil {
			return f, err
		}
		if !filled.IsZero() {
			if info.Revisions, err = w.s.o.Revisions(ctx, w.order, filled); err != nil {
				return f, err
			}
		}
	}
	if err := book.Add(ctx, info); err != nil {
		return f, err
	}
	f, err = book.Finish(ctx)
	w.s.o.Step("finished")
	return f, err
}

// advance brings the run to state st, if it has not been there.
func (w *worker) advance(ctx context.Context, st State) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if w.run.State >= st {
		return nil
	}
	return w.s.d.InTx(ctx, func(tx *db.Tx) error {
		// A takeover that begins now waits for this step, or this step sees it:
		// between a mere look and the write it could pass.
		if _, err := tx.Exec(ctx, `UPDATE run SET epoch = epoch WHERE id = $1`, w.run.ID); err != nil {
			return err
		}
		if err := w.guard(ctx, tx); err != nil {
			return err
		}
		r := w.run
		if err := enter(ctx, tx, &r, st, CodeNone, nil, w.s.now()); err != nil {
			return err
		}
		tx.AfterCommit(func() {
			w.run = r
			w.s.o.Step(st.String())
		})
		return nil
	})
}

// finish writes how the attempt ended, with a context of its own: the worker's
// may have ended. While the database does not take it, it tries again: on
// SQLite nobody else would.
func (w *worker) finish(life context.Context, f File, err error) {
	cause := context.Cause(life)
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		ctx, stop := context.WithTimeout(context.WithoutCancel(life), time.Minute)
		werr := w.settle(ctx, f, err, cause)
		stop()
		if werr == nil || errs.KindOf(werr) == errs.LeaseLost {
			return
		}
		w.s.log.WarnContext(ctx, "how a run ended could not be stored yet", "run", w.run.ID, "error", werr)
		select {
		case <-w.s.keeper.stopping:
			return // the lease is void when the process is gone
		case <-time.After(pause):
		}
	}
}

func (w *worker) settle(ctx context.Context, f File, err, cause error) error {
	s := w.s
	switch {
	case err == nil:
		e := ended{state: Success, file: &f, late: w.late.Pieces}
		if len(e.late) > 0 {
			e.reason, e.args = CodeLateTypes, lateArgs(e.late)
		}
		return s.endWith(ctx, w.run, e)
	case errors.Is(cause, errCancelled), errors.Is(err, errCancelled):
		return s.endWith(ctx, w.run, ended{state: Failed, reason: CodeCancelled})
	case errors.Is(cause, errYield):
		return s.yield(ctx, w.run)
	case errors.Is(cause, errShutdown), errors.Is(cause, errMoved):
		return s.giveBack(ctx, w.run)
	case errs.KindOf(cause) == errs.LeaseLost && cause != nil, errs.KindOf(err) == errs.LeaseLost:
		return nil // somebody else's now
	}
	stop := asStop(err)
	s.log.InfoContext(ctx, "run stopped", "run", w.run.ID, "state", w.run.State.String(), "reason", stop.Reason, "error", err)
	switch stop.Do {
	case Park:
		return s.block(ctx, w.run, stop, w.wakeAt(stop), false)
	case Retry:
		return w.retry(ctx, stop)
	}
	return s.endWith(ctx, w.run, ended{state: Failed, reason: stop.Reason, args: stop.Args})
}

// lateArgs are the arguments of the reason late_types: the types, and the
// first day that lacks them.
func lateArgs(late []LatePiece) []any {
	var types []string
	day := late[0].Day
	for _, p := range late {
		if !slices.Contains(types, p.Report) {
			types = append(types, p.Report)
		}
		day = min(day, p.Day)
	}
	return []any{strings.Join(types, ", "), day.String()}
}

// asStop says what to do about any error. One that names no reason is ours;
// a lost database or a full disk passes.
func asStop(err error) *Stop {
	var stop *Stop
	if errors.As(err, &stop) {
		return stop
	}
	if errs.KindOf(err) == errs.Unavailable {
		return &Stop{Do: Retry, Reason: CodeInternal, Err: err}
	}
	return &Stop{Do: Fail, Reason: CodeInternal, Err: err}
}

// Pauses of runs that wait for the platform and were not told for how long.
const (
	preparingPause = time.Minute
	closedPause    = 2 * time.Minute
	maxPause       = 10 * time.Minute
)

func (w *worker) wakeAt(stop *Stop) time.Time {
	if !stop.Until.IsZero() {
		return stop.Until
	}
	switch stop.Reason {
	case CodePlatformPreparing:
		return w.s.now().Add(preparingPause)
	case CodePlatformClosed:
		return w.s.now().Add(closedPause)
	}
	return time.Time{} // a repaired key wakes it
}

// retry pauses the run after a transient fault, longer each time, for
// Options.RetryFor since the first of them; then it ends at 0. Faults after
// progress count from one again.
func (w *worker) retry(ctx context.Context, stop *Stop) error {
	s, r, now := w.s, w.run, w.s.now()
	if w.progress {
		r.Attempt, r.FaultSince = 0, time.Time{}
	}
	if !r.FaultSince.IsZero() && now.Sub(r.FaultSince) >= s.o.RetryFor {
		reason := CodePlatformError
		if stop.Reason == CodeDestinationUnavailable || stop.Reason == CodeInternal {
			reason = stop.Reason
		}
		return s.endWith(ctx, r, ended{state: Failed, reason: reason, args: stop.Args})
	}
	pause := min(s.o.FirstPause<<min(r.Attempt, 20), maxPause)
	if stop.Until.After(now.Add(pause)) {
		pause = stop.Until.Sub(now)
	}
	if w.progress && w.run.Attempt > 0 {
		if err := s.clearFaults(ctx, r); err != nil {
			return err
		}
	}
	paused := *stop
	paused.Reason, paused.Args = CodeRetrying, []any{r.Attempt + 1, string(stop.Reason)}
	return s.block(ctx, r, &paused, now.Add(pause), true)
}

func (s *Service) clearFaults(ctx context.Context, r Run) error {
	_, err := s.d.Exec(ctx, `UPDATE run SET attempt = 0, fault_us = 0 WHERE id = $1 AND epoch = $2`, r.ID, r.Epoch)
	return err
}

// endWith ends the worker's run if it is still the worker's.
func (s *Service) endWith(ctx context.Context, r Run, e ended) error {
	var old File
	err := s.d.InTx(ctx, func(tx *db.Tx) error {
		cur, err := mine(ctx, tx, r)
		if err != nil {
			return err
		}
		old, err = s.file(ctx, tx, r.RawDataID)
		if err != nil && errs.KindOf(err) != errs.Conflict {
			return err
		}
		return s.end(ctx, tx, cur, e)
	})
	if err == nil && e.state == Success && old.Object != "" && e.file.Object != old.Object {
		s.removeFile(ctx, r.Definition.Destination.Type, old)
	}
	return err
}

// removeFile removes a file that nothing points to any more; what fails is
// left to the janitor.
func (s *Service) removeFile(ctx context.Context, destination string, f File) {
	if d := s.o.Destinations[destination]; d != nil {
		if err := d.Remove(ctx, f); err != nil {
			s.log.WarnContext(ctx, "old spreadsheet could not be removed", "object", f.Object, "error", err)
		}
	}
}
