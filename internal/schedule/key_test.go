package schedule

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/jobs"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/table"
)

// What cannot be reached will be late and has no instant at which it is ready,
// whatever the plan says. One that is left out is not late.
func TestWhatCannotBeReachedIsLate(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if _, err := d.Exec(t.Context(), `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'w', 'Asia/Seoul', 'ko', 0)`); err != nil {
			t.Fatal(err)
		}
		paused := daily("paused", "07:30", report.ReadyBy)
		paused.Paused = true
		h := &house{all: []report.RawData{daily("good", "07:30", report.ReadyBy), daily("dead", "07:30", report.ReadyBy),
			daily("deadstart", "07:30", report.StartAt), daily("forbidden", "07:30", report.ReadyBy), paused}, asked: map[string]int{}}
		put(t, d, "forbidden", run.Failed, run.CodeAccountForbidden, kst(24, 7, 30))
		put(t, d, "failed", run.Failed, run.CodePlatformError, kst(24, 7, 30))
		at := kst(24, 7, 10)
		for q, args := range map[string][]any{
			`UPDATE raw_data SET ad_account_id = 'acc-' || id`: nil,
			`UPDATE raw_data_state SET at_us = $1`:             {db.US(at)},
		} {
			if _, err := d.Exec(t.Context(), q, args...); err != nil {
				t.Fatal(err)
			}
		}
		s := New(d, jobs.New(d, jobs.Options{}), Options{Runs: h, Reports: h,
			Unreachable: func(_ context.Context, w string, refused map[string]time.Time) (map[string]bool, error) {
				if w != "w" || len(refused) != 1 || !refused["acc-forbidden"].Equal(at) {
					t.Errorf("workspace %s: refused %v", w, refused)
				}
				return map[string]bool{"acc-dead": true, "acc-deadstart": true, "acc-paused": true, "acc-forbidden": true}, nil
			},
			Deliver: func(context.Context, string, Digest) (bool, error) { return true, nil }})
		tick(t, s, kst(24, 18, 1))
		coming, err := s.Coming(t.Context(), "w", kst(24, 18, 1))
		if err != nil || len(coming) != len(h.all) {
			t.Fatalf("%+v %v", coming, err)
		}
		for _, c := range coming {
			bad := slices.Contains([]string{"dead", "deadstart", "forbidden"}, c.RawDataID)
			if c.Late != bad || (c.Why == WhyKey) != bad || bad && !c.Ready.IsZero() || c.RawDataID == "good" && c.Ready.IsZero() {
				t.Errorf("%+v", c)
			}
		}
		got, err := s.Told(t.Context(), "w", table.DayOf(kst(24, 18, 0)), EveningDigest)
		late := map[string]bool{}
		for _, l := range got.Late {
			late[l.RawDataID] = l.Why == WhyKey && l.At.IsZero()
		}
		if want := map[string]bool{"dead": true, "deadstart": true, "forbidden": true}; err != nil || !maps.Equal(late, want) || len(got.Done) != 1 {
			t.Errorf("%+v %v", got, err)
		}
	})
}
