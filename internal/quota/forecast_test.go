package quota

import (
	"fmt"
	"math"
	"testing"
)

// In a world that stays as it is every flow ends inside the range that it was
// first shown, small or large; and nothing is shown while nothing is known.
func TestEndsAreInTheRangeFirstShown(t *testing.T) {
	p := newPlay(func(float64) float64 { return 20 })
	flows, left := []FlowID{}, map[FlowID]int{}
	for i := range 12 {
		n := 60 + 40*i
		if i == 11 { // may be critical towards the end
			n = 1000
		}
		f := p.e.Open(FlowOptions{ID: fmt.Sprint(i), Class: Bulk, Left: n})
		p.enqueue(f, n, naver("l", fmt.Sprint("c", i))...)
		flows, left[f] = append(flows, f), n
	}
	ended := map[FlowID]float64{}
	p.onAnswer = func(now float64, tk *Ticket, refused bool) {
		f := tk.line.flow.id
		if !refused {
			if left[f]--; left[f] == 0 {
				ended[f] = now
				p.e.Close(f)
			}
		}
	}
	p.until(showFrom - 1)
	for _, f := range flows {
		if r, ok := p.e.Forecast(at(p.now), f); ok {
			t.Fatalf("%v after %.0f s", r, p.now)
		}
	}
	shown := map[FlowID]Range{}
	for p.now < 350 {
		p.until(p.now + 1)
		for _, f := range flows {
			r, ok := p.e.Forecast(at(p.now), f)
			if _, had := shown[f]; ok && !had {
				shown[f] = r
			}
			if ok && (!r.From.Before(r.To) || r.From.Before(at(p.now))) {
				t.Fatalf("from %v to %v at %v", r.From, r.To, at(p.now))
			}
		}
		if p.now > showBy+1 && len(shown) < len(flows)-1 { // the first may have ended
			t.Fatalf("%d of %d shown after %.0f s", len(shown), len(flows), p.now)
		}
	}
	for f, r := range shown {
		if e, ok := ended[f]; !ok || at(e).Before(r.From) || at(e).After(r.To) {
			t.Errorf("flow %d ended at %.1f s (%v), not in %.1f-%.1f s", f, e, ok, r.From.Sub(t0).Seconds(), r.To.Sub(t0).Seconds())
		}
	}
}

// A licence whose rate was learned before is foreseen at once.
func TestKnownRateIsForeseenAtOnce(t *testing.T) {
	p := newPlay(func(float64) float64 { return 20 })
	for _, c := range []string{"c", "d", "e"} {
		p.enqueue(p.e.Open(FlowOptions{ID: c, Class: Bulk, Left: 1000}), 1000, naver("l", c)...)
	}
	p.until(170) // all done
	f := p.e.Open(FlowOptions{ID: "b", Class: Bulk, Left: 400})
	p.enqueue(f, 400, naver("l", "c")...)
	p.until(172)
	if r, ok := p.e.Forecast(at(p.now), f); !ok || r.From.After(at(190)) || r.To.Before(at(188)) {
		t.Errorf("%v %v", r, ok)
	}
}

// What comes first is as pick has it; no more is given than there is.
func TestRunsDryInTheOrderOfThePick(t *testing.T) {
	flowOf := func(c Class, left int) *line {
		return &line{flow: &flow{FlowOptions: FlowOptions{Class: c, Left: left}}}
	}
	a, b, person, old := flowOf(Bulk, 100), flowOf(Bulk, 300), flowOf(Interactive, 30), flowOf(Backfill, 100)
	ends := map[*line]ending{}
	for _, e := range runDry(0, []*line{old, a, person, b}, 10, 0, others{}) {
		ends[e.line] = e
	}
	mid := func(l *line) float64 { return ends[l].from / (1 - sooner) }
	for l, want := range map[*line]float64{person: 3, a: 23, b: 43, old: 53} {
		if got := mid(l); math.Abs(got-want) > 0.05*want+0.5 {
			t.Errorf("%s with %d: %.1f s, not %.0f", l.flow.Class, l.flow.Left, got, want)
		}
		if e := ends[l]; !(0 < e.from && e.from < mid(l) && mid(l) < e.to) {
			t.Errorf("%+v", e)
		}
	}
	// Two with a pace of their own: the one that needs longest goes first.
	own := func(left int) *line {
		l := flowOf(Bulk, left)
		l.narrow[0] = &instance{pacer: pacer{rate: 5}}
		return l
	}
	big, small := own(500), own(200)
	for _, e := range runDry(0, []*line{small, big}, 7, 0, others{}) {
		if want := 100.; e.line == big && math.Abs(e.from/(1-sooner)-want) > 3 {
			t.Errorf("the large one ends at %.1f s, its customer allows %.0f", e.from/(1-sooner), want)
		} else if e.line == small && e.from/(1-sooner) < 85 {
			t.Errorf("the small one ends at %.1f s: it took more than was left", e.from/(1-sooner))
		}
	}
	open := []share{{line: big, left: 500, pace: 5, feared: 5}, {line: small, left: 200, pace: 5, feared: 5}, {line: a, left: 1, pace: 0.1, feared: 0.1}}
	divide(open, 7, 100)
	if sum := open[0].get + open[1].get + open[2].get; sum > 7+1e-6 || open[0].get != 5 || open[2].get > 0.1 {
		t.Errorf("%.2f of 7: %+v", sum, open)
	}
}

// A rate that swings is less sure; one that hardly does is not.
func TestRangeGrowsWithTheSwings(t *testing.T) {
	l := &line{flow: &flow{FlowOptions: FlowOptions{Class: Bulk, Left: 1000}}}
	last := 0.
	for _, vary := range []float64{0, 0.3, 0.4, 9} {
		e := runDry(0, []*line{l}, 10, vary, others{})[0]
		if w := e.to - e.from; w <= last {
			t.Errorf("%.1f s wide at %.1f, %.1f before", w, vary, last)
		} else {
			last = w
		}
		if e.from < 50 {
			t.Errorf("from %.1f s at %.1f", e.from, vary)
		}
	}
}

// How much a rate swings is known after a few seconds, and forgotten in minutes.
func TestSwingsAreMeasured(t *testing.T) {
	in := newInstance(Scope{Licence, "l"}, &kind{policy: DefaultPolicies()[Licence]})
	now := 0.
	send := func(rate, seconds float64) float64 {
		for end := now + seconds; now < end; now += 1 / rate {
			in.stats.sent(now, rate, true)
		}
		_, vary, _ := in.speed(now, nil)
		return vary
	}
	if v := send(20, 50); v > 0.02 {
		t.Errorf("steady, and swings by %.2f", v)
	}
	if v := send(10, 50); v < 0.28 || v > 0.38 { // a third around 15
		t.Errorf("20 and 10 swing by %.2f", v)
	}
	if v := send(10, 300); v > 0.05 {
		t.Errorf("steady again, and swings by %.2f", v)
	}
}

// The ends of a fast licence do not depend on how long a slow one takes beside
// it, but whether a large account goes first does.
func TestEndsBesideASlowLicence(t *testing.T) {
	p := twoLicences()
	shown, ended, flows := map[string]Range{}, map[string]float64{}, map[string]FlowID{}
	left := map[string]int{}
	p.onAnswer = func(now float64, tk *Ticket, refused bool) {
		if id := tk.line.flow.ID; !refused {
			if left[id]--; left[id] == 0 {
				ended[id] = now
				p.e.Close(flows[id])
			}
		}
	}
	for c := range 60 {
		id, licence, n := fmt.Sprint(c), "slow", 80
		if c%2 == 1 {
			licence = "fast"
		}
		if c == 31 {
			n = 800
		}
		flows[id], left[id] = p.e.Open(FlowOptions{ID: id, Class: Bulk, Left: n}), n
		p.enqueue(flows[id], n, naver(licence, id)...)
	}
	for now := 1.; now < 400; now++ {
		p.until(now)
		for id, f := range flows {
			if _, ok := shown[id]; !ok && left[id] > 0 {
				if r, ok := p.e.Forecast(at(now), f); ok {
					shown[id] = r
				}
			}
		}
	}
	in := 0
	for id, r := range shown {
		if e := at(ended[id]); !e.Before(r.From) && !e.After(r.To) {
			in++
		} else {
			t.Logf("%s ended at %.0f s, expected %v to %v", id, ended[id], r.From.Sub(t0), r.To.Sub(t0))
		}
	}
	if len(shown) < 60 || in < 54 {
		t.Errorf("%d of %d ended in the range first shown", in, len(shown))
	}
}
