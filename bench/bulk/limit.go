package bulk

import (
	"math"
	"math/rand/v2"
	"slices"
)

// course is a rate that changes with time, in steps that are drawn as they
// are needed and then stay.
type course struct {
	steps []step
	draw  func(at, last float64) (until, rate float64) // nil: the last step holds for ever
}

type step struct{ from, rate float64 }

// constant is a rate that stays.
func constant(r float64) *course { return &course{steps: []step{{0, r}}} }

// until draws steps up to t.
func (c *course) until(t float64) {
	for c.draw != nil && c.steps[len(c.steps)-1].from <= t {
		last := c.steps[len(c.steps)-1]
		from, rate := c.draw(last.from, last.rate)
		if math.IsInf(from, 1) {
			c.draw = nil
			return
		}
		c.steps = append(c.steps, step{from, rate})
	}
}

// rate at t.
func (c *course) rate(t float64) float64 {
	c.until(t)
	i, found := slices.BinarySearchFunc(c.steps, t, func(s step, t float64) int {
		if s.from < t {
			return -1
		} else if s.from > t {
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	return c.steps[max(i, 0)].rate
}

// next is when the rate changes after t.
func (c *course) next(t float64) float64 {
	c.until(t)
	for i := len(c.steps) - 1; i >= 0; i-- {
		if c.steps[i].from <= t {
			if i+1 < len(c.steps) {
				return c.steps[i+1].from
			}
			break
		}
	}
	return math.Inf(1)
}

// integral of the rate from a to b.
func (c *course) integral(a, b float64) float64 {
	sum := 0.
	for a < b {
		n := min(b, c.next(a))
		sum += (n - a) * c.rate(a)
		a = n
	}
	return sum
}

// limit is one of the server's limits: a token bucket, or windows.
type limit struct {
	kind   string
	course *course
	burst  float64
	punish bool    // a refused arrival counts too
	window float64 // seconds; 0: token bucket
	slides bool    // sliding windows, otherwise fixed ones

	tokens, last float64
	arrivals     []float64 // sliding: those that count in the window
	used         float64   // fixed: in the window that began at
	began        float64

	hidden     *course // calls per second of people nobody sees
	nextHidden float64
	rnd        *rand.Rand

	allowed, refused int
}

func bucket(kind string, c *course, punish bool, rnd *rand.Rand) *limit {
	b := max(3, 0.1*c.rate(0))
	if math.IsInf(b, 1) {
		b = 3
	}
	return &limit{kind: kind, course: c, burst: b, tokens: b, punish: punish, rnd: rnd}
}

// with adds hidden traffic, a Poisson stream.
func (l *limit) with(h *course) *limit {
	l.hidden = h
	l.nextHidden = l.hiddenAfter(0)
	return l
}

func (l *limit) hiddenAfter(t float64) float64 {
	for {
		r := l.hidden.rate(t)
		if r > 0 {
			if d := l.rnd.ExpFloat64() / r; t+d < l.hidden.next(t) {
				return t + d
			}
		}
		if t = l.hidden.next(t); math.IsInf(t, 1) {
			return t
		}
	}
}

// advance lets time pass up to now, hidden calls included.
func (l *limit) advance(now float64) {
	for l.hidden != nil && l.nextHidden <= now {
		at := l.nextHidden
		l.pass(at)
		if l.has() {
			l.take()
		}
		l.nextHidden = l.hiddenAfter(at)
	}
	l.pass(now)
}

func (l *limit) pass(now float64) {
	switch {
	case l.window == 0:
		l.tokens = min(l.burst, l.tokens+l.course.integral(l.last, now))
	case l.slides:
		i := 0
		for i < len(l.arrivals) && l.arrivals[i] <= now-l.window {
			i++
		}
		l.arrivals = l.arrivals[i:]
	default:
		if b := math.Floor(now/l.window) * l.window; b != l.began {
			l.began = b
			l.used = max(0, l.used-l.size(now)) // what was punished is carried over
			if !l.punish {
				l.used = 0
			}
		}
	}
	l.last = now
}

// size of a window: how many it holds.
func (l *limit) size(now float64) float64 {
	return math.Ceil(l.course.rate(now)*l.window - 1e-9)
}

func (l *limit) has() bool {
	switch {
	case l.window == 0:
		return l.tokens >= 1
	case l.slides:
		return float64(len(l.arrivals)) < l.size(l.last)
	}
	return l.used < l.size(l.last)
}

func (l *limit) take() {
	l.tokens--
	l.used++
	if l.slides {
		l.arrivals = append(l.arrivals, l.last)
	}
}

// cost is what a refused arrival costs where refusals count: a token, with
// debt up to 2 s of refill; a place in the window.
func (l *limit) cost() {
	l.tokens = max(l.tokens-1, -2*l.course.rate(l.last))
	if l.window > 0 {
		if l.slides {
			l.arrivals = append(l.arrivals, l.last)
		} else {
			l.used = min(l.used+1, l.size(l.last)*(1+2/l.window))
		}
	}
}

// server holds every limit that a world has.
type server struct {
	limits func(c *call) []*limit // outermost first
	tells  func(l *limit) bool    // whether a refusal's body names the limit
}

// arrive says whether a call is served; otherwise which limit refused it.
func (s *server) arrive(now float64, c *call) (refusedBy *limit) {
	all := s.limits(c)
	for _, l := range all {
		l.advance(now)
	}
	for i, l := range all {
		if l.has() {
			continue
		}
		l.refused++
		for k, m := range all[:i+1] {
			if k < i && m.punish {
				m.take()
			} else if k == i && m.punish {
				m.cost()
			}
		}
		return l
	}
	for _, l := range all {
		l.take()
		l.allowed++
	}
	return nil
}
