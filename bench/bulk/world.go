package bulk

import (
	"math"
	"math/rand/v2"
	"slices"

	"imreport/internal/quota"
)

// world is a kind of server with a load.
type world struct {
	name   string
	about  string
	agency bool // 300 accounts; otherwise 40 raw data with 300 calls
	build  func(rnd *rand.Rand, v variant) *setup
}

// variant is how a world is played.
type variant struct{ punish, drift bool }

// setup is a world that was drawn.
type setup struct {
	load *load
	root []*limit // those that every call passes
	lic  []*limit // per licence; may be empty
	cust []*limit
	rep  []*limit
	half *rand.Rand
	mute bool // no refusal says whose limit it was; else the address's do, every second one
}

func (w *setup) server() *server {
	all := make([][2][]*limit, w.load.customers)
	for c := range all {
		var ls []*limit
		ls = append(ls, w.root...)
		if len(w.lic) > 0 {
			ls = append(ls, w.lic[c%w.load.licences])
		}
		if len(w.cust) > 0 {
			ls = append(ls, w.cust[c])
		}
		all[c][0] = ls
		all[c][1] = ls
		if len(w.rep) > 0 {
			all[c][1] = append(append([]*limit{}, ls...), w.rep[c])
		}
	}
	return &server{
		limits: func(c *call) []*limit {
			if c.report {
				return all[c.job.customer][1]
			}
			return all[c.job.customer][0]
		},
		tells: func(l *limit) bool { return l.kind == quota.IP && !w.mute && w.half.IntN(2) == 0 },
	}
}

// ideal is the earliest time at which, for each limit, what it allows covers
// the calls that must pass it, and the longest report is built.
func (w *setup) ideal() float64 {
	t := 0.
	for range 4 { // interactive calls that arrive until then are work too
		people := 0.
		if w.load.every > 0 {
			people = float64(w.load.size) * (1 + math.Floor(max(0, t-5)/w.load.every))
			if t < 5 {
				people = 0
			}
		}
		all := people
		perLic := make([]float64, w.load.licences)
		for _, j := range w.load.jobs {
			all += float64(j.total)
			perLic[j.licence] += float64(j.total)
		}
		next := 0.
		next = max(next, cover(all, w.root, w.lic))
		for i, l := range w.lic {
			next = max(next, cover(perLic[i]+people/float64(len(w.lic)), w.root, []*limit{l}))
		}
		for _, j := range w.load.jobs {
			if len(w.cust) > 0 {
				next = max(next, cover(float64(j.total), nil, []*limit{w.cust[j.customer]}))
			}
			if len(w.rep) > 0 && j.reportLeft > 0 {
				next = max(next, cover(float64(j.reportLeft), nil, []*limit{w.rep[j.customer]}))
			}
		}
		if w.load.jobs[0].creates > 0 {
			next = max(next, 10.3)
		}
		t = next
	}
	return t
}

// cover is when min(each of one, sum of any) allows n calls.
func cover(n float64, one, any []*limit) float64 {
	if len(one)+len(any) == 0 {
		return 0
	}
	t, sum := 0., 0.
	burst := math.Inf(1)
	for _, l := range one {
		burst = min(burst, l.burst)
	}
	b := 0.
	for _, l := range any {
		b += l.burst
	}
	if len(any) > 0 {
		burst = min(burst, b)
	}
	n -= burst
	for {
		rate, until := math.Inf(1), math.Inf(1)
		for _, l := range one {
			rate, until = min(rate, l.net(t)), min(until, l.change(t))
		}
		if len(any) > 0 {
			r := 0.
			for _, l := range any {
				r, until = r+l.net(t), min(until, l.change(t))
			}
			rate = min(rate, r)
		}
		if math.IsInf(rate, 1) {
			return t
		}
		if rate > 0 && sum+rate*(until-t) >= n {
			return t + max(0, n-sum)/rate
		}
		if math.IsInf(until, 1) {
			return until
		}
		sum += rate * (until - t)
		t = until
	}
}

// net is what the limit allows us per second at t.
func (l *limit) net(t float64) float64 {
	r := l.course.rate(t)
	if l.window > 0 {
		r = math.Ceil(r*l.window-1e-9) / l.window
	}
	if l.hidden != nil {
		r -= l.hidden.rate(t)
	}
	return max(0, r)
}

func (l *limit) change(t float64) float64 {
	n := l.course.next(t)
	if l.hidden != nil {
		n = min(n, l.hidden.next(t))
	}
	return n
}

func uniform(rnd *rand.Rand, a, b float64) float64 { return a + (b-a)*rnd.Float64() }

// wander is a rate that moves by up to 15 % every 5-30 s, between half and
// 1.2 times of what it was meant to be.
func wander(rnd *rand.Rand, r float64, v variant) *course {
	if !v.drift || math.IsInf(r, 1) {
		return constant(r)
	}
	return &course{steps: []step{{0, r}}, draw: func(at, last float64) (float64, float64) {
		return at + uniform(rnd, 5, 30), min(1.2*r, max(0.5*r, last*uniform(rnd, 0.85, 1.15)))
	}}
}

// single is a world with one limit on the licence, and 40 raw data.
func single(name, about string, c func(rnd *rand.Rand) *course, more func(rnd *rand.Rand, l *limit)) world {
	return world{name: name, about: about, build: func(rnd *rand.Rand, v variant) *setup {
		l := bucket(quota.Licence, c(rnd), v.punish, rnd)
		l.burst, l.tokens = 3, 3
		if more != nil {
			more(rnd, l)
		}
		return &setup{load: equal(40, 300), lic: []*limit{l}, half: rnd}
	}}
}

func fixed25(*rand.Rand) *course { return constant(25) }

// scoped is a world of an agency with limits on several scopes; 0 is none.
func scoped(name, about string, ip, lic, cust, rep float64, licences int, more func(rnd *rand.Rand, v variant, w *setup)) world {
	return world{name: name, about: about, agency: true, build: func(rnd *rand.Rand, v variant) *setup {
		w := &setup{load: agency(rnd, licences), half: rnd}
		if ip > 0 {
			w.root = []*limit{bucket(quota.IP, wander(rnd, ip, v), v.punish, rnd)}
		}
		for range licences {
			if lic > 0 {
				w.lic = append(w.lic, bucket(quota.Licence, wander(rnd, lic, v), v.punish, rnd))
			}
		}
		for range w.load.customers {
			if cust > 0 {
				w.cust = append(w.cust, bucket(quota.Customer, wander(rnd, cust, v), v.punish, rnd))
			}
			if rep > 0 {
				w.rep = append(w.rep, bucket(quota.CustomerReport, wander(rnd, rep, v), v.punish, rnd))
			}
		}
		if more != nil {
			more(rnd, v, w)
		}
		return w
	}}
}

// switches lets a limit hold only before (or only after) an instant.
func switches(l *limit, at float64, before bool) {
	inner := l.course
	first := math.Inf(1)
	if before {
		first = inner.rate(0)
	}
	after := !before
	l.course = &course{steps: []step{{0, first}}, draw: func(t, last float64) (float64, float64) {
		if t < at {
			if before {
				if n := inner.next(t); n < at {
					return n, inner.rate(n)
				}
				return at, math.Inf(1)
			}
			return at, inner.rate(at)
		}
		if after {
			if n := inner.next(t); !math.IsInf(n, 1) {
				return n, inner.rate(n)
			}
		}
		return math.Inf(1), 0
	}}
	l.burst = max(3, 0.1*inner.rate(0))
	l.tokens = l.burst
}

// worlds are all that there is.
func worlds() []world {
	return []world{
		single("fixed", "25/s", fixed25, nil),
		single("drifting", "15-30/s, drawn anew every 20-60 s", func(rnd *rand.Rand) *course {
			return &course{steps: []step{{0, uniform(rnd, 15, 30)}}, draw: func(at, _ float64) (float64, float64) {
				return at + uniform(rnd, 20, 60), uniform(rnd, 15, 30)
			}}
		}, nil),
		single("drop", "25/s, 5/s for 30 s every 180 s", func(*rand.Rand) *course {
			return &course{steps: []step{{0, 25}}, draw: func(at, last float64) (float64, float64) {
				if last == 25 && at == 0 {
					return 60, 5
				} else if last == 25 {
					return at + 150, 5
				}
				return at + 30, 25
			}}
		}, nil),
		single("windows", "25/s as fixed windows of 200 ms", fixed25, func(_ *rand.Rand, l *limit) {
			l.window, l.burst = 0.2, 0
		}),
		single("sliding", "25/s as sliding windows of 250 ms", fixed25, func(_ *rand.Rand, l *limit) {
			l.window, l.slides, l.burst = 0.25, true, 0
		}),
		single("third party", "25/s less 0-50 % that others take", fixed25, func(rnd *rand.Rand, l *limit) {
			l.with(&course{steps: []step{{0, uniform(rnd, 0, 12.5)}}, draw: func(at, _ float64) (float64, float64) {
				return at + uniform(rnd, 10, 40), uniform(rnd, 0, 12.5)
			}})
		}),
		single("crowd", "25/s, of which others take 17.5 all the time", fixed25, func(_ *rand.Rand, l *limit) {
			l.with(constant(17.5))
		}),
		single("minute", "25/s as 1500 in fixed windows of a minute", fixed25, func(_ *rand.Rand, l *limit) {
			l.window, l.burst = 60, 0
		}),
		scoped("A", "licence 25", 0, 25, 0, 0, 1, nil),
		scoped("B", "customer 25, address 100", 100, 0, 25, 0, 1, nil),
		scoped("C", "customer 25, reports 10, address 100", 100, 0, 25, 10, 1, nil),
		scoped("D", "licence 25, reports 10", 0, 25, 0, 10, 1, nil),
		scoped("E", "licence 60, customer 15", 0, 60, 15, 0, 1, nil),
		scoped("F", "two licences, customer 25, address 40", 40, 0, 25, 0, 2, nil),
		scoped("G", "B with console users on every fifth customer", 100, 0, 25, 0, 1, func(rnd *rand.Rand, v variant, w *setup) {
			for i, l := range w.cust {
				if i%5 == 0 {
					l.with(constant(uniform(rnd, 0, 15)))
				}
			}
		}),
		scoped("H1", "A, at 150 s B", 100, 25, 25, 0, 1, func(_ *rand.Rand, _ variant, w *setup) {
			switches(w.root[0], 150, false)
			switches(w.lic[0], 150, true)
		}),
		scoped("H2", "B, at 50 s A", 100, 25, 25, 0, 1, func(_ *rand.Rand, _ variant, w *setup) {
			switches(w.root[0], 50, true)
			switches(w.lic[0], 50, false)
		}),
		scoped("S", "C as sliding windows of 250 and 300 ms", 100, 0, 25, 10, 1, func(_ *rand.Rand, _ variant, w *setup) {
			for _, l := range slices.Concat(w.root, w.cust) {
				l.window, l.slides, l.burst = 0.25, true, 0
			}
			for _, l := range w.rep {
				l.window, l.slides, l.burst = 0.3, true, 0
			}
		}),
		scoped("P", "three licences of 25", 0, 25, 0, 0, 3, nil),
		scoped("Q", "five licences of 25, address 100", 100, 25, 0, 0, 5, nil),
		scoped("R", "five licences, customer 25, address 40 whose refusals do not say so", 40, 0, 25, 0, 5,
			func(_ *rand.Rand, _ variant, w *setup) { w.mute = true }),
		scoped("T", "two licences of 10 and 40", 0, 25, 0, 0, 2, func(rnd *rand.Rand, v variant, w *setup) {
			for i, r := range []float64{10, 40} {
				w.lic[i] = bucket(quota.Licence, wander(rnd, r, v), v.punish, rnd)
			}
		}),
		scoped("K", "customer 25 alone", 0, 0, 25, 0, 1, nil),
		scoped("M", "customer 6, licence 100", 0, 100, 6, 0, 1, nil),
	}
}
