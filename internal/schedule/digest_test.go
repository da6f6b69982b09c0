package schedule

import (
	"context"
	"fmt"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/jobs"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/table"
)

// put stores what a digest reads: a raw data, its run and the refresh.
func put(t *testing.T, d *db.DB, id string, state run.State, reason run.Code, due time.Time) {
	t.Helper()
	exec := executor(t, d)
	exec(`INSERT INTO raw_data (id, workspace_id, ad_account_id, name, reports, period, destination, schedule, paused, paused_until_us,
		created_by, created_us, updated_us, opened_us, deleted_us) VALUES ($1, 'w', 'a', $1, '[]', '{}', '{}', '', $2, 0, '', 0, 0, 0, 0)`, id, false)
	exec(`INSERT INTO lane (id, ticket) VALUES ($1, 1)`, id)
	exec(`INSERT INTO run (id, raw_data_id, workspace_id, lane_id, kind, cause, class, gate_class, force, ticket, state, reason, reason_args,
		subject, parked, wake_us, epoch, lease_owner, lease_until_us, promoted_us, cancel_requested, again_class, again_force, again_cause, deadline_us,
		definition, attempt, fault_us, done, total, file, created_us, started_us, ended_us)
		VALUES ($1, $1, 'w', $1, 'update', 'scheduled', 1, 1, $2, 1, $3, $4, '', '', $2, 0, 1, '', 0, 0, $2, -1, $2, '', 0, '', 0, 0, 0, 0, '', 0, 0, 7)`,
		id, false, state, reason)
	filled := int64(0)
	if state == run.Success {
		filled = 7
	}
	exec(`INSERT INTO raw_data_state (raw_data_id, seq, run_id, state, reason, reason_args, at_us, file, file_run_id, data_through, filled_us)
		VALUES ($1, 1, $1, $2, $3, '', 0, '', '', 0, $4)`, id, state, reason, filled)
	exec(`INSERT INTO refresh (raw_data_id, day, cause, workspace_id, run_id, skipped, due_us, asked_us) VALUES ($1, $2, 'scheduled', 'w', $1, '', $3, 1)`,
		id, int64(table.DayOf(due)-1), db.US(due))
}

func TestMorningDigest(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if _, err := d.Exec(t.Context(), `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'w', 'Asia/Seoul', 'ko', 0)`); err != nil {
			t.Fatal(err)
		}
		due := kst(24, 7, 30)
		put(t, d, "done", run.Success, "", due)
		put(t, d, "preparing", run.UpdateWaiting, run.CodePlatformPreparing, due)
		put(t, d, "dead", run.UpdateWaiting, run.CodeKeyInvalid, due)
		put(t, d, "failed", run.Failed, run.CodePlatformError, due)
		put(t, d, "tonight", run.UpdateWaiting, run.CodeLaneBusy, kst(24, 18, 0))
		h := &house{asked: map[string]int{}}
		told := map[string]int{}
		j := jobs.New(d, jobs.Options{})
		s := New(d, j, Options{Runs: h, Reports: h, Deliver: func(_ context.Context, channel string, got Digest) (bool, error) {
			told[channel]++
			if len(got.Done) != 1 || len(got.Late) != 1 || len(got.NeedsYou) != 2 || got.Later != 1 {
				t.Errorf("%+v", got)
			}
			return true, nil
		}})
		tick(t, s, kst(24, 7, 29))
		if _, err := s.Told(t.Context(), "w", table.DayOf(due), MorningDigest); err == nil {
			t.Error("told before the time")
		}
		tick(t, s, kst(24, 7, 31))
		tick(t, s, kst(24, 7, 32))
		if _, err := s.Told(t.Context(), "w", table.DayOf(due), MorningDigest); err != nil {
			t.Fatal(err)
		}
		for _, c := range channels {
			if err := s.deliver(t.Context(), digestArgs{"w", int64(table.DayOf(due)), MorningDigest, c}); err != nil {
				t.Error(err)
			}
		}
		if told["mail"] != 1 || told["slack"] != 1 || told["webhook"] != 1 {
			t.Errorf("told %v", told)
		}
	})
}

// What is delivered is read back from the database: the arguments of a reason
// must survive that, or people read "{0}".
func TestADigestKeepsTheArgumentsOfItsReasons(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if _, err := d.Exec(t.Context(), `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'w', 'Asia/Seoul', 'ko', 0)`); err != nil {
			t.Fatal(err)
		}
		due := kst(24, 7, 30)
		put(t, d, "again", run.UpdateWaiting, run.CodeRetrying, due)
		if _, err := d.Exec(t.Context(), `UPDATE run SET reason_args = '[3,"x"]'`); err != nil {
			t.Fatal(err)
		}
		h := &house{asked: map[string]int{}}
		var got Digest
		s := New(d, jobs.New(d, jobs.Options{}), Options{Runs: h, Reports: h, Deliver: func(_ context.Context, _ string, d Digest) (bool, error) {
			got = d
			return true, nil
		}})
		tick(t, s, kst(24, 7, 31))
		if err := s.deliver(t.Context(), digestArgs{"w", int64(table.DayOf(due)), MorningDigest, "mail"}); err != nil {
			t.Fatal(err)
		}
		if len(got.Late) != 1 || fmt.Sprint(got.Late[0].Args...) != fmt.Sprint(3, "x") {
			t.Errorf("delivered %+v", got.Late)
		}
	})
}

// A refresh by hand after the morning does not make the morning late. One that
// was needed because the morning's run failed, or that the morning only joined
// on its way, counts as it did.
func TestWhenAMorningWasDone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		exec := executor(t, d)
		exec(`INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'w', 'Asia/Seoul', 'ko', 0)`)
		due, asked := kst(24, 8, 32), kst(24, 7, 47)
		own, byHand := kst(24, 8, 31), kst(24, 8, 42)
		for _, c := range []struct {
			id      string
			state   run.State // of the morning's own run
			started time.Time
		}{{"done", run.Success, kst(24, 8, 0)}, {"failed", run.Failed, kst(24, 8, 0)}, {"joined", run.Success, kst(24, 7, 40)}} {
			put(t, d, c.id, c.state, "", due)
			exec(`UPDATE refresh SET asked_us = $2 WHERE raw_data_id = $1`, c.id, db.US(asked))
			exec(`UPDATE run SET started_us = $2, ended_us = $3 WHERE id = $1`, c.id, db.US(c.started), db.US(own))
			exec(`UPDATE raw_data_state SET filled_us = $2 WHERE raw_data_id = $1`, c.id, db.US(byHand))
		}
		_, s := newHouse(t, d)
		got, err := s.Morning(t.Context(), "w", table.DayOf(due), kst(24, 9, 0))
		if err != nil || len(got.Done) != 3 {
			t.Fatalf("%+v %v", got, err)
		}
		for _, l := range got.Done {
			if want := map[string]time.Time{"done": own, "failed": byHand, "joined": byHand}[l.RawDataID]; !l.At.Equal(want) {
				t.Errorf("%s was done at %s, want %s", l.RawDataID, l.At.In(table.KST), want)
			}
		}
	})
}

func TestEvening(t *testing.T) {
	d := dbtest.SQLite(t)
	h := &house{all: []report.RawData{daily("huge", "07:30", report.ReadyBy), daily("small", "08:30", report.ReadyBy)}, asked: map[string]int{}}
	h.all[1].AccountID = "other"
	s := New(d, jobs.New(d, jobs.Options{}), Options{Runs: h, Reports: h,
		Estimate: func(_ context.Context, rd report.RawData, _ time.Time) (Cost, error) {
			if rd.ID == "huge" {
				return Cost{"l", 1e6}, nil
			}
			return Cost{"l2", 10}, nil
		},
		Deliver: func(context.Context, string, Digest) (bool, error) { return true, nil }})
	tick(t, s, kst(24, 18, 1))
	got, err := s.Told(t.Context(), "w", table.DayOf(kst(24, 18, 0)), EveningDigest)
	if err != nil || len(got.Late) != 1 || got.Late[0].RawDataID != "huge" || len(got.Done) != 1 {
		t.Errorf("%+v %v", got, err)
	}
	if got.Late[0].Why != WhyRate {
		t.Errorf("late because of %q", got.Late[0].Why)
	}
	// What will be left out is not late.
	prefer(t, s, "w", Preferences{Holidays: []Holiday{{Day: table.DayOf(kst(26, 0, 0))}}})
	tick(t, s, kst(25, 18, 1))
	got, err = s.Told(t.Context(), "w", table.DayOf(kst(25, 18, 0)), EveningDigest)
	if err != nil || len(got.Late)+len(got.Done) != 0 || got.Skipped != 2 {
		t.Errorf("before a holiday: %+v %v", got, err)
	}
}

// In India it is midnight in Korea at half past eight: an evening has one
// digest all the same. In Los Angeles a morning's digest may be due on Korea's
// next day.
func TestDigestsInOtherZones(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if _, err := d.Exec(t.Context(), `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'w', 'Asia/Seoul', 'ko', 0)`); err != nil {
			t.Fatal(err)
		}
		count := func(kind string) (n int) {
			if err := d.QueryRow(t.Context(), `SELECT count(*) FROM digest WHERE kind = $1`, kind).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		zone := "Asia/Kolkata"
		h := &house{all: []report.RawData{daily("a", "07:30", report.ReadyBy)}, asked: map[string]int{}}
		s := New(d, jobs.New(d, jobs.Options{}), Options{Runs: h, Reports: h,
			Zone:    func(context.Context, string) (string, error) { return zone, nil },
			Deliver: func(context.Context, string, Digest) (bool, error) { return true, nil }})
		for at := kst(24, 21, 25); at.Before(kst(26, 2, 0)); at = at.Add(10 * time.Minute) {
			tick(t, s, at)
			if want := map[bool]int{true: 1, false: 2}[at.Before(kst(25, 21, 30))]; at.After(kst(24, 21, 30)) && count(EveningDigest) != want {
				t.Fatalf("at %s: %d evening digests, want %d", at, count(EveningDigest), want)
			}
		}
		zone, h.all = "America/Los_Angeles", nil
		due := kst(28, 23, 0) // six in the morning there; the usual time is half past seven
		put(t, d, "b", run.Success, "", due)
		before := count(MorningDigest)
		for at := due; at.Before(kst(29, 2, 0)); at = at.Add(10 * time.Minute) {
			tick(t, s, at)
			if got, want := count(MorningDigest)-before, map[bool]int{true: 0, false: 1}[at.Before(kst(29, 0, 30))]; got != want {
				t.Fatalf("at %s: %d morning digests, want %d", at, got, want)
			}
		}
	})
}

// A morning that nobody looked after is an alert, once it is caught up.
func TestSilence(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := &house{all: []report.RawData{daily("a", "07:30", report.ReadyBy)}, asked: map[string]int{}}
		missed := 0
		o := Options{Runs: h, Reports: h, Missed: func(_ context.Context, _ *db.Tx, w string, at time.Time) error {
			if missed++; w != "w" || !at.Equal(kst(24, 7, 30)) {
				t.Errorf("%s at %s", w, at)
			}
			return nil
		}}
		tick(t, New(d, jobs.New(d, jobs.Options{}), o), kst(24, 6, 0))
		s := New(d, jobs.New(d, jobs.Options{}), o)
		tick(t, s, kst(24, 9, 0))
		tick(t, s, kst(24, 9, 1))
		tick(t, s, kst(25, 7, 20))
		if missed != 1 {
			t.Errorf("%d alerts", missed)
		}
	})
}
