package naver

import (
	"strconv"
	"time"
)

// The abuse guard of fact sheet 4.3.
const (
	guardRefusals = 50
	guardWithin   = 3 * time.Second
	guardFor      = 300 * time.Second
)

// guard watches one address or customer.
type guard struct {
	refused []time.Time // within guardWithin
	until   time.Time
}

func (m *limiter) watches(who origin) bool { return m.l.Guard && (m.l.GuardAll || who.op == opKwTool) }

// suspects are the guards that watch a request, with the scope that refuses.
func suspects(who origin) map[string]string {
	out := map[string]string{"ip " + who.ip: ScopeIPKwTool}
	if who.customer != 0 {
		out["customer "+strconv.FormatInt(who.customer, 10)] = ScopeCustKwTool
	}
	return out
}

// blocked tells whether a guard refuses who.
func (m *limiter) blocked(who origin, now time.Time) (scope string, yes bool) {
	if !m.watches(who) {
		return "", false
	}
	for k, s := range suspects(who) {
		g := m.guards[k]
		if g == nil || !now.Before(g.until) {
			continue
		}
		if m.l.GuardSticky {
			g.until = now.Add(guardFor)
		}
		if !yes || s == ScopeIPKwTool {
			scope = s
		}
		yes = true
	}
	return scope, yes
}

// refused notes a refusal and blocks who collects too many.
func (m *limiter) refused(who origin, now time.Time) {
	if !m.watches(who) {
		return
	}
	for k := range suspects(who) {
		g := m.guards[k]
		if g == nil {
			g = &guard{}
			m.guards[k] = g
		}
		old := 0
		for old < len(g.refused) && now.Sub(g.refused[old]) > guardWithin {
			old++
		}
		g.refused = append(g.refused[old:], now)
		if len(g.refused) >= guardRefusals {
			g.refused, g.until = nil, now.Add(guardFor)
		}
	}
}

// tooMany writes the 429 of a scope; none has a Retry-After.
func tooMany(c *call, scope string) {
	form := c.s.form(scope)
	switch form {
	case "A":
		c.json(429, obj{"code": 429, "message": "Too Many Requests"})
	case "C":
		html429(c)
	case "D":
		c.json(429, obj{"code": 429, "message": "Too Many Requests, Request Not Over 100 rps"})
	default:
		c.json(429, obj{"code": 429, "status": 429, "title": "Cannot handle the request. Too many requests already exist."})
	}
}

func html429(c *call) {
	html(c.w, 429, "<html><body><h1>429 Too Many Requests</h1>\nYou have sent too many requests in a given amount of time.\n</body></html>\n")
}

func (s *Server) form(scope string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limiter.l.Scopes[scope].Form
}
