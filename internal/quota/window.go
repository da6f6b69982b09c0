package quota

import "math"

// A server may count calls in windows of many seconds: so many a minute. Then
// all goes well at any rate until the window is full, and nothing goes until the
// next. A pacer that asks what the server takes just now would race and stand
// still by turns, and a person would wait with it. So where a scope ran dry
// twice after as many calls, it goes on at the mean over both spans, and feels
// upward only after windows that went well. A server that does not count so
// goes on refusing, and that ends it.

const (
	// A scope is dry while dryLeast calls in a row are refused, dryAgain where windows
	// are believed in, or one with a pause asked for, for at least dryPart of the time
	// since it was dry last, or of the window.
	dryLeast, dryAgain, dryPart = 5, 3, 0.05
	// A window has windowLeast to windowMost seconds and windowCalls calls at
	// least: shorter ones need nothing of this, and longer ones are outages.
	windowLeast, windowMost, windowCalls = 1.5, 150., 30.
	// alike is how much the calls of two windows may differ.
	alike = 0.07
	// belowMean is the part of the mean that is used.
	belowMean = 0.985
	// After holdFirst windows without a dry time the pacer feels upward, then after
	// twice as many each time that this made it dry, up to holdMost.
	holdFirst, holdMost = 1.5, 8.
	// A window that is full at less than usedUp of its calls is none, nor is one
	// where the rate stays below tooLow of what was believed; then no other is
	// believed in for untried windows, and twice as many each time that none held, up
	// to untriedMost. It ends in the same way with a rate above outgrown times what
	// was believed, or after unseen seconds of work without a dry time.
	usedUp, tooLow, untried, untriedMost, outgrown, unseen = 0.93, 0.7, 4., 64., 2., 1500.
)

// windows is what a common scope knows of long windows. A span is the time from
// the end of a dry time to the end of the next.
type windows struct {
	since   float64   // when the span began; 0: never
	known   bool      // and there a window began
	taken   float64   // calls taken in it
	only    *instance // the scope one further in that all of them were of; nil: several
	seen    float64   // the last send that was answered
	dry     float64   // the first refusal after the last call that was taken; 0: none
	last    float64   // and the last,
	refused int       // how many,
	asked   bool      // and whether a pause was asked for
	pressed float64   // seconds of the span in which more was wanted
	wanted  float64   // the last call taken, if more was wanted then; else 0
	ended   float64   // the end of the last dry time of several

	length, calls float64 // of the span before; 0: none

	period float64   // seconds of the windows that are believed in; 0: none
	size   float64   // and calls
	rate   float64   // what they give a second
	from   float64   // since when they are believed in
	hold   float64   // windows before the pacer feels upward
	right  float64   // when the rate last was what it should be
	of     *instance // the customer whose windows they are; nil: the scope's
	marks  [2]step   // the last times in the span after which a period passed
	next   float64   // no others are believed in before
	pause  float64   // windows until then, the last time
}

// denied notes a refusal of a call.
func (w *windows) denied(sent float64, asked bool) {
	w.pass(sent)
	if w.dry == 0 {
		w.dry, w.last, w.refused, w.asked = sent, sent, 0, false
	}
	w.last = max(w.last, sent)
	w.refused++
	w.asked = w.asked || asked
}

// served notes a call that was taken, and reports whether there is a rate to go
// on with after a dry time. inner is the scope one further in, outer when a scope
// further out was last dry; more says whether more calls are wanted.
func (w *windows) served(sent, cost float64, inner *instance, outer float64, more bool) (learned bool) {
	w.pass(sent)
	if w.wanted > 0 && w.dry == 0 {
		w.pressed += max(0, sent-w.wanted)
	}
	if w.wanted = 0; more {
		w.wanted = sent
	}
	if w.dry > 0 && sent > w.dry {
		least, span := dryLeast, min(windowMost, w.dry-w.since)
		if w.period > 0 {
			least, span = dryAgain, min(w.period, span)
		}
		if (w.refused >= least || w.asked) && sent-w.dry > dryPart*span {
			end := (w.last + sent) / 2 // somewhere between
			if w.asked {
				end = sent
			}
			// Where all of it was one licence's it is not this scope's own.
			if outer > w.dry || w.only != nil && !w.only.policy.Narrow {
				w.length = 0
			} else if learned = w.full(end); w.only == nil {
				w.ended = sent
			}
			w.begin(end, true)
		}
		w.dry = 0
	}
	if w.period > 0 && sent > w.marks[1].at+w.period {
		w.marks = [2]step{w.marks[1], {sent, w.taken}}
	}
	if w.taken == 0 {
		w.only = inner
	}
	if w.taken += cost; w.only != inner {
		w.only = nil
	}
	return learned
}

// pass begins anew after a time without calls: how full the window was then is
// not known.
func (w *windows) pass(sent float64) {
	if w.since == 0 || w.dry == 0 && sent > w.seen+quiet {
		w.begin(sent, false)
		if w.period == 0 {
			w.length = 0
		}
	}
	w.seen = max(w.seen, sent)
}

func (w *windows) begin(at float64, known bool) {
	w.since, w.known, w.taken, w.only, w.pressed = at, known, 0, nil, 0
	w.marks = [2]step{{at, 0}, {at, 0}}
}

// full learns from a span that ended, and reports whether to go on at w.rate.
func (w *windows) full(end float64) bool {
	length, calls := end-w.since, w.taken
	switch {
	case w.period == 0:
		if !w.known { // longer than was seen
			length = math.Inf(1)
		}
		before, callsBefore := w.length, w.calls
		w.length, w.calls = length, calls
		if math.IsInf(before, 1) {
			before = length
		}
		mean := (before + length) / 2
		switch {
		case before == 0, math.Abs(calls/callsBefore-1) > alike, calls < windowCalls, mean < windowLeast, mean > windowMost:
			return false
		case end < w.next, w.pressed < 0.5*(w.dry-w.since): // what little was wanted fills no window
			return false
		}
		w.period, w.size = mean, (callsBefore+calls)/2
		w.from, w.right, w.of, w.hold = end, end, w.only, holdFirst
	case end < w.from+w.period: // sliding windows still hold what came before
		return true
	case length < 1.5*w.period && calls < usedUp*w.size: // no more than one window
		w.leave(end)
		return false
	case length < 0.7*w.period: // the rest of the dry time before
		return false
	default:
		w.hold, w.pause = min(holdMost, 2*w.hold), 0
		// The last one or two periods: until then nothing was full.
		length, calls = end-w.marks[0].at, calls-w.marks[0].seq
		size := calls / length * w.period
		if size < usedUp*w.size { // an outage
			return true
		}
		w.size = size
	}
	w.rate = belowMean * w.size / w.period
	return true
}

// leave ends the belief in windows, and in others for a while.
func (w *windows) leave(at float64) {
	w.pause = min(untriedMost, max(untried, 2*w.pause))
	w.next = at + w.pause*w.period
	w.period, w.length = 0, 0
}

// windows notes in the common scopes of a call that it was refused, or taken.
func (d *desk) windows(now float64, t *Ticket, refused, asked bool) {
	outer := 0.
	for i, s := range t.scopes {
		if s.policy.Narrow {
			return
		}
		if s.policy.Kind != Learned || s.shared != nil {
			continue
		}
		w, inner, learned := &s.windows, t.scopes[min(i+1, len(t.scopes)-1)], false
		if refused {
			w.denied(t.marks[i].at, asked)
		} else {
			learned = w.served(t.marks[i].at, t.cost, inner, outer, len(d.lines) > 0 || d.wire > 0)
			outer = max(outer, w.ended)
		}
		s.windowed(now, inner, learned)
	}
}

// windowed lets the pacer go by what was learned of windows. Where one customer
// alone was busy in them, they may be its own.
func (s *instance) windowed(now float64, inner *instance, learned bool) {
	w := &s.windows
	paced := s
	if w.of != nil {
		paced = w.of
	}
	if learned {
		paced.pacer.believe(now, w.rate)
	}
	switch rate := paced.pacer.rate; {
	case w.period == 0:
	case w.of != nil && w.of != inner:
		w.period, w.length = 0, 0 // they may well be this customer's
	case rate > outgrown*w.rate, now > w.since+unseen,
		now > w.right+max(10, w.period): // longer than a dry time keeps it low
		w.leave(now)
	case rate > tooLow*w.rate:
		w.right = now
	}
	if paced.pacer.window, paced.pacer.calm = w.period, w.hold*w.period; w.period == 0 {
		w.of = nil
	}
}
