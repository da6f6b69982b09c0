package quota

import (
	"math"
	"time"
)

// Rate is what one scope instance learned, for keeping over a restart.
type Rate struct {
	Scope
	PerS   float64   // the learned rate; 0: it is not known any more
	Ref    float64   // the highest rate that once held, 0 for a customer's scope
	Budget float64   // the share of refusals in use
	At     time.Time // when it was last used
}

// pooled is the ID of what all instances of a kind learned together.
const pooled = "*"

// Export is what was learned so far.
func (e *Engine) Export() []Rate {
	var all []Rate
	for s, in := range e.scopes {
		p := &in.pacer
		switch {
		case in.policy.Kind == Learned && p.freed: // no rate: what was kept before is wrong
			all = append(all, Rate{Scope: s, At: e.time(in.seen)})
		case in.policy.Kind != Learned || p.charges == 0:
		case !in.policy.Narrow:
			all = append(all, Rate{s, p.rate, p.ref, p.p, e.time(in.seen)})
		case p.charges >= 3 && p.rate < 0.7*in.kind.pool:
			all = append(all, Rate{Scope: s, PerS: p.rate, Budget: p.p, At: e.time(in.seen)})
		}
	}
	for name, k := range e.kinds {
		if k.policy.Narrow && k.pool > 0 && len(k.known) > 0 {
			all = append(all, Rate{Scope: Scope{name, pooled}, PerS: k.pool, At: e.time(k.at)})
		}
	}
	return all
}

// Import takes up rates that were kept. A common scope starts at 0.9 of what
// it had: too high is the expensive side. What was learned here later than it
// was kept is not touched.
func (e *Engine) Import(rates []Rate) {
	for _, r := range rates {
		if r.PerS <= 0 {
			continue
		}
		if r.ID == pooled {
			k := e.kind(r.Kind)
			if k.pool == 0 {
				k.pool, k.stored = r.PerS, true
			}
			continue
		}
		in := e.instance(0, r.Scope)
		p := &in.pacer
		if in.policy.Kind != Learned || (p.charges > 0 || p.freed) && !r.At.After(e.time(in.seen+1)) {
			continue
		}
		in.stored, in.adopted, p.mode, p.filter = true, true, steady, nil
		p.rate = r.PerS
		if !in.policy.Narrow {
			p.rate *= 0.9
		}
		p.ref = max(p.ref, r.Ref)
		p.p = min(max(r.Budget, p.asked), budgetHi)
	}
}

// Careful paces a scope at 0.7 of its rate for one second: its former owner
// may still be sending.
func (e *Engine) Careful(now time.Time, s Scope) {
	e.instance(0, s).careful = e.at(now) + 1
}

// RequireLease lets calls of a kind of scope go only where Lease allows it.
func (e *Engine) RequireLease(kind string) {
	e.leased[kind] = true
	for s, in := range e.scopes {
		if s.Kind == kind && math.IsInf(in.lease, 1) {
			in.lease = math.Inf(-1)
		}
	}
}

// guest lets a few calls of a scope go without a lease until then.
func (e *Engine) guest(s Scope, until time.Time) { e.instance(0, s).guest = e.at(until) }

// waiting counts the calls that wait, by scope of a kind.
func (e *Engine) waiting(kind string) map[Scope]int {
	n := map[Scope]int{}
	for _, d := range e.order {
		for _, l := range d.lines {
			for _, t := range l.waiting {
				for _, s := range t.scopes {
					if s.Kind == kind {
						n[s.Scope]++
					}
				}
			}
		}
	}
	return n
}

// reaches takes the pairs of licence and customer's scope that were used and
// not told of within the last hour.
func (e *Engine) reaches(now float64) (all []reach) {
	for s, in := range e.scopes {
		if !in.policy.Narrow || in.reachTold > now-3600 && in.reachKnown == len(in.outer) {
			continue
		}
		in.reachTold, in.reachKnown = now, len(in.outer)
		for o := range in.outer {
			if o.Kind == Licence {
				all = append(all, reach{s, o.ID})
			}
		}
	}
	return all
}

// Lease lets calls of a scope go only before until. The zero time ends the
// scope's right at once; a scope never mentioned here needs no lease.
func (e *Engine) Lease(s Scope, until time.Time) {
	in := e.instance(0, s)
	in.lease = math.Inf(-1)
	if !until.IsZero() {
		in.lease = e.at(until)
	}
}
