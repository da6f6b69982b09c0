package bulk

import (
	"math"
	"math/rand/v2"
)

// The clients that others build. None of them knows who waits for what: calls
// go first come, first served, as goroutines at one lock would have it.

// flood sends at once and sends again after a pause: naive retry without one,
// exponential back-off with full jitter.
type flood struct {
	pause func(tries int) float64
	ready []*call
	later []timed
}

type timed struct {
	at float64
	c  *call
}

// naive sends again at once.
func naive(*setup) client { return &flood{pause: func(int) float64 { return 0 }} }

// backoff waits a random time up to 0.1 s, 0.2 s … 20 s.
func backoff(w *setup) client {
	rnd := rand.New(rand.NewPCG(w.half.Uint64(), 1))
	return &flood{pause: func(n int) float64 { return rnd.Float64() * min(20, 0.1*math.Pow(2, float64(n))) }}
}

func (f *flood) begin(float64, *job) {}
func (f *flood) end(float64, *job)   {}

func (f *flood) submit(_ float64, c *call) { f.ready = append(f.ready, c) }

func (f *flood) next(now float64) (*call, float64) {
	if len(f.ready) > 0 {
		c := f.ready[0]
		f.ready = f.ready[1:]
		return c, 0
	}
	first, at := -1, math.Inf(1)
	for i, t := range f.later {
		if t.at < at {
			first, at = i, t.at
		}
	}
	if first >= 0 && at <= now {
		c := f.later[first].c
		last := len(f.later) - 1
		f.later[first] = f.later[last]
		f.later = f.later[:last]
		return c, 0
	}
	return nil, at
}

func (f *flood) answered(now float64, c *call, refused bool, _ string) {
	if !refused {
		return
	}
	if d := f.pause(c.tries); d > 0 {
		f.later = append(f.later, timed{now + d, c})
	} else {
		f.ready = append(f.ready, c)
	}
}

// serial runs one import of a licence at a time, with the goroutines that it
// has, and backs off; a person's work is put next.
type serial struct {
	flood
	line map[int][]*job // by licence, the first has its turn
	held map[*job][]*call
}

func oneAtATime(w *setup) client {
	return &serial{flood: *backoff(w).(*flood), line: map[int][]*job{}, held: map[*job][]*call{}}
}

func (s *serial) begin(_ float64, j *job) {
	l := s.line[j.licence]
	if j.interactive && len(l) > 1 {
		l = append(l[:1:1], append([]*job{j}, l[1:]...)...)
	} else {
		l = append(l, j)
	}
	s.line[j.licence] = l
}

func (s *serial) submit(now float64, c *call) {
	if s.line[c.job.licence][0] == c.job {
		s.flood.submit(now, c)
		return
	}
	s.held[c.job] = append(s.held[c.job], c)
}

func (s *serial) end(_ float64, j *job) {
	l := s.line[j.licence][1:]
	s.line[j.licence] = l
	if len(l) > 0 {
		s.ready = append(s.ready, s.held[l[0]]...)
		delete(s.held, l[0])
	}
}

// controller adjusts the rate of one licence.
type controller interface {
	// rate in calls per second at now, and how many may go at once after idling.
	rate(now float64) (perS, burst float64)
	answered(now float64, refused bool)
}

// paced sends first come, first served at the rate of a controller per licence.
type paced struct {
	lanes []*lane
}

type lane struct {
	by           controller
	calls        []*call
	tokens, last float64
}

func pacedBy(make func() controller) func(*setup) client {
	return func(w *setup) client {
		p := &paced{}
		for range w.load.licences {
			p.lanes = append(p.lanes, &lane{by: make(), tokens: 1})
		}
		return p
	}
}

func (p *paced) begin(float64, *job) {}
func (p *paced) end(float64, *job)   {}

func (p *paced) submit(_ float64, c *call) {
	l := p.lanes[c.job.licence]
	l.calls = append(l.calls, c)
}

func (p *paced) next(now float64) (*call, float64) {
	again := math.Inf(1)
	for _, l := range p.lanes {
		rate, burst := l.by.rate(now)
		l.tokens = min(burst, l.tokens+(now-l.last)*rate)
		l.last = now
		if len(l.calls) == 0 {
			continue
		}
		if l.tokens >= 1-1e-9 {
			l.tokens--
			c := l.calls[0]
			l.calls = l.calls[1:]
			return c, 0
		}
		again = min(again, now+max(1e-6, (1-l.tokens)/rate))
	}
	return nil, again
}

func (p *paced) answered(now float64, c *call, refused bool, _ string) {
	l := p.lanes[c.job.licence]
	l.by.answered(now, refused)
	if refused {
		l.calls = append([]*call{c}, l.calls...)
	}
}

// fixed is a bucket of so many calls per second.
type fixed float64

func (f fixed) rate(float64) (float64, float64) { return float64(f), 1 }
func (fixed) answered(float64, bool)            {}

// aimd adds add calls/s each second, and multiplies by cut at a refusal, once
// per 0.2 s.
type aimd struct {
	r, add, cut float64
	at, cutAt   float64
}

func newAIMD() controller { return &aimd{r: 10, add: 1, cut: 0.7, cutAt: -1} }

func (a *aimd) rate(now float64) (float64, float64) {
	a.r += a.add * (now - a.at)
	a.at = now
	return a.r, 1
}

func (a *aimd) answered(now float64, refused bool) {
	if refused && now > a.cutAt+0.2 {
		a.r, a.cutAt = max(0.5, a.r*a.cut), now
	}
}

// cubic is the adaptive retry mode of the AWS SDKs (botocore retries/
// adaptive.py, throttling.py, bucket.py): unlimited until the first refusal,
// then a bucket of one second whose rate follows CUBIC, beta 0.7, scale 0.4.
type cubic struct {
	on                bool
	fill              float64
	lastMax, lastAt   float64
	measured, bucketT float64
	count             float64
}

func newCubic() controller { return &cubic{fill: 0.5} }

func (c *cubic) rate(float64) (float64, float64) {
	if !c.on {
		return 1e4, 1e4
	}
	return c.fill, max(1, c.fill)
}

func (c *cubic) answered(now float64, refused bool) {
	c.count++
	if b := math.Floor(now*2) / 2; b > c.bucketT {
		c.measured = 0.8*c.count/(b-c.bucketT) + 0.2*c.measured
		c.count, c.bucketT = 0, b
	}
	var r float64
	if refused {
		use := c.measured
		if c.on {
			use = min(use, c.fill)
		}
		c.lastMax, c.lastAt, c.on = use, now, true
		r = 0.7 * use
	} else {
		window := math.Cbrt(c.lastMax * 0.3 / 0.4)
		d := now - c.lastAt - window
		r = 0.4*d*d*d + c.lastMax
	}
	c.fill = max(0.5, min(r, 2*c.measured))
}
