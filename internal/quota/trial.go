package quota

import "slices"

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
	// and after a trial, and afterFall after a fall; after a trial that failed it
	// is trialAgain, and twice as long each time, up to trialSeldom.
	firstContact, afterFall, trialAgain, trialSeldom = 20., 30., 30., 3600.
	// above what was seen of it a licence begins, when its own limit is tried.
	above = 1.1
	// quiet is after how many seconds without a call nothing is busy any more.
	quiet = 3.
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

func newDoubt() doubt { return doubt{calls: decay{tau: doubtTau}, refused: decay{tau: doubtTau}} }

// again begins to count anew, from an instant on.
func (x *doubt) again(from float64) {
	was := *x
	*x = newDoubt()
	x.outer, x.pause, x.next = was.outer, was.pause, from
}

// trial is the other belief while it is tried.
type trial struct {
	began, last    float64 // when it began, and when the last call came back
	share, worth   float64 // of refusals before it, and what calls were worth
	calls, refused float64
	outer          pacer // what was believed before
	inner          map[*instance]pacer
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
	no := 0.
	if refused {
		no = 1
	}
	if refused && !guilty.policy.Narrow {
		v := 0.
		if guilty == d.outer {
			v = 1
		}
		x.outer += 0.12 * (v - x.outer)
	}
	if x.next == 0 {
		x.next = now + firstContact
	}
	switch y := x.trial; {
	case y != nil:
		y.calls++
		y.refused += no
		switch {
		case now > y.last+quiet || d.busyInside(now) < 2 || y.refused > 1+y.share*trialCalls:
			d.endTrial(now, false)
		case y.calls >= trialCalls:
			d.endTrial(now, worth(y.calls/(now-y.began), y.refused/y.calls) > trialPays*y.worth)
		}
		y.last = now
	case now < x.next:
	case d.fell(now):
		x.again(x.next)
	default:
		x.seen++
		x.calls.add(now, 1)
		x.refused.add(now, no)
		if refused && x.seen >= trialCalls && x.refused.rate(now) > d.doubted()*x.calls.rate(now) && d.busyInside(now) > 1 {
			d.beginTrial(now)
		}
	}
}

// doubted is the share of refusals that is too much, by what was asked for.
func (d *desk) doubted() float64 {
	asked := d.outer.pacer.asked
	for _, in := range d.inner {
		asked = max(asked, in.pacer.asked)
	}
	return doubted / budget0 * asked
}

// fell reports whether a common scope fell just now: its refusals say nothing
// about who limits, and its way back must not be disturbed.
func (d *desk) fell(now float64) bool {
	lately := func(in *instance) bool {
		p := &in.pacer
		return now-in.seen < quiet && (now-p.cut < afterFall || p.mode == regain && now-p.beforeT < 4*afterFall)
	}
	return lately(d.outer) || slices.ContainsFunc(d.inner, lately)
}

// busyInside counts the licences in use.
func (d *desk) busyInside(now float64) (n int) {
	for _, in := range d.inner {
		if now-in.seen < quiet {
			n++
		}
	}
	return n
}

// beginTrial tries the belief that is not held.
func (d *desk) beginTrial(now float64) {
	x := &d.doubt
	rate := x.calls.rate(now)
	share := x.refused.rate(now) / rate
	x.trial = &trial{began: now, last: now, share: share, worth: worth(rate, share), outer: d.outer.pacer, inner: map[*instance]pacer{}}
	together := 0.
	for _, in := range d.inner {
		x.trial.inner[in] = in.pacer
		if now-in.seen < quiet {
			together += in.pacer.rate
		}
	}
	if x.outer > 0.5 { // each has its own
		d.outer.pacer.free(now)
		for _, in := range d.inner {
			// Of who sends little nothing is known that could be tried.
			if in.stats.steadyFor(now) > 10 && d.presses(in) {
				in.pacer.believe(now, above*in.stats.slow.rate(now)/(1-in.pacer.room))
			}
		}
		return
	}
	// What was sent is no limit where nobody wanted more.
	d.outer.pacer.believe(now, max(rate*(1-share)/(1-d.outer.pacer.room), together))
	for _, in := range d.inner {
		in.pacer.free(now)
	}
}

// presses reports whether calls of a licence wait.
func (d *desk) presses(in *instance) bool {
	return slices.ContainsFunc(d.lines, func(l *line) bool { return l.flow.inner == in })
}

// endTrial keeps what was tried, or goes back to what was believed before.
func (d *desk) endTrial(now float64, keep bool) {
	x := &d.doubt
	y := x.trial
	if keep {
		x.again(now + firstContact)
		x.pause = 0
		return
	}
	x.pause = min(trialSeldom, max(trialAgain, 2*x.pause))
	x.again(now + x.pause)
	d.outer.pacer.recall(now, y.outer)
	for in, p := range y.inner {
		in.pacer.recall(now, p)
	}
}
