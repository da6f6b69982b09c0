package quota

import (
	"math"
	"slices"
)

// Who is next: between classes, tenants and flows a slot goes to whoever has
// received least so far (start-time fair queuing: a counter of service that
// jumps to the present when somebody returns, so that idle time saves nothing
// up). Classes are weighted 8 to 2; before the round of tenants comes a bulk
// flow that would otherwise end after all others (critical-first).

// weight is a class's part of the slots while all have work.
var weight = [classes]float64{Interactive: 0.8, Bulk: 0.2, Backfill: 0.01}

const (
	// critical: a flow that needs more than this part of the time that
	// everything needs goes first.
	critical = 0.7
	// unsure: what a customer's scope allows may be so much less than is
	// believed, until it was refused itself. It shows only when the customer
	// is pushed, which must not be late for one with much to do: a flow that
	// may be critical has every second slot.
	unsure = 0.35
	// rushes is added to how critical a flow of the licence is that has every
	// second slot: more than any flow by itself.
	rushes = 1e6
	// chain is how long a report takes to be built, in seconds: what a flow
	// needs on top of its calls while it has reports to make.
	chain = 6.
	// lag is how many calls a flow that could not send may catch up on.
	lag = 16.
)

// tenant is a workspace's service in one class.
type tenant struct {
	name    string
	class   Class
	served  float64
	virtual float64 // where the round of its lines is
	lines   int     // lines that wait
	slots   int64
	turn    int64 // which slot of the desk it had last
}

// share is the tenant's service as it counts: who could not send for long
// catches up on lag calls, no more.
func (t *tenant) share(d *desk) float64 { return max(t.served, d.vtenant[t.class]-lag) }

func (l *line) share() float64 { return max(l.served, l.tenant.virtual-lag) }

// line is the queue of one flow at one desk.
type line struct {
	flow    *flow
	tenant  *tenant
	waiting []*Ticket
	served  float64
	open    int          // calls waiting or on the wire
	under   []*instance  // the scopes of its latest call
	mixed   bool         // its calls have not all the same common scopes and cost 1
	widest  int          // in how many scopes a call of it counted at most
	narrow  [2]*instance // the customer's scope and the one inside it, as last used
}

// need is how many seconds the flow's calls take at its customer's own pace,
// of which only the part trust is believed until the customer was refused.
func (l *line) need(trust float64) float64 {
	f := l.flow
	var need float64
	if s := l.narrow[0]; s != nil && s.policy.Kind <= Fixed {
		need = float64(f.Left) / s.trusted(trust)
	}
	if s := l.narrow[1]; s != nil && s.policy.Kind <= Fixed && f.ReportLeft > 0 {
		need = max(need, float64(f.ReportLeft)/s.trusted(trust))
	}
	if f.ReportLeft > 0 {
		need += chain
	}
	return need
}

func (s *instance) trusted(part float64) float64 {
	r := s.pacer.rate * (1 - s.pacer.room)
	if s.policy.Kind == Learned && s.pacer.charges < 3 {
		return part * r
	}
	return r
}

// pick finds the call to send now, or when to ask again; only people's when
// full.
func (d *desk) pick(now float64, full bool) (*Ticket, float64) {
	again := math.Inf(1)
	var best [classes]*line
	var call [classes]*Ticket
	var urgent [classes]float64
	d.stamp++
	horizon := d.horizon(now)
	ahead := d.ahead(now, horizon)
	for _, l := range d.lines {
		if at := l.stuck(now, d.stamp); at > now {
			again = min(again, at)
			continue
		}
		c := l.flow.Class
		if full && c != Interactive {
			continue
		}
		u := 0.
		if c == Bulk && horizon > 0 {
			left := horizon
			// A deadline that has passed urges nobody: else the longest of those
			// that are late would go before all that can still be in time.
			if dl := l.flow.deadline; dl > now {
				left = max(1, min(left, dl-now))
			}
			if need := l.need(1); need > critical*left {
				u = need / left
			} else if need := l.need(unsure); need > critical*left && !d.piloted {
				u = 1e-6 * need / left
			}
			if l.flow.inner == ahead && !d.rushed {
				u += rushes
			}
		}
		if b := best[c]; b != nil && !l.before(d, b, u, urgent[c]) {
			continue
		}
		t, at := l.first(now, d.stamp)
		if t == nil {
			again = min(again, at)
			continue
		}
		best[c], call[c], urgent[c] = l, t, u
	}
	won := -1
	for c := range best {
		if best[c] != nil && (won < 0 || d.served[c] < d.served[won]) {
			won = c
		}
	}
	if won < 0 {
		return nil, again
	}
	d.jumped = urgent[won] > 0
	if Class(won) == Bulk {
		own := urgent[won] // without what its licence adds
		if d.rushed = own >= rushes; d.rushed {
			own -= rushes
		}
		d.piloted = own > 0 && own < critical
	}
	return call[won], now
}

// before reports whether l goes before m; u and v say how critical they are.
func (l *line) before(d *desk, m *line, u, v float64) bool {
	if u != v {
		return u > v
	}
	if l.tenant != m.tenant {
		if a, b := l.tenant.share(d), m.tenant.share(d); a != b {
			return a < b
		}
		if a, b := l.tenant.served, m.tenant.served; a != b {
			return a < b
		}
		// Not by their lines: one with more service would win for its tenant.
		return l.tenant.turn < m.tenant.turn
	}
	if a, b := l.share(), m.share(); a != b {
		return a < b
	}
	if a, b := l.served, m.served; a != b { // both lag far behind
		return a < b
	}
	// Calls of one licence in a row would empty its bucket, where it has one.
	if x, y := l.flow.inner.seen, m.flow.inner.seen; x != y {
		return x < y
	}
	return l.flow.id < m.flow.id
}

// stuck is when the common scopes of its calls have a slot, as far as this
// pick found out already; it spares looking at each call of hundreds of lines.
func (l *line) stuck(now float64, stamp int64) float64 {
	at := now
	for _, s := range l.under {
		if l.mixed || s.policy.Narrow {
			break
		}
		if s.stamp == stamp && s.stampCost == 1 {
			at = max(at, s.stampAt)
		}
	}
	return at
}

// first is the line's first call that may go now: refused ones first, then
// those that count in more scopes, in the order they came.
func (l *line) first(now float64, stamp int64) (*Ticket, float64) {
	again := math.Inf(1)
	var best *Ticket
	for _, t := range l.waiting {
		if best != nil && (best.again || len(best.scopes) >= l.widest) {
			break
		}
		if best != nil && len(best.scopes) >= len(t.scopes) {
			continue
		}
		at := now
		for _, s := range t.scopes {
			if s.stamp != stamp || s.stampCost != t.cost {
				s.stamp, s.stampCost, s.stampAt = stamp, t.cost, s.ready(now, t.cost)
			}
			at = max(at, s.stampAt)
			if at > now && !s.policy.Narrow {
				break // a common scope: nobody else can go earlier
			}
		}
		if at > now {
			again = min(again, at)
			continue
		}
		best = t
	}
	return best, again
}

// horizon is how many seconds all bulk that is known takes at the speed of
// the last seconds; 0 while unknown.
func (d *desk) horizon(now float64) float64 {
	rate := d.accepted.rate(now)
	if rate < 0.1 {
		return 0
	}
	return d.left(Bulk) / rate
}

// ahead is the licence whose own limit would make it end after all others
// while they share what the outer scope allows: it has every second slot of the
// bulk. Nil if there is none.
func (d *desk) ahead(now, horizon float64) (ahead *instance) {
	if len(d.inner) < 2 || horizon <= 0 || !d.outer.stats.binding(now) {
		return nil
	}
	for _, in := range d.inner {
		in.left = 0
	}
	for _, f := range d.flows {
		if f.Class == Bulk && f.inner != nil {
			f.inner.left += float64(f.Left)
		}
	}
	most := critical
	for _, in := range d.inner {
		if in.pacer.charges < 3 { // its limit is not known
			continue
		}
		if u := in.left / in.trusted(1) / horizon; u > most {
			ahead, most = in, u
		}
	}
	return ahead
}

// left is how many calls of a class are known to come.
func (d *desk) left(c Class) float64 {
	n := 0.
	for _, f := range d.flows {
		if f.Class == c {
			n += float64(f.Left)
		}
	}
	return n
}

// serve books the service of a call with its class, tenant and flow. What
// went first because it was critical does not move the round on.
func (d *desk) serve(l *line, cost float64) {
	c, t := l.flow.Class, l.tenant
	d.vclass = max(d.vclass, d.served[c])
	d.served[c] += cost / weight[c]
	for i := range d.served { // who could not send catches up a little only
		d.served[i] = max(d.served[i], d.vclass-2/weight[i])
	}
	t.served, l.served = t.share(d), l.share()
	if !d.jumped {
		d.vtenant[c] = max(d.vtenant[c], t.served)
		t.virtual = max(t.virtual, l.served)
	}
	t.served += cost
	l.served += cost
	t.slots++
	d.turns++
	t.turn = d.turns
}

// tenant is the flow's workspace at this desk, in the flow's class.
func (d *desk) tenant(f *flow) *tenant {
	t := d.tenants[f.Class][f.Tenant]
	if t == nil {
		t = &tenant{name: f.Tenant, class: f.Class, served: d.vtenant[f.Class]}
		d.tenants[f.Class][f.Tenant] = t
	}
	return t
}

// enqueue lets t wait, at the head when it was refused.
func (d *desk) enqueue(t *Ticket, head bool) {
	l := t.line
	if head {
		l.waiting = slices.Insert(l.waiting, 0, t)
	} else {
		l.waiting = append(l.waiting, t)
	}
	if len(l.waiting) == 1 {
		d.lines = append(d.lines, l)
		d.enter(l)
	}
}

// enter lets a line into the round at where the round is now: what it did not
// use is not saved up.
func (d *desk) enter(l *line) {
	t, c := l.tenant, l.flow.Class
	l.served = max(l.served, t.virtual)
	if t.lines++; t.lines == 1 {
		t.served = max(t.served, d.vtenant[c])
	}
	if d.busy(c) == 1 {
		d.served[c] = max(d.served[c], d.vclass)
	}
}

// leave takes a line without calls out of the round.
func (d *desk) leave(l *line) {
	d.lines = slices.DeleteFunc(d.lines, func(m *line) bool { return m == l })
	l.tenant.lines--
}

// busy counts the lines of a class that wait.
func (d *desk) busy(c Class) int {
	n := 0
	for _, l := range d.lines {
		if l.flow.Class == c {
			n++
		}
	}
	return n
}
