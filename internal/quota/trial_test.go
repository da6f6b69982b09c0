package quota

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// licences plays n licences with 12 customers each, whose buckets of burst 3
// refill at own a second behind one of all together; +Inf: no limit. It returns
// the accepted calls a second and the refused share of the last half of 160 s.
func licences(t *testing.T, seed uint64, n int, own, all float64) (rate, refused float64, p *play) {
	t.Helper()
	p = newPlay(nil)
	rnd := rand.New(rand.NewPCG(seed, 9))
	p.delay = func() float64 { return 0.01 + 0.02*rnd.Float64() }
	buckets := map[string]*[2]float64{}
	has := func(id string, r float64, now float64) *[2]float64 {
		b := buckets[id]
		if b == nil {
			b = &[2]float64{3, now}
			buckets[id] = b
		}
		b[0], b[1] = min(3, b[0]+(now-b[1])*r), now
		return b
	}
	p.allow = func(now float64, tk *Ticket) bool {
		a, b := has("", all, now), has(tk.call.Scopes[1].ID, own, now)
		if a[0] < 1 || b[0] < 1 {
			return false
		}
		a[0]--
		b[0]--
		return true
	}
	yes, no := 0., 0.
	p.onAnswer = func(now float64, _ *Ticket, r bool) {
		switch {
		case now < 80:
		case r:
			no++
		default:
			yes++
		}
	}
	for l := range n {
		for c := range 12 {
			f := p.e.Open(FlowOptions{ID: fmt.Sprint(l, c), Class: Bulk, Left: 1500})
			p.enqueue(f, 1500, naver(fmt.Sprint(l), fmt.Sprint(l, "-", c))...)
		}
	}
	p.until(160)
	return yes / 80, no / (yes + no), p
}

// Nobody says who limits several licences: one address for all, or each its
// own. Both are found, and then used to the full.
func TestWhoLimitsLicencesIsFound(t *testing.T) {
	const none = 1e6
	for _, w := range []struct {
		licences      int
		own, all, sum float64
	}{{3, none, 40, 40}, {5, none, 40, 40}, {3, 25, none, 75}, {5, 15, none, 75}} {
		rate, refused := 0., 0.
		seeds := 6.
		if testing.Short() {
			seeds = 2
		}
		for seed := range uint64(seeds) {
			a, b, _ := licences(t, seed, w.licences, w.own, w.all)
			rate, refused = rate+a/seeds, refused+b/seeds
		}
		t.Logf("%d licences, %g each, %g together: %.1f/s, %.2f %% refused", w.licences, w.own, w.all, rate, 100*refused)
		if rate < 0.95*w.sum || refused > 0.015 {
			t.Errorf("%d licences, %g each, %g together: %.1f/s, %.2f %% refused", w.licences, w.own, w.all, rate, 100*refused)
		}
	}
}

// A trial that brings nothing leaves all rates as they were.
func TestFailedTrialLeavesTheRates(t *testing.T) {
	for _, outer := range []float64{0, 1} {
		_, _, p := licences(t, 1, 3, 25, 1e6)
		d := p.e.order[0]
		rates := func() (all []float64) {
			for _, in := range append([]*instance{d.outer}, d.inner...) {
				all = append(all, in.pacer.rate, float64(in.pacer.charges), float64(in.pacer.mode), in.pacer.p)
			}
			return all
		}
		before := fmt.Sprint(rates())
		d.doubt.outer = outer
		d.beginTrial(160)
		if fmt.Sprint(rates()) == before {
			t.Errorf("charged outside: %g: nothing was tried", outer)
		}
		d.endTrial(160, false)
		if got := fmt.Sprint(rates()); got != before {
			t.Errorf("charged outside: %g: %v, before %v", outer, got, before)
		}
		if d.doubt.pause != trialAgain || d.doubt.trial != nil {
			t.Errorf("%+v", d.doubt)
		}
	}
}

// Of licences that share an address the one that would end last goes first, so
// far as its own limit lets it.
func TestTheLongestLicenceGoesFirst(t *testing.T) {
	p := newPlay(func(float64) float64 { return 100 })
	address, tokens, last := p.allow, 3., 0.
	p.allow = func(now float64, tk *Ticket) bool {
		if tk.call.Scopes[1].ID != "long" {
			return address(now, tk)
		}
		if tokens, last = min(3, tokens+25*(now-last)), now; tokens < 1 || !address(now, tk) {
			return false
		}
		tokens--
		return true
	}
	open := func(licence string, calls int) {
		for c := range 12 {
			id := fmt.Sprint(licence, c)
			p.enqueue(p.e.Open(FlowOptions{ID: id, Class: Bulk, Left: calls}), calls, naver(licence, id)...)
		}
	}
	open("long", 300) // 144 s at 25/s
	for l := range 5 {
		open(fmt.Sprint(l), 150) // in turn: 120 s for all, 200 for the long one
	}
	n := 0
	p.onAnswer = func(now float64, tk *Ticket, refused bool) {
		if now > 20 && !refused && tk.call.Scopes[1].ID == "long" {
			n++
		}
	}
	p.until(80)
	if rate := float64(n) / 60; rate < 22 {
		t.Errorf("the longest licence has %.1f/s of 25", rate)
	}
}
