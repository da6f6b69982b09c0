package schedule

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/jobs"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/table"
)

// house is a fake of what the schedule drives: raw data in memory, runs
// counted by what was asked for.
type house struct {
	mu     sync.Mutex
	all    []report.RawData
	asked  map[string]int
	err    error
	broken string // the id of one that cannot be refreshed
}

func (h *house) Scheduled(context.Context, db.Queryer) ([]report.RawData, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []report.RawData
	for _, rd := range h.all {
		if rd.Schedule != nil {
			out = append(out, rd)
		}
	}
	return out, nil
}

func (h *house) RefreshTx(ctx context.Context, tx *db.Tx, _, id string, req run.Request) (run.Run, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return run.Run{}, h.err
	}
	if id == h.broken {
		return run.Run{}, fmt.Errorf("%s is broken", id)
	}
	tx.AfterCommit(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.asked[id+" "+string(req.Cause)]++
	})
	r := run.Run{ID: db.NewID()}
	// Stands in line as a real one does, where the raw data is stored.
	_, err := tx.Exec(ctx, `INSERT INTO run (id, raw_data_id, workspace_id, lane_id, kind, cause, class, gate_class, force, ticket, state, reason, reason_args,
		subject, parked, wake_us, epoch, lease_owner, lease_until_us, promoted_us, cancel_requested, again_class, again_force, again_cause, deadline_us,
		definition, attempt, fault_us, done, total, file, created_us, started_us, ended_us)
		SELECT $1, d.id, d.workspace_id, d.id, 'update', $3, 1, 1, FALSE, 1, 2, 'lane_busy', '', '', FALSE, 0, 1, '', 0, 0, FALSE, -1, FALSE, '', 0, '', 0, 0, 0, 0, '', 0, 0, 0
		FROM raw_data d WHERE d.id = $2 AND NOT EXISTS (SELECT 1 FROM run o WHERE o.raw_data_id = d.id AND o.state BETWEEN 1 AND 6)`, r.ID, id, string(req.Cause))
	return r, err
}

func (h *house) count(id string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked[id+" scheduled"]
}

func daily(id, at string, mode report.ScheduleMode) report.RawData {
	return report.RawData{ID: id, WorkspaceID: "w", AccountID: "acc-" + id,
		Schedule: &report.Schedule{DailyAt: at, Mode: mode, Zone: "Asia/Seoul"}}
}

func newHouse(t *testing.T, d *db.DB, all ...report.RawData) (*house, *Service) {
	h := &house{all: all, asked: map[string]int{}}
	return h, New(d, jobs.New(d, jobs.Options{}), Options{Runs: h, Reports: h})
}

// prefer sets what a workspace prefers, at the usual time.
func prefer(t *testing.T, s *Service, workspaceID string, p Preferences) {
	t.Helper()
	p.DailyAt = "07:30"
	if err := s.SetPreferences(t.Context(), workspaceID, p, kst(20, 0, 0)); err != nil {
		t.Fatal(err)
	}
}

func tick(t *testing.T, s *Service, when time.Time) int {
	t.Helper()
	n, err := s.Tick(t.Context(), when)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func kst(day, hour, minute int) time.Time {
	return time.Date(2026, 11, day, hour, minute, 0, 0, table.KST)
}

// A morning is not left out before its time: until then a pause may end.
func TestPauseEndsInTime(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := newHouse(t, d, daily("resumed", "07:30", report.ReadyBy), daily("paused", "07:30", report.ReadyBy))
		h.all[0].Paused, h.all[1].Paused = true, true
		tick(t, s, kst(24, 6, 0))
		tick(t, s, kst(24, 7, 15)) // when it would have begun
		h.all[0].Paused = false
		tick(t, s, kst(24, 7, 27))
		tick(t, s, kst(24, 7, 31))
		h.all[1].Paused = false
		tick(t, s, kst(24, 7, 32))
		if h.count("resumed") != 1 || h.count("paused") != 0 {
			t.Errorf("resumed %d, paused %d", h.count("resumed"), h.count("paused"))
		}
	})
}

func TestTick(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := newHouse(t, d, daily("ready", "07:30", report.ReadyBy), daily("start", "07:30", report.StartAt))
		tick(t, s, kst(24, 6, 0))
		if h.count("ready")+h.count("start") != 0 {
			t.Fatal("started at six")
		}
		tick(t, s, kst(24, 7, 15))
		if h.count("ready") != 1 || h.count("start") != 0 {
			t.Fatalf("at 07:15: ready %d, start %d", h.count("ready"), h.count("start"))
		}
		tick(t, s, kst(24, 7, 30))
		tick(t, s, kst(24, 7, 31))
		if h.count("ready") != 1 || h.count("start") != 1 {
			t.Fatalf("at 07:31: ready %d, start %d", h.count("ready"), h.count("start"))
		}
		if s.NextRefresh("start") != kst(25, 7, 30).UTC() {
			t.Errorf("next %s", s.NextRefresh("start"))
		}

		// Three days without a process: one refresh, for the newest day.
		again, s2 := h, New(d, jobs.New(d, jobs.Options{}), Options{Runs: h, Reports: h})
		tick(t, s2, kst(27, 10, 0))
		tick(t, s2, kst(27, 10, 1))
		if again.count("ready") != 2 || again.count("start") != 2 {
			t.Errorf("after downtime: ready %d, start %d", again.count("ready"), again.count("start"))
		}
	})
}

// An estimate is made anew when the raw data was filled or edited: a first
// filling costs what no morning costs.
func TestCostFollowsFilling(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		rd := daily("a", "07:30", report.ReadyBy)
		if _, err := d.Exec(ctx, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'w', 'Asia/Seoul', 'ko', 0)`); err != nil {
			t.Fatal(err)
		}
		put(t, d, rd.ID, run.Success, "", kst(24, 7, 30))
		h := &house{all: []report.RawData{rd}, asked: map[string]int{}}
		calls := 300
		s := New(d, jobs.New(d, jobs.Options{}), Options{Runs: h, Reports: h,
			Estimate: func(context.Context, report.RawData, time.Time) (Cost, error) {
				return Cost{Licence: "l", Calls: calls}, nil
			}})
		want := func(when time.Time, n int) {
			t.Helper()
			tick(t, s, when)
			if c, err := s.Coming(ctx, "w", when); err != nil || len(c) != 1 || c[0].Calls != n {
				t.Errorf("%s: %+v, want %d requests: %v", when, c, n, err)
			}
		}
		want(kst(24, 12, 0), 300)
		calls = 22
		want(kst(24, 12, 2), 300)
		if _, err := d.Exec(ctx, `UPDATE raw_data_state SET filled_us = $1`, db.US(kst(24, 12, 3))); err != nil {
			t.Fatal(err)
		}
		want(kst(24, 12, 4), 22)
		calls = 23
		h.all[0].UpdatedAt = kst(24, 12, 5)
		want(kst(24, 12, 6), 23)
	})
}

func TestForget(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		_, s := newHouse(t, d, daily("a", "07:30", report.StartAt))
		tick(t, s, kst(23, 12, 0))
		tick(t, s, kst(24, 7, 31))
		rows := func() (n int) {
			if err := d.QueryRow(t.Context(), `SELECT count(*) FROM refresh WHERE day < $1`, int64(table.DayOf(kst(24, 8, 0)))).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		tick(t, s, kst(24, 8, 0).AddDate(1, 0, 0))
		if rows() != 1 {
			t.Errorf("%d after a year", rows())
		}
		tick(t, s, kst(24, 8, 0).AddDate(1, 2, 0))
		if rows() != 0 {
			t.Errorf("%d after fourteen months", rows())
		}
	})
}

func TestEditing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		t.Run("a new schedule catches nothing up", func(t *testing.T) {
			h, s := newHouse(t, d, daily("new", "07:30", report.ReadyBy))
			tick(t, s, kst(24, 10, 0))
			tick(t, s, kst(24, 10, 1))
			if h.count("new") != 0 {
				t.Error("refreshed for a morning before it was made")
			}
		})
		t.Run("moved to earlier than now it runs at once, today", func(t *testing.T) {
			h, s := newHouse(t, d, daily("moved", "12:00", report.StartAt))
			tick(t, s, kst(24, 6, 0))
			h.all[0].Schedule.DailyAt = "08:00"
			tick(t, s, kst(24, 9, 0))
			tick(t, s, kst(24, 12, 1))
			if h.count("moved") != 1 {
				t.Errorf("refreshed %d times", h.count("moved"))
			}
		})
		t.Run("moved to later after it ran it does not run twice", func(t *testing.T) {
			h, s := newHouse(t, d, daily("later", "07:30", report.StartAt))
			tick(t, s, kst(24, 6, 0))
			tick(t, s, kst(24, 7, 30))
			h.all[0].Schedule.DailyAt = "09:00"
			tick(t, s, kst(24, 8, 0))
			coming, err := s.Coming(t.Context(), "w", kst(24, 8, 0))
			if err != nil || len(coming) != 1 || !coming[0].Due.Equal(kst(25, 9, 0)) || !coming[0].Start.Equal(kst(25, 9, 0)) {
				t.Errorf("what comes: %+v, %v", coming, err)
			}
			tick(t, s, kst(24, 9, 1))
			if h.count("later") != 1 {
				t.Errorf("refreshed %d times", h.count("later"))
			}
			if got := s.NextRefresh("later"); !got.Equal(kst(25, 9, 0)) {
				t.Errorf("next %s", got)
			}
		})
		t.Run("another zone does not bring the same day twice", func(t *testing.T) {
			h, s := newHouse(t, d, daily("zone", "07:30", report.StartAt))
			tick(t, s, kst(24, 6, 0))
			tick(t, s, kst(24, 7, 30))
			h.all[0].Schedule.Zone = "Asia/Singapore" // 07:30 there is 08:30 in Seoul
			tick(t, s, kst(24, 8, 31))
			if h.count("zone") != 1 {
				t.Errorf("refreshed %d times", h.count("zone"))
			}
		})
		t.Run("without a schedule nothing runs, and a later one starts anew", func(t *testing.T) {
			h, s := newHouse(t, d, daily("off", "07:30", report.StartAt))
			tick(t, s, kst(24, 6, 0))
			kept := h.all[0].Schedule
			h.all[0].Schedule = nil
			tick(t, s, kst(24, 7, 31))
			h.all[0].Schedule = kept
			tick(t, s, kst(24, 8, 0))
			if h.count("off") != 0 {
				t.Errorf("refreshed %d times", h.count("off"))
			}
		})
	})
}

func TestSkips(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		paused := daily("paused", "07:30", report.StartAt)
		paused.Paused, paused.PausedUntil = true, kst(25, 0, 0)
		idle := daily("idle", "07:30", report.StartAt)
		idle.WorkspaceID, idle.OpenedAt = "idle", kst(1, 0, 0)
		holiday := daily("holiday", "07:30", report.StartAt)
		holiday.WorkspaceID = "holiday"
		// Its pause ends after the start and before the deadline: the run waits.
		early := daily("early", "07:30", report.ReadyBy)
		early.Paused, early.PausedUntil = true, kst(24, 7, 0)
		h, s := newHouse(t, d, paused, idle, holiday, early)
		prefer(t, s, "idle", Preferences{Setting: Setting{IdleDays: 14}})
		prefer(t, s, "holiday", Preferences{Holidays: []Holiday{{Day: table.DayOf(kst(24, 0, 0)), Name: "창립기념일"}}})
		tick(t, s, kst(23, 12, 0))
		tick(t, s, kst(24, 6, 50))
		tick(t, s, kst(24, 7, 31))
		if h.count("early") != 1 {
			t.Errorf("one whose pause ends in time was refreshed %d times", h.count("early"))
		}
		for _, id := range []string{"paused", "idle", "holiday"} {
			if h.count(id) != 0 {
				t.Errorf("%s was refreshed", id)
			}
		}
		// The pause has ended: what was left out on purpose is not caught up.
		tick(t, s, kst(24, 12, 0))
		tick(t, s, kst(25, 7, 31))
		if h.count("paused") != 1 || h.count("holiday") != 1 || h.count("idle") != 0 {
			t.Errorf("next morning: paused %d, holiday %d, idle %d", h.count("paused"), h.count("holiday"), h.count("idle"))
		}
	})
}

// A refresh whose run was not admitted is not noted either.
func TestFailedAdmission(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := newHouse(t, d, daily("a", "07:30", report.StartAt))
		tick(t, s, kst(24, 6, 0))
		h.err = fmt.Errorf("the database went away")
		if _, err := s.Tick(t.Context(), kst(24, 7, 30)); err == nil {
			t.Fatal("no error")
		}
		h.err = nil
		tick(t, s, kst(24, 7, 31))
		if h.count("a") != 1 {
			t.Errorf("refreshed %d times", h.count("a"))
		}
	})
}

// One that cannot be started keeps nobody else from it, and is tried again.
func TestOneBroken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := newHouse(t, d, daily("a", "07:30", report.StartAt), daily("b", "07:30", report.StartAt))
		tick(t, s, kst(24, 6, 0))
		h.broken = "a"
		if n, err := s.Tick(t.Context(), kst(24, 7, 30)); err == nil || n != 1 || h.count("b") != 1 {
			t.Errorf("started %d, b %d times, %v", n, h.count("b"), err)
		}
		// Nobody is told that all is well.
		got, err := s.Morning(t.Context(), "w", table.DayOf(kst(24, 0, 0)), kst(24, 7, 31))
		if err != nil || !slices.ContainsFunc(got.Late, func(l Line) bool { return l.RawDataID == "a" }) {
			t.Errorf("%+v, %v", got, err)
		}
		if !s.Figures().Ticked.Equal(kst(24, 6, 0)) {
			t.Error("the look counts as done")
		}
		h.broken = ""
		tick(t, s, kst(24, 7, 31))
		if h.count("a") != 1 || h.count("b") != 1 {
			t.Errorf("a %d, b %d", h.count("a"), h.count("b"))
		}
	})
}

// Ten mornings, looked after by processes that come, go, and look at the same
// instant: each raw data is refreshed once per morning.
func TestExactlyOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		rnd := rand.New(rand.NewPCG(7, 7))
		var all []report.RawData
		for i := range 6 {
			all = append(all, daily(fmt.Sprintf("r%d", i), "07:30", []report.ScheduleMode{report.ReadyBy, report.StartAt}[i%2]))
		}
		h, first := newHouse(t, d, all...)
		tick(t, first, kst(1, 12, 0))
		procs := []*Service{first}
		const mornings = 10
		for now := kst(2, 6, 30); now.Before(kst(2+mornings, 0, 0)); now = now.Add(time.Duration(1+rnd.IntN(4)) * time.Minute) {
			if now.In(table.KST).Hour() >= 8 { // the night is quiet
				now = time.Date(2026, 11, now.In(table.KST).Day()+1, 6, 30, 0, 0, table.KST)
			}
			if rnd.IntN(3) == 0 { // a restart, perhaps with one more or one less
				n := 1 + rnd.IntN(3)
				procs = procs[:0]
				for range n {
					procs = append(procs, New(d, jobs.New(d, jobs.Options{}), Options{Runs: h, Reports: h}))
				}
			}
			var wg sync.WaitGroup
			for _, p := range procs {
				wg.Go(func() {
					if _, err := p.Tick(context.Background(), now); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		for _, rd := range all {
			if got := h.count(rd.ID); got != mornings {
				t.Errorf("%s was refreshed %d times in %d mornings", rd.ID, got, mornings)
			}
		}
	})
}
