package quota

import "math"

// A bucket that others fill as well is empty by chance, at any rate. Going
// slower then costs time and spares little, and who always gives way to the
// others ends at nothing. So where more is refused than the highest share that
// a pacer usually aims at, one by one, and hardly depending on our rate, it
// aims at a higher share, as long as calls are worth more than their
// refusals cost.

const (
	// crowdedFrom and crowdedTo are the shares of refusals at which a pacer begins
	// and ceases to take a bucket for crowded.
	crowdedFrom, crowdedTo = 0.055, 0.03
	// crowdedMore is how much more than it found it may be refused, up to
	// crowdedMost.
	crowdedMore, crowdedMost = 0.01, 0.2
	// crowdTau seconds and crowdCalls calls are what it remembers; with fewer calls
	// than crowdLeast, or refusals than crowdRefusals, it judges nothing.
	crowdTau, crowdCalls, crowdLeast, crowdRefusals = 90., 1000., 200., 10.
	// crowdStuck: of the last minute, the part that the highest usual share was
	// aimed at.
	crowdStuck = 0.7
	// steep is how much the share of refusals may grow with the logarithm of the
	// rate before going faster does not pay: about 1 ÷ (1 + 2 × refusalCosts).
	steep = 0.08
	// Of refusals by chance a quarter comes within bunch of what lies between two
	// in the mean. Where it is more than bunched, they are falls; where it is less
	// than even, nobody but us fills the bucket.
	bunch, bunched, even = 0.3, 0.45, 0.05
	// crowdIdle is after how many seconds without a call a crowd may have gone.
	crowdIdle = 60.
	// crowdStep is by how much the rate falls with a refusal in a crowd.
	crowdStep = 0.06
)

// crowd is what a pacer knows of others on its bucket.
type crowd struct {
	at              float64 // the last send or refusal
	sends, refusals float64 // of the last time
	x, xx           float64 // sums of the logarithm of the pace of sends, and of its square
	rx              float64 // and of those refused
	stuck, bunches  float64 // see crowdStuck and bunched
	share, most     float64 // of refusals aimed at in a crowd, and the most
}

// pass lets time pass; stuck says whether the highest usual share was aimed at.
func (c *crowd) pass(now, rate float64, stuck bool) {
	f := math.Exp(-(now - c.at) / max(crowdTau, crowdCalls/rate))
	c.sends, c.x, c.xx, c.refusals, c.rx = f*c.sends, f*c.x, f*c.xx, f*c.refusals, f*c.rx
	m := math.Exp(-(now - c.at) / 60)
	c.stuck *= m
	if stuck {
		c.stuck += 1 - m
	}
	c.at = now
}

func (c *crowd) sent(pace float64) {
	x := math.Log(pace)
	c.sends, c.x, c.xx = c.sends+1, c.x+x, c.xx+x*x
}

// refused counts a refusal of a call sent at a pace, after n that were not.
func (c *crowd) refused(pace, n float64) {
	c.late(pace)
	v := 0.
	if n < bunch*c.sends/c.refusals {
		v = 1
	}
	c.bunches += 0.05 * (v - c.bunches)
}

// late counts a refusal that was on its way when the last one was heard of.
func (c *crowd) late(pace float64) {
	c.refusals++
	c.rx += math.Log(pace)
}

// slope is the share of refusals, and by how much it grows with the logarithm
// of the pace at least: less than what was seen by a standard error. fast is a
// pace at the upper end of those that this was seen at.
func (c *crowd) slope() (share, least, fast float64) {
	n := max(1, c.sends)
	mean, share := c.x/n, c.refusals/n
	spread := max(1e-6, c.xx/n-mean*mean)
	return share, (c.rx/n-mean*share)/spread - math.Sqrt(share/(n*spread)), math.Exp(mean + math.Sqrt(spread))
}

// crowded moves the pacer of a common scope into a crowd, out of it, and the
// share that it aims at within.
func (s *pacer) crowded() {
	c := &s.crowd
	share, slope, fast := c.slope()
	switch {
	case s.mode == steady && !s.narrow && c.sends >= crowdLeast && c.refusals >= crowdRefusals && share > crowdedFrom &&
		slope < steep && c.stuck > crowdStuck && c.bunches < bunched && c.bunches > 2*even:
		s.mode = amid
		c.most = min(crowdedMost, share+crowdedMore)
		c.share = min(share, c.most)
		s.rate = max(s.rate, fast/(1-s.room))
	case s.mode != amid:
	case share < crowdedTo || slope > 2*steep || c.bunches > 1.25*bunched || c.bunches < even:
		s.leaveCrowd(c.at)
	case slope < steep:
		c.share = min(c.most, 1.02*c.share)
	default:
		c.share = max(crowdedTo, 0.96*c.share)
	}
}

// aim is the share of refusals that is aimed at, or taken as it comes.
func (s *pacer) aim() float64 {
	switch s.mode {
	case amid:
		return s.crowd.share
	case chance:
		return s.filter.share
	}
	return s.p
}

// leaveCrowd forgets the others.
func (s *pacer) leaveCrowd(now float64) {
	if s.crowd = (crowd{at: now}); s.mode == amid {
		s.mode = steady
	}
}
