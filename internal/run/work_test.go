package run

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/quota"
)

func states(log []LogRow) (s []State) {
	for _, l := range log {
		s = append(s, l.State)
	}
	return s
}

func TestARunWalksThroughTheStatesAndPromotesTheNext(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d)
		h.start(t)
		rd, r := h.rawData(t, "l1", quota.Interactive)
		_, next := h.rawData(t, "l1", quota.Bulk)
		if v := h.ended(t, r.ID); v.State != Success || v.Done != v.Total || v.Total != 6 {
			t.Fatalf("ended in %v %s, %d of %d", v.State, v.Reason, v.Done, v.Total)
		}
		if v := h.ended(t, next.ID); v.State != Success {
			t.Fatalf("the next ended in %v %s", v.State, v.Reason)
		}
		log, err := h.Log(bg, workspace, rd.ID, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		want := []State{Creating, Importing, Inserting, Adding, Success}
		if got := states(log); len(got) != len(want) || legal(log) != nil {
			t.Fatalf("states %v, want %v", got, want)
		}
		_, f, err := h.FileOf(bg, workspace, rd.ID)
		if err != nil || !h.dst.has(f.Object) {
			t.Fatalf("file %+v: %v", f, err)
		}
		again, err := h.Refresh(bg, workspace, rd.ID, Request{})
		if err != nil || again.Kind != KindUpdate {
			t.Fatalf("refresh: %+v, %v", again, err)
		}
		h.ended(t, again.ID)
		if _, g, _ := h.FileOf(bg, workspace, rd.ID); g.Object == f.Object || h.dst.has(f.Object) {
			t.Error("the old file was not replaced and removed")
		}
	})
}

func TestATransientFaultIsRetriedForSixHoursThenFails(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	var tries atomic.Int32
	h.src.set(func(context.Context, Order, Progress) error {
		tries.Add(1)
		return &Stop{Do: Retry, Reason: CodePlatformError, Err: errBoom}
	})
	h.start(t)
	_, r := h.rawData(t, "l1", quota.Bulk)
	seen := 0
	for {
		var v View
		await(t, "the next try or the end", func() bool {
			v, _ = h.Get(bg, workspace, r.ID)
			return v.State.Ended() || v.Reason == CodeRetrying && v.Attempt > seen
		})
		if v.State.Ended() {
			if v.State != Failed || v.Reason != CodePlatformError {
				t.Fatalf("ended in %v %s", v.State, v.Reason)
			}
			break
		}
		seen = v.Attempt
		if v.WakeAt.Before(h.clock()) || v.WakeAt.After(h.clock().Add(maxPause)) {
			t.Fatalf("try %d: pause until %v, now %v", v.Attempt, v.WakeAt, h.clock())
		}
		h.pass(v.WakeAt.Sub(h.clock()))
		if err := h.sweep(bg); err != nil {
			t.Fatal(err)
		}
	}
	// 5 s, 10 s … 320 s are seven pauses in 635 s; the rest are of 10 min.
	if n := tries.Load(); n < 35 || n > 50 {
		t.Errorf("%d tries in six hours", n)
	}
	log, _ := h.Log(bg, workspace, r.RawDataID, 0, 100)
	if len(log) != 3 {
		t.Errorf("log %v: a try is not a change of state", states(log))
	}
}

func TestWhatWaitsForThePlatformIsNeverFailed(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	var ready atomic.Bool
	h.src.set(func(_ context.Context, o Order, p Progress) error {
		if !ready.Load() && o.CustomerID == "l1" {
			return &Stop{Do: Park, Reason: CodePlatformPreparing}
		}
		p.Plan(3)
		p.Done(3)
		return nil
	})
	h.start(t)
	_, r := h.rawData(t, "l1", quota.Bulk)
	parked := func() bool {
		v, _ := h.Get(bg, workspace, r.ID)
		return v.Reason == CodePlatformPreparing
	}
	await(t, "parking", parked)
	for range 20 {
		h.pass(preparingPause)
		if err := h.sweep(bg); err != nil {
			t.Fatal(err)
		}
		await(t, "parking again", parked)
	}
	if v, _ := h.Get(bg, workspace, r.ID); v.State != Importing && v.State != Creating {
		t.Fatalf("waits in %v %s", v.State, v.Reason)
	}
	ready.Store(true)
	await(t, "the end", func() bool {
		h.pass(preparingPause)
		_ = h.sweep(bg)
		v, _ := h.Get(bg, workspace, r.ID)
		return v.State == Success
	})
}

func TestADeadKeyStopsItsRunsUntilItIsRepaired(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.src.set(func(context.Context, Order, Progress) error {
		return &Stop{Do: Park, Reason: CodeKeyInvalid, Subject: "k", Err: errBoom}
	})
	h.start(t)
	_, r := h.rawData(t, "l1", quota.Bulk)
	await(t, "parking", func() bool { v, _ := h.Get(bg, workspace, r.ID); return v.Reason == CodeKeyInvalid })
	_, later := h.rawData(t, "l2", quota.Bulk)
	if later.State != CreateWaiting || !later.Parked || later.Reason != CodeKeyInvalid {
		t.Fatalf("admitted with a dead key: %v %s", later.State, later.Reason)
	}
	h.src.set(nil)
	h.keys.set("k", false)
	if _, err := h.WakeSubject(bg, CodeKeyInvalid, "k"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{r.ID, later.ID} {
		if v := h.ended(t, id); v.State != Success {
			t.Errorf("ended in %v %s", v.State, v.Reason)
		}
	}
}

func TestCancelReachesTheWorker(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d)
		h.src.set(func(ctx context.Context, _ Order, _ Progress) error {
			<-ctx.Done()
			return ctx.Err()
		})
		h.start(t)
		rd, r := h.rawData(t, "l1", quota.Bulk)
		await(t, "importing", func() bool { v, _ := h.Get(bg, workspace, r.ID); return v.State == Importing })
		c, err := h.Cancel(bg, workspace, r.ID)
		if err != nil || c.Reason != CodeCancelRequested {
			t.Fatalf("cancel: %v %s, %v", c.State, c.Reason, err)
		}
		if v := h.ended(t, r.ID); v.State != Failed || v.Reason != CodeCancelled {
			t.Fatalf("ended in %v %s", v.State, v.Reason)
		}
		if err := h.Delete(bg, workspace, rd.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Item(bg, workspace, rd.ID); !errs.Is(err, "report.not_found") {
			t.Errorf("after delete: %v", err)
		}
	})
}

// A process that stops gives its runs back; the next takes them up in the
// state where they stood.
func TestAStoppedProcessHandsItsRunsOver(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := newHouse(t, d, func(o *Options) { o.Process = "a" })
		writing := make(chan struct{})
		a.dst.insert = func(ctx context.Context) error {
			close(writing)
			<-ctx.Done()
			return ctx.Err()
		}
		if err := errors.Join(a.Start(bg), a.jobs.Start(bg)); err != nil {
			t.Fatal(err)
		}
		rd, r := a.rawData(t, "l1", quota.Bulk)
		<-writing
		a.stop(t)
		b := newHouse(t, d, func(o *Options) { o.Process = "b" })
		b.src.set(func(context.Context, Order, Progress) error {
			t.Error("collects again after it was writing")
			return nil
		})
		b.start(t)
		if v := b.ended(t, r.ID); v.State != Success {
			t.Fatalf("ended in %v %s", v.State, v.Reason)
		}
		log, err := b.Log(bg, workspace, rd.ID, 0, 100)
		if err != nil || legal(log) != nil {
			t.Fatal(states(log), err, legal(log))
		}
		if got := log[3]; got.State != Inserting || got.Code != CodeResumed {
			t.Errorf("the handing over is logged as %v %s", got.State, got.Code)
		}
	})
}

func TestAFaultOfOursEndsTheRunWithAReason(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.src.set(func(context.Context, Order, Progress) error { panic("boom") })
	h.start(t)
	_, r := h.rawData(t, "l1", quota.Bulk)
	if v := h.ended(t, r.ID); v.State != Failed || v.Reason != CodeInternal {
		t.Errorf("ended in %v %s", v.State, v.Reason)
	}
}
