package schedule

import (
	"context"
	"slices"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/jobs"
	"imreport/internal/table"
)

// A holiday in the past is refused, and nothing else is changed. One that is
// kept already may come back: a page of yesterday sends the whole list.
func TestHolidaysInThePast(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if _, err := d.Exec(t.Context(), `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'w', 'Asia/Seoul', 'ko', 0)`); err != nil {
			t.Fatal(err)
		}
		zone := "Asia/Seoul"
		h := &house{asked: map[string]int{}}
		s := New(d, jobs.New(d, jobs.Options{}), Options{Runs: h, Reports: h,
			Zone: func(context.Context, string) (string, error) { return zone, nil }})
		set := func(now time.Time, days ...int) error {
			p := Preferences{Setting: Setting{DailyAt: "07:30"}}
			for _, day := range days {
				p.Holidays = append(p.Holidays, Holiday{Day: table.DayOf(kst(day, 0, 0))})
			}
			return s.SetPreferences(t.Context(), "w", p, now)
		}
		coming := func(now time.Time, want ...int) {
			t.Helper()
			p, err := s.Preferences(t.Context(), "w", now)
			var got []int
			for _, h := range p.Holidays {
				got = append(got, int(h.Day-table.DayOf(kst(1, 0, 0)))+1)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("holidays %v, want %v (%v)", got, want, err)
			}
		}
		if err := set(kst(24, 23, 59), 24, 26); err != nil {
			t.Fatal(err)
		}
		err := set(kst(25, 0, 1), 23, 27)
		if e := errs.As(err); errs.KindOf(err) != errs.Invalid || len(e.Fields) != 1 || e.Fields[0].Name != "holidays" {
			t.Fatalf("the past: %v", err)
		}
		coming(kst(25, 0, 1), 26)
		if err := set(kst(25, 0, 1), 24, 27); err != nil {
			t.Fatal(err)
		}
		coming(kst(25, 0, 1), 27)
		// In Los Angeles it is the 27th until five in the afternoon in Korea.
		zone = "America/Los_Angeles"
		if err := set(kst(28, 12, 0), 27, 29); err != nil {
			t.Fatal(err)
		}
		coming(kst(28, 12, 0), 27, 29)
	})
}
