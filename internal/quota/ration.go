package quota

import "math"

// A server may count calls in windows of many seconds: so many a minute. Then
// all goes well at any rate until the ration is used up, and nothing goes until
// the next window. A pacer that asks what the server takes just now would race
// and stand still by turns, and a person would wait with it. So where a scope
// ran dry twice after about as many calls, it spreads them over the time that
// passed between.

const (
	// A scope is dry while every call is refused, for dryLeast seconds and the
	// part dryPart of the time since it was dry last, at least: a limit that
	// falls goes on taking calls, and what empties a bucket is short.
	dryLeast, dryPart = 0.7, 0.1
	// alike is how much two rations may differ to be the same, and leastRation how
	// many calls one has: a few that were taken between refusals are none.
	alike, leastRation = 0.05, 50
	// spare is the part of a ration that is not used.
	spare = 0.03
	// usedUp: a scope that is dry before it used this part of its ration has
	// another reason. Then nothing is spread for rationAgain rations, and twice as
	// many each time.
	usedUp, rationAgain = 0.95, 4
	// The limit grows by stepFirst after a ration that went well, and by twice as
	// much after each further one; beyond stepMost there is none any more. After
	// one that was used up too early the next step is a quarter of the last,
	// stepLeast at least, and comes after twice as many rations, up to stepSeldom.
	stepFirst, stepMost, stepLeast, stepSeldom = 0.08, 1, 0.01, 32
)

// ration is what a scope knows of long windows.
type ration struct {
	limit   float64 // calls per second that it is spread to; 0: none
	since   float64 // the end of the last dry time
	taken   float64 // calls taken since
	dry     float64 // the first refusal after the last call that was taken; 0: none
	refused int     // since,
	last    float64 // and the last of those
	calls   float64 // of the last rations that were alike, together,
	time    float64 // in so many seconds
	n       float64 // and how many they were
	held    float64 // the highest limit that went well
	step    float64 // by what part it grows next,
	pause   float64 // after how many rations,
	next    float64 // and when
	wait    float64 // rations until the next try
	failed  float64 // tries in a row
}

// denied notes a refusal of a call.
func (r *ration) denied(sent float64) {
	if r.dry == 0 {
		r.dry, r.refused = sent, 0
	}
	r.refused++
	r.last = max(r.last, sent)
}

// served notes a call that was taken, and reports whether something was learned
// from the refusals before it. The dry time of a scope further out, which ended
// at outer, was not this one's doing.
func (r *ration) served(sent, cost, outer float64) (learned bool) {
	if r.dry > 0 && sent > r.dry {
		took, dry := sent-r.since, r.last-r.dry
		if r.refused >= 3 && dry >= dryLeast && dry >= dryPart*min(took, r.length()) {
			if learned = outer <= r.dry; learned {
				r.learn(took)
			}
			r.since, r.taken = sent, 0
		} else if r.refused >= 2 && r.limit > 0 { // the end of a window
			r.overdrawn((1 - spare) * r.limit)
			learned = true
		}
		if r.dry = 0; learned {
			r.next = sent + r.pause*r.length()
		}
	}
	r.taken += cost
	if r.limit > 0 && sent > r.next {
		r.held, r.failed = r.limit, 0
		r.limit *= 1 + r.step
		r.next = sent + r.pause*r.length()
		if r.step *= 2; r.step > stepMost {
			*r = ration{since: sent}
		}
	}
	return learned
}

// length is how many seconds a ration lasted in the mean.
func (r *ration) length() float64 {
	if r.n == 0 {
		return math.Inf(1)
	}
	return r.time / r.n
}

// racing reports whether the scope goes at a rate that its ration may not allow
// for long: it is or was dry, and nothing is spread.
func (r *ration) racing() bool {
	return r.limit == 0 && (r.n > 0 || r.dry > 0 && r.last-r.dry >= dryLeast)
}

// learn learns from a ration that was used up in so many seconds.
func (r *ration) learn(took float64) {
	if r.limit > 0 {
		r.overdrawn((1 - spare) * r.taken / took)
		if r.taken < usedUp*r.calls/r.n {
			r.wait = rationAgain * math.Pow(2, r.failed)
			r.limit, r.n = 0, 0
			r.failed++
		}
		return
	}
	if r.taken < leastRation {
		r.n = 0
		return
	}
	if r.n == 0 || math.Abs(r.taken/(r.calls/r.n)-1) > alike {
		r.calls, r.time, r.n = 0, 0, 0
	}
	r.calls, r.time, r.n = r.calls+r.taken, r.time+took, r.n+1
	if r.wait > 0 {
		r.wait--
	} else if r.n > 1 {
		r.limit, r.held, r.step, r.pause = (1-spare)*r.calls/r.time, 0, stepFirst, 1.2
	}
}

// overdrawn goes back to the highest limit that went well, or to a rate.
func (r *ration) overdrawn(rate float64) {
	r.limit = max(r.held, min(r.limit, rate))
	r.held = 0
	r.step, r.pause = max(stepLeast, r.step/8), min(stepSeldom, 2*r.pause)
}

// rations notes in the scopes of a call that it was refused, or taken. What
// several licences have in common is seen only where several are used.
func (d *desk) rations(now float64, t *Ticket, refused bool) {
	outer := 0.
	for i, s := range t.scopes {
		r := &s.ration
		switch {
		case s.policy.Kind != Learned || s.shared != nil:
		case s == d.outer && s != innermostCommon(t.scopes) && d.busyInside(now) < 2:
			r.dry = 0
		case refused:
			r.denied(t.marks[i].at)
		default:
			was := r.limit
			if r.served(t.marks[i].at, t.cost, outer) && r.limit > 0 {
				s.pacer.believe(now, r.limit)
			}
			if r.limit != was {
				s.rationed(was)
			}
			outer = max(outer, r.since)
		}
	}
}

// rationed lets the pacer go at what the ration gives, if it went at what it
// gave before.
func (s *instance) rationed(was float64) {
	most := math.Inf(1)
	if c := s.policy.Ceiling; c > 0 {
		most = c
	}
	if r := s.ration.limit; r > 0 {
		most = min(most, r)
		if s.pacer.rate > 0.98*was {
			s.pacer.rate = most
		}
	}
	s.pacer.ceiling = most
}
