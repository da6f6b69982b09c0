package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"imreport/internal/db"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/table"
)

// Lacks notes what a run was filled without, in the transaction that ends it:
// a second refresh is to bring it. Satisfies run.Options.
func (s *Service) Lacks(ctx context.Context, tx *db.Tx, r run.Run, late []run.LatePiece) error {
	for _, p := range late {
		_, err := tx.Exec(ctx, `INSERT INTO late_piece (raw_data_id, day, report, workspace_id, doubtful, again_us)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (raw_data_id, day, report) DO NOTHING`,
			r.RawDataID, int64(p.Day), p.Report, r.WorkspaceID, p.Doubtful, db.US(p.Again))
		if err != nil {
			return fmt.Errorf("note what raw data %s lacks: %w", r.RawDataID, err)
		}
	}
	return nil
}

// Restated notes that the platform changed the numbers of a piece, in the
// transaction that stores the new ones for a raw data: others that show the
// old ones are to be refreshed. Satisfies naver.Options.
func (s *Service) Restated(ctx context.Context, tx *db.Tx, customerID, report string, day table.Day, rawDataID string) error {
	_, err := tx.Exec(ctx, `INSERT INTO restated_piece (customer_id, report, day, raw_data_id, at_us) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (customer_id, report, day) DO UPDATE SET raw_data_id = excluded.raw_data_id, at_us = excluded.at_us`,
		customerID, report, int64(day), rawDataID, db.US(s.now()))
	if err != nil {
		return fmt.Errorf("note the restated %s %s of customer %s: %w", report, day, customerID, err)
	}
	return nil
}

// Doubted notes that the platform's own statistics contradict a stored piece, in
// the transaction that marks it. Raw data that were filled with it in the last
// days, with a schedule or not, lack it from now on: a refresh of cause repair is
// to bring it. But not to the raw data whose run is fetching it anew, if any.
// Satisfies naver.Options.
func (s *Service) Doubted(ctx context.Context, tx *db.Tx, customerID, rpt string, day table.Day, fetchedFor string) error {
	now := s.now()
	all, err := db.All(ctx, tx, func(r db.Scanner) (x filled, err error) {
		var def string
		if err = r.Scan(&x.rawData, &x.workspace, &def); err == nil {
			err = json.Unmarshal([]byte(def), &x.def)
		}
		return x, err
	}, `SELECT d.id, d.workspace_id, r.definition FROM ad_account a
		JOIN raw_data d ON d.ad_account_id = a.id AND d.deleted_us = 0
		JOIN raw_data_state f ON f.raw_data_id = d.id AND f.file <> '' AND f.filled_us > $2
		JOIN run r ON r.id = f.file_run_id AND r.definition <> ''
		WHERE a.customer_id = $1`, customerID, db.US(now.AddDate(0, 0, -lateFor)))
	if err != nil {
		return fmt.Errorf("who shows %s %s of customer %s: %w", rpt, day, customerID, err)
	}
	for _, x := range all {
		if x.rawData == fetchedFor || day < x.def.From || day > x.def.To || !slices.Contains(x.def.Reports, rpt) {
			continue
		}
		piece := []run.LatePiece{{Report: rpt, Day: day, Doubtful: true, Again: now}}
		if err := s.Lacks(ctx, tx, run.Run{RawDataID: x.rawData, WorkspaceID: x.workspace}, piece); err != nil {
			return err
		}
	}
	return nil
}

// filled is what the spreadsheet of a raw data was filled with.
type filled struct {
	rawData, workspace string
	def                report.Definition
}

// lateFor is for how many days a missing piece is remembered: longer than the
// mornings fetch a day again by themselves.
const lateFor = 4

// lacking is a piece that a raw data was filled without, and what has become
// of its second refresh.
type lacking struct {
	rawData, workspace string
	day                table.Day
	report             string
	doubtful           bool
	again              time.Time
	state              run.State // of the refresh's run; -1: not asked for
	reason             run.Code
	// waits: the raw data is paused, or has a run in line that goes on without
	// what is late. Joining that one would use up the refresh for nothing.
	waits bool
}

func (l lacking) cause() run.Cause {
	if l.doubtful {
		return run.Repair
	}
	return run.Late
}

// probing reports whether the run of l's refresh finds out whether the report
// is published: one that waits for something else does not.
func (l lacking) probing() bool {
	return l.state.Open() && l.reason != run.CodeKeyInvalid && l.reason != run.CodePaused
}

// lates starts the second refreshes that are due. Of those who lack the same
// report of the same day, one asks for it until it is published; the others
// follow when it has succeeded.
func (s *Service) lates(ctx context.Context, now time.Time) (started int, err error) {
	old := now.AddDate(0, 0, -lateFor)
	all, err := db.All(ctx, s.d, func(r db.Scanner) (l lacking, err error) {
		var again int64
		var rd report.RawData
		var until int64
		err = r.Scan(&l.rawData, &l.workspace, &l.day, &l.report, &l.doubtful, &again, &l.state, &l.reason, &rd.Paused, &until, &l.waits)
		rd.PausedUntil = db.Time(until)
		l.again, l.waits = db.Time(again), l.waits || rd.IsPaused(now)
		return l, err
	}, `SELECT l.raw_data_id, l.workspace_id, l.day, l.report, l.doubtful, l.again_us, coalesce(r.state, -1), coalesce(r.reason, ''),
			d.paused, d.paused_until_us, EXISTS (SELECT 1 FROM run w
				WHERE w.raw_data_id = l.raw_data_id AND w.state IN (1, 2) AND w.cause NOT IN ('late', 'repair'))
		FROM late_piece l JOIN raw_data d ON d.id = l.raw_data_id AND d.deleted_us = 0
		LEFT JOIN refresh f ON f.raw_data_id = l.raw_data_id AND f.day = l.day AND f.cause = CASE WHEN l.doubtful THEN 'repair' ELSE 'late' END
		LEFT JOIN run r ON r.id = f.run_id
		WHERE l.day >= $1 OR l.doubtful AND l.again_us >= $2 ORDER BY l.again_us, l.raw_data_id`, int64(table.DayOf(old)), db.US(old))
	if err != nil || len(all) == 0 {
		return 0, err
	}
	type of struct {
		report string
		day    table.Day
	}
	there, asked := map[of]bool{}, map[of]bool{}
	for _, l := range all {
		k := of{l.report, l.day}
		if !l.doubtful {
			there[k] = there[k] || l.state == run.Success
			asked[k] = asked[k] || l.probing()
		}
	}
	for _, l := range all {
		k := of{l.report, l.day}
		if l.state >= 0 || l.waits || l.again.After(now) || !l.doubtful && !there[k] && asked[k] {
			continue
		}
		ok, serr := s.second(ctx, l.workspace, l.rawData, l.day, l.cause(), now)
		err = errors.Join(err, serr)
		if ok {
			started++
		}
		asked[k] = asked[k] || serr == nil
	}
	return started, err
}

// kept is for how many days it is known what was refreshed and told: a year
// ago can be looked up.
const kept = 400

// forget drops, once a day, what is too old to be brought by a second refresh
// and what was refreshed and told long ago.
func (s *Service) forget(ctx context.Context, now time.Time) error {
	s.mu.Lock()
	due := table.DayOf(now) != s.forgot
	s.forgot = table.DayOf(now)
	s.mu.Unlock()
	if !due {
		return nil
	}
	for what, days := range map[string]table.Day{"late_piece": 30, "refresh": kept, "digest": kept} {
		if _, err := s.d.Exec(ctx, `DELETE FROM `+what+` WHERE day < $1`, int64(table.DayOf(now)-days)); err != nil {
			return fmt.Errorf("forget old rows of %s: %w", what, err)
		}
	}
	return nil
}

// second claims a refresh of cause late or repair.
func (s *Service) second(ctx context.Context, workspaceID, rawDataID string, day table.Day, cause run.Cause, now time.Time) (bool, error) {
	rd := report.RawData{ID: rawDataID, WorkspaceID: workspaceID}
	ok, err := s.claim(ctx, rd, day, cause, now, "", now)
	if ok {
		s.count(cause)
	}
	return ok, err
}

// repairs refreshes those who show numbers that the platform has restated.
func (s *Service) repairs(ctx context.Context, all []report.RawData, now time.Time) (started int, err error) {
	pieces, err := db.All(ctx, s.d, func(r db.Scanner) (p restated, err error) {
		err = r.Scan(&p.customer, &p.report, &p.day, &p.rawData, &p.at)
		return p, err
	}, `SELECT customer_id, report, day, raw_data_id, at_us FROM restated_piece ORDER BY at_us LIMIT 500`)
	if err != nil || len(pieces) == 0 {
		return 0, err
	}
	byAccount := map[string][]report.RawData{}
	for _, rd := range all {
		byAccount[rd.AccountID] = append(byAccount[rd.AccountID], rd)
	}
	for _, p := range pieces {
		n, perr := s.repair(ctx, byAccount, p, now)
		started += n
		if perr == nil {
			_, perr = s.d.Exec(ctx, `DELETE FROM restated_piece WHERE customer_id = $1 AND report = $2 AND day = $3 AND at_us = $4`,
				p.customer, p.report, int64(p.day), p.at)
		}
		if perr != nil {
			err = errors.Join(err, fmt.Errorf("restated %s %s of customer %s: %w", p.report, p.day, p.customer, perr))
		}
	}
	return started, err
}

// restated is a piece whose numbers the platform changed at the instant; it
// was fetched for a raw data, which shows the new ones.
type restated struct {
	customer, report, rawData string
	day                       table.Day
	at                        int64
}

// repair refreshes those who show the old numbers of p.
func (s *Service) repair(ctx context.Context, byAccount map[string][]report.RawData, p restated, now time.Time) (started int, err error) {
	accounts, err := db.All(ctx, s.d, db.Value[string], `SELECT id FROM ad_account WHERE customer_id = $1`, p.customer)
	if err != nil {
		return 0, err
	}
	for _, a := range accounts {
		for _, rd := range byAccount[a] {
			from, to := rd.Period.Days(table.DayOf(now))
			if rd.ID == p.rawData || rd.IsPaused(now) || p.day < from || p.day > to || !slices.Contains(rd.Reports, p.report) {
				continue
			}
			if older, err := s.filledBefore(ctx, rd.ID, p.at); err != nil || !older {
				if err != nil {
					return started, err
				}
				continue
			}
			ok, serr := s.second(ctx, rd.WorkspaceID, rd.ID, p.day, run.Repair, now)
			err = errors.Join(err, serr)
			if ok {
				started++
			}
		}
	}
	return started, err
}

// filledSince is when raw data were filled last, of those that were since then.
func (s *Service) filledSince(ctx context.Context, since time.Time) (map[string]time.Time, error) {
	at, err := s.instants(ctx, `SELECT raw_data_id, filled_us FROM raw_data_state WHERE filled_us > $1`, db.US(since))
	if err != nil {
		return nil, fmt.Errorf("raw data filled lately: %w", err)
	}
	return at, nil
}

// filledBefore reports whether the raw data has a spreadsheet whose run began
// before the instant: it may have read what was stored then.
func (s *Service) filledBefore(ctx context.Context, rawDataID string, at int64) (bool, error) {
	var n int
	err := s.d.QueryRow(ctx, `SELECT count(*) FROM raw_data_state s LEFT JOIN run r ON r.id = s.file_run_id
		WHERE s.raw_data_id = $1 AND s.file <> '' AND coalesce(r.started_us, s.filled_us) < $2`, rawDataID, at).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("filling of raw data %s: %w", rawDataID, err)
	}
	return n > 0, nil
}
