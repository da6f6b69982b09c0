package naver

import "time"

// readyKey names a data day and a report type; typ "" is all types.
type readyKey struct {
	d   day
	typ string
}

// never is later than any clock.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// readyAt is when a day's reports of a type are published, by the plan.
func (s *Server) readyAt(d day, typ string) time.Time {
	for _, k := range []readyKey{{d, typ}, {d, ""}} {
		if t, ok := s.ready[k]; ok {
			return t
		}
	}
	midnight := (d + 1).start()
	r := rng(mix(mix(s.o.Seed, 0x6c617465), uint64(d)))
	if r.float() < s.o.LateShare {
		return midnight.Add(time.Duration(r.between(7.5, 13) * float64(time.Hour)))
	}
	return midnight.Add(s.o.ReadyAt)
}

func (s *Server) readyLocked(d day, typ string, now time.Time) bool {
	if s.late && d >= dayOf(now)-1 {
		return false
	}
	if _, set := s.ready[readyKey{d, typ}]; !set && s.o.PublishedFromStart {
		if _, set = s.ready[readyKey{d, ""}]; !set {
			return true
		}
	}
	return !now.Before(s.readyAt(d, typ))
}

// SetReady sets when the reports of a day (YYYYMMDD) are published: all types
// when report is "". The zero time means never, until it is set again.
func (s *Server) SetReady(statDay, report string, at time.Time) error {
	d, err := parseDay(statDay)
	if err != nil {
		return err
	}
	if at.IsZero() {
		at = never
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready[readyKey{d, report}] = at
	return nil
}

// SetPublished is the page's switch for a late morning: off holds yesterday
// back, whatever the plan says, until it is switched on.
func (s *Server) SetPublished(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = !on
}

// SetMaintenance closes the API (503 for every call) or opens it again.
func (s *Server) SetMaintenance(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = on
}

// SetStatsLag delays /stats by d more than its usual two hours.
func (s *Server) SetStatsLag(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statsLag = d
}
