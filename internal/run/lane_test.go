package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"imreport/internal/account"
	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/quota"
)

// The lane machine against its laws: whatever is asked, ends, fails, is
// cancelled, blocked or crashes, in whatever order.
func TestLaneMachine(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		t.Parallel()
		// PostgreSQL answers from another process, with an fsync: fewer cases.
		left := math.MaxInt
		if d.Dialect() == db.Postgres {
			left = 25
		}
		rapid.Check(t, func(rt *rapid.T) {
			if left--; left < 0 {
				return
			}
			m := newLaneMachine(t, rt, d)
			rt.Repeat(rapid.StateMachineActions(m))
		})
	})
}

type laneMachine struct {
	t    *testing.T
	h    *house
	rt   *rapid.T
	lane []string
	raw  []string

	// The model of the order: which step each run became eligible in, with
	// which place, and which step the active run of each lane started in.
	step     int
	eligible map[string]map[string]place
	started  map[string]place
	seq      map[string]int64 // of each raw data, as last checked
}

// place is where a run stands in its lane's order since a step.
type place struct {
	run    string
	class  quota.Class
	ticket int64
	step   int
}

func (p place) before(o place) bool {
	return p.class < o.class || p.class == o.class && p.ticket < o.ticket
}

func newLaneMachine(t *testing.T, rt *rapid.T, d *db.DB) *laneMachine {
	m := &laneMachine{t: t, rt: rt, h: newHouse(t, d), eligible: map[string]map[string]place{}, started: map[string]place{}, seq: map[string]int64{}}
	suffix := db.NewID()
	for i := range 2 {
		m.lane = append(m.lane, fmt.Sprintf("lane-%d-%s", i, suffix))
	}
	for range 3 {
		for _, lane := range m.lane {
			rd, _ := m.h.rawData(t, lane, quota.Bulk)
			m.raw = append(m.raw, rd.ID)
		}
	}
	return m
}

var bg = context.Background()

// Refresh asks for a raw data, in any class.
func (m *laneMachine) Refresh(rt *rapid.T) {
	raw := rapid.SampledFrom(m.raw).Draw(rt, "raw")
	class := rapid.SampledFrom([]quota.Class{quota.Interactive, quota.Bulk}).Draw(rt, "class")
	before := m.openOf(rt, raw)
	r, err := m.h.Refresh(bg, workspace, raw, Request{Class: class})
	m.no(rt, err)
	if before.ID != "" && r.ID != before.ID {
		rt.Fatalf("a second open run %s beside %s", r.ID, before.ID)
	}
}

// Advance brings an active run one state further, or ends it well.
func (m *laneMachine) Advance(rt *rapid.T) {
	r := m.active(rt)
	w := &worker{s: m.h.Service, run: m.claim(rt, r)}
	if r.State == Adding {
		m.no(rt, m.h.endWith(bg, w.run, ended{state: Success, file: &File{Object: r.ID}}))
		m.release(r)
		return
	}
	m.no(rt, w.advance(bg, r.State+1))
}

// Fail ends an active run badly.
func (m *laneMachine) Fail(rt *rapid.T) {
	r := m.claim(rt, m.active(rt))
	m.no(rt, m.h.endWith(bg, r, ended{state: Failed, reason: CodePlatformError}))
	m.release(r)
}

// Block makes an active run wait for something else than its lane.
func (m *laneMachine) Block(rt *rapid.T) {
	r := m.claim(rt, m.active(rt))
	reason := rapid.SampledFrom([]Code{CodePlatformPreparing, CodeRetrying}).Draw(rt, "reason")
	m.no(rt, m.h.block(bg, r, &Stop{Do: Park, Reason: reason}, m.h.clock().Add(time.Minute), reason == CodeRetrying))
	m.release(r)
}

// TimePasses wakes whoever is due.
func (m *laneMachine) TimePasses(rt *rapid.T) {
	m.h.pass(2 * time.Minute)
	m.no(rt, m.h.sweep(bg))
	if n := m.h.Stranded(); n != 0 {
		rt.Fatalf("the sweeper found %d stranded lanes", n)
	}
}

// Cancel ends any open run.
func (m *laneMachine) Cancel(rt *rapid.T) {
	open := m.open(rt)
	if len(open) == 0 {
		rt.Skip("none open")
	}
	r := rapid.SampledFrom(open).Draw(rt, "run")
	_, err := m.h.Cancel(bg, workspace, r.ID)
	m.no(rt, err)
	cur, err := get(bg, m.h.d, r.ID)
	m.no(rt, err)
	if cur.State.Active() { // its worker hears of it
		m.no(rt, m.h.endWith(bg, cur, ended{state: Failed, reason: CodeCancelled}))
	}
	m.release(r)
}

// Crash voids the leases, as a restart does. A worker of the old epoch that
// still lives can write nothing.
func (m *laneMachine) Crash(rt *rapid.T) {
	var zombies []Run
	for _, r := range m.open(rt) {
		if !r.LeaseUntil.IsZero() {
			zombies = append(zombies, r)
		}
	}
	m.no(rt, m.h.reap(bg, true))
	for _, z := range zombies {
		w := &worker{s: m.h.Service, run: z}
		if err := w.advance(bg, Adding+1); errs.KindOf(err) != errs.LeaseLost {
			rt.Fatalf("a zombie advanced run %s: %v", z.ID, err)
		}
		if err := m.h.endWith(bg, z, ended{state: Success, file: &File{}}); errs.KindOf(err) != errs.LeaseLost {
			rt.Fatalf("a zombie ended run %s: %v", z.ID, err)
		}
		m.release(z)
	}
}

// Pause and resume a raw data.
func (m *laneMachine) Pause(rt *rapid.T) {
	raw := rapid.SampledFrom(m.raw).Draw(rt, "raw")
	if rapid.Bool().Draw(rt, "pause") {
		m.no(rt, m.h.Pause(bg, workspace, raw, time.Time{}))
	} else {
		m.no(rt, m.h.Resume(bg, workspace, raw))
	}
}

// Check is called after each action: the laws.
func (m *laneMachine) Check(rt *rapid.T) {
	m.step++
	for _, lane := range m.lane {
		var active, waiting []Run
		all, err := db.All(bg, m.h.d, scan, `SELECT `+columns+` FROM run WHERE lane_id = $1 ORDER BY class, ticket`, lane)
		m.no(rt, err)
		for _, r := range all {
			switch {
			case r.State.Active():
				active = append(active, r)
			case r.State.Waiting() && !r.Parked:
				waiting = append(waiting, r)
			}
		}
		if len(active) > 1 {
			rt.Fatalf("%d runs are active in a lane", len(active))
		}
		if len(active) == 0 && len(waiting) > 0 {
			rt.Fatalf("run %s waits in an idle lane", waiting[0].ID)
		}
		if len(active) == 1 && active[0].Parked && len(waiting) > 0 {
			rt.Fatalf("run %s is parked and keeps the lane from %s", active[0].ID, waiting[0].ID)
		}
		m.checkOrder(rt, lane, active, waiting)
	}
	for _, raw := range m.raw {
		var seq int64
		m.no(rt, m.h.d.QueryRow(bg, `SELECT seq FROM raw_data_state WHERE raw_data_id = $1`, raw).Scan(&seq))
		if seq != m.seq[raw] {
			m.seq[raw] = seq
			m.checkLog(rt, raw)
		}
	}
}

// checkOrder checks that whoever started was the first of those who could have:
// a run that was eligible before the active one started, and before it in the
// order, was passed over.
func (m *laneMachine) checkOrder(rt *rapid.T, lane string, active, waiting []Run) {
	could := m.eligible[lane]
	now := map[string]place{}
	for _, w := range waiting {
		p, ok := could[w.ID]
		if !ok || p.class != w.Class {
			p = place{w.ID, w.Class, w.Ticket, m.step}
		}
		now[w.ID] = p
	}
	m.eligible[lane] = now
	if len(active) == 0 {
		delete(m.started, lane)
		return
	}
	a := active[0]
	if m.started[lane].run != a.ID {
		m.started[lane] = place{a.ID, a.Class, a.Ticket, m.step}
	}
	s := m.started[lane]
	for _, p := range now {
		if p.step < s.step && p.before(s) {
			rt.Fatalf("run %s (%v, ticket %d) started before %s (%v, ticket %d)", s.run, s.class, s.ticket, p.run, p.class, p.ticket)
		}
	}
}

// checkLog checks that the log of a raw data is legal and that its newest row
// is its state.
func (m *laneMachine) checkLog(rt *rapid.T, raw string) {
	log, err := m.h.Log(bg, workspace, raw, 0, 10000)
	m.no(rt, err)
	if err := legal(log); err != nil {
		rt.Fatalf("raw data %s: %v", raw, err)
	}
	item, err := m.h.Item(bg, workspace, raw)
	m.no(rt, err)
	last := log[len(log)-1]
	if item.Status.State != last.State || item.Status.RunID != last.RunID {
		rt.Fatalf("raw data %s is in %v, its newest log row says %v", raw, item.Status.State, last.State)
	}
}

// legal checks one raw data's log against the rules of docs/runs.md.
func legal(log []LogRow) error {
	succeeded := false
	var prev LogRow
	for i, l := range log {
		if l.Seq != int64(i+1) {
			return fmt.Errorf("row %d has seq %d", i+1, l.Seq)
		}
		if l.RunID != prev.RunID {
			if i > 0 && !prev.State.Ended() {
				return fmt.Errorf("seq %d: run %s began before %s ended", l.Seq, l.RunID, prev.RunID)
			}
			want := CreateWaiting
			if succeeded {
				want = UpdateWaiting
			}
			if l.State != Creating && l.State != want {
				return fmt.Errorf("seq %d: a run began in %v", l.Seq, l.State)
			}
		} else {
			ok := l.State == prev.State+1 && prev.State >= Creating || // a step
				l.State == Creating && prev.State.Waiting() || // promoted
				l.State == prev.State && l.Code == CodeResumed || // taken over
				l.State.Waiting() && l.Code == CodeRequeued && prev.State.Active() ||
				l.State == Failed && prev.State.Open()
			if !ok {
				return fmt.Errorf("seq %d: from %v to %v (%s)", l.Seq, prev.State, l.State, l.Code)
			}
		}
		succeeded = succeeded || l.State == Success
		prev = l
	}
	return nil
}

func (m *laneMachine) no(rt *rapid.T, err error) {
	if err != nil {
		rt.Fatalf("%v", err)
	}
}

func (m *laneMachine) open(rt *rapid.T) []Run {
	all, err := db.All(bg, m.h.d, scan, `SELECT `+columns+` FROM run WHERE state BETWEEN 1 AND 6 AND lane_id IN ($1, $2) ORDER BY id`,
		m.lane[0], m.lane[1])
	m.no(rt, err)
	return all
}

func (m *laneMachine) openOf(rt *rapid.T, raw string) Run {
	for _, r := range m.open(rt) {
		if r.RawDataID == raw {
			return r
		}
	}
	return Run{}
}

func (m *laneMachine) active(rt *rapid.T) Run {
	var all []Run
	for _, r := range m.open(rt) {
		if r.State.Active() && !r.Parked {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		rt.Skip("none active")
	}
	return rapid.SampledFrom(all).Draw(rt, "run")
}

// claim takes the lease when nobody holds it, as the job would. A doubled job
// finds nothing to do.
func (m *laneMachine) claim(rt *rapid.T, r Run) Run {
	if !r.LeaseUntil.IsZero() {
		if _, ok, err := m.h.claim(bg, r.ID, r.Epoch); ok || err != nil {
			rt.Fatalf("a doubled job took the lease again: %v", err)
		}
		return r
	}
	got, ok, err := m.h.claim(bg, r.ID, r.Epoch)
	m.no(rt, err)
	if !ok {
		rt.Fatalf("run %s could not be claimed in %v", r.ID, r.State)
	}
	if _, ok, _ := m.h.claim(bg, r.ID, r.Epoch-1); ok {
		rt.Fatal("a stale job took the lease")
	}
	return got
}

func (m *laneMachine) release(Run) {}

// First come, first served inside a class; interactive before bulk.
func TestOrderInALane(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		rapid.Check(t, func(rt *rapid.T) {
			h := newHouse(t, d)
			lane := db.NewID()
			type asked struct {
				id    string
				class quota.Class
			}
			_, first := h.rawData(t, lane, quota.Bulk)
			var want []asked
			for range rapid.IntRange(1, 6).Draw(rt, "runs") {
				class := rapid.SampledFrom([]quota.Class{quota.Interactive, quota.Bulk}).Draw(rt, "class")
				_, r := h.rawData(t, lane, class)
				if r.State != CreateWaiting || r.Reason != CodeLaneBusy {
					rt.Fatalf("admitted at %v %s", r.State, r.Reason)
				}
				want = append(want, asked{r.ID, class})
			}
			slices.SortStableFunc(want, func(a, b asked) int { return int(a.class) - int(b.class) })
			for i, w := range want {
				v, err := h.Get(bg, workspace, w.id)
				if err != nil || v.Position != i+1 || v.Ahead != i+1 {
					rt.Fatalf("position %d, ahead %d, want %d: %v", v.Position, v.Ahead, i+1, err)
				}
			}
			cur := first.ID
			for _, w := range want {
				r, err := get(bg, d, cur)
				if err != nil {
					rt.Fatal(err)
				}
				if err := h.endWith(bg, r, ended{state: Failed, reason: CodeInternal}); err != nil {
					rt.Fatal(err)
				}
				next, err := get(bg, d, w.id)
				if err != nil || next.State != Creating {
					rt.Fatalf("after %s came %v, want %s to start: %v", cur, next.State, w.id, err)
				}
				cur = w.id
			}
		})
	})
}

func TestARefreshWhileActiveOpensTheNextRun(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d)
		rd, r := h.rawData(t, "l1", quota.Bulk)
		other, waiting := h.rawData(t, "l1", quota.Bulk)
		for range 3 {
			again, err := h.Refresh(bg, workspace, rd.ID, Request{Class: quota.Bulk, Force: true})
			if err != nil || again.ID != r.ID {
				t.Fatalf("refresh gave %s, want the active run: %v", again.ID, err)
			}
		}
		if err := h.endWith(bg, r, ended{state: Success, file: &File{Object: "o"}}); err != nil {
			t.Fatal(err)
		}
		cur, err := get(bg, d, waiting.ID)
		if err != nil || cur.State != Creating {
			t.Fatalf("the run of %s is in %v, want it to start first: %v", other.ID, cur.State, err)
		}
		item, err := h.Item(bg, workspace, rd.ID)
		if err != nil || item.Status.State != UpdateWaiting || item.Status.Open == nil || !item.Status.Open.Force {
			t.Fatalf("the refresh is in %+v: %v", item.Status, err)
		}
		if !item.Status.HasFile {
			t.Error("the good file is lost")
		}
	})
}

// Who asks after each other while a run is active shares the next one: with the
// strongest class and the earliest deadline, and waiting for what is late only if
// all of them do.
func TestARefreshWhileActiveKeepsDeadlineAndClass(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d)
		rd, r := h.rawData(t, "l1", quota.Bulk)
		due := time.Now().Add(time.Hour).Truncate(time.Second)
		for _, req := range []Request{
			{Class: quota.Bulk, Cause: Scheduled, Deadline: due.Add(time.Hour)},
			{Class: quota.Bulk, Cause: Late},
			{Class: quota.Bulk, Cause: Scheduled, Deadline: due},
			{Class: quota.Interactive, Force: true, Cause: Manual},
			{Class: quota.Bulk, Cause: Repair},
		} {
			if _, err := h.Refresh(bg, workspace, rd.ID, req); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.endWith(bg, r, ended{state: Success, file: &File{Object: "o"}}); err != nil {
			t.Fatal(err)
		}
		item, err := h.Item(bg, workspace, rd.ID)
		if err != nil || item.Status.Open == nil {
			t.Fatalf("%+v: %v", item.Status, err)
		}
		next, err := get(bg, d, item.Status.Open.ID)
		if err != nil || next.Cause != Manual || next.Class != quota.Interactive || !next.Force || !next.Deadline.Equal(due) {
			t.Errorf("the next run: %s, %v, force %v, until %v; %v", next.Cause, next.Class, next.Force, next.Deadline, err)
		}
	})
}

func TestACancelAndAnEndingThatMeet(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d)
		_, r := h.rawData(t, "l1", quota.Bulk)
		r, _, err := h.claim(bg, r.ID, r.Epoch)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Cancel(bg, workspace, r.ID); err != nil {
			t.Fatal(err)
		}
		if err := h.endWith(bg, r, ended{state: Success, file: &File{Object: "o"}}); err != nil {
			t.Fatal(err)
		}
		v, err := h.Get(bg, workspace, r.ID)
		if err != nil || v.State != Failed || v.Reason != CodeCancelled {
			t.Fatalf("ended in %v %s, want cancelled: %v", v.State, v.Reason, err)
		}
		if _, err := h.Cancel(bg, workspace, r.ID); !errs.Is(err, "run.ended") {
			t.Errorf("cancel of an ended run: %v", err)
		}
		if _, err := h.Get(bg, "another", r.ID); !errs.Is(err, "run.not_found") {
			t.Errorf("another workspace sees the run: %v", err)
		}
		if _, err := h.Cancel(bg, "another", r.ID); !errs.Is(err, "run.not_found") {
			t.Errorf("another workspace may cancel: %v", err)
		}
	})
}

func TestAJobThatNobodyPickedUpIsSentAgain(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	_, r := h.rawData(t, "l1", quota.Bulk)
	sent := func() (n int) {
		if err := h.d.QueryRow(bg, `SELECT count(*) FROM river_job`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	h.pass(30 * time.Second)
	if err := h.sweep(bg); err != nil || sent() != 1 {
		t.Fatalf("after 30 s: %d jobs, %v", sent(), err)
	}
	h.pass(40 * time.Second)
	if err := h.sweep(bg); err != nil || sent() != 2 {
		t.Fatalf("after 70 s: %d jobs, %v", sent(), err)
	}
	cur, err := get(bg, h.d, r.ID)
	if err != nil || cur.Epoch != r.Epoch {
		t.Errorf("epoch %d, want it unchanged: %v", cur.Epoch, err)
	}
	if log, err := h.Log(bg, workspace, r.RawDataID, 0, 10); err != nil || len(log) != 1 {
		t.Errorf("%d log rows, want 1: %v", len(log), err)
	}
}

var errBoom = errors.New("boom")

// brokenKeys cannot say anything of one account.
type brokenKeys struct {
	Keys
	broken string
}

func (k *brokenKeys) Account(ctx context.Context, q db.Queryer, id string) (account.Account, error) {
	if id == k.broken {
		return account.Account{}, errors.New("broken")
	}
	return k.Keys.Account(ctx, q, id)
}

func TestOneRunThatCannotBeHelpedKeepsNobodyElse(t *testing.T) {
	keys := &brokenKeys{}
	h := newHouse(t, dbtest.SQLite(t), func(o *Options) { keys.Keys, o.Keys = o.Keys, keys })
	h.rawData(t, "l1", quota.Bulk)
	h.pass(time.Second)
	h.rawData(t, "l2", quota.Bulk)
	h.pass(2 * unclaimedFor)
	keys.broken = "l1"
	if err := h.sweep(bg); err == nil {
		t.Error("the sweep says nothing of the broken one")
	}
	var n int
	if err := h.d.QueryRow(bg, `SELECT count(*) FROM river_job`).Scan(&n); err != nil || n != 3 {
		t.Errorf("%d jobs, want the second run's again: %v", n, err)
	}
}
