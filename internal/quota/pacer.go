package quota

import "math"

// The constants of the pacer. They were chosen in the studies of quota and
// its scopes by playing mornings on seeds other than those that bench bulk
// prints; docs/quota.md says what each one buys.
const (
	margin   = 1.5   // slots of pause after a refusal: tokens that the server's bucket gets back
	restMin  = 1.0   // what it may come down to while no call after a pause is refused,
	restMax  = 2.    // and up to where such calls are refused: refusals count there
	floor    = 0.5   // calls per second that no scope falls below
	usual    = 10.   // calls per second below which everything takes longer
	settle   = 25.   // calls that make a level worth remembering
	budget0  = 0.007 // share of refusals that learning may cost
	budgetHi = 0.03  // and where third parties make the refusals noisy
	hiMemory = 600.  // seconds that the level before a step down is remembered
	wayBack  = 40.   // seconds after which a fall is believed to last
	early    = 0.5   // slots that a customer's call may go before its time
	fillMax  = 3.0   // tokens that an unused server bucket is believed to hold
)

// mode is what a pacer is doing.
type mode int8

const (
	boot   mode = iota // no refusal yet: growing from the start value
	steady             // at the learned rate, feeling upward now and then
	regain             // after a step down: trying to get back
	amid               // a crowd: refused by chance, at any rate
	chance             // refused by chance as well: by the filter
)

// pacer learns and keeps the rate of one scope instance. All times are
// seconds since the engine began, all rates calls per second.
//
// A refusal says that the server's bucket is empty now. So between two
// refusals the server took exactly what it refilled: calls ÷ seconds is its
// rate, to one call, whatever others drew from it in between.
type pacer struct {
	start   float64 // prior of the rate
	ceiling float64 // never above; +Inf without one
	narrow  bool
	asked   float64 // share of refusals asked for
	room    float64 // share of the rate left to others

	rate    float64 // L: the learned rate
	before  float64 // the rate before the last step down
	beforeT float64
	p       float64 // share of refusals in use
	early   float64 // smoothed share of refusals that came too early
	mode    mode
	charges int
	freed   bool    // what it had learned was found to be wrong
	ref     float64 // rate that was once held; far below it is suspicious
	sus     float64 // seconds to wait before trying to get back to ref
	hold    float64 // seconds to wait in mode regain
	rest    float64 // slots of pause after a refusal

	next, last float64 // the next slot; the last send
	seq        float64 // cost sent so far
	busy, idle float64 // seconds used on time and not, up to the last send
	elsewhere  float64 // refusals of calls counted in seq that did not charge this scope
	row        float64 // sends on time in a row
	trail      [8]step // the last sends, a ring
	trailed    int     // how many there were
	base       mark    // the last refusal
	ramp0      float64 // busy at the first send after the last refusal
	carried    float64 // busy seconds at a raised rate
	climbed    bool    // and it became the learned one since the last refusal
	held       float64 // the rate before it climbed,
	foot       mark    // and the send before
	react      float64 // refusals of calls sent before this are old news
	probe      float64 // seq of the first call after a pause
	run        int     // such calls refused in a row
	fell       float64 // cost sent when the rate was last cut without knowing where to
	cut        float64 // when several refusals in a row last did that
	fill       float64 // believed tokens in the server's bucket, after the last send
	low        float64 // the same if its rate were 0.6 of what is believed
	crowd      crowd
	window     float64 // seconds that the server counts over; 0: it is not known, or short
	calm       float64 // and those that must go well before it feels upward
	filter     *filter // while it may be refused by chance; nil else
	wrong      float64 // seconds without one after one that was wrong,
	noFilter   float64 // and until when
}

// step is one send: when, and the cost sent before it.
type step struct{ at, seq float64 }

// mark is a pacer's state at the moment of a send.
type mark struct {
	at, seq, busy, idle, elsewhere float64
	pace, lift                     float64 // rate in use, and how far above the learned one, as a share
	fill, low                      float64 // before the send
	onTime                         bool
}

func newPacer(p Policy) pacer {
	s := pacer{start: p.Rate, ceiling: p.Ceiling, narrow: p.Narrow, asked: budget0}
	if s.start <= 0 {
		s.start = 15
	}
	if s.ceiling <= 0 {
		s.ceiling = math.Inf(1)
	}
	s.rate, s.p, s.sus, s.hold, s.rest = s.start, s.asked, 1.5, 1.5, margin
	s.low = fillMax
	s.fill, s.last, s.react, s.probe, s.base.seq = fillMax, -1, -1, -1, -1
	s.cut = math.Inf(-1)
	if s.narrow {
		s.ref = s.start
	}
	return s
}

// lift is how far above the learned rate to send after u busy seconds
// without a refusal, as a share of it.
func (s *pacer) lift(u float64) float64 {
	switch {
	case s.mode == boot:
		return math.Pow(2, max(0, u-0.3)/0.9) - 1
	case s.mode == amid:
		return 0
	case (s.mode == regain || s.mode == chance) && s.before > 0:
		top := 0.98*s.before/s.rate - 1
		return max(0, min(top, math.Pow(2, max(0, u-s.hold)/0.7)-1))
	case s.rate < 0.5*s.ref:
		top := 0.9*s.ref/s.rate - 1
		return max(0, min(top, math.Pow(2, max(0, u-s.sus)/0.7)-1))
	}
	d := margin * s.p
	// After long windows upward slowly too: a third more within another of them.
	if x := (u - s.steadyHold()) / max(s.slow(), s.calm/4); x > 0 {
		d += min(1.5, 0.02*x+0.03*x*x*x)
	}
	return d
}

// slow is how much longer waiting takes at a low rate: what counts is calls.
func (s *pacer) slow() float64 { return max(1, min(20, usual/s.rate)) }

func (s *pacer) steadyHold() float64 {
	h := max(s.calm, min(1.2/(s.p*s.rate), 10*s.slow()))
	if s.room > 0 {
		h = max(h, 60)
	}
	return h
}

// pace is the rate in use after u busy seconds, head room taken off.
func (s *pacer) pace(u float64) float64 {
	return max(floor, min(s.ceiling, s.rate*(1+s.lift(u)))*(1-s.room))
}

// ready is the earliest time for the next call. A customer's scope may go half
// a slot early, at the same rate in the long run: its calls start when the
// common scope has a slot, and would otherwise miss every second one.
func (s *pacer) ready() float64 {
	if s.narrow {
		return s.next - early/s.rate
	}
	return s.next
}

// send books a slot of the given cost at now, which must not be before ready.
func (s *pacer) send(now, cost float64) mark {
	u := s.busy - s.ramp0
	r := s.pace(u)
	gap := now - s.last
	if s.last < 0 {
		gap = 0
	}
	onTime := now <= s.next+0.002+0.25*cost/r
	proves := false // the server's burst takes the first few of a row anyway
	if onTime {
		s.row++
		proves = !s.narrow || s.row > fillMax
	} else {
		s.row = 0
	}
	grows := proves && (s.mode == regain || s.mode == chance || s.kept(now, r))
	switch {
	case grows:
		s.busy += gap
		u += gap
	case proves && !s.narrow:
		s.busy += gap
		s.ramp0 += gap
	default: // people in the console may have drawn on a customer's bucket meanwhile
		s.idle += gap
	}
	if s.seq == s.probe { // the first send after a pause: the clock starts here
		s.ramp0, s.carried, u = s.busy, 0, 0
	}
	if grows {
		s.climb(u, gap)
		u = s.busy - s.ramp0
	}
	d := s.lift(u)
	r = s.pace(u)

	refill := s.rate
	if s.mode == boot {
		refill = r
	}
	before := min(fillMax, s.fill+gap*refill)
	s.fill = max(-fillMax, before-cost)
	low := min(fillMax, s.low+gap*0.6*refill)
	s.low = max(-fillMax, low-cost)

	if gap > crowdIdle {
		s.leaveCrowd(now)
	}
	s.crowd.pass(now, s.rate, s.atMost())
	s.crowd.sent(r)
	if s.mode == amid && onTime && s.kept(now, r) {
		s.rate = min(s.ceiling, s.rate*(1+crowdStep*s.crowd.share))
	}
	s.trail[s.trailed%len(s.trail)] = step{now, s.seq}
	s.trailed++
	m := mark{at: now, seq: s.seq, busy: s.busy, idle: s.idle, elsewhere: s.elsewhere,
		pace: r, lift: d, fill: before, low: low, onTime: onTime}
	s.seq += cost
	s.last = now
	if onTime {
		s.next = max(s.next, now-cost/r) + cost/r
	} else {
		s.next = now + cost/r
	}
	return m
}

// kept reports whether the last sends came at a rate, or nearly. Calls that
// another scope lets go in bunches, or between pauses, are each on time, and yet
// are no reason to go faster.
func (s *pacer) kept(now, rate float64) bool {
	if s.trailed < len(s.trail) {
		return true
	}
	first := s.trail[s.trailed%len(s.trail)]
	return s.seq-first.seq >= 0.75*rate*(now-first.at)
}

// free lets a pacer forget that it was ever refused: it grows from where it is.
func (s *pacer) free(now float64) {
	s.mode, s.charges, s.freed = boot, 0, true
	s.anew(now)
	s.fill, s.low = fillMax, fillMax
}

// believe lets a pacer begin at a rate that was seen to be the limit.
func (s *pacer) believe(now, rate float64) {
	s.mode, s.charges, s.freed = steady, max(s.charges, 5), false
	s.rate = max(floor, min(s.ceiling, rate))
	s.ref = s.rate
	s.anew(now)
}

// anew begins the count to the next refusal at an empty bucket, without what
// is known of falls and of others.
func (s *pacer) anew(now float64) {
	s.before, s.early, s.p, s.crowd, s.filter = 0, 0, s.asked, crowd{at: now}, nil
	s.base = mark{at: s.last, seq: s.seq, busy: s.busy, idle: s.idle, elsewhere: s.elsewhere}
	s.ramp0, s.carried, s.climbed, s.react, s.run = s.busy, 0, false, now, 0
	s.fill, s.low = 0, 0
}

// recall brings back what a pacer believed when it was copied to was, without
// its filter, which went on.
func (s *pacer) recall(now float64, was pacer) {
	s.anew(now)
	if was.mode == chance {
		was.mode, was.rate, was.before = was.filter.from, was.filter.base, was.filter.before
	}
	s.mode, s.charges, s.rate, s.ref, s.sus, s.freed = was.mode, was.charges, was.rate, was.ref, was.sus, was.freed
	s.before, s.beforeT, s.hold, s.rest = was.before, was.beforeT, was.hold, was.rest
	s.early, s.p, s.crowd = was.early, was.p, was.crowd
	s.crowd.at = now
}

// climb moves the learned rate up when a raised pace was carried long enough.
func (s *pacer) climb(u, gap float64) {
	d := s.lift(u)
	top := s.mode == regain && s.rate*(1+d) >= 0.97*s.before
	if s.mode == boot || s.mode == chance || !top && (d <= 0.3 || s.pace(u) <= s.rate*1.3) {
		s.carried = 0
		return
	}
	if s.carried += gap; s.carried < 0.8 {
		return
	}
	if !s.climbed {
		s.held = s.rate
		s.foot = mark{at: s.last, seq: s.seq, elsewhere: s.elsewhere}
	}
	s.rate = min(s.ceiling, s.rate*(1+0.98*d))
	s.carried = 0
	// Below its limit a server's bucket overflows: what was accepted until now
	// says nothing about the refill. The count begins here, at a bucket that
	// is taken as half full.
	s.base = mark{at: s.last, seq: s.seq + fillMax/2, busy: s.busy, idle: s.idle, elsewhere: s.elsewhere}
	s.climbed = true
	if s.mode == regain {
		if s.rate >= 0.95*s.before {
			s.mode = steady
		}
		s.ramp0 = s.busy - s.hold // go on probing
	} else if s.rate < 0.5*s.ref {
		s.ramp0 = s.busy - s.sus
	} else {
		s.ramp0 = s.busy - s.steadyHold() - 1
	}
}

// charge learns from a refusal of the call sent at m, heard of at now.
// It reports whether it did; news from before the last reaction is only counted.
func (s *pacer) charge(now float64, m mark) bool {
	if s.heard(m, true); s.mode == chance {
		return s.chanced(now, m)
	}
	if m.at < s.react {
		s.elsewhere++
		if s.mode == amid { // each counts, or many on the wire would be as good as one
			s.rate = max(floor, s.rate*(1-crowdStep))
			s.crowd.late(m.pace)
		}
		return false
	}
	n := max(0, m.seq-s.base.seq-1-(m.elsewhere-s.base.elsewhere))
	dt, idle := m.busy-s.base.busy, m.idle-s.base.idle
	lo, hi := n/max(dt+idle, 1e-3), n/max(dt, 1e-3)
	sample := min(max(s.rate, lo), hi)
	w := dt / (dt + 2)
	// A fall that lasts is a level of its own: it is learned steadily, and a way back
	// that fails ends above its foot. Else each begins there again.
	lasts := s.mode == regain && now > s.beforeT+wayBack
	switch {
	case s.charges < 5:
		w = dt / (dt + 0.25)
	case s.mode == regain && !lasts:
		w = dt / (dt + 0.5)
	}
	s.again(m)
	if s.before > 0 && now-s.beforeT > hiMemory {
		s.before = 0
	}
	s.crowd.pass(now, s.rate, s.atMost())
	s.crowd.refused(m.pace, n)
	s.crowded()
	pause := s.rest * math.Pow(2, float64(s.run-1))
	noisy := s.early > 0.5 // others draw on the bucket: two in a row may be chance
	u := m.busy - s.ramp0
	settled := s.mode == regain || s.charges >= 5 && m.seq-s.fell >= settle
	suspicious := s.mode == steady && s.rate < 0.5*s.ref
	switch {
	case s.mode == boot:
		s.rate, s.mode, s.fell = 0.92*m.pace, steady, s.seq
	case s.run >= 4 || s.mode != amid && (s.run == 3 || s.run == 2 && !noisy):
		if settled {
			if s.mode != regain {
				s.before, s.beforeT, s.hold = s.rate, now, 1.5
			}
			s.mode = regain
		}
		s.rate *= 0.75
		s.fell, s.cut = s.seq, now
		pause = margin * math.Pow(2, float64(s.run-1))
		s.rest = min(restMax, s.rest+0.2)
	case s.mode == amid:
		s.rate *= 1 - crowdStep
	case s.mode == regain && u > s.hold:
		// The few calls since then say little about the rate.
		least := 0.6 * s.rate
		if noisy {
			least = 0.9 * s.rate
		}
		base := s.rate
		if s.climbed {
			base = s.held
			sample, least = min(s.rate, max(base, s.proved(m))), 0
		}
		if lasts {
			sample = max(sample, 1.2*base)
		}
		s.rate = min(max(sample, least), m.pace)
		s.hold = min(4, 1.4*s.hold)
	case suspicious && u > s.sus:
		s.rate = min(max(sample, s.rate), m.pace)
		s.sus = min(10, 1.4*s.sus)
		s.ref *= 0.7
	case m.lift > 0.06 && s.mode == steady:
		s.rate = min(max(sample, m.pace/(1+0.6*m.lift)), m.pace)
		s.noisy(0)
	case n >= 0.4/s.p:
		s.rest = max(restMin, s.rest-0.03)
		s.rate += w * (sample - s.rate)
		s.noisy(0)
	case s.climbed:
		s.rate += w * (min(sample, s.rate) - s.rate)
	default:
		share := n / (0.4 / s.p)
		decay := 0.03
		if s.early > 0.5 {
			s.rate += w * (min(sample, 1.3*s.rate) - s.rate)
			decay = 0.018
		} else {
			s.rate += w * (min(sample, s.rate) - s.rate)
		}
		s.rate *= 1 - decay*(1-share)
		if s.mode == steady {
			s.noisy(1)
		}
	}
	s.rate = max(floor, min(s.ceiling, s.rate))
	if s.mode == regain && s.rate >= 0.9*s.before {
		s.mode = steady
	}
	s.suspect(now)
	s.charges++
	s.freed = false
	if !s.narrow {
		s.ref = max(s.ref*0.9999, s.rate)
	}
	s.emptied(m)
	if s.narrow {
		pause += early
	}
	s.reacted(now, m, pause)
	return true
}

// again counts refusals in a row of the first call after a pause.
func (s *pacer) again(m mark) {
	if m.seq == s.probe {
		s.run++
	} else {
		s.run = 1
	}
}

// emptied notes that the server's bucket was empty when a call came.
func (s *pacer) emptied(m mark) {
	s.fill = max(-fillMax, min(fillMax, (s.last-m.at)*s.rate-(s.seq-m.seq-1)))
	s.low = s.fill
}

// reacted begins to count anew after a refusal, and a pause of some slots.
func (s *pacer) reacted(now float64, m mark, pause float64) {
	s.base, s.climbed = m, false
	s.react = now
	s.probe = s.seq
	s.ramp0, s.carried = s.busy, 0
	s.next = max(s.next, now+min(max(2, 0.2*s.slow()), pause/s.rate))
}

// proved is the least rate that the server must have to take what it took since
// the climb began, with a full bucket then.
func (s *pacer) proved(m mark) float64 {
	n := m.seq - s.foot.seq - (m.elsewhere - s.foot.elsewhere)
	return (n - fillMax) / max(m.at-s.foot.at, 1e-3)
}

// most is the highest share of refusals that is aimed at outside of crowds.
func (s *pacer) most() float64 { return max(budgetHi, s.asked) }

func (s *pacer) atMost() bool { return s.p >= 0.95*s.most() }

// noisy counts a refusal that came early (1) or not (0), and moves the share
// of refusals in use: others who draw on the same bucket make refusals early,
// and then caution costs more than refusals do.
func (s *pacer) noisy(early float64) {
	s.early += 0.12 * (early - s.early)
	switch {
	case s.early > 0.5:
		s.p = min(s.most(), 1.12*s.p)
	case s.early < 0.3:
		s.p = max(s.asked, 0.93*s.p)
	}
}
