package bulk

import (
	"math"
	"math/rand/v2"
	"slices"
)

// client decides when calls go: one of the designs that play.
type client interface {
	// begin says that a job's work starts.
	begin(now float64, j *job)
	// submit says that a call wants to be sent.
	submit(now float64, c *call)
	// next is a call to send now, or when to ask again (+Inf: not by itself).
	next(now float64) (*call, float64)
	// answered says how a call went; a refused one is the client's to resend.
	answered(now float64, c *call, refused bool, blames string)
	// end says that a job's work is done.
	end(now float64, j *job)
}

// sim plays one client against one world in virtual time.
type sim struct {
	clock  clock
	rnd    *rand.Rand
	server *server
	load   *load
	client client
	limit  float64 // give up after so many seconds

	wakeAt      float64
	sends       int
	refusals    int
	bulkLeft    int
	makespan    float64
	interactive []float64 // how long each took
	overLimit   bool
	trace       func(now float64, refused bool) // hears of each arrival at the server; may be nil
	each        func(now float64)               // once a second; may be nil
}

func lognormal(rnd *rand.Rand, mean, sigma float64) float64 {
	return mean * math.Exp(sigma*rnd.NormFloat64()-sigma*sigma/2)
}

// run plays until the bulk is done, or the limit is reached.
func (s *sim) run() {
	s.wakeAt = math.Inf(1)
	s.bulkLeft = len(s.load.jobs)
	s.clock.at(0, func(now float64) {
		for _, j := range s.load.jobs {
			s.client.begin(now, j)
		}
		for _, j := range s.load.jobs {
			s.feed(now, j)
		}
	})
	if s.load.every > 0 {
		s.person(5)
	}
	if s.each != nil {
		s.second(1)
	}
	for s.bulkLeft > 0 && s.clock.step() {
		if s.clock.now > s.limit || s.sends > maxSends {
			s.overLimit = true
			return
		}
		s.pump(s.clock.now)
	}
}

// maxSends bounds a run of clients that flood.
const maxSends = 4_000_000

// person starts an interactive job at t, and the next one later.
func (s *sim) person(t float64) {
	s.clock.at(t, func(now float64) {
		k := s.rnd.IntN(s.load.customers)
		j := &job{id: -1, customer: k, licence: k % s.load.licences, interactive: true, tenant: 100,
			start: now, total: s.load.size, left: s.load.size, normal: s.load.size}
		s.client.begin(now, j)
		s.feed(now, j)
		s.person(t + s.load.every)
	})
}

func (s *sim) second(t float64) {
	s.clock.at(t, func(now float64) {
		s.each(now)
		s.second(t + 1)
	})
}

// feed submits what the job's goroutines want to send.
func (s *sim) feed(now float64, j *job) {
	for c := j.take(s); c != nil; c = j.take(s) {
		s.client.submit(now, c)
	}
}

// finished counts a call that was served.
func (s *sim) finished(now float64, j *job) {
	j.left--
	j.doneCalls++
	if !j.interactive {
		j.times = append(j.times, now)
	}
	if j.left > 0 {
		s.feed(now, j)
		return
	}
	j.end = now
	s.client.end(now, j)
	if j.interactive {
		s.interactive = append(s.interactive, now-j.start)
		return
	}
	if s.bulkLeft--; s.bulkLeft == 0 {
		s.makespan = now
	}
}

// pump sends all that may go now.
func (s *sim) pump(now float64) {
	for {
		c, again := s.client.next(now)
		if c == nil {
			if again < s.wakeAt-1e-9 || s.wakeAt <= now {
				s.wakeAt = again
				if !math.IsInf(again, 1) {
					s.clock.at(again, func(t float64) {
						if s.wakeAt <= t {
							s.wakeAt = math.Inf(1)
						}
					})
				}
			}
			return
		}
		s.send(now, c)
	}
}

// send puts a call on the wire: up to the server in 15 ms, back in 105 ms, or
// in 15 ms when refused (means).
func (s *sim) send(now float64, c *call) {
	s.sends++
	c.tries++
	s.clock.at(now+lognormal(s.rnd, 0.015, 0.6), func(now float64) {
		by := s.server.arrive(now, c)
		if s.trace != nil {
			s.trace(now, by != nil)
		}
		if by != nil {
			s.refusals++
			blames := ""
			if s.server.tells(by) {
				blames = by.kind
			}
			s.clock.at(now+lognormal(s.rnd, 0.015, 0.4), func(now float64) { s.client.answered(now, c, true, blames) })
			return
		}
		s.clock.at(now+lognormal(s.rnd, 0.105, 0.4), func(now float64) {
			s.client.answered(now, c, false, "")
			c.done(now)
		})
	})
}

// jain is the index of fairness of the regular jobs at half time.
func (s *sim) jain() float64 {
	at := s.makespan / 2
	var sum, squares, n float64
	for _, j := range s.load.jobs {
		if j.total > 60 && j.total < 300 || j.total > 300 { // the large ones of an agency
			continue
		}
		i, _ := slices.BinarySearch(j.times, at)
		x := float64(i)
		if j.total <= 60 {
			x = min(x, 20)
		}
		sum, squares, n = sum+x, squares+x*x, n+1
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (n * squares)
}
