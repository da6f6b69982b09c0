package quota

import (
	"maps"
	"math"
	"slices"
	"time"
)

// Engine decides when each call may be sent. It does no I/O and has no clock:
// every method is told the time, which must not go back. It is not safe for
// goroutines; Gate is.
type Engine struct {
	o        Options
	policies map[string]Policy
	start    time.Time
	flows    map[FlowID]*flow
	last     FlowID
	desks    map[Scope]*desk
	order    []*desk
	scopes   map[Scope]*instance
	kinds    map[string]*kind
	tuning   map[Scope]Tuning
	leased   map[string]bool // kinds of scope that need a lease
	// strangers are scopes whose calls came while this process did not own them.
	strangers map[Scope]bool
	sharing   map[Scope]*instance // those whose slots are reserved
	tidied    float64             // when scopes were forgotten last
}

// FlowID names a flow inside an Engine.
type FlowID int64

// Ticket is a call that waits for its turn or is on the wire.
type Ticket struct {
	call   Call
	cost   float64
	line   *line
	desk   *desk
	scopes []*instance
	marks  []mark
	sent   float64
	onWire bool
	again  bool // it was refused and waits again
}

// Call is what the ticket was made for.
func (t *Ticket) Call() Call { return t.call }

type flow struct {
	FlowOptions
	id       FlowID
	deadline float64
	lines    map[*desk]*line
	home     *desk
	inner    *instance // the innermost common scope of its calls there
	closed   bool
}

// desk is the queue before one outermost scope: calls at different desks
// never meet.
type desk struct {
	outer    *instance
	inner    []*instance // the innermost common scopes of its calls, if others than outer
	lines    []*line     // those with calls that wait
	flows    []*flow     // those that began here
	tenants  [classes]map[string]*tenant
	served   [classes]float64
	vclass   float64
	vtenant  [classes]float64
	wire     int
	stamp    int64
	turns    int64 // slots given
	jumped   bool  // the call just picked went first because it was critical,
	piloted  bool  // or the last of the bulk because it may be,
	rushed   bool  // or because its licence would end last
	accepted decay
	refusals []refusal
	doubt    doubt

	foreseen   []ending
	foreseenAt float64
}

// NewEngine makes an Engine that begins at start.
func NewEngine(o Options, start time.Time) *Engine {
	if o.InFlight <= 0 {
		o.InFlight = 100
	}
	e := &Engine{o: o, policies: DefaultPolicies(), start: start,
		flows: map[FlowID]*flow{}, desks: map[Scope]*desk{}, scopes: map[Scope]*instance{},
		kinds: map[string]*kind{}, tuning: map[Scope]Tuning{}, leased: map[string]bool{}, strangers: map[Scope]bool{}, sharing: map[Scope]*instance{}}
	for k, p := range o.Policies {
		e.policies[k] = p
	}
	return e
}

func (e *Engine) at(now time.Time) float64 { return now.Sub(e.start).Seconds() }

// time is never before at: a nanosecond covers the rounding of both.
func (e *Engine) time(at float64) time.Time {
	return e.start.Add(time.Duration(math.Ceil(at*1e9)) + 1)
}

// Open begins a flow.
func (e *Engine) Open(o FlowOptions) FlowID {
	e.last++
	f := &flow{FlowOptions: o, id: e.last, lines: map[*desk]*line{}}
	if !o.Deadline.IsZero() {
		f.deadline = e.at(o.Deadline)
	}
	e.flows[f.id] = f
	return f.id
}

// SetClass changes how urgent a flow is; its waiting calls move with it.
func (e *Engine) SetClass(id FlowID, c Class) {
	f := e.flows[id]
	if f == nil || f.Class == c {
		return
	}
	f.Class = c
	for d, l := range f.lines {
		l.tenant.lines -= min(1, len(l.waiting))
		l.tenant = d.tenant(f)
		l.served = l.tenant.virtual
		if len(l.waiting) > 0 {
			d.enter(l)
		}
	}
}

// SetLeft says how many calls are still to come, and how many of those count
// in the narrower scope of their customer as well.
func (e *Engine) SetLeft(id FlowID, calls, reports int) {
	if f := e.flows[id]; f != nil {
		f.Left, f.ReportLeft = calls, reports
	}
}

// Close ends a flow. Calls of it that still wait go on.
func (e *Engine) Close(id FlowID) {
	f := e.flows[id]
	if f == nil {
		return
	}
	f.closed, f.Left, f.ReportLeft = true, 0, 0
	e.forget(f)
}

// forget drops a closed flow without open calls.
func (e *Engine) forget(f *flow) {
	for _, l := range f.lines {
		if l.open > 0 {
			return
		}
	}
	if f.home != nil {
		f.home.flows = slices.DeleteFunc(f.home.flows, func(g *flow) bool { return g == f })
	}
	delete(e.flows, f.id)
}

// goneAfter is after how many seconds without a call a customer's scope is
// forgotten, with what it learned: a long weekend.
const goneAfter = 4 * 24 * 3600.

// tidy forgets the scopes of customers that nobody asks for any more.
func (e *Engine) tidy(now float64) {
	e.tidied = now
	waits := map[*instance]bool{}
	for _, f := range e.flows {
		for _, l := range f.lines {
			for _, t := range l.waiting {
				for _, s := range t.scopes {
					waits[s] = true
				}
			}
		}
	}
	gone := func(in *instance) bool {
		return in.policy.Narrow && in.shared == nil && !waits[in] && in.seen > 0 && in.seen < now-goneAfter
	}
	for _, k := range e.kinds {
		k.known = slices.DeleteFunc(k.known, gone)
	}
	maps.DeleteFunc(e.scopes, func(_ Scope, in *instance) bool { return gone(in) })
}

// costMost is more than any server charges for one call: what is beyond it is
// a fault, and would stop the line for ever.
const costMost = 1e6

// Enqueue lets a call of a flow wait for its turn. It panics on a call
// without scopes or an unknown flow: that is a caller's fault.
func (e *Engine) Enqueue(now time.Time, id FlowID, c Call) *Ticket {
	f := e.flows[id]
	if f == nil || len(c.Scopes) == 0 {
		panic("quota: a call needs an open flow and a scope")
	}
	if at := e.at(now); at > e.tidied+3600 {
		e.tidy(at)
	}
	t := &Ticket{call: c, cost: c.Cost, scopes: make([]*instance, len(c.Scopes)), marks: make([]mark, len(c.Scopes))}
	if !(t.cost > 0) || t.cost > costMost { // also what is no number
		t.cost = 1
	}
	narrow := [2]*instance{}
	k := 0
	for i, s := range c.Scopes {
		t.scopes[i] = e.instance(e.at(now), s)
		if e.leased[s.Kind] && t.scopes[i].lease <= e.at(now) {
			e.strangers[s] = true
		}
		if t.scopes[i].policy.Narrow && k < 2 {
			narrow[k] = t.scopes[i]
			k++
		}
		in := t.scopes[i]
		had := len(in.outer)
		for _, o := range c.Scopes[:i] {
			in.outer[o] = true
		}
		if len(in.outer) > had {
			e.tune(in)
		}
	}
	d, inner := e.desk(c.Scopes[0]), innermostCommon(t.scopes)
	d.outer = t.scopes[0]
	if inner != d.outer && inner.policy.Kind == Learned && !slices.Contains(d.inner, inner) {
		d.inner = append(d.inner, inner)
	}
	l := f.lines[d]
	if l == nil {
		l = &line{flow: f, tenant: d.tenant(f)}
		f.lines[d] = l
		if f.home == nil {
			f.home = d
			d.flows = append(d.flows, f)
		}
	}
	if f.home == d {
		f.inner = inner
	}
	for i, s := range narrow {
		if s != nil {
			l.narrow[i] = s
		}
	}
	l.mixed = l.mixed || t.cost != 1 || l.under != nil && innermostCommon(l.under) != inner
	t.line, t.desk, l.under, l.widest = l, d, t.scopes, max(l.widest, len(t.scopes))
	l.open++
	f.Left = max(f.Left, l.open)
	d.enqueue(t, false)
	return t
}

func (e *Engine) desk(s Scope) *desk {
	d := e.desks[s]
	if d == nil {
		d = &desk{accepted: decay{tau: 3}, doubt: newDoubt()}
		for c := range d.tenants {
			d.tenants[c] = map[string]*tenant{}
		}
		e.desks[s] = d
		e.order = append(e.order, d)
	}
	return d
}

func (e *Engine) instance(now float64, s Scope) *instance {
	in := e.scopes[s]
	if in == nil {
		in = newInstance(s, e.kind(s.Kind))
		if e.leased[s.Kind] {
			in.lease = math.Inf(-1)
		}
		e.scopes[s] = in
		e.tune(in)
	}
	in.adopt()
	return in
}

func (e *Engine) kind(name string) *kind {
	k := e.kinds[name]
	if k == nil {
		k = &kind{policy: e.policies[name]}
		e.kinds[name] = k
	}
	return k
}

// Next is a call whose turn is now; or nil, and when to ask again unless
// something else happens before (zero: no need to).
func (e *Engine) Next(now time.Time) (*Ticket, time.Time) {
	at, again := e.at(now), math.Inf(1)
	for _, d := range e.order {
		if len(d.lines) == 0 || d.wire >= e.o.InFlight {
			continue
		}
		// The last fifth of the wire is left to people: calls that hang must not
		// keep them waiting.
		t, next := d.pick(at, d.wire >= max(1, e.o.InFlight*4/5))
		if t == nil {
			again = min(again, next)
			continue
		}
		d.send(at, t)
		return t, time.Time{}
	}
	if math.IsInf(again, 1) {
		return nil, time.Time{}
	}
	return nil, e.time(again)
}

// send takes t from its line and books its slots.
func (d *desk) send(now float64, t *Ticket) {
	l := t.line
	i := slices.Index(l.waiting, t)
	l.waiting = slices.Delete(l.waiting, i, i+1)
	d.serve(l, t.cost)
	if len(l.waiting) == 0 {
		d.leave(l)
	}
	bound, latest := t.scopes[0], math.Inf(-1)
	for _, s := range t.scopes {
		if at := s.ready(now, t.cost); at > latest {
			bound, latest = s, at
		}
	}
	common := innermostCommon(t.scopes)
	for i, s := range t.scopes {
		if s.policy.Narrow {
			s.remember(now, common)
		}
		t.marks[i] = s.book(now, t.cost)
		s.stats.sent(now, s.pacer.rate, s == bound && latest > now-0.01)
		if !s.policy.Narrow {
			s.slots[l.flow.Tenant]++
		}
	}
	t.sent, t.onWire = now, true
	d.wire++
}

// Done says how a call went, and reports whether it waits again because it
// was refused.
func (e *Engine) Done(now time.Time, t *Ticket, a Answer) bool {
	if !t.onWire {
		return false
	}
	at, d, l := e.at(now), t.desk, t.line
	t.onWire = false
	d.wire--
	if !a.Refused {
		for i, s := range t.scopes {
			var b *Budget
			if i == len(t.scopes)-1 {
				b = a.Budget
			}
			if a.Lost {
				s.lost(t.cost)
			} else {
				s.answered(at, t.cost, t.marks[i], b)
			}
		}
		if !a.Lost {
			d.accepted.add(at, 1)
			d.counted(at, false, nil)
			d.windows(at, t, false, false)
		}
		l.open--
		f := l.flow
		f.Left = max(l.open, f.Left-1)
		if len(t.scopes) > 1 && t.scopes[len(t.scopes)-2].policy.Narrow {
			f.ReportLeft = max(0, f.ReportLeft-1)
		}
		if f.closed {
			f.Left = 0
			e.forget(f)
		}
		return false
	}
	guilty := d.guess(at, t, a.Blames)
	for i, s := range t.scopes {
		s.stats.denied++
		if i == guilty {
			s.refused(at, t.cost, t.marks[i], a.RetryAfter.Seconds(), a.Budget)
			s.stats.refused(at)
		} else {
			s.spared(t.cost)
		}
	}
	d.counted(at, true, t.scopes[guilty])
	d.windows(at, t, true, a.RetryAfter > 0)
	t.again = true
	d.enqueue(t, true)
	return true
}

// Cancel takes a call away that nobody waits for any more. If it had its turn
// already, the slot is lost.
func (e *Engine) Cancel(now time.Time, t *Ticket) {
	l, d := t.line, t.desk
	if t.onWire {
		t.onWire = false
		d.wire--
		for _, s := range t.scopes {
			s.lost(t.cost)
		}
	} else if n := len(l.waiting); n > 0 {
		l.waiting = slices.DeleteFunc(l.waiting, func(w *Ticket) bool { return w == t })
		if len(l.waiting) == n {
			return
		}
		if len(l.waiting) == 0 {
			d.leave(l)
		}
	} else {
		return
	}
	l.open--
	if l.flow.closed {
		e.forget(l.flow)
	}
}

// Tune sets the knobs of one scope instance, now and when it is first used.
func (e *Engine) Tune(s Scope, t Tuning) {
	e.tuning[s] = t
	for _, in := range e.scopes {
		if in.Scope == s || in.policy.Narrow && in.outer[s] {
			e.tune(in)
		}
	}
}

// tune sets the knobs of an instance. People in the console draw on the limit
// that binds: what is left to them is left at the customer's too.
func (e *Engine) tune(in *instance) {
	t := e.tuning[in.Scope]
	if in.policy.Narrow {
		for o := range in.outer {
			t.HeadRoom = max(t.HeadRoom, e.tuning[o].HeadRoom)
		}
	}
	if t.Refusals == 0 {
		t.Refusals = e.o.Refusals
	}
	in.tune(t)
}

// SetRate sets the rate of a scope whose policy is Fixed or PerMinute.
func (e *Engine) SetRate(s Scope, rate float64) {
	in := e.instance(0, s)
	in.setRate(rate)
}

// Learned is the rate of a scope per second, and how many refusals taught it;
// for the bench and tests.
func (e *Engine) Learned(s Scope) (rate float64, refusals int) {
	if in := e.scopes[s]; in != nil {
		return in.perSecond(), in.pacer.charges
	}
	return 0, 0
}
