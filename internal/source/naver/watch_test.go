package naver

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
			ready = 0
			for i := range before + after {
				build := c.min + time.Duration(r.Int64N(int64(c.max-c.min)+1))
				wait := b.expectAll("AD")
				seen := wait
				for seen < build {
					seen += seen / 2
				}
				b.sawAll("AD", seen, build <= wait)
				if i >= before && build <= wait {
					ready++
				}
			}
			if share := float64(ready) / after; share < 0.97 {
				t.Errorf("who is patient: %.2f ready at the first look (wait %v)", share, b.expectAll("AD"))
			}
			if most := c.max * 3 / 2; b.expectAll("AD") > most {
				t.Errorf("who is patient waits %v", b.expectAll("AD"))
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

// TestWhoIsPatientListsOnce: twelve jobs of one customer that are made one
// every five seconds, as where many share a licence. They take 3 s to build.
func TestWhoIsPatientListsOnce(t *testing.T) {
	play := func(t *testing.T, patient func() bool, lost int) (lists int, took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			var wg, polls sync.WaitGroup
			var n atomic.Int64
			built := map[int64]time.Time{}
			var mu sync.Mutex
			w := &watch{life: t.Context(), wg: &polls, builds: &builds{}, now: time.Now, least: pollMin, patient: patient, most: patience,
				list: func(context.Context) ([]job, error) {
					n.Add(1)
					mu.Lock()
					defer mu.Unlock()
					var all []job
					for id, at := range built {
						j := job{ID: number(id), Status: "RUNNING"}
						if !time.Now().Before(at) {
							j.Status, j.URL = statusBuilt, "x"
						}
						all = append(all, j)
					}
					return all, nil
				}}
			began := time.Now()
			for i := range 12 {
				p := piece{"1", "AD", table.Day(20000 + i)}
				wg.Go(func() {
					w.comes(p)
					defer w.came(p)
					time.Sleep(time.Duration(i) * 5 * time.Second)
					if i < lost {
						return // could not be asked for
					}
					mu.Lock()
					built[int64(i+1)] = time.Now().Add(3 * time.Second)
					mu.Unlock()
					if j, err := w.wait(t.Context(), int64(i+1), p, time.Now(), time.Now().Add(10*time.Minute)); err != nil || j.URL == "" {
						t.Errorf("%+v %v", j, err)
					}
				})
			}
			wg.Wait()
			polls.Wait()
			lists, took = int(n.Load()), time.Since(began)
		})
		return lists, took
	}
	yes := func() bool { return true }
	if lists, took := play(t, yes, 0); lists != 1 || took > time.Minute+10*time.Second {
		t.Errorf("patient: %d lists, %v", lists, took)
	}
	if lists, _ := play(t, yes, 11); lists != 1 {
		t.Errorf("one job: %d lists", lists)
	}
	if lists, took := play(t, nil, 0); lists < 6 || took > time.Minute {
		t.Errorf("somebody looks on: %d lists, %v", lists, took)
	}
	looks := 0 // somebody comes when it is asked for the twentieth time
	if lists, _ := play(t, func() bool { looks++; return looks < 20 }, 0); lists < 2 {
		t.Errorf("somebody comes: %d lists", lists)
	}
}
