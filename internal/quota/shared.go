package quota

import "math"

// A scope that several processes use at once (one address, a customer that
// two licences reach) has its slots in the database: each process reserves a
// few in advance and uses them in its own order. Everything else about the
// scope (pauses, statistics, blame) stays as it is.

const (
	// slotsAtOnce is how many slots one reservation takes: at 25/s a slot
	// waits 0.2 s at most for its turn, and 100/s cost 20 transactions a second.
	slotsAtOnce = 5
	// slotLate is how long after its time a slot may still be used, in seconds.
	slotLate = 0.5
	// guestPause is the time between two calls of a process that does not own
	// the licence, in seconds: enough for a person who adds a key at a page
	// that another process serves, too little to be noticed by the owner, who
	// takes it for a third party.
	guestPause = 1.
)

// shared is this process's part of a scope that crosses owners.
type shared struct {
	slots   []float64 // when, ascending
	every   float64   // seconds between two slots, as last told
	last    float64   // the last use of one
	wanted  bool      // somebody waits for more
	asked   bool      // more are on the way
	refused int       // refusals not told to the others yet
	lost    bool      // calls since the last reservation that nobody answered
}

// ready is when the next slot is; +Inf until more are reserved.
func (s *shared) ready(now float64) float64 {
	for len(s.slots) > 0 && s.slots[0] < now-slotLate {
		s.slots = s.slots[1:]
	}
	if len(s.slots) == 0 {
		s.wanted = true
		return math.Inf(1)
	}
	// A slot may be used one slot early: the licence's own rhythm must not wait
	// for this one's. Those that are used late must not bunch.
	return max(s.slots[0]-s.every, s.last+0.5*s.every)
}

// book uses the next slot.
func (s *shared) book(now float64) {
	s.last = now
	if len(s.slots) > 0 {
		s.slots = s.slots[1:]
	}
	if len(s.slots) < 3 {
		s.wanted = true
	}
}

// sharedWant is what a shared scope needs from the database.
type sharedWant struct {
	Scope
	Rate    float64 // per second: what this process believes, for the first row
	Refused int     // since the last reservation
	Lost    bool    // calls since then that nobody answered: not to be taken for accepted
	Learns  bool    // its rate is learned, not set
	Ceiling float64 // of a learned rate; 0: none
}

// share makes a scope one whose slots are reserved, or its own again.
func (e *Engine) share(s Scope, on bool) {
	in := e.instance(0, s)
	switch {
	case on && in.shared == nil:
		in.shared = &shared{last: math.Inf(-1)}
		// It hears of no refusal any more: it must not open the circuit at each, nor
		// follow what hears only of the others.
		if in.pacer.run, in.pacer.filter = 0, nil; in.pacer.mode == chance {
			in.pacer.mode = steady
		}
		e.sharing[s] = in
	case !on && in.shared != nil:
		in.shared = nil
		delete(e.sharing, s)
	}
}

// wantsSlots reports whether a reservation is asked for.
func (e *Engine) wantsSlots() bool {
	for _, in := range e.sharing {
		if x := in.shared; !x.asked && (x.wanted || x.refused > 0) {
			return true
		}
	}
	return false
}

// sharedWants takes the reservations that are asked for.
func (e *Engine) sharedWants() (all []sharedWant) {
	for s, in := range e.sharing {
		if x := in.shared; !x.asked && (x.wanted || x.refused > 0) {
			all = append(all, sharedWant{s, in.perSecond(), x.refused, x.lost, in.policy.Kind == Learned, in.policy.Ceiling})
			x.asked, x.refused, x.lost = true, 0, false
		}
	}
	return all
}

// reserved brings n slots, the first at first, every seconds apart; none when
// the reservation failed.
func (e *Engine) reserved(s Scope, first, every float64, n int) {
	in := e.scopes[s]
	if in == nil || in.shared == nil {
		return
	}
	x := in.shared
	x.asked = false
	if n == 0 {
		return
	}
	x.every, x.wanted = every, false
	if in.policy.Kind == Learned {
		in.pacer.rate = 1 / every
		if in.pacer.charges == 0 && in.pacer.mode == boot {
			in.pacer.mode = steady // the row in the database climbs, not this pacer
		}
	}
	for i := range n {
		x.slots = append(x.slots, first+float64(i)*every)
	}
}

// commons lists the scopes in use that processes share because they belong to
// no licence: an address, a mail server, a quota of one project. A server that
// tells its budget tells each process.
func (e *Engine) commons() (all []Scope) {
	for s, in := range e.scopes {
		if !in.policy.Narrow && in.policy.Kind != Told && !e.leased[s.Kind] {
			all = append(all, s)
		}
	}
	return all
}

// slotRow is a scope's row in the database; times in microseconds.
type slotRow struct {
	next, quiet, grown int64
	perS               float64
}

// reserve takes n slots from now on and returns the first. The rate that all
// share follows a plain rule, because no process sees all answers: 5 % down
// at a refusal, at most once in 0.3 s; up only while the slots are all used,
// slowly after a quiet time.
func (r *slotRow) reserve(now int64, n int, w sharedWant) (first int64) {
	busy := r.next > now
	if !w.Learns {
		r.perS = w.Rate
	} else if dt := min(1, float64(now-r.grown)/1e6); w.Refused > 0 && now-r.quiet > 300_000 {
		down := 0.95
		if r.quiet == 0 {
			down = 0.8 // the first contact overshoots
		}
		r.perS *= down
		r.quiet = now
		r.next = max(r.next, now) + int64(margin*1e6/r.perS)
	} else if w.Refused == 0 && !w.Lost && busy {
		u := float64(now-r.quiet)/1e6 - min(1.2/(budget0*r.perS), 10)
		switch {
		case r.quiet == 0:
			r.perS *= math.Pow(2, dt/2)
		case u > 0:
			r.perS *= 1 + dt*min(0.25, 0.01*u)
		}
		if w.Ceiling > 0 {
			r.perS = min(r.perS, w.Ceiling)
		}
	}
	r.perS = max(r.perS, floor)
	r.grown = now
	first = max(r.next, now)
	r.next = first + int64(float64(n)*1e6/r.perS)
	return first
}
