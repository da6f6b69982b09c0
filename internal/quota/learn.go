package quota

import (
	"math"
	"slices"
)

// A refusal is charged to exactly one of the scopes that its call counted in.
// Which one is a guess, and need not be exact: three wrong charges of ten cost
// 1 % of a morning. What must not be is a bias, such as always blaming the
// customer (half of all calls refused where the licence binds).
//
// Five things speak: how empty the scope's bucket is believed to be; whether
// this customer is refused more often than its share of the traffic
// (concentration: its own limit), in the last seconds or over some minutes;
// whether this licence is, among those of its address; and whether others are
// refused as well (spread: a common limit). Where licences are all alike none
// of them does: see trial.

// refusal is one entry of a desk's memory.
type refusal struct {
	at       float64
	customer *instance
	narrow   *instance // the narrowest scope of one customer
	common   *instance // the innermost common one
	full     float64   // how surely the customer's own limit was not the cause
}

const (
	remembered = 48
	window     = 8. // seconds of refusals and sends that the guess looks at
	// commonWindow is the same for licences: their refusals are seldom.
	commonWindow = 30.
	burst        = 3. // seconds of refusals that the memory leaves out: a fall
	spread       = 2. // seconds in which other customers' refusals count
	// memory is for how many seconds it is remembered which customers are
	// refused more than others, and silence after how many without a call that
	// ends: people in the console fill a customer's bucket for as long as they
	// work, however slowly its own calls come.
	memory, silence = 300., 120.
)

// concentrated is how much likelier it is that a scope of one customer was
// refused so often by its own limit than by a common one, as a logarithm.
// expected is its part of all refusals by its part of the traffic. Two Poisson
// counts are compared, or where they are small their ratio, whichever says more.
func concentrated(refused, expected float64) float64 {
	ratio := math.Log(refused / expected)
	counts := refused*ratio - (refused - expected)
	if ratio < 0 {
		return min(ratio, -counts)
	}
	return max(ratio, counts)
}

// past is what a scope of one customer and the common one around it had
// counted when a span of memory began.
type past struct {
	since, last                float64
	sent, denied, all, refused int64
}

// remember begins a span of memory where none is open. It is called before
// each send.
func (s *instance) remember(now float64, common *instance) {
	if p := &s.past; p.last == 0 || now-p.last > silence || now-p.since > memory {
		*p = past{since: now, sent: s.stats.total, denied: s.stats.denied, all: common.stats.total, refused: common.stats.denied}
	}
	s.past.last = now
}

// disturbed is what concentrated is, for the span of memory without what was
// refused lately: of this customer, and in all.
func (s *instance) disturbed(common *instance, mine, all float64) float64 {
	p := &s.past
	part := float64(s.stats.total-p.sent) / max(1, float64(common.stats.total-p.all))
	return concentrated(max(0, float64(s.stats.denied-p.denied)-mine)+0.7, max(0, float64(common.stats.denied-p.refused)-all)*min(part, 1)+0.7)
}

// guess says which of the call's scopes a refusal is charged to.
func (d *desk) guess(now float64, t *Ticket, blames string) int {
	var customer *instance // outermost narrow scope
	common := t.scopes[0]  // innermost common one
	for _, s := range t.scopes {
		if !s.policy.Narrow {
			common = s
		} else if customer == nil {
			customer = s
		}
	}
	total, lately, others := 0., 0., map[*instance]float64{}
	for _, r := range d.refusals {
		if r.at < now-window {
			continue
		}
		total++
		if r.at >= now-burst {
			lately++
		}
		if r.customer != customer && r.at >= now-spread {
			others[r.customer] = max(others[r.customer], r.full)
		}
	}
	spreads := 0.
	for _, full := range others {
		spreads += full
	}
	full := 1.
	best, top := 0, math.Inf(-1)
	for i, s := range t.scopes {
		dry := s.dry(t.marks[i])
		v := math.Log(dry + 0.0001)
		switch {
		case s.policy.Kind != Learned:
			v -= 5 // it keeps what it was told
		case s.policy.Narrow:
			full = min(full, 1-dry)
			mine, mineLately := 0., 0.
			for _, r := range d.refusals {
				if r.at >= now-window && (r.customer == s || r.narrow == s) {
					mine++
					if r.at >= now-burst {
						mineLately++
					}
				}
			}
			q := s.stats.recent.rate(now) / max(common.stats.recent.rate(now), 1e-9)
			own := concentrated(mine+0.7, total*min(q, 1)+0.7)
			// Half a unit may be chance.
			if long := s.disturbed(common, mineLately, lately); long > 0.5 {
				own = max(own, long)
			}
			if own > math.Log(4) {
				full = 0
			}
			v += math.Log(4) + own - math.Log(1+spreads)
		case s.shared != nil:
			// Only this process's part of its traffic is seen here; its
			// refusals mostly say so in their bodies.
			v += math.Log(0.05)
		case i == 0:
			v += math.Log(0.5)
		case s == common:
			v += d.singled(now, s)
		}
		if blames != "" && s.Kind == blames {
			v = math.Inf(1) // the body says so
		}
		if v > top {
			best, top = i, v
		}
	}
	d.refusals = append(d.refusals, refusal{now, customer, t.scopes[len(t.scopes)-1], common, full})
	if len(d.refusals) > remembered {
		d.refusals = slices.Delete(d.refusals, 0, 1)
	}
	return best
}

// singled is what concentrated is for a licence among those of its address:
// whether it is refused more than its share of their traffic.
func (d *desk) singled(now float64, s *instance) float64 {
	mine, total := 0., 0.
	for _, r := range d.refusals {
		if r.at >= now-commonWindow {
			total++
			if r.common == s {
				mine++
			}
		}
	}
	q := s.stats.slow.rate(now) / max(d.outer.stats.slow.rate(now), 1e-9)
	return concentrated(mine+0.7, total*min(q, 1)+0.7)
}

// dry is how surely the scope's bucket was empty when a call came. What is
// not known well yet may be a good deal slower than believed.
func (s *instance) dry(m mark) float64 {
	d := normal(1 - m.fill)
	if s.policy.Narrow && s.pacer.charges < 3 {
		d = (d + normal(1-m.low)) / 2
	}
	return d
}

// normal is the distribution function of the normal distribution.
func normal(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }

// quantile is the q-quantile of the instances' learned rates.
func quantile(of []*instance, q float64) float64 {
	rates := make([]float64, len(of))
	for i, s := range of {
		rates[i] = s.pacer.rate
	}
	slices.Sort(rates)
	return rates[min(len(rates)-1, int(q*float64(len(rates))))]
}
