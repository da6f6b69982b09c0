package quota

import (
	"fmt"
	"math"
	"testing"
)

// windowed is a server that takes n calls in each window of so many seconds.
func windowed(n int, seconds float64) *play {
	p := newPlay(nil)
	window, used := -1., 0
	p.allow = func(now float64, _ *Ticket) bool {
		if w := math.Floor((now + 17) / seconds); w != window {
			window, used = w, 0
		}
		used++
		return used <= n
	}
	for c := range 20 {
		id := fmt.Sprint(c)
		p.enqueue(p.e.Open(FlowOptions{ID: id, Tenant: id, Class: Bulk, Left: 2000}), 2000, naver("l", id)...)
	}
	return p
}

// A server that counts by the minute is asked evenly, so that people need not
// wait for the next minute.
func TestRationsAreSpread(t *testing.T) {
	for _, w := range []struct {
		n       int
		seconds float64
	}{{1500, 60}, {250, 10}, {600, 30}} {
		p := windowed(w.n, w.seconds)
		yes, no, waited := 0., 0., 0.
		var due []float64 // when the person's calls were asked for, by how many are still to come
		p.onAnswer = func(now float64, tk *Ticket, refused bool) {
			switch {
			case now < 420:
			case refused:
				no++
			default:
				yes++
			}
			if !refused && tk.line.flow.Class == Interactive {
				waited = max(waited, now-due[0])
			}
		}
		for at := 30.; at < 1020; at += 60 {
			p.until(at)
			if at > 420 {
				due = []float64{p.now}
				p.enqueue(p.e.Open(FlowOptions{ID: fmt.Sprint("person", at), Class: Interactive, Left: 20}), 20, naver("l", "3")...)
			}
		}
		p.until(1020)
		rate := float64(w.n) / w.seconds
		t.Logf("%d in %g s: %.1f/s of %.1f, %.2f %% refused, a person waited %.1f s", w.n, w.seconds, yes/600, rate, 100*no/(yes+no), waited)
		if yes/600 < 0.9*rate || no/(yes+no) > 0.025 || waited > 12 {
			t.Errorf("%d in %g s: %.1f/s of %.1f, %.2f %% refused, a person waited %.1f s", w.n, w.seconds, yes/600, rate, 100*no/(yes+no), waited)
		}
	}
}

// A limit that falls is no ration, and an outage is one for a while at most.
func TestWhatIsNoRation(t *testing.T) {
	limited := func(p *play) (n int) {
		for _, in := range p.e.scopes {
			if in.ration.limit > 0 {
				n++
			}
		}
		return n
	}
	for _, w := range []struct {
		low  float64
		long float64
	}{{5, 30}, {2, 60}, {0.001, 5}, {0.001, 60}} {
		begin, again := 100., 400.
		p := newPlay(func(now float64) float64 {
			if now > begin && now < begin+w.long || now > again && now < again+w.long {
				return w.low
			}
			return 25
		})
		for c := range 20 {
			id := fmt.Sprint(c)
			p.enqueue(p.e.Open(FlowOptions{ID: id, Class: Bulk, Left: 2000}), 2000, naver("l", id)...)
		}
		p.until(395)
		if n := limited(p); n > 0 {
			t.Errorf("%g/s for %g s: %d scopes have rations after the first fall", w.low, w.long, n)
		}
		p.until(700)
		yes := 0
		p.onAnswer = func(_ float64, _ *Ticket, refused bool) {
			if !refused {
				yes++
			}
		}
		p.until(1000)
		if float64(yes)/300 < 22 {
			t.Errorf("%g/s for %g s: %.1f/s five minutes after", w.low, w.long, float64(yes)/300)
		}
	}
}
