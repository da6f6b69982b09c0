package naver

import (
	"net/http"
	"sync"
	"time"
)

const (
	// skewWarn is how far our clock may be off before somebody should know.
	// Naver refuses timestamps that are about 60 s old.
	skewWarn = 5 * time.Second
	// skewSamples answers are looked at: their median is the skew.
	skewSamples = 9
)

// clock knows how far this machine's clock is from Naver's, by the Date of
// its answers. Requests carry our own time until Naver refuses one for it;
// from then on they carry Naver's.
type clock struct {
	now func() time.Time

	mu      sync.Mutex
	samples []time.Duration // a ring of the newest
	next    int
	follow  bool // our timestamps were refused
	warned  bool
}

// observe takes the Date of an answer to a request that was sent and answered
// at these instants. It reports the skew when it has just become worth a
// warning.
func (c *clock) observe(h http.Header, sent, answered time.Time) (skew time.Duration, warn bool) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || answered.Sub(sent) > skewWarn {
		return 0, false
	}
	// Date is cut to seconds: half of one is its mean error.
	here := sent.Add(answered.Sub(sent) / 2)
	sample := date.Add(500 * time.Millisecond).Sub(here)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.samples) < skewSamples {
		c.samples = append(c.samples, sample)
	} else {
		c.samples[c.next] = sample
	}
	c.next = (c.next + 1) % skewSamples
	skew = c.skew()
	far := skew.Abs() > skewWarn
	warn = far && !c.warned
	c.warned = far
	return skew, warn
}

// assume takes up a skew that somebody measured, while no answer has told it.
func (c *clock) assume(skew time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.samples) == 0 {
		c.samples, c.next = []time.Duration{skew}, 1%skewSamples
	}
}

// skew is the median of the samples: positive when our clock is slow. The
// lock is held.
func (c *clock) skew() time.Duration {
	if len(c.samples) == 0 {
		return 0
	}
	sorted := append([]time.Duration(nil), c.samples...)
	for i := range sorted { // nine at most
		for j := i; j > 0 && sorted[j] < sorted[j-1]; j-- {
			sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
		}
	}
	return sorted[len(sorted)/2]
}

// correct makes timestamps follow Naver's clock, starting with the newest
// answer, which refused one of ours.
func (c *clock) correct(h http.Header, at time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.follow = true
	c.samples, c.next = []time.Duration{date.Add(500 * time.Millisecond).Sub(at)}, 1%skewSamples
}

// stamp is the time to sign with.
func (c *clock) stamp() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.now()
	if s := c.skew(); c.follow && s.Abs() > skewWarn/5 {
		at = at.Add(s)
	}
	return at
}

// real is the time as Naver has it, as far as is known: a clock that is days
// off would ask for the wrong days.
func (c *clock) real() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.now()
	if s := c.skew(); s.Abs() > skewWarn {
		at = at.Add(s)
	}
	return at
}

func (c *clock) current() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew()
}
