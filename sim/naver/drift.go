package naver

import (
	"maps"
	"time"
)

// incident is a time of lowered capacity in all scopes.
type incident struct {
	from, to time.Time
	factor   float64
}

// driftRange bounds the drift factor: between 07:00 and 10:00 KST the system
// is busier (fact sheet 4.3).
func driftRange(now time.Time) (lo, hi float64) {
	if h := now.In(kst).Hour(); h >= 7 && h < 10 {
		return 0.4, 1.0
	}
	return 0.5, 1.2
}

// incidentAt is the factor of an incident under way, else above any drift.
func (m *limiter) incidentAt(now time.Time) float64 {
	f := 2.0
	for _, i := range m.steps {
		if !now.Before(i.from) && now.Before(i.to) {
			f = min(f, i.factor)
		}
	}
	if !m.l.Incidents {
		return f
	}
	d := dayOf(now)
	r := rng(mix(mix(m.seed, 0x696e63), uint64(d)))
	if r.float() < 0.5 {
		from := d.start().Add(time.Duration(r.between(7*60, 9.5*60) * float64(time.Minute)))
		if now.After(from) && now.Sub(from).Minutes() < r.between(1, 10) {
			f = min(f, 0.3)
		}
	}
	return f
}

// Incident lowers all capacities to factor (0.3 in the model) for d from now.
func (s *Server) Incident(factor float64, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.incident(factor, d)
}

func (s *Server) incident(factor float64, d time.Duration) {
	now := s.now()
	s.limiter.steps = append(s.limiter.steps, incident{now, now.Add(d), factor})
}

// Limits is the rate model in force.
func (s *Server) Limits() Limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.limiter.l
	l.Scopes = maps.Clone(l.Scopes)
	return l
}

// SetLimits changes the rate model and forgets all buckets and their metrics.
func (s *Server) SetLimits(l Limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limiter = newLimiter(s.o.Seed, l, s.now())
}
