package schedule

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"imreport/internal/report"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAround(t *testing.T) {
	for _, c := range []struct {
		name, daily, zone, now string
		last, next, day        string // day: data day of next
	}{
		{"before the morning in Seoul", "07:30", "Asia/Seoul", "2026-11-24T06:00:00+09:00",
			"2026-11-23T07:30:00+09:00", "2026-11-24T07:30:00+09:00", "2026-11-23"},
		{"at the very instant it is past", "07:30", "Asia/Seoul", "2026-11-24T07:30:00+09:00",
			"2026-11-24T07:30:00+09:00", "2026-11-25T07:30:00+09:00", "2026-11-24"},
		{"a server in UTC means the same", "07:30", "Asia/Seoul", "2026-11-23T21:00:00Z",
			"2026-11-23T07:30:00+09:00", "2026-11-24T07:30:00+09:00", "2026-11-23"},
		{"just before midnight in Seoul", "07:30", "Asia/Seoul", "2026-11-24T23:59:59+09:00",
			"2026-11-24T07:30:00+09:00", "2026-11-25T07:30:00+09:00", "2026-11-24"},
		{"midnight is a time too", "00:00", "Asia/Seoul", "2026-11-24T12:00:00+09:00",
			"2026-11-24T00:00:00+09:00", "2026-11-25T00:00:00+09:00", "2026-11-24"},
		{"over the end of a month", "07:30", "Asia/Seoul", "2026-02-28T08:00:00+09:00",
			"2026-02-28T07:30:00+09:00", "2026-03-01T07:30:00+09:00", "2026-02-28"},
		{"over a year", "07:30", "Asia/Seoul", "2026-12-31T08:00:00+09:00",
			"2026-12-31T07:30:00+09:00", "2027-01-01T07:30:00+09:00", "2026-12-31"},
		{"New York in winter is the same Korean day's evening", "07:30", "America/New_York", "2026-01-15T12:00:00Z",
			"2026-01-14T12:30:00Z", "2026-01-15T12:30:00Z", "2026-01-14"},
		{"the hour that spring skips still has its instant", "02:30", "America/New_York", "2026-03-08T05:00:00Z",
			"2026-03-07T07:30:00Z", "2026-03-08T06:30:00Z", "2026-03-07"},
		{"the hour that autumn repeats comes once", "01:30", "America/New_York", "2026-11-01T05:45:00Z",
			"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z", "2026-11-01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			last, next, ok := Around(report.Schedule{DailyAt: c.daily, Zone: c.zone}, at(t, c.now))
			if !ok {
				t.Fatal("not read")
			}
			if !last.At.Equal(at(t, c.last)) || !next.At.Equal(at(t, c.next)) || next.Day.String() != c.day {
				t.Errorf("last %s, next %s day %s; want %s, %s day %s", last.At, next.At, next.Day, c.last, c.next, c.day)
			}
		})
	}
	if _, _, ok := Around(report.Schedule{DailyAt: "07:30", Zone: "Mars/Olympus"}, time.Now()); ok {
		t.Error("an unknown zone was read")
	}
}

// Whatever the zone and the time: last ≤ now < next, they are about a day
// apart, and data days never go back.
func TestAroundLaws(t *testing.T) {
	zones := []string{"Asia/Seoul", "UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo"}
	rapid.Check(t, func(t *rapid.T) {
		s := report.Schedule{
			Zone:    rapid.SampledFrom(zones).Draw(t, "zone"),
			DailyAt: time.Unix(int64(rapid.IntRange(0, 1439).Draw(t, "minute"))*60, 0).UTC().Format("15:04"),
		}
		now := time.Unix(rapid.Int64Range(1.7e9, 2.0e9).Draw(t, "now"), 0)
		last, next, ok := Around(s, now)
		if !ok || last.At.After(now) || !next.At.After(now) {
			t.Fatalf("last %s now %s next %s", last.At, now, next.At)
		}
		if d := next.At.Sub(last.At); d < 22*time.Hour || d > 26*time.Hour {
			t.Fatalf("%s apart", d)
		}
		if next.Day < last.Day || next.Day > last.Day+2 {
			t.Fatalf("data day %s after %s", next.Day, last.Day)
		}
	})
}
