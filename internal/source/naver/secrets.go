package naver

import (
	"slices"
	"strings"
	"sync"
	"time"

	"imreport/internal/account"
)

// deadFor is how long a key that was refused is not tried again by requests
// that are under way: a dead key must not be knocked at by all of its runs.
const deadFor = 10 * time.Second

// secrets remembers, per licence, which secret worked last, and which keys
// were refused a moment ago. Naver has rotated secrets by itself, so a key may
// carry several.
type secrets struct {
	mu    sync.Mutex
	works map[string]string
	gone  map[grave]tomb
}

// grave is a key as it was when it was refused: with other secrets it lives.
type grave struct {
	id, license, secrets string
	revision             int64
}

func graveOf(c account.Credential) grave {
	return grave{c.ID, c.License, strings.Join(c.Secrets, "\n"), c.Revision}
}

type tomb struct {
	f  fault
	at time.Time
}

// order is the key's secrets in the order to try them.
func (s *secrets) order(c account.Credential) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	good, ok := s.works[c.License]
	if !ok || len(c.Secrets) < 2 || !slices.Contains(c.Secrets, good) || c.Secrets[0] == good {
		return c.Secrets
	}
	order := []string{good}
	for _, v := range c.Secrets {
		if v != good {
			order = append(order, v)
		}
	}
	return order
}

func (s *secrets) worked(c account.Credential, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.works == nil {
		s.works = map[string]string{}
	}
	s.works[c.License] = secret
	delete(s.gone, graveOf(c))
}

// died notes that the key as a whole was refused.
func (s *secrets) died(c account.Credential, f *fault, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone == nil {
		s.gone = map[grave]tomb{}
	}
	s.gone[graveOf(c)] = tomb{*f, at}
}

// dead is the refusal of the key if it is a moment old.
func (s *secrets) dead(c account.Credential, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := graveOf(c)
	t, ok := s.gone[g]
	if !ok {
		return nil
	}
	if age := now.Sub(t.at); age < 0 || age >= deadFor {
		delete(s.gone, g)
		return nil
	}
	f := t.f
	return &f
}

// again lets the key be tried at once, because a person asks.
func (s *secrets) again(c account.Credential) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.gone, graveOf(c))
}
