package quota

import (
	"math"
	"slices"
)

// instance is one scope that calls count in: its pace by whatever policy, and
// what people want to see of it.
type instance struct {
	Scope
	policy  Policy
	kind    *kind
	pacer   pacer     // policies Learned and Fixed; its rate in all
	minute  []float64 // PerMinute: when the last calls were sent, a ring
	head    int
	avail   float64 // Told: points left, as of told
	most    float64
	told    float64
	wire    float64   // Told: points on the wire
	paused  float64   // not before
	asked   float64   // the same, as the server asked last
	fails   int       // refusals in a row, for pauses
	cool    float64   // length of the next opening of the circuit, seconds
	mass    []float64 // refusals of the last 3 s
	opened  float64   // when the circuit was opened last
	stats   stats
	windows windows          // of a common scope
	past    past             // for scopes of one customer
	outer   map[Scope]bool   // scopes that its calls count in as well, further out
	slots   map[string]int64 // common scopes: slots given, by tenant
	lease   float64          // no calls from then on; +Inf without a lease
	guest   float64          // until then a few calls without a lease
	careful float64          // slower until then
	shared  *shared          // its slots are reserved with others; nil: its own
	left    float64          // bulk calls still to come, as desk.ahead counted

	reachTold  float64 // when the keeper last heard which licences reach it
	reachKnown int     // how many scopes outside it had then
	stored     bool    // it began with a rate that was kept
	seen       float64
	adopted    bool    // it took what others of its kind learned
	first      float64 // its first refusal
	pooled     bool    // others of its kind learn from it

	stamp     int64 // desk.pick asks each scope once
	stampCost float64
	stampAt   float64
}

func newInstance(s Scope, k *kind) *instance {
	in := &instance{Scope: s, policy: k.policy, kind: k, pacer: newPacer(k.policy),
		most: k.policy.Max, avail: k.policy.Max, lease: math.Inf(1), outer: map[Scope]bool{}, slots: map[string]int64{}}
	in.stats.buckets(0)
	in.setRate(in.pacer.rate)
	return in
}

// setRate sets the rate of a scope that does not learn.
func (s *instance) setRate(r float64) {
	s.pacer.rate = r
	switch n := max(1, int(r)); {
	case s.policy.Kind == Fixed && r > 0 && s.pacer.last >= 0:
		s.pacer.next = min(s.pacer.next, s.pacer.last+1/r)
	case s.policy.Kind == PerMinute && len(s.minute) != n:
		// What was sent within the minute goes on counting.
		sent := slices.Concat(s.minute[s.head:], s.minute[:s.head])
		sent = sent[max(0, len(sent)-n):]
		s.minute, s.head = slices.Concat(slices.Repeat([]float64{math.Inf(-1)}, n-len(sent)), sent), 0
	}
}

// perSecond is the rate in calls per second.
func (s *instance) perSecond() float64 {
	if s.policy.Kind == PerMinute {
		return s.pacer.rate / 60
	}
	return s.pacer.rate
}

// tune sets the knobs.
func (s *instance) tune(t Tuning) {
	s.pacer.room = min(max(t.HeadRoom, 0), 0.9)
	if t.Refusals > 0 {
		s.pacer.asked = min(max(t.Refusals, 0.002), 0.03)
		s.pacer.p = max(s.pacer.p, s.pacer.asked)
	}
}

// adopt gives an instance that has learned nothing yet what its kind knows.
func (s *instance) adopt() {
	k := s.kind.pool
	if k == 0 || s.pacer.charges > 2 || s.adopted || !s.policy.Narrow {
		return
	}
	s.adopted = true
	s.pacer.rate, s.pacer.mode = k, steady
	s.pacer.ref = max(k, s.pacer.start/2)
}

// lasting is for how many seconds an instance must have been refused before
// the others of its kind are believed to be like it: a customer that a person
// works on takes most of the slots and is easily blamed for a common limit,
// but not for long.
const lasting = 3.

// kind is what the instances of one kind of scope have in common.
type kind struct {
	policy Policy
	pool   float64 // 75 % quantile of what instances learned; 0: nothing yet
	stored bool    // the pool was kept from before
	at     float64 // when the pool last moved
	known  []*instance
}

const (
	// probeGap is the least time between two calls while the circuit is open, in
	// seconds: far more than an answer takes. With 0.3 the end of a dry time of a
	// minute was seen later, since the circuit opened again sooner.
	probeGap = 1.
	// lostSlots is what a lost call takes from the time without a refusal, in slots:
	// far more than its own, and less than a few in a hundred would need to stop the
	// feeling upward.
	lostSlots = 10.
	// massMost is how many refusals within 3 s open the circuit.
	massMost = 20
	// fullMost is for how many seconds at most a customer's circuit opens whose probes
	// are refused one by one: its people fill it, now and then a call gets through, and
	// a morning waits for it.
	fullMost = 60.
)

// ready is the earliest time for a call of this cost.
func (s *instance) ready(now, cost float64) float64 {
	if now >= s.lease {
		if now >= s.guest {
			return math.Inf(1)
		}
		return max(s.paused, s.pacer.last+guestPause)
	}
	at := s.paused
	if s.cool > 0 {
		at = max(at, s.pacer.last+probeGap)
	}
	if s.shared != nil {
		return max(at, s.shared.ready(now))
	}
	switch s.policy.Kind {
	case PerMinute:
		at = max(at, s.pacer.next)
		if n := len(s.minute); n > 0 {
			at = max(at, s.minute[s.head]+60)
		}
	case Told:
		have := min(s.most, s.avail+(now-s.told)*s.pacer.rate)
		if short := min(cost, s.most) - have; short > 0 {
			at = max(at, now+short/s.pacer.rate)
		}
	default:
		at = max(at, s.pacer.ready())
	}
	return at
}

// book takes the slot of a call of this cost at now.
func (s *instance) book(now, cost float64) mark {
	s.seen = now
	if s.shared != nil {
		s.shared.book(now)
	}
	switch s.policy.Kind {
	case Learned:
		m := s.pacer.send(now, cost)
		if now < s.careful {
			s.pacer.next += cost / s.pacer.rate * (1/0.7 - 1)
		}
		return m
	case PerMinute:
		s.minute[s.head] = now
		s.head = (s.head + 1) % len(s.minute)
		s.pacer.next = now + 15/s.pacer.rate // at most four times the even rate
	case Told:
		s.avail = min(s.most, s.avail+(now-s.told)*s.pacer.rate) - cost
		s.told = now
		s.wire += cost
	case Fixed:
		s.pacer.last = now
		s.pacer.next = max(s.pacer.next, now-0.25/s.pacer.rate) + cost/s.pacer.rate
	}
	return mark{at: now}
}

// answered says how a call of this cost went, if this scope was not blamed.
func (s *instance) answered(now, cost float64, m mark, b *Budget) {
	s.fails = 0
	if m.at > s.opened {
		s.cool = 0
	}
	s.pacer.heard(m, false)
	if s.policy.Kind != Told {
		return
	}
	s.wire = max(0, s.wire-cost)
	if b != nil && b.Restore > 0 && b.Max > 0 {
		s.pacer.rate, s.most = b.Restore, b.Max
		s.avail, s.told = b.Available-s.wire, now
	}
}

// refused reacts to a refusal that this scope is blamed for. after is how
// long the server asked to wait, in seconds.
func (s *instance) refused(now, cost float64, m mark, after float64, b *Budget) {
	if after > 0 {
		s.asked = now + after
		s.paused = max(s.paused, s.asked)
	}
	switch s.policy.Kind {
	case Learned:
		if s.shared != nil {
			s.shared.refused++
		} else if s.pacer.charge(now, m) {
			s.kind.learned(now, s)
		}
		s.circuit(now)
	case Told:
		fails := s.fails
		s.answered(now, cost, m, b)
		if s.fails = fails + 1; b == nil {
			s.avail, s.told = min(0, s.avail), now
		}
		s.paused = max(s.paused, now+0.1*math.Pow(2, float64(min(s.fails, 7))))
	default:
		s.fails++
		if after == 0 {
			s.paused = max(s.paused, now+math.Pow(2, float64(min(s.fails-1, 6))))
		}
	}
}

// circuit opens the scope's circuit after mass refusals: massMost within 3 s,
// twice as many where some are by chance, or 6 probes in a row. It closes by the
// first probe that is taken; until then it opens for 5 s, then twice as long, at
// most 5 min (the notice of 2020-12-18 asks for 5 min after mass refusals). While
// it is open calls go one by one.
func (s *instance) circuit(now float64) {
	s.mass = append(s.mass, now)
	for len(s.mass) > 0 && now-s.mass[0] > 3 {
		s.mass = s.mass[1:]
	}
	most := massMost
	if s.pacer.mode == chance {
		most *= 2
	}
	massed := len(s.mass) >= most
	if !massed && s.pacer.run < 6 {
		return
	}
	if now < s.paused { // open already
		return
	}
	if s.cool == 0 {
		s.cool = 5
	}
	s.paused, s.opened = now+s.cool, now
	s.cool = min(300, 2*s.cool)
	if s.policy.Narrow && !massed {
		s.cool = min(s.cool, fullMost)
	}
	s.mass = s.mass[:0]
}

// lost takes note of a call that the server's limiter never saw, as far as is
// known: it does not count as taken, and feeling upward goes back by some slots,
// so that an outage raises nothing.
func (s *instance) lost(cost float64) {
	s.wire = max(0, s.wire-cost)
	if s.shared != nil {
		s.shared.lost = true
	}
	s.pacer.elsewhere += cost
	s.pacer.ramp0, s.pacer.carried = min(s.pacer.busy, s.pacer.ramp0+lostSlots*cost/s.pacer.rate), 0
}

// spared takes note of a refusal that another scope is charged with.
func (s *instance) spared(cost float64) {
	s.wire = max(0, s.wire-cost)
	s.pacer.elsewhere += cost
}

// learned takes note that an instance learned, and moves the pool.
func (k *kind) learned(now float64, s *instance) {
	if s.pacer.charges == 1 {
		s.first = now
	}
	if !s.pooled && s.pacer.charges >= 3 && now-s.first >= lasting {
		s.pooled = true
		k.known = append(k.known, s)
	}
	if n := len(k.known); n > 0 {
		k.pool, k.at = quantile(k.known, 0.75), s.seen
	}
	if s.policy.Narrow && k.pool > 0 {
		s.pacer.ref = max(k.pool, s.pacer.start/2)
	}
}
