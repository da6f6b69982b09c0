package quota

// Several licences behind one address: whether the address limits them
// together, or each has a limit of its own, no refusal can tell, and both
// beliefs keep themselves alive. Licences that share a limit which nobody
// charges look to each other like strangers on their buckets; an address that
// is charged for the limits of licences holds up all of them. Both show in the
// same way: more refusals than learning costs. Then the other belief is tried
// for some hundred calls, and kept if it brings clearly more.

const (
	// doubted is the share of refusals from which on a trial is worth it: about
	// twice what learning costs. It is taken over doubtTau seconds.
	doubted, doubtTau = 0.016, 30.
	// trialCalls is how many calls a trial takes, and how many are seen before it.
	trialCalls = 800.
	// trialPays: the new belief is kept if it brings so much more accepted calls
	// a second, where a refusal counts as refusalCosts calls.
	trialPays, refusalCosts = 1.04, 5.
	// firstContact is how many seconds of refusals say nothing, in a new process
	// and after a trial; after one that failed it is trialAgain, and twice as
	// long each time, up to trialSeldom.
	firstContact, trialAgain, trialSeldom = 20., 30., 3600.
	// above what was seen of it a licence begins, when its own limit is tried.
	above = 1.1
)

// doubt is what a desk knows of who limits its licences.
type doubt struct {
	calls, refused decay
	seen           float64 // calls since the last trial
	outer          float64 // of the last refusals, the share that the outer scope was charged with
	next           float64 // nothing is counted before; 0: nothing came yet
	pause          float64 // after the last trial, if it failed
	trial          *trial
}

// trial is the other belief while it is tried.
type trial struct {
	began, share, worth float64 // the share of refusals before it, and what calls were worth
	calls, refused      float64
	outer               pacer // what was believed before
	inner               map[*instance]pacer
}

// worth is what calls a second bring at a share of refusals.
func worth(calls, share float64) float64 { return calls * (1 - share) * (1 - refusalCosts*share) }

// counted takes note of a call that came back, and which scope was charged if
// it was refused.
func (d *desk) counted(now float64, refused bool, guilty *instance) {
	if len(d.inner) < 2 || d.outer.shared != nil || d.outer.policy.Kind != Learned {
		return
	}
	x := &d.doubt
	if x.next == 0 {
		x.next = now + firstContact
	}
	if refused && !guilty.policy.Narrow {
		v := 0.
		if guilty == d.outer {
			v = 1
		}
		x.outer += 0.12 * (v - x.outer)
	}
	switch y := x.trial; {
	case y != nil:
		y.calls++
		if refused {
			y.refused++
		}
		if y.refused > 1+y.share*trialCalls {
			d.endTrial(now, false)
		} else if y.calls >= trialCalls {
			d.endTrial(now, worth(y.calls/(now-y.began), y.refused/y.calls) > trialPays*y.worth)
		}
	case now >= x.next:
		x.seen++
		x.calls.add(now, 1)
		if !refused {
			return
		}
		x.refused.add(now, 1)
		if x.seen >= trialCalls && x.refused.rate(now) > doubted*x.calls.rate(now) && d.busyInside(now) > 1 {
			d.beginTrial(now)
		}
	}
}

// busyInside counts the licences in use.
func (d *desk) busyInside(now float64) (n int) {
	for _, in := range d.inner {
		if in.busy(now) {
			n++
		}
	}
	return n
}

func (s *instance) busy(now float64) bool { return now-s.seen < 3 }

// beginTrial tries the belief that is not held.
func (d *desk) beginTrial(now float64) {
	x := &d.doubt
	rate := x.calls.rate(now)
	share := x.refused.rate(now) / rate
	x.trial = &trial{began: now, share: share, worth: worth(rate, share), outer: d.outer.pacer, inner: map[*instance]pacer{}}
	for _, in := range d.inner {
		x.trial.inner[in] = in.pacer
	}
	if x.outer > 0.5 { // each has its own
		d.outer.pacer.free(now)
		for _, in := range d.inner {
			if in.busy(now) {
				in.pacer.believe(now, above*in.stats.slow.rate(now))
			}
		}
		return
	}
	d.outer.pacer.believe(now, rate*(1-share))
	for _, in := range d.inner {
		in.pacer.free(now)
	}
}

// endTrial keeps what was tried, or goes back to what was believed before.
func (d *desk) endTrial(now float64, keep bool) {
	x := &d.doubt
	y := x.trial
	*x = doubt{outer: x.outer, pause: x.pause, calls: decay{tau: doubtTau}, refused: decay{tau: doubtTau}}
	if keep {
		x.next, x.pause = now+firstContact, 0
		return
	}
	x.pause = min(trialSeldom, max(trialAgain, 2*x.pause))
	x.next = now + x.pause
	d.outer.pacer.recall(now, y.outer)
	for in, p := range y.inner {
		in.pacer.recall(now, p)
	}
}
