package schedule

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/table"
)

func (h *house) second(id string, cause run.Cause) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked[id+" "+string(cause)]
}

// executor runs statements that must succeed.
func executor(t *testing.T, d *db.DB) func(q string, args ...any) {
	return func(q string, args ...any) {
		t.Helper()
		if _, err := d.Exec(t.Context(), q, args...); err != nil {
			t.Fatal(err)
		}
	}
}

// account makes the ad account acc of customer 77, in workspace w.
func account(t *testing.T, d *db.DB) {
	t.Helper()
	for _, q := range []string{
		`INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'w', 'Asia/Seoul', 'ko', 0)`,
		`INSERT INTO api_key (id, workspace_id, platform, name, license, secrets, secret_count, owner_customer, revision, state, reason, invalid_us,
			proved_us, head_room, created_us, updated_us) VALUES ('k', 'w', 'n', 'k', 'l', '', 1, '', 1, 'valid', '', 0, 0, 0, 0, 0)`,
		`INSERT INTO ad_account (id, workspace_id, api_key_id, platform, customer_id, name, named, role, proved_us, created_us, updated_us)
			VALUES ('acc', 'w', 'k', 'n', '77', 'x', FALSE, '', 0, 0, 0)`,
	} {
		if _, err := d.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
}

// ends lets the open run of a raw data end, begun at an instant and filled with
// AD and AD_CONVERSION of the day.
func ends(t *testing.T, s *Service, id string, st run.State, began time.Time, day table.Day) {
	t.Helper()
	err := s.d.InTx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE run SET state = $2, ended_us = $3 WHERE raw_data_id = $1 AND state BETWEEN 1 AND 6`,
			id, st, db.US(began.Add(time.Second)))
		if err != nil || st == run.Failed {
			return err
		}
		r := run.Run{RawDataID: id, WorkspaceID: "w", StartedAt: began}
		r.Definition.Reports, r.Definition.From, r.Definition.To = []string{"AD", "AD_CONVERSION"}, day, day
		return s.Lacks(t.Context(), tx, r, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// lacks notes that a raw data was filled without a report.
func lacks(t *testing.T, s *Service, id string, p run.LatePiece) {
	t.Helper()
	err := s.d.InTx(t.Context(), func(tx *db.Tx) error {
		return s.Lacks(t.Context(), tx, run.Run{RawDataID: id, WorkspaceID: "w"}, []run.LatePiece{p})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Of those who lack a report one asks until it is there; the others follow.
func TestLateReports(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if _, err := d.Exec(t.Context(), `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'w', 'Asia/Seoul', 'ko', 0)`); err != nil {
			t.Fatal(err)
		}
		h, s := newHouse(t, d)
		now := kst(24, 9, 0)
		s.now = func() time.Time { return now }
		day := table.DayOf(now) - 1
		for _, id := range []string{"a", "b", "c"} {
			put(t, d, id, run.Success, run.CodeLateTypes, kst(24, 7, 30))
			lacks(t, s, id, run.LatePiece{Report: "AD_CONVERSION", Day: day, Again: now})
			lacks(t, s, id, run.LatePiece{Report: "AD_CONVERSION", Day: day, Again: now}) // a run that is taken over says it twice
		}
		asked := func() (n int) { return h.second("a", run.Late) + h.second("b", run.Late) + h.second("c", run.Late) }
		tick(t, s, now.Add(-time.Minute))
		if asked() != 0 {
			t.Fatal("asked before the time")
		}
		tick(t, s, now)
		tick(t, s, now.Add(time.Minute))
		if h.second("a", run.Late) != 1 || asked() != 1 {
			t.Fatalf("%d ask, want one", asked())
		}
		ends(t, s, "a", run.Success, now.Add(90*time.Second), day) // the report is published
		tick(t, s, now.Add(2*time.Minute))
		tick(t, s, now.Add(3*time.Minute))
		if asked() != 3 {
			t.Errorf("%d refreshes of three", asked())
		}
	})
}

// Numbers that cannot be true are asked for again by each for itself.
func TestDoubtfulReports(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if _, err := d.Exec(t.Context(), `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'w', 'Asia/Seoul', 'ko', 0)`); err != nil {
			t.Fatal(err)
		}
		h, s := newHouse(t, d)
		now := kst(24, 9, 0)
		s.now = func() time.Time { return now }
		for _, id := range []string{"a", "b"} {
			put(t, d, id, run.Success, run.CodeLateTypes, kst(24, 7, 30))
			lacks(t, s, id, run.LatePiece{Report: "AD", Day: table.DayOf(now) - 1, Doubtful: true, Again: now})
		}
		tick(t, s, now)
		tick(t, s, now.Add(time.Minute))
		if h.second("a", run.Repair) != 1 || h.second("b", run.Repair) != 1 {
			t.Errorf("a %d, b %d", h.second("a", run.Repair), h.second("b", run.Repair))
		}
	})
}

// A run in line that goes on without what is late, and a pause, use up no
// second refresh: it is asked for after them. A raw data that was deleted is
// left alone, and one that cannot be refreshed keeps nobody else from it.
func TestSecondRefreshWaits(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		exec := executor(t, d)
		exec(`INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'w', 'Asia/Seoul', 'ko', 0)`)
		h, s := newHouse(t, d)
		now := kst(24, 9, 0)
		s.now = func() time.Time { return now }
		all := []string{"broken", "gone", "inline", "paused", "plain"}
		for _, id := range all {
			put(t, d, id, run.Success, run.CodeLateTypes, kst(24, 7, 30))
			lacks(t, s, id, run.LatePiece{Report: "AD", Day: table.DayOf(now) - 1, Doubtful: true, Again: now})
		}
		exec(`UPDATE run SET state = 2 WHERE id = 'inline'`)
		exec(`UPDATE raw_data SET paused = $1, paused_until_us = $2 WHERE id = 'paused'`, true, db.US(now.Add(time.Hour)))
		exec(`UPDATE raw_data SET deleted_us = 1 WHERE id = 'gone'`)
		h.broken = "broken"
		if _, err := s.Tick(t.Context(), now); err == nil {
			t.Error("nobody hears of the broken one")
		}
		want := func(ids map[string]int) {
			t.Helper()
			for _, id := range all {
				if got := h.second(id, run.Repair); got != ids[id] {
					t.Errorf("%s: %d second refreshes, want %d", id, got, ids[id])
				}
			}
		}
		want(map[string]int{"plain": 1})
		exec(`UPDATE run SET state = 7 WHERE id = 'inline'`)
		h.broken = ""
		tick(t, s, now.Add(time.Hour))
		tick(t, s, now.Add(2*time.Hour))
		want(map[string]int{"plain": 1, "inline": 1, "paused": 1, "broken": 1})
	})
}

// A restated day is brought to those who show the old numbers, once.
func TestRepair(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		exec := executor(t, d)
		account(t, d)
		var all []report.RawData
		for _, c := range []struct {
			id     string
			days   int
			report string
			paused bool
		}{{"finder", 30, "AD", false}, {"shows", 30, "AD", false}, {"short", 2, "AD", false}, {"other", 30, "EXPKEYWORD", false}, {"paused", 30, "AD", true}, {"meanwhile", 30, "AD", false}, {"since", 30, "AD", false}} {
			rd := daily(c.id, "07:30", report.StartAt)
			rd.AccountID, rd.Reports, rd.Period, rd.Paused = "acc", []string{c.report}, report.Period{LastDays: c.days}, c.paused
			all = append(all, rd)
			put(t, d, c.id, run.Success, "", kst(24, 7, 30))
			exec(`UPDATE raw_data_state SET file = '{}' WHERE raw_data_id = $1`, c.id)
			exec(`UPDATE raw_data SET paused = $2 WHERE id = $1`, c.id, c.paused)
		}
		now := kst(24, 9, 0)
		// Its run had begun before and ended after: it may have read the old ones.
		exec(`UPDATE raw_data_state SET file_run_id = 'meanwhile', filled_us = $1 WHERE raw_data_id = 'meanwhile'`, db.US(now.Add(time.Second)))
		exec(`UPDATE run SET started_us = $1 WHERE id = 'meanwhile'`, db.US(kst(24, 8, 59)))
		exec(`UPDATE raw_data_state SET file_run_id = 'since', filled_us = $1 WHERE raw_data_id = 'since'`, db.US(now.Add(time.Minute)))
		exec(`UPDATE run SET started_us = $1 WHERE id = 'since'`, db.US(now.Add(time.Second)))
		h, s := newHouse(t, d, all...)
		s.now = func() time.Time { return now }
		err := d.InTx(ctx, func(tx *db.Tx) error {
			return s.Restated(ctx, tx, "77", "AD", table.DayOf(now)-5, "finder")
		})
		if err != nil {
			t.Fatal(err)
		}
		tick(t, s, now)
		tick(t, s, now.Add(time.Minute))
		for id, want := range map[string]int{"meanwhile": 1, "since": 0, "finder": 0, "shows": 1, "short": 0, "other": 0, "paused": 0} {
			if got := h.second(id, run.Repair); got != want {
				t.Errorf("%s was repaired %d times, want %d", id, got, want)
			}
		}
		// A pause puts it off, and a second restatement brings another repair; but
		// only when the first has ended, and not for who was filled since.
		exec(`UPDATE raw_data SET paused = $1`, false)
		restate := func(at time.Time) {
			t.Helper()
			now = at
			if err := d.InTx(ctx, func(tx *db.Tx) error { return s.Restated(ctx, tx, "77", "AD", table.DayOf(at)-5, "finder") }); err != nil {
				t.Fatal(err)
			}
			tick(t, s, at)
		}
		restate(now.Add(2 * time.Minute))
		for id, want := range map[string]int{"paused": 1, "shows": 1} {
			if got := h.second(id, run.Repair); got != want {
				t.Errorf("after the pause %s was repaired %d times, want %d", id, got, want)
			}
		}
		ends(t, s, "paused", run.Success, now.Add(time.Minute), table.DayOf(now)-5)
		ends(t, s, "shows", run.Success, now.Add(-time.Minute), table.DayOf(now)-5) // it had read before
		tick(t, s, now.Add(2*time.Minute))
		for id, want := range map[string]int{"paused": 1, "shows": 2} {
			if got := h.second(id, run.Repair); got != want {
				t.Errorf("after their ends %s was repaired %d times, want %d", id, got, want)
			}
		}
		// One that failed is asked for once more after hours.
		ends(t, s, "shows", run.Failed, now.Add(3*time.Minute), 0)
		tick(t, s, now.Add(5*time.Minute))
		if got := h.second("shows", run.Repair); got != 2 {
			t.Errorf("asked again at once: %d", got)
		}
		tick(t, s, now.Add(7*time.Hour))
		if got := h.second("shows", run.Repair); got != 3 {
			t.Errorf("a repair that failed is lost: %d", got)
		}
	})
}

// Whoever cannot find out does not keep the others from asking, and who did not
// want to wait leaves the second refresh to come.
func TestTheOneWhoAsksIsHeldUp(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		exec := executor(t, d)
		account(t, d)
		h, s := newHouse(t, d)
		now := kst(24, 9, 0)
		s.now = func() time.Time { return now }
		day := table.DayOf(now) - 1
		for _, id := range []string{"a", "b", "c"} {
			put(t, d, id, run.Success, run.CodeLateTypes, kst(24, 7, 30))
			lacks(t, s, id, run.LatePiece{Report: "AD_CONVERSION", Day: day, Again: now})
		}
		want := func(ids ...int) {
			t.Helper()
			for i, id := range []string{"a", "b", "c"} {
				if got := h.second(id, run.Late); got != ids[i] {
					t.Errorf("%s asks %d times, want %d", id, got, ids[i])
				}
			}
		}
		tick(t, s, now)
		want(1, 0, 0)
		exec(`UPDATE run SET reason = 'retrying', state = 4, parked = $1 WHERE raw_data_id = 'a' AND state = 2`, true)
		tick(t, s, now.Add(5*time.Second))
		want(1, 1, 0)
		tick(t, s, now.Add(10*time.Second))
		want(1, 1, 0)
		// A click takes b's run over; it ends without the report.
		exec(`UPDATE run SET cause = 'manual', state = 4 WHERE raw_data_id = 'b' AND state = 2`)
		tick(t, s, now.Add(15*time.Second))
		want(1, 1, 1)
		ends(t, s, "c", run.Success, now.Add(20*time.Second), day)
		exec(`UPDATE run SET state = 7 WHERE raw_data_id = 'b' AND state = 4`)
		lacks(t, s, "b", run.LatePiece{Report: "AD_CONVERSION", Day: day, Again: now.Add(time.Minute)})
		tick(t, s, now.Add(30*time.Second))
		want(1, 1, 1)
		tick(t, s, now.Add(time.Minute))
		want(1, 2, 1)
	})
}

// A piece that the statistics contradict is brought to those who were filled
// with it lately, with a schedule or not, but not to whose run fetches it anew.
func TestDoubted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		exec := executor(t, d)
		account(t, d)
		h, s := newHouse(t, d)
		now := kst(24, 9, 0)
		s.now = func() time.Time { return now }
		day := table.DayOf(now) - 5
		for _, c := range []struct {
			id      string
			report  string
			from    table.Day
			filled  time.Time
			deleted int64
		}{
			{"shows", "AD", day, now.Add(-time.Hour), 0},
			{"fetches", "AD", day, now.Add(-time.Hour), 0},
			{"newer days", "AD", day + 1, now.Add(-time.Hour), 0},
			{"other", "EXPKEYWORD", day, now.Add(-time.Hour), 0},
			{"long ago", "AD", day, now.AddDate(0, 0, -5), 0},
			{"gone", "AD", day, now.Add(-time.Hour), 1},
		} {
			put(t, d, c.id, run.Success, "", c.filled)
			def, err := json.Marshal(report.Definition{Reports: []string{c.report}, From: c.from, To: day + 3})
			if err != nil {
				t.Fatal(err)
			}
			exec(`UPDATE raw_data SET ad_account_id = 'acc', deleted_us = $2 WHERE id = $1`, c.id, c.deleted)
			exec(`UPDATE run SET definition = $2 WHERE id = $1`, c.id, string(def))
			exec(`UPDATE raw_data_state SET file = '{}', file_run_id = $1, filled_us = $2 WHERE raw_data_id = $1`, c.id, db.US(c.filled))
		}
		err := d.InTx(t.Context(), func(tx *db.Tx) error {
			return s.Doubted(t.Context(), tx, "77", "AD", day, "fetches")
		})
		if err != nil {
			t.Fatal(err)
		}
		tick(t, s, now)
		tick(t, s, now.Add(time.Minute))
		for _, id := range []string{"shows", "fetches", "newer days", "other", "long ago", "gone"} {
			want := 0
			if id == "shows" {
				want = 1
			}
			if got := h.second(id, run.Repair); got != want {
				t.Errorf("%s was repaired %d times, want %d", id, got, want)
			}
		}
	})
}

// One that nobody opened waits until somebody does, and is refreshed once.
func TestOnDemand(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		rd := daily("idle", "07:30", report.StartAt)
		rd.OpenedAt = kst(1, 0, 0)
		h, s := newHouse(t, d, rd)
		prefer(t, s, "w", Preferences{Setting: Setting{IdleDays: 14}})
		tick(t, s, kst(23, 12, 0))
		tick(t, s, kst(24, 7, 31))
		if h.count("idle") != 0 {
			t.Fatal("refreshed though nobody opened it")
		}
		for i := range 2 {
			started, err := s.Opened(t.Context(), rd, kst(24, 9, i))
			if err != nil || started != (i == 0) {
				t.Errorf("look %d: %v %v", i, started, err)
			}
		}
		if h.count("idle") != 1 {
			t.Errorf("refreshed %d times", h.count("idle"))
		}
		// In New York a new day begins in Korea at ten in the morning.
		far := daily("far", "07:30", report.StartAt)
		far.Schedule.Zone = "America/New_York"
		h.all = append(h.all, far)
		tick(t, s, kst(24, 20, 0))
		tick(t, s, kst(24, 21, 31))
		if started, err := s.Opened(t.Context(), far, kst(25, 2, 0)); err != nil || !started {
			t.Errorf("not refreshed though somebody opened it: %v", err)
		}
		if started, err := s.Opened(t.Context(), far, kst(25, 2, 1)); err != nil || started || h.count("far") != 1 {
			t.Errorf("refreshed %d times, %v", h.count("far"), err)
		}
	})
}
