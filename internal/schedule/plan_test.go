package schedule

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"imreport/internal/table"
)

var morningOf = time.Date(2026, 11, 24, 7, 30, 0, 0, table.KST)

func TestPlan(t *testing.T) {
	fixed := func(rate float64) func(string) float64 { return func(string) float64 { return rate } }
	t.Run("a small morning starts the least time before its deadline", func(t *testing.T) {
		p := Plan([]Job{{RawDataID: "a", Account: "1", Due: morningOf, Calls: 40}}, fixed(25), Rules{})
		if got := morningOf.Sub(p["a"].Start); got != DefaultRules.Lead {
			t.Errorf("starts %s before", got)
		}
		if p["a"].Late {
			t.Error("late")
		}
	})
	t.Run("a large one starts earlier, with room", func(t *testing.T) {
		var jobs []Job
		for i := range 900 { // 300 accounts of three raw data each: one account's pieces are fetched once
			jobs = append(jobs, Job{RawDataID: fmt.Sprint(i), Account: fmt.Sprint(i / 3), Due: morningOf, Calls: 60})
		}
		p := Plan(jobs, fixed(10), Rules{})
		need := 300 * 60 / 10 * time.Second
		if got := morningOf.Sub(p["0"].Start); got != need*5+DefaultRules.Build {
			t.Errorf("starts %s before", got)
		}
	})
	t.Run("one that cannot be met says so, and starts when Naver opens", func(t *testing.T) {
		p := Plan([]Job{{RawDataID: "a", Account: "1", Due: morningOf, Calls: 1e6}}, fixed(25), Rules{})
		if s := p["a"]; !s.Late || s.Start.In(table.KST).Format("15:04") != "04:00" {
			t.Errorf("%+v", s)
		}
	})
	t.Run("a later deadline leaves the rate to the earlier one", func(t *testing.T) {
		p := Plan([]Job{
			{RawDataID: "early", Account: "1", Due: morningOf, Calls: 18000},
			{RawDataID: "later", Account: "2", Due: morningOf.Add(time.Hour), Calls: 90000},
		}, fixed(25), Rules{})
		if p["later"].Start.Before(p["early"].Start) {
			t.Errorf("later starts %s, early %s", p["later"].Start, p["early"].Start)
		}
		if p["early"].Late {
			t.Error("early is late")
		}
		if !p["later"].Ready.After(p["early"].Ready) {
			t.Errorf("later is ready %s, early %s", p["later"].Ready, p["early"].Ready)
		}
	})
	t.Run("licences do not wait for each other", func(t *testing.T) {
		p := Plan([]Job{
			{RawDataID: "a", Licence: "1", Account: "1", Due: morningOf, Calls: 1e6},
			{RawDataID: "b", Licence: "2", Account: "2", Due: morningOf, Calls: 10},
		}, fixed(25), Rules{})
		if p["b"].Late || !p["b"].Start.Equal(morningOf.Add(-DefaultRules.Lead)) {
			t.Errorf("%+v", p["b"])
		}
	})
}

// A deadline shortly after midnight in Korea (half past seven in Los Angeles)
// wants the day that has just ended: nothing starts before that, and nobody
// is told that it can be met.
func TestPlanAtMidnight(t *testing.T) {
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, table.KST)
	for _, c := range []struct {
		due   time.Duration
		start time.Duration
		why   Why
	}{{0, 0, WhyOpens}, {30 * time.Minute, 0, WhyOpens}, {2 * time.Hour, 75 * time.Minute, WhyOpens}, {4 * time.Hour, 195 * time.Minute, WhyOpens},
		{241 * time.Minute, 4 * time.Hour, WhyOpens}, {5 * time.Hour, 255 * time.Minute, ""}} {
		p := Plan([]Job{{RawDataID: "a", Account: "1", Due: midnight.Add(c.due), Calls: 40}}, func(string) float64 { return 25 }, Rules{})["a"]
		if got := p.Start.Sub(midnight); got != c.start || p.Why != c.why || p.Late != (c.why != "") {
			t.Errorf("due %s: starts %s, late %v %q", c.due, got, p.Late, p.Why)
		}
		if p.Ready.Sub(midnight) < DefaultRules.Opens {
			t.Errorf("due %s: expected at %s, before there is anything", c.due, p.Ready)
		}
	}
}

// Every job is planned, none starts after its deadline, and one that is not
// late is expected before it.
func TestPlanLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var jobs []Job
		for i := range rapid.IntRange(1, 40).Draw(t, "jobs") {
			jobs = append(jobs, Job{
				RawDataID: fmt.Sprint(i), Licence: fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "licence")),
				Account: fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "account")), Calls: rapid.IntRange(0, 200_000).Draw(t, "calls"),
				Due: morningOf.Add(time.Duration(rapid.IntRange(-20, 12).Draw(t, "due")) * 30 * time.Minute),
			})
		}
		rate := rapid.Float64Range(0.5, 100).Draw(t, "rate")
		p := Plan(jobs, func(string) float64 { return rate }, Rules{})
		for _, j := range jobs {
			s, ok := p[j.RawDataID]
			if !ok || s.Start.After(j.Due) {
				t.Fatalf("job %+v: %+v", j, s)
			}
			if s.Late != s.Ready.After(j.Due) || s.Late != (s.Why != "") || table.DayOf(s.Start) != table.DayOf(j.Due) {
				t.Fatalf("job %+v: %+v", j, s)
			}
		}
	})
}
