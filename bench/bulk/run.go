package bulk

import (
	"math"
	"math/rand/v2"
	"slices"
)

// outcome is one played morning.
type outcome struct {
	ideal, makespan, refused float64
	dnf                      bool
	interactive              []float64 // how long each took, seconds
	jain                     float64
	shown, inside            int       // raw data that were shown a range of ends, and ended in it
	jobs                     int       // all raw data
	widths                   []float64 // width of each range ÷ the time that was left
	waits                    []float64 // seconds until each was shown
	steps                    []stepDown
}

// stepDown is how one fall and return of the rate went.
type stepDown struct {
	refusals int     // from the fall until the learned rate was within 10 % of the true one
	back     float64 // seconds from the return until 95 % of the old rate was accepted
}

// play plays one world with one client.
func play(w world, v variant, make func(*setup) client, seed uint64) outcome {
	rnd := rand.New(rand.NewPCG(seed, 77))
	set := w.build(rnd, v)
	o := outcome{ideal: set.ideal()}
	s := &sim{rnd: rand.New(rand.NewPCG(seed, 78)), server: set.server(), load: set.load, client: make(set), limit: 6 * o.ideal}
	g, learns := s.client.(*gate)
	var watch *fallWatch
	if learns {
		s.each = func(now float64) { g.look(now, set.load.jobs) }
	}
	if w.name == "drop" {
		watch = &fallWatch{course: set.lic[0].course}
		if learns {
			watch.learned = g.learned
		}
		s.trace = watch.arrived
	}
	s.run()
	o.makespan, o.refused = s.makespan, float64(s.refusals)/float64(max(1, s.sends))
	o.dnf, o.interactive = s.overLimit, s.interactive
	if o.dnf {
		return o
	}
	o.jain = s.jain()
	if watch != nil {
		o.steps = watch.done(s.makespan)
	}
	if learns {
		o.jobs = len(set.load.jobs)
		for _, j := range set.load.jobs {
			if r := g.seen[j]; r != nil {
				o.shown++
				if j.end >= r.from && j.end <= r.to {
					o.inside++
				}
				o.widths = append(o.widths, (r.to-r.from)/max(1, j.end-r.at))
				o.waits = append(o.waits, r.at)
			}
		}
	}
	return o
}

// fallWatch watches what happens when a limit falls to less than half and
// comes back.
type fallWatch struct {
	course   *course
	learned  func() float64 // nil: not known
	last     float64        // rate at the last arrival
	old      float64        // rate before the fall
	fell     bool
	right    bool
	refusals int
	ups      []float64
	falls    []int
	accepted []float64
}

func (f *fallWatch) arrived(now float64, refused bool) {
	r := f.course.rate(now)
	switch {
	case f.last > 0 && r < f.last/2:
		f.fell, f.right, f.refusals, f.old = true, false, 0, f.last
	case f.fell && r > f.last*2:
		f.ups = append(f.ups, f.course.since(now))
		if f.learned != nil && f.right {
			f.falls = append(f.falls, f.refusals)
		}
		f.fell = false
	}
	f.last = r
	if f.fell && !f.right {
		if refused {
			f.refusals++
		}
		f.right = f.learned != nil && math.Abs(f.learned()-r) <= 0.1*r
	}
	if !refused {
		f.accepted = append(f.accepted, now)
	}
}

// done says how each return went, of those that had time for it.
func (f *fallWatch) done(end float64) []stepDown {
	var all []stepDown
	for i, up := range f.ups {
		s := stepDown{refusals: -1, back: -1}
		if i < len(f.falls) {
			s.refusals = f.falls[i]
		}
		for t := up; t+1 <= end; t += 0.1 {
			from, _ := slices.BinarySearch(f.accepted, t)
			to, _ := slices.BinarySearch(f.accepted, t+1)
			if float64(to-from) >= 0.95*f.old-1 {
				s.back = t - up
				break
			}
		}
		if s.back >= 0 {
			all = append(all, s)
		}
	}
	return all
}

// since is when the rate became what it is at t.
func (c *course) since(t float64) float64 {
	c.until(t)
	for i := len(c.steps) - 1; i > 0; i-- {
		if c.steps[i].from <= t {
			return c.steps[i].from
		}
	}
	return 0
}
