package quota

import (
	"math"
	"time"
)

// The gate knows what waits and how fast it goes, so it can say when each
// flow ends. It lets the known work run dry in thought, in the order in which
// fair.go serves it.

// ending is when a flow is expected to end, seconds since the engine began.
type ending struct {
	line     *line
	from, to float64
}

// The constants were fitted to the worlds of bench bulk on seeds 1-8, all of
// them taken together: in its first minute a limit that will move looks like
// one that will not.
const (
	// A forecast is shown first when a tenth of the time that all takes has
	// passed, but showFrom to showBy seconds after the work began: before that
	// the rate is a guess, and what is found out later makes it little better.
	showPart, showFrom, showBy = 0.1, 40., 60.
	// sooner and later are how much sooner and later than expected the end may
	// be, as shares of the time left. Later is likelier: limits fall more than
	// they rise, and people come.
	sooner, later = 0.16, 0.22
	// A rate that swings by more than calm has been low for a while and may
	// come back: per unit above it the end may be so much sooner, at most.
	calm, perSwing, swingMost = 0.2, 0.5, 0.15
	// reply is what the last call takes on the wire, in seconds.
	reply = 0.15
	// sure is how many refusals must have taught a rate that is not in use.
	sure = 10
)

// forecast is the ends of all flows that began at this desk; empty while too
// little is known. It is worked out at most once a second.
func (d *desk) forecast(now float64) []ending {
	if now < d.foreseenAt+1 && d.foreseen != nil {
		return d.foreseen
	}
	d.foreseenAt, d.foreseen = now, d.foreseen[:0]
	groups := d.groups()
	for g, lines := range groups {
		if rate, vary, ok := g.speed(now, lines); ok {
			d.foreseen = append(d.foreseen, runDry(now, lines, rate, vary, beside(now, g, groups))...)
		}
	}
	return d.foreseen
}

// groups are the lines with something left, by their innermost common scope.
func (d *desk) groups() map[*instance][]*line {
	all := map[*instance][]*line{}
	for _, f := range d.flows {
		if l := f.lines[d]; l != nil && f.Left > 0 && len(l.under) > 0 {
			g := innermostCommon(l.under)
			all[g] = append(all[g], l)
		}
	}
	return all
}

// others is what other licences at the desk have to do, and how fast it goes.
type others struct{ left, rate float64 }

// beside sums up all groups but one.
func beside(now float64, g *instance, groups map[*instance][]*line) (o others) {
	for h, lines := range groups {
		if h != g {
			for _, l := range lines {
				if l.flow.Class == Bulk { // as desk.horizon counts
					o.left += float64(l.flow.Left)
				}
			}
			o.rate += max(0, h.stats.slow.rate(now)-h.stats.slowRefused.rate(now))
		}
	}
	return o
}

// horizon is what desk.horizon will be when t seconds have passed and so many
// calls are left that go at a rate.
func (o others) horizon(t, left, rate float64) float64 {
	if more := o.left - t*o.rate; more > 0 {
		return (left + more) / (rate + o.rate)
	}
	return left / rate
}

// innermostCommon is the scope that all calls of the group share: the licence.
func innermostCommon(scopes []*instance) *instance {
	g := scopes[0]
	for _, s := range scopes {
		if !s.policy.Narrow {
			g = s
		}
	}
	return g
}

// speed is how many calls a second a scope gives, and how much that swings;
// not ok while too little is known for the work of these lines.
func (s *instance) speed(now float64, lines []*line) (rate, vary float64, ok bool) {
	if s.policy.Kind != Learned {
		rate = s.perSecond()
		return rate, 0, rate > 0
	}
	st := &s.stats
	busy, taught := st.steadyFor(now), st.taught
	if busy == 0 {
		taught = st.totalRefused
	}
	used := st.slow.rate(now) - st.slowRefused.rate(now)
	whole := busy + total(lines)/max(used, 1e-9)
	switch {
	case busy > 0 && busy >= min(showBy, max(showFrom, showPart*whole)):
		rate = used
	case (taught >= sure || s.stored): // known from before
		rate = s.pacer.rate * (1 - s.pacer.room)
	}
	if st.mean > 0 {
		vary = math.Sqrt(max(0, st.square/st.mean/st.mean-1))
	}
	return rate, vary, rate > 0.05
}

// total is how many calls the lines have left.
func total(lines []*line) float64 {
	n := 0.
	for _, l := range lines {
		n += float64(l.flow.Left)
	}
	return n
}

// share is a flow while it runs dry.
type share struct {
	line      *line
	left      float64 // calls
	pace, get float64 // calls a second: at most, and now
	feared    float64 // the pace that it may have instead
	turn      turn
}

// runDry lets the lines share a rate until all are done, in steps of a
// fiftieth to a sixteenth of the time that is left.
func runDry(now float64, lines []*line, rate, vary float64, o others) []ending {
	open := make([]share, len(lines))
	for i, l := range lines {
		n := float64(l.flow.Left)
		open[i] = share{line: l, left: n, pace: n / max(l.need(1), 1e-6), feared: n / max(l.need(unsure), 1e-6)}
	}
	ends := make([]ending, 0, len(lines))
	sum := total(lines)
	less := sooner + min(swingMost, perSwing*max(0, vary-calm))
	for t := 0.; len(open) > 0; {
		horizon, first := sum/rate, math.Inf(1)
		for _, f := range open {
			horizon = max(horizon, f.left/f.pace)
		}
		divide(open, rate, max(horizon, o.horizon(t, sum, rate)))
		for _, f := range open {
			first = min(first, f.left/f.get)
		}
		step := max(0.2, horizon/50, min(horizon/16, first))
		rest := open[:0]
		for _, f := range open {
			if took := f.left / f.get; took <= step {
				end := t + took + reply
				ends = append(ends, ending{f.line, now + end*(1-less), now + end*(1+later)})
				sum -= f.left
				continue
			}
			f.left -= f.get * step
			sum -= f.get * step
			rest = append(rest, f)
		}
		open, t = rest, t+step
	}
	return ends
}

// turn is when a flow is served, as pick has it.
type turn int

const (
	first  turn = iota // people, and what is critical, at their customers' pace
	pilot              // what may be critical: half of what is left
	evenly             // bulk
	last               // backfill
	turns
)

// divide gives each flow its part of the rate.
func divide(open []share, rate, horizon float64) {
	var n, pace [turns]float64
	for i := range open {
		f := &open[i]
		switch c := f.line.flow.Class; {
		case c == Interactive || f.left > critical*horizon*f.pace:
			f.turn = first
		case c == Backfill:
			f.turn = last
		case f.left > critical*horizon*f.feared:
			f.turn = pilot
		default:
			f.turn = evenly
		}
		n[f.turn]++
		pace[f.turn] += f.pace
	}
	for turn := range turns {
		if n[turn] == 0 {
			continue
		}
		given, each := 0., rate/n[turn]
		if turn == pilot && n[evenly] > 0 {
			each /= 2
		}
		for i := range open {
			f := &open[i]
			if f.turn != turn {
				continue
			}
			if f.get = min(f.pace, each); turn == first {
				f.get = f.pace * min(1, rate/pace[turn])
			}
			f.get = max(f.get, 1e-9)
			given += f.get
		}
		rate = max(0, rate-given)
	}
}

// Forecast is when a flow is expected to have its last answer; false while
// too little is known, or when nothing is left to do. Set Left to have it
// right: else only the calls that wait count.
func (e *Engine) Forecast(now time.Time, id FlowID) (Range, bool) {
	f := e.flows[id]
	if f == nil || f.home == nil {
		return Range{}, false
	}
	for _, end := range f.home.forecast(e.at(now)) {
		if end.line.flow == f {
			return Range{e.time(end.from), e.time(end.to)}, true
		}
	}
	return Range{}, false
}

// Foresee is when work that came now would end: so many calls in these scopes,
// so many of them in the narrowest too; false while too little is known. It is
// for what still waits outside of the gate.
func (e *Engine) Foresee(now time.Time, scopes []Scope, calls, reports int) (Range, bool) {
	if len(scopes) == 0 || calls <= 0 {
		return Range{}, false
	}
	at := e.at(now)
	l := &line{flow: &flow{FlowOptions: FlowOptions{Class: Bulk, Left: calls, ReportLeft: reports}}}
	k := 0
	for _, s := range scopes {
		in := e.instance(at, s)
		l.under = append(l.under, in)
		if in.policy.Narrow && k < len(l.narrow) {
			l.narrow[k] = in
			k++
		}
	}
	d, common := e.desk(scopes[0]), innermostCommon(l.under)
	groups := d.groups()
	lines := append(groups[common], l)
	rate, vary, ok := common.speed(at, lines)
	if !ok {
		return Range{}, false
	}
	for _, end := range runDry(at, lines, rate, vary, beside(at, common, groups)) {
		if end.line == l {
			return Range{e.time(end.from), e.time(end.to)}, true
		}
	}
	return Range{}, false
}
