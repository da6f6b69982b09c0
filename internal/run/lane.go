package run

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// promote starts run r: its definition is frozen, it enters 3, and its job is
// sent. The caller holds the lane and knows it is free.
func (s *Service) promote(ctx context.Context, tx *db.Tx, r *Run, keyID string) error {
	now := s.now()
	rd, err := s.o.Reports.Get(ctx, tx, r.WorkspaceID, r.RawDataID)
	if err != nil {
		return err
	}
	def := rd.Freeze(now)
	// A run that was requeued takes up what was changed meanwhile; what it has
	// done stays done.
	_, err = tx.Exec(ctx, `UPDATE run SET definition = $2, parked = $3, wake_us = 0, subject = '', lease_owner = '', lease_until_us = 0,
			started_us = CASE WHEN started_us = 0 THEN $4 ELSE started_us END
		WHERE id = $1`, r.ID, encode(def), false, db.US(now))
	if err != nil {
		return fmt.Errorf("promote run %s: %w", r.ID, err)
	}
	r.Definition, r.Parked, r.WakeAt = def, false, time.Time{}
	if r.StartedAt.IsZero() {
		r.StartedAt = now
	}
	if err := enter(ctx, tx, r, Creating, CodeNone, nil, now); err != nil {
		return err
	}
	return s.send(ctx, tx, *r, keyID)
}

// promoteNext starts the next eligible run of a lane that is free, or held only
// by a parked run: interactive before bulk, then by ticket. Runs of a dead key
// are parked on the way. It reports whether one was started.
func (s *Service) promoteNext(ctx context.Context, tx *db.Tx, lane string) (bool, error) {
	if some, err := eligible(ctx, tx, lane, ""); err != nil || !some {
		return false, err
	}
	if free, err := s.clear(ctx, tx, lane); err != nil || !free {
		return false, err
	}
	for {
		r, err := scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM run
			WHERE lane_id = $1 AND state IN (1, 2) AND NOT parked ORDER BY class, ticket LIMIT 1`, lane))
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("next run of lane %s: %w", lane, err)
		}
		acc, err := s.o.Keys.Account(ctx, tx, lane)
		if err != nil {
			return false, err
		}
		ok, err := s.o.Keys.Usable(ctx, tx, acc.APIKeyID)
		if err != nil {
			return false, err
		}
		if !ok {
			if err := s.park(ctx, tx, &r, CodeKeyInvalid, nil, acc.APIKeyID, time.Time{}); err != nil {
				return false, err
			}
			continue
		}
		return true, s.promote(ctx, tx, &r, acc.APIKeyID)
	}
}

// clear frees the lane of a parked run, which keeps it only while nobody else
// wants it, and reports whether the lane is free.
func (s *Service) clear(ctx context.Context, tx *db.Tx, lane string) (bool, error) {
	active, err := scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM run WHERE lane_id = $1 AND state IN (3, 4, 5, 6)`, lane))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("active run of lane %s: %w", lane, err)
	case active.Parked:
		return true, s.backInLine(ctx, tx, &active)
	}
	return false, nil
}

// eligible reports whether a run of the lane, other than one, could start if
// the lane were free.
func eligible(ctx context.Context, tx *db.Tx, lane, except string) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM run WHERE lane_id = $1 AND state IN (1, 2) AND NOT parked AND id <> $2`,
		lane, except).Scan(&n)
	return n > 0, err
}

// park lets an open run wait for something other than its lane, where it
// stands. wake zero means that somebody else wakes it.
func (s *Service) park(ctx context.Context, tx *db.Tx, r *Run, reason Code, args []any, subject string, wake time.Time) error {
	r.Parked, r.Subject, r.WakeAt = true, subject, wake
	r.Reason, r.ReasonArgs = reason, args
	_, err := tx.Exec(ctx, `UPDATE run SET parked = $2, subject = $3, wake_us = $4, reason = $5, reason_args = $6,
			lease_owner = '', lease_until_us = 0
		WHERE id = $1`, r.ID, true, subject, db.US(wake), reason, encode(args))
	if err != nil {
		return fmt.Errorf("park run %s: %w", r.ID, err)
	}
	return nil
}

// parkInLine parks a run that has not been in the log yet.
func (s *Service) parkInLine(ctx context.Context, tx *db.Tx, r *Run, reason Code, args []any, subject string, wake time.Time) error {
	if err := s.park(ctx, tx, r, reason, args, subject, wake); err != nil {
		return err
	}
	return enter(ctx, tx, r, r.State, reason, args, s.now())
}

// backInLine takes a parked run off its lane: it waits at 1 or 2 again, keeps
// its reason and what it has done, and is logged as requeued.
func (s *Service) backInLine(ctx context.Context, tx *db.Tx, r *Run) error {
	st := CreateWaiting
	if r.Kind == KindUpdate {
		st = UpdateWaiting
	}
	r.Epoch++
	r.GateClass = r.Class
	if _, err := tx.Exec(ctx, `UPDATE run SET epoch = $2, gate_class = class WHERE id = $1`, r.ID, r.Epoch); err != nil {
		return fmt.Errorf("requeue run %s: %w", r.ID, err)
	}
	return enterAs(ctx, tx, r, st, r.Reason, r.ReasonArgs, CodeRequeued, nil, s.now())
}

// unpark lets a parked run go on: in line it becomes eligible, on its lane its
// job is sent. The caller holds the lane.
func (s *Service) unpark(ctx context.Context, tx *db.Tx, r *Run) error {
	reason := CodeNone
	if r.State.Waiting() {
		reason = CodeLaneBusy
	}
	_, err := tx.Exec(ctx, `UPDATE run SET parked = $2, wake_us = 0, subject = '', reason = $3, reason_args = '' WHERE id = $1`,
		r.ID, false, reason)
	if err != nil {
		return fmt.Errorf("unpark run %s: %w", r.ID, err)
	}
	r.Parked, r.WakeAt, r.Reason, r.ReasonArgs = false, time.Time{}, reason, nil
	if r.State.Waiting() {
		_, err = s.promoteNext(ctx, tx, r.Lane)
		return err
	}
	acc, err := s.o.Keys.Account(ctx, tx, r.Lane)
	if err != nil {
		return err
	}
	return s.send(ctx, tx, *r, acc.APIKeyID)
}

// wake unparks one run if it is still parked and, for a timed pause, due.
func (s *Service) wake(ctx context.Context, id string, due bool) error {
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		r, err := get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := lockLane(ctx, tx, r.Lane); err != nil {
			return err
		}
		if r, err = get(ctx, tx, id); err != nil {
			return err
		}
		if !r.State.Open() || !r.Parked || due && (r.WakeAt.IsZero() || r.WakeAt.After(s.now())) {
			return nil
		}
		if due {
			if stands, err := s.sameBlock(ctx, tx, r); err != nil || stands {
				return err
			}
		}
		return s.unpark(ctx, tx, &r)
	})
}

// sameBlock puts off the waking of a run in line while the lane's active run is
// blocked by the same thing for all: changing places every minute of a late
// morning would help nobody. What clears the block wakes both.
func (s *Service) sameBlock(ctx context.Context, tx *db.Tx, r Run) (bool, error) {
	if !r.State.Waiting() || r.Reason != CodePlatformPreparing && r.Reason != CodePlatformClosed {
		return false, nil
	}
	var wake int64
	err := tx.QueryRow(ctx, `SELECT wake_us FROM run WHERE lane_id = $1 AND state IN (3, 4, 5, 6) AND parked AND reason = $2`,
		r.Lane, r.Reason).Scan(&wake)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("active run of lane %s: %w", r.Lane, err)
	}
	// A moment after the active one has looked again.
	later := max(wake, db.US(s.now())) + sameBlockAfter.Microseconds()
	_, err = tx.Exec(ctx, `UPDATE run SET wake_us = $2 WHERE id = $1`, r.ID, later)
	return true, err
}

// WakeSubject lets every run go on that waits for reason about subject: after
// a key was repaired, its runs; once the platform has published, all that waited
// for it. It returns how many.
func (s *Service) WakeSubject(ctx context.Context, reason Code, subject string) (int, error) {
	ids, err := db.All(ctx, s.d, db.Value[string], `SELECT id FROM run
		WHERE state BETWEEN 1 AND 6 AND parked AND reason = $1 AND subject = $2 ORDER BY class, ticket`, reason, subject)
	if err != nil {
		return 0, fmt.Errorf("runs that wait for %s: %w", subject, err)
	}
	return len(ids), forEach(ids, func(id string) error { return s.wake(ctx, id, false) })
}

// block is called by the worker of an active run that cannot go on. The run
// keeps its lane only while nobody else could use it; the epoch moves on, so
// that nothing of this attempt can write any more.
func (s *Service) block(ctx context.Context, r Run, stop *Stop, wake time.Time, fault bool) error {
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		cur, err := mine(ctx, tx, r)
		if err != nil {
			return err
		}
		if cur.Cancel {
			return s.end(ctx, tx, cur, ended{state: Failed, reason: CodeCancelled})
		}
		if stop.Reason == CodeKeyInvalid {
			if err := s.o.Keys.MarkInvalid(ctx, tx, stop.Subject, stop.Err, s.now()); err != nil {
				return err
			}
		}
		cur.Epoch++
		since := cur.FaultSince
		if fault && since.IsZero() {
			since = s.now()
		}
		attempt := cur.Attempt
		if fault {
			attempt++
		}
		_, err = tx.Exec(ctx, `UPDATE run SET epoch = $2, attempt = $3, fault_us = $4 WHERE id = $1`, r.ID, cur.Epoch, attempt, db.US(since))
		if err != nil {
			return err
		}
		if err := s.park(ctx, tx, &cur, stop.Reason, stop.Args, stop.Subject, wake); err != nil {
			return err
		}
		// Who asked meanwhile and need not wait for what it waits for, goes on.
		if req, open, err := s.asked(ctx, tx, cur); err != nil {
			return err
		} else if open && overtakes(cur, req) {
			if _, err := tx.Exec(ctx, `UPDATE run SET again_class = -1 WHERE id = $1`, cur.ID); err != nil {
				return err
			}
			_, err := s.join(ctx, tx, cur, req)
			return err
		}
		_, err = s.promoteNext(ctx, tx, cur.Lane)
		return err
	})
}

// yield takes a backfill off its lane for those who wait: its stored pieces
// stay, and it goes on when the lane is free again.
func (s *Service) yield(ctx context.Context, r Run) error {
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		cur, err := mine(ctx, tx, r)
		if err != nil {
			return err
		}
		if cur.Cancel {
			return s.end(ctx, tx, cur, ended{state: Failed, reason: CodeCancelled})
		}
		cur.Reason, cur.ReasonArgs = CodeLaneBusy, nil
		if _, err := tx.Exec(ctx, `UPDATE run SET lease_owner = '', lease_until_us = 0 WHERE id = $1`, cur.ID); err != nil {
			return err
		}
		if err := s.backInLine(ctx, tx, &cur); err != nil {
			return err
		}
		_, err = s.promoteNext(ctx, tx, cur.Lane)
		return err
	})
}

// ended says how a run ends.
type ended struct {
	state  State // Failed or Success
	reason Code
	args   []any
	file   *File
	late   []LatePiece // what the file lacks
}

// end ends run r, which the caller has read under the lane's lock, and in the
// same transaction opens the refresh that was asked for meanwhile and starts
// the lane's next run.
func (s *Service) end(ctx context.Context, tx *db.Tx, r Run, e ended) error {
	now := s.now()
	if e.state == Success && r.Cancel {
		e = ended{state: Failed, reason: CodeCancelled} // the file is left to the janitor
	}
	file := ""
	if e.file != nil {
		file = encode(e.file)
	}
	_, err := tx.Exec(ctx, `UPDATE run SET parked = $2, wake_us = 0, lease_owner = '', lease_until_us = 0, ended_us = $3, file = $4,
			done = CASE WHEN $5 THEN total ELSE done END, epoch = epoch + 1
		WHERE id = $1`, r.ID, false, db.US(now), file, e.state == Success)
	if err != nil {
		return fmt.Errorf("end run %s: %w", r.ID, err)
	}
	wasActive := r.State.Active()
	if err := enter(ctx, tx, &r, e.state, e.reason, e.args, now); err != nil {
		return err
	}
	if e.state == Success {
		_, err := tx.Exec(ctx, `UPDATE raw_data_state SET file = $2, file_run_id = $3, data_through = $4, filled_us = $5
			WHERE raw_data_id = $1`, r.RawDataID, file, r.ID, dataThrough(r.Definition, e.late), db.US(now))
		if err != nil {
			return fmt.Errorf("file of raw data %s: %w", r.RawDataID, err)
		}
		if s.o.Lacks != nil {
			if err := s.o.Lacks(ctx, tx, r, e.late); err != nil {
				return err
			}
		}
	}
	if err := s.again(ctx, tx, r, e); err != nil {
		return err
	}
	if wasActive {
		_, err = s.promoteNext(ctx, tx, r.Lane)
	}
	return err
}

// again opens the refresh that was asked for while r was active. A run that a
// person cancelled takes it along.
func (s *Service) again(ctx context.Context, tx *db.Tx, r Run, e ended) error {
	req, open, err := s.asked(ctx, tx, r)
	if err != nil || !open || e.reason == CodeCancelled {
		return err
	}
	rd, err := s.o.Reports.Get(ctx, tx, r.WorkspaceID, r.RawDataID)
	if errs.KindOf(err) == errs.NotFound {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	_, err = s.admit(ctx, tx, rd, req)
	return err
}

// asked is the refresh that was asked for while r was active, if any.
func (s *Service) asked(ctx context.Context, tx *db.Tx, r Run) (req Request, open bool, err error) {
	var deadline int64
	err = tx.QueryRow(ctx, `SELECT again_class, again_force, again_cause, again_deadline_us FROM run WHERE id = $1`, r.ID).
		Scan(&req.Class, &req.Force, &req.Cause, &deadline)
	if err != nil {
		return req, false, fmt.Errorf("refresh after run %s: %w", r.ID, err)
	}
	req.Deadline = db.Time(deadline)
	return req, req.Class >= 0, nil
}
