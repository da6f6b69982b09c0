package naver

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"imreport/internal/table"
)

// TestBuildTimesAreLearned: wherever it starts, the wait comes to where about 8
// of 10 builds are ready at the first look, up and down.
func TestBuildTimesAreLearned(t *testing.T) {
	for _, c := range []struct {
		name     string
		min, max time.Duration
	}{{"quick", 100 * time.Millisecond, 300 * time.Millisecond}, {"slow", time.Second, 20 * time.Second}, {"steady", 5 * time.Second, 5 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			b := &builds{}
			ready := 0
			const before, after = 300, 2000
			for i := range before + after {
				build := c.min + time.Duration(r.Int64N(int64(c.max-c.min)+1))
				wait := b.expect("AD")
				first := build <= wait
				seen := wait
				for seen < build {
					seen += seen / 2
				}
				b.saw("AD", seen, first)
				if i >= before && first {
					ready++
				}
			}
			if share := float64(ready) / after; share < 0.7 || share > 0.9 {
				t.Errorf("%.2f ready at the first look (wait %v)", share, b.expect("AD"))
			}
		})
	}
}

// TestReadinessLetsOneAsk plays any answers to any requests: of a day that is
// late there is at most one request per interval, and none is held up when
// its day, its type and itself were granted.
func TestReadinessLetsOneAsk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)
		const every = time.Minute
		fresh := table.Day(20000)
		r := &readiness{now: func() time.Time { return now }, every: every}
		var refusedAt time.Time // of the day as a whole
		for range rapid.IntRange(1, 60).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
			p := piece{rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "customer"), rapid.SampledFrom([]string{"AD", "B"}).Draw(t, "report"), fresh}
			passed := r.has(fresh)
			again, _, ok, err := r.enter(t.Context(), p, fresh)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				if !again.After(now) || again.Sub(now) > every+every/graceShare {
					t.Fatalf("to ask again at %v, it is %v", again, now)
				}
				continue
			}
			if !passed && !refusedAt.IsZero() && now.Sub(refusedAt) < every {
				t.Fatalf("asked %v after a refusal of the whole day", now.Sub(refusedAt))
			}
			switch rapid.IntRange(0, 2).Draw(t, "answer") {
			case 0:
				r.leave(p, true, false)
				if !r.has(fresh) {
					t.Fatal("a report of the day was made, and it does not count as published")
				}
			case 1:
				r.leave(p, false, true)
				if !passed {
					refusedAt = now
				}
			default:
				r.leave(p, false, false)
			}
		}
	})
}
