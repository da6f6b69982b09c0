package run

import (
	"context"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/i18n"
	"imreport/internal/quota"
)

// A run that lacks a report type ends well, says so, and claims no day that is
// not whole; a refresh that was asked for because of it waits for all.
func TestLateTypes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var noted []LatePiece
		h := newHouse(t, d, func(o *Options) {
			o.Lacks = func(_ context.Context, _ *db.Tx, _ Run, late []LatePiece) error {
				noted = append(noted, late...)
				return nil
			}
		})
		h.src.set(func(_ context.Context, o Order, p Progress) error {
			p.Plan(1)
			p.Done(1)
			if o.Late != nil {
				o.Late.Pieces = []LatePiece{{Report: "AD_CONVERSION", Day: o.To}}
			}
			return nil
		})
		h.start(t)
		rd, r := h.rawData(t, "l1", quota.Bulk)
		v := h.ended(t, r.ID)
		if v.State != Success || v.Reason != CodeLateTypes || len(v.ReasonArgs) != 2 || v.ReasonArgs[0] != "AD_CONVERSION" {
			t.Fatalf("%v %s %v", v.State, v.Reason, v.ReasonArgs)
		}
		it, err := h.Item(bg, workspace, rd.ID)
		if err != nil || it.Status.DataThrough != v.Definition.To-1 || it.Status.Code != CodeLateTypes {
			t.Errorf("%+v %v", it.Status, err)
		}
		if len(noted) != 1 {
			t.Errorf("noted %v", noted)
		}
		second, err := h.Refresh(bg, workspace, rd.ID, Request{Class: quota.Bulk, Cause: Late})
		if err != nil {
			t.Fatal(err)
		}
		if v := h.ended(t, second.ID); v.State != Success || v.Reason != CodeNone || len(noted) != 1 {
			t.Errorf("%v %s, noted %v", v.State, v.Reason, noted)
		}
		if it, err := h.Item(bg, workspace, rd.ID); err != nil || it.Status.DataThrough != v.Definition.To {
			t.Errorf("%+v %v", it.Status, err)
		}
	})
}

// A run that waits for a late report is no obstacle to who can do without: it
// becomes theirs, whether it waits already or is still collecting.
func TestWhoNeedNotWaitGoesOn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		lacks := 0
		h := newHouse(t, d, func(o *Options) {
			o.Lacks = func(_ context.Context, _ *db.Tx, _ Run, late []LatePiece) error {
				lacks += len(late)
				return nil
			}
		})
		hold := make(chan struct{})
		h.src.set(func(_ context.Context, o Order, p Progress) error {
			if o.Late == nil {
				<-hold
				return &Stop{Do: Park, Reason: CodePlatformPreparing, Until: time.Now().Add(time.Hour)}
			}
			p.Plan(1)
			p.Done(1)
			o.Late.Pieces = []LatePiece{{Report: "AD_CONVERSION", Day: o.To}}
			return nil
		})
		h.start(t)
		rd, r := h.rawData(t, "l1", quota.Bulk)
		h.ended(t, r.ID)
		ask := func(c Cause, class quota.Class) Run {
			t.Helper()
			r, err := h.Refresh(bg, workspace, rd.ID, Request{Class: class, Cause: c})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		state := func(id string) View {
			t.Helper()
			v, err := h.Get(bg, workspace, id)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		for i, parked := range []bool{true, false} {
			if parked {
				close(hold)
			} else {
				hold = make(chan struct{})
			}
			late := ask(Late, quota.Bulk)
			await(t, "the late run", func() bool {
				v := state(late.ID)
				return v.State == Importing && v.Parked == parked
			})
			click := ask(Manual, quota.Interactive)
			if click.ID != late.ID {
				t.Errorf("another run though one is open")
			}
			if !parked {
				close(hold)
			}
			v := h.ended(t, click.ID)
			if v.State != Success || v.Reason != CodeLateTypes || v.Cause != Manual || lacks != i+2 {
				t.Errorf("parked %v: %v %s %s, lacks %d", parked, v.State, v.Reason, v.Cause, lacks)
			}
			if it, err := h.Item(bg, workspace, rd.ID); err != nil || it.Status.State != Success {
				t.Errorf("parked %v: %+v %v", parked, it.Status, err)
			}
		}
	})
}

// A backfill that collects leaves its lane to whoever comes, and goes on after.
func TestBackfillYields(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d)
		tries := make(chan string, 10)
		h.src.set(func(ctx context.Context, o Order, p Progress) error {
			tries <- o.RunID
			if o.Backfill && len(tries) < 3 {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		})
		h.start(t)
		_, long := h.rawData(t, "l1", quota.Backfill)
		await(t, "the backfill's start", func() bool { return len(tries) > 0 })
		_, click := h.rawData(t, "l1", quota.Interactive)
		if v := h.ended(t, click.ID); v.State != Success {
			t.Fatalf("%v %s", v.State, v.Reason)
		}
		if v := h.ended(t, long.ID); v.State != Success || v.Class != quota.Backfill {
			t.Fatalf("%v %s", v.State, v.Reason)
		}
		if got := []string{<-tries, <-tries, <-tries}; got[0] != long.ID || got[1] != click.ID || got[2] != long.ID {
			t.Errorf("order %v", got)
		}
	})
}

// A second refresh does not say that yesterday's numbers are missing.
func TestSentence(t *testing.T) {
	for _, c := range []struct {
		code  Code
		cause Cause
		want  string
	}{
		{CodePlatformPreparing, Scheduled, "reason.platform_preparing"},
		{CodePlatformPreparing, "", "reason.platform_preparing"},
		{CodePlatformPreparing, Late, "reason.platform_preparing.second"},
		{CodePlatformPreparing, Repair, "reason.platform_preparing.second"},
		{CodeRetrying, Late, "reason.retrying"},
	} {
		if got := c.code.Sentence(c.cause); got != c.want || !i18n.Has(got) {
			t.Errorf("%s of %q: %s, want %s", c.code, c.cause, got, c.want)
		}
	}
}
