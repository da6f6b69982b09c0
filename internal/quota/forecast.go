package quota

import (
	"math"
	"time"
)

// The gate knows what waits and how fast it goes, so it can say when each
// flow ends. It lets the known work run dry in thought: the bulk shares the
// rate of its licence evenly, each flow no faster than its customer allows.

// ending is when a flow is expected to end, seconds since the engine began.
type ending struct {
	line     *line
	from, to float64
}

const (
	// showAfter is how long a desk must have been busy, in seconds, before a
	// forecast is shown: the rate is a guess until then.
	showAfter = 20.
	// reply is what the last call takes on the wire, in seconds.
	reply = 0.15
	// doubt is the least half width of a range, as a share of the time left,
	// doubtMax the largest. Slower than expected is likelier than faster:
	// limits fall more than they rise, and people come.
	doubt, doubtMax = 0.135, 0.155
	late            = 0.08
	// sure is how many refusals must have taught a rate that is not in use.
	sure = 10
	// swing is how long a rate keeps to one side of its mean, in seconds:
	// over longer times its swings cancel out.
	swing = 30.
)

// forecast is the ends of all flows that began at this desk; empty while too
// little is known. It is worked out at most once a second.
func (d *desk) forecast(now float64) []ending {
	if now < d.foreseenAt+1 && d.foreseen != nil {
		return d.foreseen
	}
	d.foreseenAt, d.foreseen = now, d.foreseen[:0]
	groups := map[*instance][]*line{}
	for _, f := range d.flows {
		if l := f.lines[d]; l != nil && f.Left > 0 && len(l.under) > 0 {
			g := innermostCommon(l.under)
			groups[g] = append(groups[g], l)
		}
	}
	for g, lines := range groups {
		if rate, vary, ok := d.speed(now, g); ok {
			d.foreseen = append(d.foreseen, runDry(now, lines, rate, vary)...)
		}
	}
	return d.foreseen
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

// speed is how many calls a second a group gets, and how much that swings.
func (d *desk) speed(now float64, g *instance) (rate, vary float64, ok bool) {
	if g.policy.Kind != Learned {
		return g.perSecond(), 0, true
	}
	s := &g.stats
	switch {
	case s.steadyFor(now) >= showAfter:
		rate = s.slow.rate(now) * (1 - s.slowRefused.rate(now)/max(s.slow.rate(now), 1e-9))
	case g.pacer.charges >= sure || g.stored:
		rate = g.pacer.rate * (1 - g.pacer.room)
	default:
		return 0, 0, false
	}
	mean, square := s.mean, s.square
	if mean > 0 {
		vary = math.Sqrt(max(0, square/mean/mean-1))
	}
	return rate, vary, rate > 0.05
}

// runDry lets the lines share a rate until all are done.
func runDry(now float64, lines []*line, rate, vary float64) []ending {
	left := make([]float64, len(lines))
	open := make([]int, 0, len(lines))
	for i, l := range lines {
		left[i] = float64(l.flow.Left)
		open = append(open, i)
	}
	var ends []ending
	t := 0.
	for len(open) > 0 {
		least := math.Inf(1)
		for _, i := range open {
			least = min(least, left[i])
		}
		t += least * float64(len(open)) / rate
		rest := open[:0]
		for _, i := range open {
			if left[i] -= least; left[i] > 1e-9 {
				rest = append(rest, i)
				continue
			}
			end := max(t, lines[i].need()) + reply
			w := min(doubtMax, doubt+1.28*vary*math.Sqrt(min(1, swing/max(end, 1))))
			ends = append(ends, ending{lines[i], now + end*(1-w), now + end*(1+w+late) + 0.5})
		}
		open = rest
	}
	return ends
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
	rate, vary, ok := d.speed(at, common)
	if !ok {
		return Range{}, false
	}
	lines := []*line{l}
	for _, f := range d.flows {
		if m := f.lines[d]; m != nil && f.Left > 0 && len(m.under) > 0 && innermostCommon(m.under) == common {
			lines = append(lines, m)
		}
	}
	for _, end := range runDry(at, lines, rate, vary) {
		if end.line == l {
			return Range{e.time(end.from), e.time(end.to)}, true
		}
	}
	return Range{}, false
}
