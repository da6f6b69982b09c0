package run

import (
	"context"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/quota"
)

// state waits until a run is in st and has the reason.
func (h *house) state(t *testing.T, id string, st State, reason Code) View {
	t.Helper()
	var v View
	await(t, "state "+st.String()+" of run "+id, func() bool {
		var err error
		if v, err = h.Get(bg, workspace, id); err != nil {
			t.Fatal(err)
		}
		return v.State == st && v.Reason == reason
	})
	return v
}

// A run can be cancelled wherever it stands, and the next of its lane starts.
func TestCancelInEveryState(t *testing.T) {
	block := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
	for name, c := range map[string]struct {
		set   func(h *house)
		state State
	}{
		"importing": {func(h *house) { h.src.set(func(ctx context.Context, _ Order, _ Progress) error { return block(ctx) }) }, Importing},
		"inserting": {func(h *house) { h.dst.insert = block }, Inserting},
		"adding":    {func(h *house) { h.dst.add = block }, Adding},
		"parked": {func(h *house) {
			h.src.set(func(context.Context, Order, Progress) error { return &Stop{Do: Park, Reason: CodePlatformPreparing} })
		}, Importing},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				h := newHouse(t, d)
				c.set(h)
				h.start(t)
				rd, active := h.rawData(t, "l1", quota.Bulk)
				reason := CodeNone
				if name == "parked" {
					reason = CodePlatformPreparing
				}
				h.state(t, active.ID, c.state, reason)
				if name != "parked" {
					// In line: it ends at once.
					_, waiting := h.rawData(t, "l1", quota.Bulk)
					if got, err := h.Cancel(bg, workspace, waiting.ID); err != nil || got.State != Failed || got.Reason != CodeCancelled {
						t.Fatalf("in line: %v %s %v", got.State, got.Reason, err)
					}
				}
				if _, err := h.Cancel(bg, workspace, active.ID); err != nil {
					t.Fatal(err)
				}
				if v := h.ended(t, active.ID); v.State != Failed || v.Reason != CodeCancelled {
					t.Fatalf("ended in %v %s", v.State, v.Reason)
				}
				log, err := h.Log(bg, workspace, rd.ID, 0, 100)
				if err != nil || legal(log) != nil {
					t.Fatalf("%v %v", legal(log), err)
				}
				// The lane is free: the next ends well once nothing blocks.
				h.src.set(nil)
				h.dst.mu.Lock()
				h.dst.insert, h.dst.add = nil, nil
				h.dst.mu.Unlock()
				_, next := h.rawData(t, "l1", quota.Bulk)
				if v := h.ended(t, next.ID); v.State != Success {
					t.Fatalf("the next ended in %v %s", v.State, v.Reason)
				}
			})
		})
	}
}

// On a late morning the runs of a lane keep their places: changing them every
// minute would fill the log and help nobody.
func TestALateMorningDoesNotFillTheLog(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.src.set(func(context.Context, Order, Progress) error {
		return &Stop{Do: Park, Reason: CodePlatformPreparing, Subject: "naver"}
	})
	h.start(t)
	first, a := h.rawData(t, "l1", quota.Bulk)
	h.state(t, a.ID, Importing, CodePlatformPreparing)
	second, b := h.rawData(t, "l1", quota.Bulk)
	h.state(t, b.ID, Importing, CodePlatformPreparing)
	rows := func() (n int) {
		for _, id := range []string{first.ID, second.ID} {
			log, err := h.Log(bg, workspace, id, 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			n += len(log)
		}
		return n
	}
	before := rows()
	for range 30 {
		h.pass(preparingPause)
		if err := h.sweep(bg); err != nil {
			t.Fatal(err)
		}
		await(t, "parking again", func() bool {
			v, err := h.Get(bg, workspace, b.ID)
			return err == nil && v.Parked
		})
	}
	if after := rows(); after > before {
		t.Errorf("half an hour has added %d rows to %d", after-before, before)
	}
	h.src.set(nil)
	if n, err := h.WakeSubject(bg, CodePlatformPreparing, "naver"); err != nil || n != 2 {
		t.Fatalf("%d were woken, want 2: %v", n, err)
	}
	for _, id := range []string{a.ID, b.ID} {
		if v := h.ended(t, id); v.State != Success {
			t.Errorf("ended in %v %s", v.State, v.Reason)
		}
	}
}

// Who waits in a lane lends its active run their urgency, and only for as long
// as it holds the lane.
func TestAClickLendsItsUrgency(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d)
		rd, bulk := h.rawData(t, "l1", quota.Bulk)
		bulk, _, err := h.claim(bg, bulk.ID, bulk.Epoch)
		if err != nil || bulk.GateClass != quota.Bulk {
			t.Fatalf("%v %v", bulk.GateClass, err)
		}
		h.rawData(t, "l1", quota.Bulk)
		class := func() quota.Class {
			r, err := get(bg, d, bulk.ID)
			if err != nil {
				t.Fatal(err)
			}
			if r.Class != quota.Bulk {
				t.Fatalf("its own class has become %v", r.Class)
			}
			return r.GateClass
		}
		if class() != quota.Bulk {
			t.Fatal("another bulk run has lent something")
		}
		_, click := h.rawData(t, "l1", quota.Interactive)
		if click.State != CreateWaiting || class() != quota.Interactive {
			t.Fatalf("%v, and the active one goes as %v", click.State, class())
		}
		if err := h.block(bg, bulk, &Stop{Do: Park, Reason: CodePlatformPreparing}, h.clock().Add(time.Minute), false); err != nil {
			t.Fatal(err)
		}
		if class() != quota.Bulk {
			t.Error("back in line it has kept what was lent")
		}
		if r, err := get(bg, d, click.ID); err != nil || r.State != Creating {
			t.Errorf("the click is in %v: %v", r.State, err)
		}
		// A click on the raw data that is being filled lends as well.
		if _, err := h.Refresh(bg, workspace, rd.ID, Request{Class: quota.Interactive}); err != nil {
			t.Fatal(err)
		}
	})
}

// A run that waits on its lane is paused as one in line is: it does not go on
// when the platform has published, but when somebody resumes it.
func TestPauseWhereItWaits(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d)
		h.src.set(func(context.Context, Order, Progress) error { return &Stop{Do: Park, Reason: CodePlatformPreparing} })
		h.start(t)
		rd, r := h.rawData(t, "l1", quota.Bulk)
		h.state(t, r.ID, Importing, CodePlatformPreparing)
		if err := h.Pause(bg, workspace, rd.ID, time.Time{}); err != nil {
			t.Fatal(err)
		}
		h.src.set(nil)
		if n, err := h.WakeSubject(bg, CodePlatformPreparing, ""); err != nil || n != 0 {
			t.Fatalf("%d woke, %v", n, err)
		}
		h.state(t, r.ID, Importing, CodePaused)
		// The lane is not held up meanwhile.
		if _, other := h.rawData(t, "l1", quota.Bulk); h.ended(t, other.ID).State != Success {
			t.Fatal("the other raw data of the lane did not end well")
		}
		if err := h.Resume(bg, workspace, rd.ID); err != nil {
			t.Fatal(err)
		}
		if v := h.ended(t, r.ID); v.State != Success {
			t.Fatalf("ended in %v %s", v.State, v.Reason)
		}
	})
}
