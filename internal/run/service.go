package run

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/quota"
	"imreport/internal/report"
)

// Cancel ends an open run. One that nobody is working at ends at once; one
// that is active ends as soon as its worker hears of it, a few seconds at
// most. Whether it or a success came first is decided by the transaction that
// ends the run. The error run.ended says that it was too late.
func (s *Service) Cancel(ctx context.Context, workspaceID, id string) (r Run, err error) {
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		if r, err = s.lock(ctx, tx, workspaceID, id); err != nil {
			return err
		}
		return s.cancel(ctx, tx, &r)
	})
	return r, err
}

// lock reads a run of the workspace under its lane's lock.
func (s *Service) lock(ctx context.Context, tx *db.Tx, workspaceID, id string) (Run, error) {
	r, err := get(ctx, tx, id)
	if err == nil && r.WorkspaceID != workspaceID {
		err = errs.E(errs.NotFound, "run.not_found", nil)
	}
	if err != nil {
		return r, err
	}
	if err := lockLane(ctx, tx, r.Lane); err != nil {
		return r, err
	}
	return get(ctx, tx, id)
}

func (s *Service) cancel(ctx context.Context, tx *db.Tx, r *Run) error {
	if !r.State.Open() {
		return errs.E(errs.Conflict, "run.ended", nil).With("state", r.State)
	}
	if r.State.Active() && !r.LeaseUntil.IsZero() {
		if _, err := tx.Exec(ctx, `UPDATE run SET cancel_requested = $2 WHERE id = $1`, r.ID, true); err != nil {
			return err
		}
		r.Cancel = true
		tx.AfterCommit(func() { s.keeper.kick(r.ID) })
		return setReason(ctx, tx, r, CodeCancelRequested)
	}
	if err := s.end(ctx, tx, *r, ended{state: Failed, reason: CodeCancelled}); err != nil {
		return err
	}
	var err error
	*r, err = get(ctx, tx, r.ID)
	return err
}

// Retry admits a new run after one that failed.
func (s *Service) Retry(ctx context.Context, workspaceID, id string) (r Run, err error) {
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		old, err := s.lock(ctx, tx, workspaceID, id)
		if err != nil {
			return err
		}
		switch {
		case old.State == Success:
			return errs.E(errs.Conflict, "run.succeeded", nil).With("state", old.State)
		case old.State.Open() && old.Parked && old.Reason == CodeRetrying:
			// "Try now" instead of waiting for the next try.
			r = old
			return s.unpark(ctx, tx, &r)
		case old.State.Open():
			return errs.E(errs.Conflict, "run.open", nil).With("state", old.State)
		}
		r, err = s.RefreshTx(ctx, tx, workspaceID, old.RawDataID, Request{Class: quota.Interactive, Force: old.Force, Cause: Manual})
		return err
	})
	return r, err
}

// Delete removes a raw data for good and cancels its run. Its file goes too.
func (s *Service) Delete(ctx context.Context, workspaceID, rawDataID string) error {
	var f File
	rd, err := s.o.Reports.Get(ctx, nil, workspaceID, rawDataID)
	if err != nil {
		return err
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		if err := lockLane(ctx, tx, rd.AccountID); err != nil {
			return err
		}
		var err error
		if f, err = s.file(ctx, tx, rawDataID); err != nil && errs.KindOf(err) != errs.Conflict {
			return err
		}
		open, err := scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM run WHERE raw_data_id = $1 AND state BETWEEN 1 AND 6`, rawDataID))
		if err == nil {
			err = s.cancel(ctx, tx, &open)
		} else if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE raw_data_state SET file = '' WHERE raw_data_id = $1`, rawDataID); err != nil {
			return err
		}
		return s.o.Reports.MarkDeleted(ctx, tx, workspaceID, rawDataID, s.now())
	})
	if err == nil && f.Object != "" {
		s.removeFile(ctx, rd.Destination.Type, f)
	}
	return err
}

// Pause keeps a raw data from being filled, until the given instant or, when
// it is zero, until Resume. A run in line, or one that waits on its lane, is
// parked for it; one that is worked at goes on.
func (s *Service) Pause(ctx context.Context, workspaceID, rawDataID string, until time.Time) error {
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		r, open, err := s.openOf(ctx, tx, workspaceID, rawDataID)
		if err != nil {
			return err
		}
		if err := s.o.Reports.SetPaused(ctx, tx, workspaceID, rawDataID, true, until); err != nil {
			return err
		}
		if !open || !r.State.Waiting() && !r.Parked {
			return nil
		}
		return s.park(ctx, tx, &r, CodePaused, nil, rawDataID, until)
	})
}

// Resume ends a pause; the run that waited for it goes on.
func (s *Service) Resume(ctx context.Context, workspaceID, rawDataID string) error {
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		r, open, err := s.openOf(ctx, tx, workspaceID, rawDataID)
		if err != nil {
			return err
		}
		if err := s.o.Reports.SetPaused(ctx, tx, workspaceID, rawDataID, false, time.Time{}); err != nil {
			return err
		}
		if !open || !r.Parked || r.Reason != CodePaused {
			return nil
		}
		return s.unpark(ctx, tx, &r)
	})
}

// openOf reads the open run of a raw data under its lane's lock.
func (s *Service) openOf(ctx context.Context, tx *db.Tx, workspaceID, rawDataID string) (r Run, open bool, err error) {
	rd, err := s.o.Reports.Get(ctx, tx, workspaceID, rawDataID)
	if err != nil {
		return r, false, err
	}
	if err := lockLane(ctx, tx, rd.AccountID); err != nil {
		return r, false, err
	}
	r, err = scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM run WHERE raw_data_id = $1 AND state BETWEEN 1 AND 6`, rawDataID))
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	return r, err == nil, err
}

// file is the raw data's current spreadsheet; run.file_not_ready before the
// first success.
func (s *Service) file(ctx context.Context, q db.Queryer, rawDataID string) (f File, err error) {
	var text string
	err = q.QueryRow(ctx, `SELECT file FROM raw_data_state WHERE raw_data_id = $1`, rawDataID).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) || err == nil && text == "" {
		return f, errs.E(errs.Conflict, "run.file_not_ready", nil)
	}
	if err != nil {
		return f, fmt.Errorf("file of raw data %s: %w", rawDataID, err)
	}
	return f, json.Unmarshal([]byte(text), &f)
}

// FileOf is the current spreadsheet of a raw data of the workspace.
func (s *Service) FileOf(ctx context.Context, workspaceID, rawDataID string) (report.RawData, File, error) {
	rd, err := s.o.Reports.Get(ctx, nil, workspaceID, rawDataID)
	if err != nil {
		return rd, File{}, err
	}
	f, err := s.file(ctx, s.d, rawDataID)
	return rd, f, err
}

// filledAt is when a raw data was last filled; zero before the first success.
func (s *Service) filledAt(ctx context.Context, rawDataID string) (time.Time, error) {
	var us int64
	err := s.d.QueryRow(ctx, `SELECT filled_us FROM raw_data_state WHERE raw_data_id = $1`, rawDataID).Scan(&us)
	if err != nil {
		return time.Time{}, fmt.Errorf("last filling of raw data %s: %w", rawDataID, err)
	}
	return db.Time(us), nil
}

// Points reports whether the raw data to which an object belongs, by its name,
// still points to it; for clearing away what crashed attempts have left.
func (s *Service) Points(ctx context.Context, object string) (bool, error) {
	parts := strings.Split(object, "/")
	if len(parts) != 3 {
		return false, nil
	}
	f, err := s.file(ctx, s.d, parts[1])
	if errs.KindOf(err) == errs.Conflict {
		return false, nil
	}
	return f.Object == object, err
}
