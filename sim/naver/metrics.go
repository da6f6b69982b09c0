package naver

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"
)

// tally counts the arrivals at one bucket, or at all.
type tally struct {
	accepted, refused int
	streak, worst     int
	integral          float64 // requests that the capacity allowed from first to last arrival
	first, last       time.Time
}

func (t *tally) count(ok bool, now time.Time) {
	if t.first.IsZero() {
		t.first = now
	}
	t.last = now
	if ok {
		t.accepted++
		t.streak = 0
		return
	}
	t.refused++
	t.streak++
	t.worst = max(t.worst, t.streak)
}

// ScopeMetrics are the figures of one scope, over all its keys (Key empty) or
// for one.
type ScopeMetrics struct {
	Scope string `json:"scope"`
	Key   string `json:"key,omitempty"`
	Keys  int    `json:"keys,omitempty"`
	// Accepted and Refused arrivals; a refused one counts at the scope that refused it.
	Accepted int `json:"accepted"`
	Refused  int `json:"refused"`
	// Capacity is the momentary capacity in requests a second (their sum over
	// keys); of a window it is what it holds, rounded up, by its length.
	Capacity float64 `json:"capacity"`
	// Allowed is the integral of the capacity from first to last arrival, in requests.
	Allowed float64 `json:"allowed"`
	// Utilisation is Accepted / Allowed: how much of what was allowed was used.
	Utilisation float64 `json:"utilisation"`
	// MaxRefusedStreak is the longest row of refusals without an accepted call between.
	MaxRefusedStreak int `json:"max_refused_streak"`
}

// Metrics is a snapshot of what happened since the start or ResetMetrics.
type Metrics struct {
	Since time.Time `json:"since"`
	Now   time.Time `json:"now"`
	// First and Last arrival.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// Arrivals = Accepted + Refused, by the limits alone.
	Arrivals int `json:"arrivals"`
	Accepted int `json:"accepted"`
	Refused  int `json:"refused"`
	// RefusalRate is Refused / Arrivals.
	RefusalRate      float64 `json:"refusal_rate"`
	MaxRefusedStreak int     `json:"max_refused_streak"`
	// Efficiency is N / sum of the momentary capacity over the run, of the
	// scope that was used most: the one that binds.
	Efficiency float64 `json:"efficiency"`
	// Scopes in order of judgement, Buckets per key with the busiest first.
	Scopes  []ScopeMetrics `json:"scopes"`
	Buckets []ScopeMetrics `json:"buckets"`
	// Calls by "METHOD /path", ids replaced; Statuses by HTTP status.
	Calls    map[string]int `json:"calls"`
	Statuses map[string]int `json:"statuses"`
	// StatJobs and MasterJobs that exist now.
	StatJobs   int `json:"stat_jobs"`
	MasterJobs int `json:"master_jobs"`
}

// Metrics tells what happened so far.
func (s *Server) Metrics() Metrics {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, t := s.now(), s.limiter.total
	m := Metrics{Since: s.limiter.since, Now: now, First: t.first, Last: t.last, Arrivals: t.accepted + t.refused,
		Accepted: t.accepted, Refused: t.refused, MaxRefusedStreak: t.worst, Scopes: []ScopeMetrics{}, Buckets: []ScopeMetrics{},
		Calls: maps.Clone(s.calls), Statuses: map[string]int{}}
	if m.Arrivals > 0 {
		m.RefusalRate = float64(m.Refused) / float64(m.Arrivals)
	}
	for code, n := range s.statuses {
		m.Statuses[strconv.Itoa(code)] = n
	}
	for _, name := range order {
		if _, on := s.limiter.l.Scopes[name]; !on {
			continue
		}
		sum := ScopeMetrics{Scope: name}
		for k, b := range s.limiter.buckets {
			if k.scope != name {
				continue
			}
			one := ScopeMetrics{Scope: name, Key: k.key, Accepted: b.tally.accepted, Refused: b.tally.refused,
				Capacity: b.capacity(&s.limiter, now), Allowed: b.tally.integral, MaxRefusedStreak: b.tally.worst}
			sum.Keys++
			sum.Accepted += one.Accepted
			sum.Refused += one.Refused
			sum.Capacity += one.Capacity
			sum.Allowed += one.Allowed
			sum.MaxRefusedStreak = max(sum.MaxRefusedStreak, one.MaxRefusedStreak)
			m.Buckets = append(m.Buckets, one.used())
		}
		sum = sum.used()
		m.Efficiency = max(m.Efficiency, sum.Utilisation)
		m.Scopes = append(m.Scopes, sum)
	}
	slices.SortFunc(m.Buckets, func(a, b ScopeMetrics) int {
		return cmp.Or(b.Accepted-a.Accepted, cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Key, b.Key))
	})
	for _, jobs := range s.stat {
		m.StatJobs += len(jobs)
	}
	for _, jobs := range s.master {
		m.MasterJobs += len(jobs)
	}
	return m
}

func (m ScopeMetrics) used() ScopeMetrics {
	if m.Allowed > 0 {
		m.Utilisation = float64(m.Accepted) / m.Allowed
	}
	return m
}

// ResetMetrics starts counting anew; the limits keep their state.
func (s *Server) ResetMetrics() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.limiter.buckets {
		b.tally = tally{}
	}
	s.limiter.total, s.limiter.since = tally{}, s.now()
	clear(s.calls)
	clear(s.statuses)
}
