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
	if testing.Short() {
		t.Skip("a mean of many plays, with nothing concurrent in it")
	}
	const none = 1e6
	for _, w := range []struct {
		licences      int
		own, all, sum float64
	}{{3, none, 40, 40}, {5, none, 40, 40}, {3, 25, none, 75}, {5, 15, none, 75}} {
		rate, refused := 0., 0.
		const seeds = 6
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
		beliefs := func() (all []any) {
			for _, in := range append([]*instance{d.outer}, d.inner...) {
				p := in.pacer
				all = append(all, p.rate, p.charges, p.mode, p.p, p.early, p.ref, p.sus, p.hold, p.rest, p.before, p.beforeT, p.freed)
			}
			return all
		}
		for i, in := range append([]*instance{d.outer}, d.inner...) {
			in.pacer.before, in.pacer.beforeT, in.pacer.hold, in.pacer.rest, in.pacer.early = 30+float64(i), 150, 2+float64(i), 1.3, 0.2
		}
		before := fmt.Sprint(beliefs())
		d.doubt.outer = outer
		d.beginTrial(160)
		p.until(161)
		if fmt.Sprint(beliefs()) == before {
			t.Errorf("charged outside: %g: nothing was tried", outer)
		}
		if d.doubt.trial == nil {
			t.Fatalf("charged outside: %g: the trial ended early", outer)
		}
		d.endTrial(161, false)
		if got := fmt.Sprint(beliefs()); got != before {
			t.Errorf("charged outside: %g: %v, before %v", outer, got, before)
		}
		if d.doubt.pause != trialAgain || d.doubt.trial != nil {
			t.Errorf("%+v", d.doubt)
		}
	}
}

// Of licences that share an address the one that would end last goes first, so
// far as its own limit lets it, once that is known.
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
	open("long", 360) // 144 s at 25/s when the others begin
	p.until(30)
	for l := range 5 {
		open(fmt.Sprint(l), 150) // in turn: 120 s for all, 200 for the long one
	}
	n := 0
	p.onAnswer = func(now float64, tk *Ticket, refused bool) {
		if now > 50 && !refused && tk.call.Scopes[1].ID == "long" {
			n++
		}
	}
	p.until(110)
	if rate := float64(n) / 60; rate < 22 {
		t.Errorf("the longest licence has %.1f/s of 25", rate)
	}
}

// A licence that would end last has every second slot of the bulk, no more: a
// small workspace and what has a deadline go on.
func TestTheLongestLicenceStarvesNobody(t *testing.T) {
	p := newPlay(func(float64) float64 { return 20 })
	open := func(licence, tenant string, flows, calls int) {
		for c := range flows {
			id := fmt.Sprint(licence, c)
			p.enqueue(p.e.Open(FlowOptions{ID: id, Tenant: tenant, Class: Bulk, Left: calls}), calls, naver(licence, id)...)
		}
	}
	open("big", "agency", 150, 300)
	open("small", "shop", 5, 300)
	in := p.e.scopes[Scope{Licence, "big"}]
	in.pacer.rate, in.pacer.mode, in.pacer.charges = 25, steady, 5
	p.e.policies[IP] = Policy{Kind: Fixed, Rate: 20}
	n := map[string]float64{}
	p.onAnswer = func(now float64, tk *Ticket, refused bool) {
		if now > 20 && !refused {
			n[tk.call.Scopes[1].ID]++
		}
	}
	p.until(120)
	if share := n["small"] / (n["small"] + n["big"]); share < 0.2 {
		t.Errorf("the small workspace has %.0f %% of the slots: %v", 100*share, n)
	}
}

// A trial that the end of the work interrupts is no verdict.
func TestInterruptedTrialEnds(t *testing.T) {
	_, _, p := licences(t, 1, 3, 25, 1e6)
	d := p.e.order[0]
	before := d.outer.pacer.rate
	d.beginTrial(160)
	d.doubt.trial.calls, d.doubt.trial.last = 600, 160
	p.now = 4 * 3600
	p.until(p.now + 1)
	if d.doubt.trial != nil || d.outer.pacer.rate != before && d.outer.pacer.charges == 0 {
		t.Errorf("four hours later: %+v", d.doubt)
	}
}

// What was found to be wrong is not brought back by what was kept of it.
func TestWrongRatesDoNotComeBack(t *testing.T) {
	_, _, p := licences(t, 1, 3, 1e6, 40)
	d := p.e.order[0]
	kept := p.e.Export()
	d.doubt.outer = 0
	d.beginTrial(160)
	p.e.Import(kept)
	for _, in := range d.inner {
		if !in.pacer.freed || in.pacer.mode != boot {
			t.Errorf("%s: %+v", in.ID, in.pacer)
		}
	}
	fresh := NewEngine(Options{}, t0)
	fresh.Import(p.e.Export())
	for _, in := range d.inner {
		if _, n := fresh.Learned(in.Scope); n > 0 || fresh.scopes[in.Scope] != nil {
			t.Errorf("%s is known after a restart", in.ID)
		}
	}
}
