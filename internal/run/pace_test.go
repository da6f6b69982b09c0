package run

import (
	"context"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/quota"
)

func TestPace(t *testing.T) {
	var p pace
	at := time.Unix(0, 0)
	for i, c := range []struct {
		after time.Duration
		waits bool
		news  bool
	}{
		{0, false, false}, {0, true, false}, {4 * time.Second, true, false}, {time.Second, false, false}, // a short wait is nothing
		{0, true, false}, {pacedAfter, true, true}, {time.Second, true, false},
		{0, false, false}, {time.Second, true, false}, {0, false, false}, {pacedAfter, false, true},
	} {
		at = at.Add(c.after)
		if got := p.turn(c.waits, at); got != c.news {
			t.Errorf("step %d: news %v", i, got)
		}
	}
}

// A run that waited for the gate says so no more once it has its turn.
func TestARunThatHasItsTurnIsNotPaced(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d)
		h.src.set(func(ctx context.Context, _ Order, _ Progress) error { <-ctx.Done(); return context.Cause(ctx) })
		h.start(t)
		_, r := h.rawData(t, "l1", quota.Bulk)
		h.state(t, r.ID, Importing, CodeNone)
		// Its flow has no calls, so it does not wait; that it did is set by hand.
		if _, err := d.Exec(bg, `UPDATE run SET reason = 'paced' WHERE id = $1`, r.ID); err != nil {
			t.Fatal(err)
		}
		h.keeper.mu.Lock()
		h.keeper.held[r.ID].pace = pace{told: true, since: time.Now().Add(-time.Hour)}
		h.keeper.mu.Unlock()
		if err := h.keeper.tellPace(bg); err != nil {
			t.Fatal(err)
		}
		h.state(t, r.ID, Importing, CodeNone)
		if _, err := h.Cancel(bg, workspace, r.ID); err != nil {
			t.Fatal(err)
		}
		if v := h.ended(t, r.ID); v.Reason != CodeCancelled {
			t.Errorf("ended with %s", v.Reason)
		}
	})
}
