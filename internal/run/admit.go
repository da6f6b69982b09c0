package run

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/quota"
	"imreport/internal/report"
)

// Request says how a raw data is to be filled.
type Request struct {
	Class quota.Class
	Force bool // fetch again what the archive has
	Cause Cause
	// Deadline is when it should be ready; zero: as soon as its class allows.
	Deadline time.Time
}

// Create stores a new raw data and admits its first run, in one transaction.
func (s *Service) Create(ctx context.Context, workspaceID, personID string, in report.Input, req Request) (rd report.RawData, r Run, err error) {
	now := s.now()
	if err := s.o.Reports.Check(ctx, workspaceID, &in, now); err != nil {
		return rd, r, err
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		a, err := s.o.Keys.Account(ctx, tx, in.AccountID)
		if errs.KindOf(err) == errs.NotFound || err == nil && a.WorkspaceID != workspaceID {
			return errs.InvalidField("ad_account_id", "report.account.not_found")
		}
		if err != nil {
			return err
		}
		if rd, err = s.o.Reports.Insert(ctx, tx, workspaceID, personID, in, now); err != nil {
			return err
		}
		r, err = s.admit(ctx, tx, rd, req)
		return err
	})
	return rd, r, err
}

// Refresh admits a run of a raw data, or joins the one that is open.
func (s *Service) Refresh(ctx context.Context, workspaceID, rawDataID string, req Request) (r Run, err error) {
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		r, err = s.RefreshTx(ctx, tx, workspaceID, rawDataID, req)
		return err
	})
	return r, err
}

// RefreshTx is Refresh inside the caller's transaction, for the schedule.
func (s *Service) RefreshTx(ctx context.Context, tx *db.Tx, workspaceID, rawDataID string, req Request) (Run, error) {
	rd, err := s.o.Reports.Get(ctx, tx, workspaceID, rawDataID)
	if err != nil {
		return Run{}, err
	}
	return s.admit(ctx, tx, rd, req)
}

// admit lets a run of rd in: it joins the open run, starts at 3 when the lane
// is free, and waits at 1 or 2 otherwise.
func (s *Service) admit(ctx context.Context, tx *db.Tx, rd report.RawData, req Request) (Run, error) {
	if req.Cause == "" {
		req.Cause = Manual
	}
	// The ticket is the lane's own count: no clock decides who is first. The
	// statement also takes the lane's lock.
	var ticket int64
	err := tx.QueryRow(ctx, `INSERT INTO lane (id, ticket) VALUES ($1, 1)
		ON CONFLICT (id) DO UPDATE SET ticket = lane.ticket + 1 RETURNING ticket`, rd.AccountID).Scan(&ticket)
	if err != nil {
		return Run{}, fmt.Errorf("ticket of lane %s: %w", rd.AccountID, err)
	}
	open, err := scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM run
		WHERE raw_data_id = $1 AND state BETWEEN 1 AND 6`, rd.ID))
	if err == nil {
		return s.join(ctx, tx, open, req)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return Run{}, fmt.Errorf("open run of raw data %s: %w", rd.ID, err)
	}
	r, err := s.insert(ctx, tx, rd, req, ticket)
	if err != nil {
		return Run{}, err
	}
	return s.place(ctx, tx, r, rd)
}

// insert stores a run that has no state in the log yet.
func (s *Service) insert(ctx context.Context, tx *db.Tx, rd report.RawData, req Request, ticket int64) (Run, error) {
	r := Run{
		ID: db.NewID(), RawDataID: rd.ID, WorkspaceID: rd.WorkspaceID, Lane: rd.AccountID, Kind: KindCreate,
		Cause: req.Cause, Class: req.Class, GateClass: req.Class, Force: req.Force, Ticket: ticket, State: CreateWaiting, Epoch: 1,
		CreatedAt: s.now(), Deadline: req.Deadline,
	}
	var file string
	err := tx.QueryRow(ctx, `SELECT file FROM raw_data_state WHERE raw_data_id = $1`, rd.ID).Scan(&file)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return r, fmt.Errorf("file of raw data %s: %w", rd.ID, err)
	}
	if file != "" {
		r.Kind, r.State = KindUpdate, UpdateWaiting
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO run (id, raw_data_id, workspace_id, lane_id, kind, cause, class, gate_class, force, ticket, state, reason, reason_args,
			subject, parked, wake_us, epoch, lease_owner, lease_until_us, promoted_us, cancel_requested,
			again_class, again_force, again_cause, deadline_us, definition, attempt, fault_us, done, total, file, created_us, started_us, ended_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, '', '', '', $11, 0, 1, '', 0, 0, $11, -1, $11, '', $13, '', 0, 0, 0, 0, '', $12, 0, 0)`,
		r.ID, r.RawDataID, r.WorkspaceID, r.Lane, r.Kind, r.Cause, r.Class, r.Force, r.Ticket, r.State, false, db.US(r.CreatedAt), db.US(r.Deadline))
	if err != nil {
		return r, fmt.Errorf("insert run of raw data %s: %w", rd.ID, err)
	}
	return r, nil
}

// place gives a run just inserted its first state.
func (s *Service) place(ctx context.Context, tx *db.Tx, r Run, rd report.RawData) (Run, error) {
	now := s.now()
	if rd.IsPaused(now) {
		return r, s.parkInLine(ctx, tx, &r, CodePaused, nil, rd.ID, rd.PausedUntil)
	}
	acc, err := s.o.Keys.Account(ctx, tx, r.Lane)
	if err != nil {
		return r, err
	}
	if ok, err := s.o.Keys.Usable(ctx, tx, acc.APIKeyID); err != nil {
		return r, err
	} else if !ok {
		return r, s.parkInLine(ctx, tx, &r, CodeKeyInvalid, nil, acc.APIKeyID, time.Time{})
	}
	// A refresh that the ending of a run opens finds the lane free, but those
	// who have waited come first.
	others, err := eligible(ctx, tx, r.Lane, r.ID)
	if err != nil {
		return r, err
	}
	free := false
	if !others {
		if free, err = s.clear(ctx, tx, r.Lane); err != nil {
			return r, err
		}
	}
	if !free {
		if err := enter(ctx, tx, &r, r.State, CodeLaneBusy, nil, now); err != nil {
			return r, err
		}
		return r, s.lend(ctx, tx, r.Lane, r.Class)
	}
	return r, s.promote(ctx, tx, &r, acc.APIKeyID)
}

// join lets a request share the run that is open already.
func (s *Service) join(ctx context.Context, tx *db.Tx, r Run, req Request) (Run, error) {
	overtaken := overtakes(r, req)
	if overtaken {
		if err := s.overtake(ctx, tx, &r, req.Cause); err != nil {
			return r, err
		}
	}
	if r.State.Waiting() {
		r.Class, r.Force = min(r.Class, req.Class), r.Force || req.Force
		r.GateClass = r.Class
		if r.Deadline.IsZero() || !req.Deadline.IsZero() && req.Deadline.Before(r.Deadline) {
			r.Deadline = req.Deadline
		}
		_, err := tx.Exec(ctx, `UPDATE run SET class = $2, gate_class = $2, force = $3, deadline_us = $4 WHERE id = $1`,
			r.ID, r.Class, r.Force, db.US(r.Deadline))
		if err != nil {
			return r, fmt.Errorf("join run %s: %w", r.ID, err)
		}
		if !r.Parked {
			if err := s.lend(ctx, tx, r.Lane, r.Class); err != nil {
				return r, err
			}
		}
		if overtaken && r.Parked && r.Reason == CodePlatformPreparing {
			return r, s.unpark(ctx, tx, &r)
		}
		return r, s.hurry(ctx, tx, &r, req)
	}
	// Active: what it has read may be older than the request, so the
	// transaction that ends it opens another.
	next, open, err := s.asked(ctx, tx, r)
	if err != nil {
		return r, err
	}
	if open {
		next.Class, next.Force = min(next.Class, req.Class), next.Force || req.Force
		if next.Deadline.IsZero() || !req.Deadline.IsZero() && req.Deadline.Before(next.Deadline) {
			next.Deadline = req.Deadline
		}
		// Who need not wait for what is late does not: that is asked for anew.
		if next.Cause.Second() || !req.Cause.Second() {
			next.Cause = req.Cause
		}
	} else {
		next = req
	}
	_, err = tx.Exec(ctx, `UPDATE run SET again_class = $2, again_force = $3, again_cause = $4, again_deadline_us = $5 WHERE id = $1`,
		r.ID, next.Class, next.Force, next.Cause, db.US(next.Deadline))
	if err != nil {
		return r, fmt.Errorf("remember refresh of run %s: %w", r.ID, err)
	}
	if err := s.lend(ctx, tx, r.Lane, req.Class); err != nil {
		return r, err
	}
	return r, s.hurry(ctx, tx, &r, req)
}

// overtakes reports whether r waits, in line or for the platform, for what req
// can do without: a second refresh for a report that is late.
func overtakes(r Run, req Request) bool {
	return r.Cause.Second() && !req.Cause.Second() && (r.State.Waiting() || r.Parked)
}

// overtake makes r what was asked for now: it takes up today's definition and
// goes on without what is late. The second refresh is then asked for anew, by
// whoever asked for this one.
func (s *Service) overtake(ctx context.Context, tx *db.Tx, r *Run, cause Cause) error {
	if r.State.Active() {
		if err := s.backInLine(ctx, tx, r); err != nil {
			return err
		}
	}
	r.Cause = cause
	if _, err := tx.Exec(ctx, `UPDATE run SET cause = $2 WHERE id = $1`, r.ID, r.Cause); err != nil {
		return fmt.Errorf("overtake run %s: %w", r.ID, err)
	}
	return nil
}

// lend makes the requests of the lane's active run as urgent as those who wait
// for it: a click must not stand behind the morning's bulk. Its worker hears
// of it when it renews its lease.
func (s *Service) lend(ctx context.Context, tx *db.Tx, lane string, class quota.Class) error {
	_, err := tx.Exec(ctx, `UPDATE run SET gate_class = $2 WHERE lane_id = $1 AND state IN (3, 4, 5, 6) AND gate_class > $2`, lane, class)
	if err != nil {
		return fmt.Errorf("lend class in lane %s: %w", lane, err)
	}
	return nil
}

// hurry ends the pause between two tries when a person asks.
func (s *Service) hurry(ctx context.Context, tx *db.Tx, r *Run, req Request) error {
	if req.Class != quota.Interactive || r.Reason != CodeRetrying || !r.Parked {
		return nil
	}
	return s.unpark(ctx, tx, r)
}
