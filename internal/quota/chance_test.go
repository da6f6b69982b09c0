package quota

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// chancePlay plays a token bucket of 25/s that falls to low/s at 60 s and is back
// at 320 s; in between a share of the calls is refused by chance as well. It tells
// what was taken a second, and the share refused, from 80 s on and until it is back;
// and what was taken a second from 10 s after that on.
func chancePlay(seed uint64, low, share float64) (taken, refused, back float64) {
	const falls, ends = 60, 320
	rnd := rand.New(rand.NewPCG(seed, 7))
	rate := func(now float64) float64 {
		if now > falls && now < ends {
			return low
		}
		return 25
	}
	p := newPlay(rate)
	p.delay = func() float64 { return 0.005 + 0.05*rnd.Float64() }
	limit := p.allow
	p.allow = func(now float64, tk *Ticket) bool {
		chance := now > falls && now < ends && rnd.Float64() < share
		return limit(now, tk) && !chance
	}
	for c := range 60 {
		id := fmt.Sprint(c)
		p.enqueue(p.e.Open(FlowOptions{ID: id, Class: Bulk}), 200, naver("l", id)...)
	}
	yes, no, later := 0., 0., 0.
	p.onAnswer = func(now float64, _ *Ticket, r bool) {
		switch {
		case now > ends+10 && !r:
			later++
		case now < falls+20 || now > ends:
		case r:
			no++
		default:
			yes++
		}
	}
	p.until(ends + 30)
	return yes / (ends - falls - 20), no / (yes + no), later / 20
}

// Refusals that come at any rate are no reason to go slower, neither in a fall nor
// without one. Without the filter the rows with a fifth and more have 0.6 to 1.7/s.
func TestRefusalsByChance(t *testing.T) {
	for _, x := range []struct{ low, share, least, most float64 }{
		{8, 0, 7.9, 0.06},
		{8, 0.07, 5, 0.16},
		{8, 0.17, 4, 0.25},
		{8, 0.25, 3.3, 0.33},
		{25, 0.1, 7, 0.16},
		{25, 0.25, 6, 0.31},
		{2, 0, 1.9, 0.16},
		{2, 0.17, 1, 0.25},
	} {
		const seeds = 6
		taken, refused, back := 0., 0., 0.
		for seed := range uint64(seeds) {
			a, b, c := chancePlay(seed, x.low, x.share)
			taken, refused, back = taken+a/seeds, refused+b/seeds, back+c/seeds
		}
		t.Logf("%g/s, %g by chance: %.2f/s, refused %.3f, then %.1f/s", x.low, x.share, taken, refused, back)
		if taken < x.least || refused > x.most || back < 18 {
			t.Errorf("%g/s, %g by chance: %.2f/s, refused %.3f, then %.1f/s", x.low, x.share, taken, refused, back)
		}
	}
}

// The filter finds rate and share together, where the pace moves.
func TestFilterFinds(t *testing.T) {
	for _, x := range []struct {
		rate, share float64
		counts      bool
	}{{8, 0, false}, {8, 0.25, false}, {2, 0.1, false}, {20, 0.17, false}, {8, 0, true}, {8, 0.25, true}} {
		f, rnd := newFilter(0, 40), rand.New(rand.NewPCG(3, 4))
		now, last, tokens := 0., 0., 0.
		for i := range 1500 {
			pace := x.rate * []float64{0.7, 1, 1.5}[i/12%3]
			now += 1 / pace
			tokens = min(3, tokens+(now-last)*x.rate)
			last = now
			full := tokens < 1
			refused := full || rnd.Float64() < x.share
			switch {
			case !full && (!refused || x.counts):
				tokens--
			case full && x.counts:
				tokens = max(tokens-1, -2*x.rate)
			}
			f.heard(now, refused)
		}
		sure, median := f.byChance(), f.rate(0.5)
		if x.share == 0 && sure > chanceOver || x.share > 0 && sure < chanceSure || math.Abs(math.Log(median/x.rate)) > 0.25 {
			t.Errorf("%+v: %.1f/s, by chance %.2f", x, median, sure)
		}
	}
}

// Whatever it hears, its odds are odds and its rates are among those it knows.
func TestFilterKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top := rapid.Float64Range(1, 500).Draw(t, "top")
		f, now := newFilter(0, top), 0.
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			now += rapid.SampledFrom([]float64{0, 0.001, 0.1, 1, 1e6, -1}).Draw(t, "after")
			f.heard(now, rapid.Bool().Draw(t, "refused"))
			sum := 0.
			for c := range f.odds {
				for i := range f.rates {
					for _, o := range f.odds[c][i] {
						if !(o >= 0) {
							t.Fatalf("odds %v", o)
						}
						sum += o
					}
				}
			}
			if lo, hi := f.rate(carefully), f.rate(boldly); math.Abs(sum-1) > 1e-9 || !(lo >= floor && lo <= hi && hi <= 2*top) {
				t.Fatalf("sum %v, %v to %v/s of %v", sum, lo, hi, top)
			}
		}
	})
}

// followed is a pacer that follows a filter, at 1/s where it had 25.
func followed() *pacer {
	s := newPacer(Policy{Rate: 25})
	s.rate, s.ref, s.mode, s.before, s.beforeT, s.charges = 1, 25, regain, 25, 0, 20
	s.filter = newFilter(50, 40)
	rnd := rand.New(rand.NewPCG(5, 6))
	now := 50.
	for s.mode != chance && now < 200 {
		now += 0.3
		if m := s.send(now, 1); rnd.IntN(4) > 0 {
			s.heard(m, false)
		} else {
			s.rate, s.mode = 1, regain // as if nothing had been learned
			s.charge(now+0.05, m)
		}
	}
	return &s
}

// A filter that is wrong makes more refusals than there were; then the pacer is
// what it was, and does not believe in another at once.
func TestWrongFilterIsLeft(t *testing.T) {
	s := followed()
	if s.mode != chance {
		t.Fatal("it was never followed")
	}
	base, now := s.filter.base, s.last
	for n := 0; s.mode == chance; n++ {
		if n > 60 {
			t.Fatal("still followed after 60 refusals in a row")
		}
		now = max(now+0.05, s.ready())
		s.charge(now+0.05, s.send(now, 1))
	}
	if s.mode != regain || s.filter != nil || s.rate > base {
		t.Errorf("mode %d, %.2f/s, it was %.2f", s.mode, s.rate, base)
	}
	if s.suspect(s.noFilter - 1); s.filter != nil {
		t.Error("another one at once")
	}
	if s.suspect(s.noFilter + 1); s.filter == nil {
		t.Error("never another one")
	}
}

// When the chance is gone the pacer learns as before.
func TestFilterEnds(t *testing.T) {
	s := followed()
	now := s.last
	for n := 0; s.mode == chance; n++ {
		if n > 400 {
			t.Fatal("still followed after 400 calls that were taken")
		}
		now = max(now+0.01, s.ready())
		s.heard(s.send(now, 1), false)
	}
	if s.rate < 10 || s.filter != nil {
		t.Errorf("%.1f/s", s.rate)
	}
}

// Refusals by chance open the circuit later, and a server that takes nothing any
// more opens it all the same.
func TestChanceAndTheCircuit(t *testing.T) {
	in := newInstance(Scope{Licence, "l"}, &kind{policy: Policy{Kind: Learned, Rate: 25}})
	in.pacer = *followed()
	for range massMost + 5 {
		in.circuit(in.pacer.last)
	}
	if in.cool != 0 {
		t.Errorf("open after %d refusals by chance", massMost+5)
	}
	in.mass = nil
	for n := 0; in.cool == 0; n++ {
		if n > 60 {
			t.Fatal("not open after 60 refusals in a row")
		}
		now := max(in.pacer.last+0.05, in.ready(in.pacer.last, 1))
		in.refused(now+0.05, 1, in.book(now, 1), 0, nil)
	}
}

// What a filter believed ends where its pacer is told something else.
func TestFilterIsForgotten(t *testing.T) {
	s := followed()
	f, was := s.filter, *s
	s.free(s.last)
	s.recall(s.last+1, was)
	if s.mode != f.from || s.filter != nil || s.rate != f.base {
		t.Errorf("recalled: mode %d, %.1f/s, filter %v", s.mode, s.rate, s.filter != nil)
	}

	e := NewEngine(Options{}, t0)
	l := Scope{Licence, "l"}
	in := e.instance(0, l)
	in.pacer = *followed()
	e.Import([]Rate{{Scope: l, PerS: 20, Ref: 20, At: at(1000)}})
	if in.pacer.mode != steady || in.pacer.filter != nil {
		t.Error("kept after an import")
	}

	in.pacer = *followed()
	e.share(l, true)
	in.setRate(1.5)
	in.answered(in.pacer.last, 1, mark{at: in.pacer.last}, nil)
	if in.pacer.mode != steady || in.pacer.filter != nil || in.pacer.rate != 1.5 {
		t.Errorf("shared: mode %d, %.1f/s of 1.5", in.pacer.mode, in.pacer.rate)
	}
}

// Refusals by chance at several licences must not hide that their address limits
// them together: when the chance is gone, that is found as ever.
func TestChanceHidesNoCommonLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("long plays, with nothing concurrent in them")
	}
	const seeds = 2
	taken, refused := 0., 0.
	for seed := range uint64(seeds) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		p := newPlay(func(float64) float64 { return 25 })
		p.delay = func() float64 { return 0.03 + 0.05*rnd.Float64() }
		limit := p.allow
		p.allow = func(now float64, tk *Ticket) bool {
			chance := now > 100 && now < 1000 && rnd.Float64() < 0.15
			return !chance && limit(now, tk)
		}
		for l := range 8 {
			p.bulkOf(fmt.Sprint(l), 5)
		}
		y := p.count(1100)
		p.until(1400)
		t.Logf("%.1f/s, refused %.3f", y.yes/300, y.share())
		taken, refused = taken+y.yes/300/seeds, refused+y.share()/seeds
	}
	if taken < 22 || refused > 0.025 {
		t.Errorf("%.1f/s of 25, refused %.3f", taken, refused)
	}
}
