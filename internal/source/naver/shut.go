package naver

import (
	"sync"
	"time"
)

// shutFor is how long nothing is asked after Naver has said that it is closed.
const shutFor = time.Minute

// shut knows that Naver is closed for maintenance: then nobody asks for a
// while, and after that one request for all.
type shut struct {
	mu      sync.Mutex
	f       *fault // what it said; nil: open
	at      time.Time
	probing bool
}

// enter lets a request go, or returns that Naver is closed. The caller of leave
// says what came of the request.
func (s *shut) enter(now time.Time) (leave func(err error, now time.Time), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	probe := false
	if s.f != nil {
		age := now.Sub(s.at)
		if s.probing || age >= 0 && age < shutFor {
			f := *s.f
			f.until = s.at.Add(shutFor)
			if !f.until.After(now) {
				f.until = time.Time{} // a probe is under way
			}
			return nil, &f
		}
		s.probing, probe = true, true
	}
	return func(err error, now time.Time) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if probe {
			s.probing = false
		}
		switch {
		case is(err, closed):
			f := *asFault(err)
			s.f, s.at = &f, now
		case probe && (err == nil || asFault(err) != nil && asFault(err).status != 0):
			s.f = nil
		}
	}, nil
}
