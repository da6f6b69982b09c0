package quota

import (
	"math"
	"time"
)

// Rate is what one scope instance learned, for keeping over a restart.
type Rate struct {
	Scope
	PerS   float64 // the learned rate
	Ref    float64 // the highest rate that once held, 0 for a customer's scope
	Budget float64 // the share of refusals in use
}

// pooled is the ID of what all instances of a kind learned together.
const pooled = "*"

// Export is what was learned so far.
func (e *Engine) Export() []Rate {
	var all []Rate
	for s, in := range e.scopes {
		p := &in.pacer
		switch {
		case in.policy.Kind != Learned || p.charges == 0:
		case !in.policy.Narrow:
			all = append(all, Rate{s, p.rate, p.ref, p.p})
		case p.charges >= 3 && p.rate < 0.7*in.kind.pool:
			all = append(all, Rate{Scope: s, PerS: p.rate, Budget: p.p})
		}
	}
	for name, k := range e.kinds {
		if k.policy.Narrow && k.pool > 0 {
			all = append(all, Rate{Scope: Scope{name, pooled}, PerS: k.pool})
		}
	}
	return all
}

// Import takes up rates that were kept. A common scope starts at 0.9 of what
// it had: too high is the expensive side. What was learned since is not
// touched.
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
		if in.policy.Kind != Learned || p.charges > 0 {
			continue
		}
		in.stored, in.adopted, p.mode = true, true, steady
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

// Lease lets calls of a scope go only before until. The zero time ends the
// scope's right at once; a scope never mentioned here needs no lease.
func (e *Engine) Lease(s Scope, until time.Time) {
	in := e.instance(0, s)
	in.lease = math.Inf(-1)
	if !until.IsZero() {
		in.lease = e.at(until)
	}
}
