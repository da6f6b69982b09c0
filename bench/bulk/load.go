package bulk

import "math/rand/v2"

// call is one request that a raw data needs.
type call struct {
	job    *job
	report bool // counts in the narrower scope of its customer
	stage  int  // 0 normal; 1 create, 2 poll, 3 download
	done   func(now float64)
	again  any // what the client keeps with it
	tries  int
}

// job is the work of one raw data, or of a person at a page.
type job struct {
	id          int
	customer    int
	licence     int
	tenant      int
	interactive bool
	start, end  float64
	total, left int
	reportLeft  int
	normal      int // normal calls not handed out yet
	creates     int // reports not begun yet
	ready       []*call
	busyNormal  int
	busyReport  int
	doneCalls   int
	times       []float64 // when calls were done; for half time
	client      any       // what the client keeps with it
}

// load is what there is to do in a world.
type load struct {
	jobs      []*job
	customers int
	licences  int
	every     float64 // an interactive job every so many seconds
	size      int     // calls of an interactive job
}

const (
	normalWorkers = 5 // a raw data asks with so many goroutines for lists and numbers
	reportWorkers = 8 // and with so many for reports
)

// equal is 40 raw data with 300 calls each: one licence, an account each.
func equal(jobs, calls int) *load {
	l := &load{customers: jobs, licences: 1, every: 60, size: 30}
	for i := range jobs {
		l.jobs = append(l.jobs, &job{id: i, customer: i, tenant: i % 4, total: calls, left: calls, normal: calls})
	}
	return l
}

// agency is 300 accounts with 20-60 calls, six of them ten times as large;
// six of ten calls are reports: created, built for 1-10 s, polled, downloaded.
func agency(rnd *rand.Rand, licences int) *load {
	l := &load{customers: 300, licences: licences, every: 60, size: 30}
	for i := range 300 {
		n := 20 + rnd.IntN(41)
		if i%50 == 25 {
			n *= 10
		}
		chains := int(float64(n)*0.2 + 0.5)
		j := &job{id: i, customer: i, licence: i % licences, total: n, left: n,
			creates: chains, reportLeft: 3 * chains, normal: n - 3*chains}
		l.jobs = append(l.jobs, j)
	}
	return l
}

// take hands out the next call that the job wants to make now; nil if none.
func (j *job) take(s *sim) *call {
	if j.creates > 0 && j.busyReport < reportWorkers {
		j.creates--
		j.busyReport++
		return s.report(j)
	}
	if n := len(j.ready); n > 0 && j.busyReport < reportWorkers {
		c := j.ready[0]
		j.ready = j.ready[1:]
		j.busyReport++
		return c
	}
	if j.normal > 0 && j.busyNormal < normalWorkers {
		j.normal--
		j.busyNormal++
		c := &call{job: j}
		c.done = func(now float64) {
			j.busyNormal--
			s.finished(now, j)
		}
		return c
	}
	return nil
}

// report is the first call of a report; the others follow from it.
func (s *sim) report(j *job) *call {
	build := 1 + 9*s.rnd.Float64()
	create := &call{job: j, report: true, stage: 1}
	poll := &call{job: j, report: true, stage: 2}
	fetch := &call{job: j, report: true, stage: 3}
	counted := func(now float64) {
		j.busyReport--
		j.reportLeft--
		s.finished(now, j)
	}
	create.done = func(now float64) {
		s.clock.at(now+build, func(now float64) {
			j.ready = append(j.ready, poll)
			s.feed(now, j)
		})
		counted(now)
	}
	poll.done = func(now float64) {
		j.ready = append(j.ready, fetch)
		counted(now)
	}
	fetch.done = counted
	return create
}
