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

// Lacks notes what a run was filled without, if anything, in the transaction
// that ends it: a second refresh is to bring it. What it shows and was noted
// before it began is brought. Satisfies run.Options.
func (s *Service) Lacks(ctx context.Context, tx *db.Tx, r run.Run, late []run.LatePiece) error {
	now, began := s.now(), db.US(r.StartedAt)
	for _, rpt := range r.Definition.Reports {
		_, err := tx.Exec(ctx, `UPDATE late_piece SET brought_us = $5
			WHERE raw_data_id = $1 AND report = $2 AND day BETWEEN $3 AND $4 AND brought_us = 0 AND noted_us <= $6`,
			r.RawDataID, rpt, int64(r.Definition.From), int64(r.Definition.To), db.US(now), began)
		if err != nil {
			return fmt.Errorf("note what raw data %s has: %w", r.RawDataID, err)
		}
	}
	// What it does not show any more, nobody lacks.
	if _, err := tx.Exec(ctx, `DELETE FROM late_piece WHERE raw_data_id = $1 AND brought_us = 0 AND noted_us <= $2`, r.RawDataID, began); err != nil {
		return fmt.Errorf("note what raw data %s has: %w", r.RawDataID, err)
	}
	for _, p := range late {
		if err := note(ctx, tx, r.WorkspaceID, r.RawDataID, p, now); err != nil {
			return err
		}
	}
	return nil
}

// note keeps that a raw data lacks a piece, also when an earlier version of it
// was brought before.
func note(ctx context.Context, tx *db.Tx, workspaceID, rawDataID string, p run.LatePiece, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO late_piece (raw_data_id, day, report, workspace_id, doubtful, again_us, noted_us, brought_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT (raw_data_id, day, report) DO UPDATE SET
			doubtful = excluded.doubtful, again_us = excluded.again_us, noted_us = excluded.noted_us, brought_us = 0`,
		rawDataID, int64(p.Day), p.Report, workspaceID, p.Doubtful, db.US(p.Again), db.US(now))
	if err != nil {
		return fmt.Errorf("note what raw data %s lacks: %w", rawDataID, err)
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
		if err := note(ctx, tx, x.workspace, x.rawData, run.LatePiece{Report: rpt, Day: day, Doubtful: true, Again: now}, now); err != nil {
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

// askAgain is how long after a second refresh that failed it is asked for once
// more: as long as its run tried.
const askAgain = 6 * time.Hour

// probeFor is how long a second refresh that stands in line counts as the one
// that will find out.
const probeFor = 10 * time.Minute

// lacking is a piece that a raw data was filled without, and what has become
// of its second refresh.
type lacking struct {
	rawData, workspace string
	day                table.Day
	report             string
	doubtful           bool
	again              time.Time
	// Its second refresh, if there was one.
	run    string // "" : none
	state  run.State
	reason run.Code
	cause  run.Cause // of the run: who did not want to wait may have taken it over
	asked  time.Time
	ended  time.Time
	// waits: the raw data is paused, or has a run that goes on without what is
	// late. Joining that one would use up the refresh for nothing.
	waits bool
}

func (l lacking) second() run.Cause {
	if l.doubtful {
		return run.Repair
	}
	return run.Late
}

// due reports whether the piece is to be asked for at the instant now.
func (l lacking) due(now time.Time) bool {
	switch {
	case l.waits || l.again.After(now):
		return false
	case l.run == "" || !l.cause.Second(): // never, or its run was taken over
		return l.run == "" || l.cause != ""
	case l.state == run.Failed:
		return now.Sub(l.ended) >= askAgain
	}
	return l.state == run.Success // noted again since
}

// probing reports whether the run of l's refresh finds out whether the report
// is published: one that waits for something of its own account does not.
func (l lacking) probing(now time.Time) bool {
	if l.run == "" || !l.cause.Second() || !l.state.Open() {
		return false
	}
	switch l.reason {
	case run.CodeKeyInvalid, run.CodeAccountForbidden, run.CodePaused, run.CodeRetrying:
		return false
	case run.CodeLaneBusy:
		return now.Sub(l.asked) < probeFor
	}
	return true
}

// lates starts the second refreshes that are due. Of those who lack the same
// report of the same day, one asks for it until it is published; the others
// follow when somebody has got it.
func (s *Service) lates(ctx context.Context, now time.Time) (started int, err error) {
	old := now.AddDate(0, 0, -lateFor)
	all, err := db.All(ctx, s.d, func(r db.Scanner) (l lacking, err error) {
		var again, asked, ended, until int64
		var rd report.RawData
		err = r.Scan(&l.rawData, &l.workspace, &l.day, &l.report, &l.doubtful, &again, &l.run, &asked, &l.state, &l.reason, &l.cause, &ended,
			&rd.Paused, &until, &l.waits)
		rd.PausedUntil = db.Time(until)
		l.again, l.asked, l.ended, l.waits = db.Time(again), db.Time(asked), db.Time(ended), l.waits || rd.IsPaused(now)
		return l, err
	}, `SELECT l.raw_data_id, l.workspace_id, l.day, l.report, l.doubtful, l.again_us, coalesce(f.run_id, ''), coalesce(f.asked_us, 0),
			coalesce(r.state, 0), coalesce(r.reason, ''), coalesce(r.cause, ''), coalesce(r.ended_us, 0),
			d.paused, d.paused_until_us, EXISTS (SELECT 1 FROM run w
				WHERE w.raw_data_id = l.raw_data_id AND w.state BETWEEN 1 AND 6 AND w.cause NOT IN ('late', 'repair'))
		FROM late_piece l JOIN raw_data d ON d.id = l.raw_data_id AND d.deleted_us = 0
		LEFT JOIN refresh f ON f.raw_data_id = l.raw_data_id AND f.day = l.day AND f.cause = CASE WHEN l.doubtful THEN 'repair' ELSE 'late' END
		LEFT JOIN run r ON r.id = f.run_id
		WHERE l.brought_us = 0 AND (l.day >= $1 OR l.doubtful AND l.again_us >= $2)
		ORDER BY l.again_us, l.raw_data_id`, int64(table.DayOf(old)), db.US(old))
	if err != nil || len(all) == 0 {
		return 0, err
	}
	there, err := s.brought(ctx, table.DayOf(old))
	if err != nil {
		return 0, err
	}
	asked := map[dayOf]bool{}
	for _, l := range all {
		k := dayOf{l.report, l.day}
		asked[k] = asked[k] || !l.doubtful && l.probing(now)
	}
	for _, l := range all {
		k := dayOf{l.report, l.day}
		if !l.due(now) || !l.doubtful && !there[k] && asked[k] {
			continue
		}
		ok, serr := s.claim(ctx, report.RawData{ID: l.rawData, WorkspaceID: l.workspace}, l.day, l.second(), now, "", l.run, now)
		err = errors.Join(err, serr)
		if ok {
			started++
			s.count(l.second())
		}
		asked[k] = asked[k] || serr == nil && !l.doubtful
	}
	return started, err
}

// dayOf is a report of a day, whoever's.
type dayOf struct {
	report string
	day    table.Day
}

// brought are the reports of days from day on that were late and that a second
// refresh has brought to somebody: they are published.
func (s *Service) brought(ctx context.Context, from table.Day) (map[dayOf]bool, error) {
	all, err := db.All(ctx, s.d, func(r db.Scanner) (k dayOf, err error) {
		err = r.Scan(&k.report, &k.day)
		return k, err
	}, `SELECT DISTINCT report, day FROM late_piece WHERE brought_us > 0 AND NOT doubtful AND day >= $1`, int64(from))
	if err != nil {
		return nil, fmt.Errorf("late reports that have come: %w", err)
	}
	there := make(map[dayOf]bool, len(all))
	for _, k := range all {
		there[k] = true
	}
	return there, nil
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

// repairs notes for those who show numbers that the platform has restated that
// they lack the new ones.
func (s *Service) repairs(ctx context.Context, all []report.RawData, now time.Time) error {
	pieces, err := db.All(ctx, s.d, func(r db.Scanner) (p restated, err error) {
		err = r.Scan(&p.customer, &p.report, &p.day, &p.rawData, &p.at)
		return p, err
	}, `SELECT customer_id, report, day, raw_data_id, at_us FROM restated_piece ORDER BY at_us LIMIT 500`)
	if err != nil || len(pieces) == 0 {
		return err
	}
	byAccount := map[string][]report.RawData{}
	for _, rd := range all {
		byAccount[rd.AccountID] = append(byAccount[rd.AccountID], rd)
	}
	for _, p := range pieces {
		perr := s.d.InTx(ctx, func(tx *db.Tx) error {
			if err := s.repair(ctx, tx, byAccount, p, now); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `DELETE FROM restated_piece WHERE customer_id = $1 AND report = $2 AND day = $3 AND at_us = $4`,
				p.customer, p.report, int64(p.day), p.at)
			return err
		})
		if perr != nil {
			err = errors.Join(err, fmt.Errorf("restated %s %s of customer %s: %w", p.report, p.day, p.customer, perr))
		}
	}
	return err
}

// restated is a piece whose numbers the platform changed at the instant; it
// was fetched for a raw data, which shows the new ones.
type restated struct {
	customer, report, rawData string
	day                       table.Day
	at                        int64
}

// repair notes it for those who show the old numbers of p.
func (s *Service) repair(ctx context.Context, tx *db.Tx, byAccount map[string][]report.RawData, p restated, now time.Time) error {
	accounts, err := db.All(ctx, tx, db.Value[string], `SELECT id FROM ad_account WHERE customer_id = $1`, p.customer)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		for _, rd := range byAccount[a] {
			from, to := rd.Period.Days(table.DayOf(now))
			if rd.ID == p.rawData || p.day < from || p.day > to || !slices.Contains(rd.Reports, p.report) {
				continue
			}
			older, err := filledBefore(ctx, tx, rd.ID, p.at)
			if err != nil {
				return err
			}
			if !older {
				continue
			}
			if err := note(ctx, tx, rd.WorkspaceID, rd.ID, run.LatePiece{Report: p.report, Day: p.day, Doubtful: true, Again: now}, now); err != nil {
				return err
			}
		}
	}
	return nil
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
func filledBefore(ctx context.Context, q db.Queryer, rawDataID string, at int64) (bool, error) {
	var n int
	err := q.QueryRow(ctx, `SELECT count(*) FROM raw_data_state s LEFT JOIN run r ON r.id = s.file_run_id
		WHERE s.raw_data_id = $1 AND s.file <> '' AND coalesce(r.started_us, s.filled_us) < $2`, rawDataID, at).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("filling of raw data %s: %w", rawDataID, err)
	}
	return n > 0, nil
}
