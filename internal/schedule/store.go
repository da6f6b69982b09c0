package schedule

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
	"imreport/internal/run"
	"imreport/internal/table"
)

// Skip says why a morning was left out on purpose.
type Skip string

// The skips; "" is none.
const (
	SkipPaused  Skip = "paused"
	SkipHoliday Skip = "holiday"
	SkipIdle    Skip = "idle" // nobody has opened it for long: it refreshes on demand
)

// silence is how long after its time a morning that nobody started counts as
// one that did not run: longer than a restart takes.
const silence = 10 * time.Minute

// claim notes the refresh (rd, day, cause) and admits its run, in one
// transaction. A second claim, of whatever process, does nothing: claimed is
// false. With skip the morning is noted as left out and no run is admitted.
// before is the run of the same refresh that is known to have ended, or to have
// been taken over, without bringing what is lacking; "" if there was none.
func (s *Service) claim(ctx context.Context, rd report.RawData, day table.Day, cause run.Cause, due time.Time, skip Skip, before string, now time.Time) (claimed bool, err error) {
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, `
			INSERT INTO refresh (raw_data_id, day, cause, workspace_id, run_id, skipped, due_us, asked_us)
			VALUES ($1, $2, $3, $4, '', $5, $6, $7) ON CONFLICT (raw_data_id, day, cause) DO UPDATE
				SET run_id = '', due_us = excluded.due_us, asked_us = excluded.asked_us WHERE refresh.run_id = $8 AND refresh.run_id <> ''`,
			rd.ID, int64(day), string(cause), rd.WorkspaceID, string(skip), db.US(due), db.US(now), before)
		if claimed = n == 1; err != nil || !claimed || skip != "" {
			return err
		}
		req := run.Request{Class: quota.Bulk, Cause: cause}
		if cause == run.Scheduled && due.After(now) {
			req.Deadline = due
		}
		r, err := s.o.Runs.RefreshTx(ctx, tx, rd.WorkspaceID, rd.ID, req)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE refresh SET run_id = $4 WHERE raw_data_id = $1 AND day = $2 AND cause = $3`,
			rd.ID, int64(day), string(cause), r.ID)
		if err != nil || cause != run.Scheduled {
			return err
		}
		return s.judge(ctx, tx, rd, due, now)
	})
	if errs.KindOf(err) == errs.NotFound { // deleted meanwhile
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("refresh of raw data %s for %s: %w", rd.ID, day, err)
	}
	return claimed, nil
}

// judge says whether a morning started as it should. One that came due by an
// edit of the raw data after its time was missed by nobody.
func (s *Service) judge(ctx context.Context, tx *db.Tx, rd report.RawData, due, now time.Time) error {
	late := now.Sub(due) > silence
	switch {
	case late && s.o.Missed != nil && rd.UpdatedAt.Before(due):
		return s.o.Missed(ctx, tx, rd.WorkspaceID, due)
	case !late && s.o.OnTime != nil:
		return s.o.OnTime(ctx, tx, rd.WorkspaceID)
	}
	return nil
}

// claimed are the raw data whose refresh of a cause and day is noted, among
// all days from day on.
func (s *Service) claimed(ctx context.Context, from table.Day) (map[refreshKey]bool, error) {
	keys, err := db.All(ctx, s.d, func(r db.Scanner) (k refreshKey, err error) {
		err = r.Scan(&k.rawData, &k.day, &k.cause)
		return k, err
	}, `SELECT raw_data_id, day, cause FROM refresh WHERE day >= $1`, int64(from))
	if err != nil {
		return nil, fmt.Errorf("refreshes since %s: %w", from, err)
	}
	have := make(map[refreshKey]bool, len(keys))
	for _, k := range keys {
		have[k] = true
	}
	return have, nil
}

type refreshKey struct {
	rawData string
	day     table.Day
	cause   run.Cause
}

// since is when each raw data got its schedule; those that are new to it are
// noted as of now, those without a schedule are forgotten.
func (s *Service) since(ctx context.Context, scheduled []report.RawData, now time.Time) (map[string]time.Time, error) {
	have, err := s.noted(ctx)
	if err != nil {
		return nil, err
	}
	since := make(map[string]time.Time, len(scheduled))
	for _, rd := range scheduled {
		at, known := have[rd.ID]
		if !known {
			at = now
			if _, err := s.d.Exec(ctx, `INSERT INTO schedule_since (raw_data_id, since_us) VALUES ($1, $2)
				ON CONFLICT (raw_data_id) DO NOTHING`, rd.ID, db.US(now)); err != nil {
				return nil, fmt.Errorf("note the schedule of raw data %s: %w", rd.ID, err)
			}
		}
		since[rd.ID] = at
	}
	for id := range have {
		if _, still := since[id]; still {
			continue
		}
		if _, err := s.d.Exec(ctx, `DELETE FROM schedule_since WHERE raw_data_id = $1`, id); err != nil {
			return nil, fmt.Errorf("forget the schedule of raw data %s: %w", id, err)
		}
	}
	return since, nil
}

// noted is since when schedules stand, as it was noted.
func (s *Service) noted(ctx context.Context) (map[string]time.Time, error) {
	since, err := s.instants(ctx, `SELECT raw_data_id, since_us FROM schedule_since`)
	if err != nil {
		return nil, fmt.Errorf("since when schedules stand: %w", err)
	}
	return since, nil
}

// instants are what a query of ids and microseconds tells.
func (s *Service) instants(ctx context.Context, query string, args ...any) (map[string]time.Time, error) {
	at := map[string]time.Time{}
	_, err := db.All(ctx, s.d, func(r db.Scanner) (struct{}, error) {
		var id string
		var us int64
		err := r.Scan(&id, &us)
		at[id] = db.Time(us)
		return struct{}{}, err
	}, query, args...)
	return at, err
}

// Opened is told that somebody looks at a raw data: one that was left out this
// morning because nobody had done so for long is refreshed now. started says
// whether it was.
func (s *Service) Opened(ctx context.Context, rd report.RawData, now time.Time) (started bool, err error) {
	if rd.Schedule == nil {
		return false, nil
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		// Its newest morning, whatever day that was in Korea: in a zone far from
		// it the next Korean day begins while people work.
		var day int64
		err := tx.QueryRow(ctx, `UPDATE refresh SET skipped = '', asked_us = $3, due_us = $3
			WHERE raw_data_id = $1 AND cause = $2 AND skipped = 'idle' AND day >= $4
				AND day = (SELECT max(n.day) FROM refresh n WHERE n.raw_data_id = refresh.raw_data_id AND n.cause = refresh.cause)
			RETURNING day`,
			rd.ID, string(run.Scheduled), db.US(now), int64(table.DayOf(now)-2)).Scan(&day)
		if started = err == nil; !started {
			if errors.Is(err, sql.ErrNoRows) {
				err = nil
			}
			return err
		}
		r, err := s.o.Runs.RefreshTx(ctx, tx, rd.WorkspaceID, rd.ID, run.Request{Class: quota.Interactive, Cause: run.Scheduled})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE refresh SET run_id = $4 WHERE raw_data_id = $1 AND day = $2 AND cause = $3`,
			rd.ID, day, string(run.Scheduled), r.ID)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("refresh of raw data %s on demand: %w", rd.ID, err)
	}
	if started {
		s.count(run.Scheduled)
	}
	return started, nil
}
