package e2e

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"imreport/sim/naver"
)

// restarts is how often the processes are killed around the planned start: 8,
// or IMREPORT_TEST_RESTARTS (docs/mornings.md has the figures of 100).
func restarts(t *testing.T) int {
	if n, err := strconv.Atoi(os.Getenv("IMREPORT_TEST_RESTARTS")); err == nil {
		return n
	}
	if os.Getenv("IMREPORT_TEST_ALL") == "" {
		t.Skip("a schedule has no seconds: this takes more than a minute; IMREPORT_TEST_ALL wants it")
	}
	return 8
}

// Killed again and again around the time at which a schedule starts, on
// PostgreSQL one of three processes at a time: each raw data is refreshed
// exactly once, and well.
func TestAMorningIsStartedOnce(t *testing.T) {
	each(t, func(t *testing.T, postgres bool) {
		deaths := restarts(t)
		h := newHouse(t, postgres, func(o *naver.Options) { o.BuildMin, o.BuildMax = 20*time.Millisecond, 200*time.Millisecond })
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 1))
		ps := []*process{h.start("serve")}
		if postgres {
			ps = append(ps, h.start("worker"), h.start("worker"))
		}
		var ids []string
		for _, a := range ps[0].accounts() {
			ids = append(ids, ps[0].rawData(a, 2, "AD"), ps[0].rawData(a, 2, "AD", "AD_CONVERSION"))
		}
		h.allEnded(ps[0])
		// A time of day has no seconds: the next minute that leaves room for
		// half of the deaths before it, and for the schedule to be noted.
		pace := 900 * time.Millisecond
		due := time.Now().Add(12*time.Second + time.Duration(deaths/2)*pace).Truncate(time.Minute).Add(time.Minute)
		seoul := time.FixedZone("KST", 9*3600)
		for _, id := range ids {
			ps[0].must("PATCH", "/api/v1/raw-data/"+id, map[string]any{
				"schedule": map[string]any{"daily_at": due.In(seoul).Format("15:04"), "mode": "start_at", "zone": "Asia/Seoul"}}, nil)
		}
		time.Sleep(time.Until(due) - time.Duration(deaths/2)*pace)
		for range deaths {
			i := rnd.IntN(len(ps))
			time.Sleep(time.Duration(50+rnd.IntN(800)) * time.Millisecond)
			ps[i].kill()
			ps[i] = h.start([]string{"serve", "worker", "worker"}[i])
		}
		time.Sleep(time.Until(due))
		runs := func(id string) (n int, done bool) {
			var got struct {
				Items []struct {
					Cause string
					State int
				}
			}
			ps[0].must("GET", "/api/v1/raw-data/"+id+"/runs", nil, &got)
			for _, r := range got.Items {
				if r.Cause == "scheduled" {
					n, done = n+1, r.State == success
				}
			}
			return n, done
		}
		h.await("all refreshes", func() bool {
			for _, id := range ids {
				if _, done := runs(id); !done {
					return false
				}
			}
			return true
		})
		time.Sleep(6 * time.Second) // the schedule has looked once more
		for _, id := range ids {
			if n, _ := runs(id); n != 1 {
				t.Errorf("%s was refreshed %d times", id, n)
			}
			if err := legal(ps[0].logOf(id)); err != nil {
				t.Errorf("log of %s: %v", id, err)
			}
		}
	})
}
