package quota

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Usage is how one scope and those used together with it stand.
type Usage struct {
	// Scopes: the one asked for, those around it and those inside it.
	Scopes []ScopeUsage `json:"scopes"`
	// Queue counts the calls that wait, by class name.
	Queue map[string]int `json:"queue"`
	// Tenants that wait or were given slots since the process began.
	Tenants []TenantUsage `json:"tenants,omitempty"`
	// ExpectedEnd is when the bulk that is known now is expected to end; nil
	// when there is none or too little is known.
	ExpectedEnd *Range `json:"expected_end,omitempty"`
	// Ends is when each open flow is expected to end, by FlowOptions.ID.
	Ends map[string]Range `json:"ends,omitempty"`
}

// ScopeUsage is one scope instance.
type ScopeUsage struct {
	Scope
	// RatePerS is the learned, set or told rate, head room not taken off.
	RatePerS float64 `json:"rate_per_s"`
	// Rate24h is the mean of that rate over the calls of the last 24 h.
	Rate24h float64 `json:"rate_24h_per_s"`
	// Binding: of its calls in the last 10 s most waited for this scope
	// rather than for another.
	Binding bool `json:"binding"`
	// Refused1m and Refused24h are the refusals charged to this scope ÷ its
	// calls, 0 to 1.
	Refused1m  float64 `json:"refused_share_1m"`
	Refused24h float64 `json:"refused_share_24h"`
	// Sent counts its calls since the process began.
	Sent int64 `json:"sent"`
	// Learned is false as long as the rate is a guess.
	Learned bool `json:"learned"`
	// Why says what the pace of a scope that binds rests on: one of the Why…
	// values; empty when nothing waits for it.
	Why string `json:"why,omitempty"`
	// HeadRoom is the share of the rate that is left to others.
	HeadRoom float64 `json:"head_room,omitempty"`
	// Refusals is the share of refused calls that learning costs at present.
	Refusals float64 `json:"refusals_allowed,omitempty"`
	// WindowS is how many seconds the server counts calls over, where that was found
	// to be more than one; RatePerS is then the mean over them.
	WindowS float64 `json:"window_s,omitempty"`
	// PausedUntil is set while the circuit of a punished scope is open, and
	// while the server has asked to wait.
	PausedUntil *time.Time `json:"paused_until,omitempty"`
}

// What the pace of a binding scope rests on.
const (
	WhyRefused = "refused" // calls above this rate were refused and charged to it
	WhyKept    = "kept"    // it was learned before this process began
	WhyPeers   = "peers"   // others of its kind were refused above this rate
	WhyGuess   = "guess"   // nothing was refused yet; it is still growing
	WhySet     = "set"     // an operator set it
	WhyQuota   = "quota"   // the platform publishes it per minute
	WhyTold    = "told"    // the server tells it in its answers
	WhyPaused  = "paused"  // its circuit is open after mass refusals, or the server asked to wait
	WhyOwner   = "owner"   // another process owns the licence
)

// TenantUsage is one workspace's part.
type TenantUsage struct {
	Tenant string         `json:"tenant"`
	Queue  map[string]int `json:"queue"`
	Slots  int64          `json:"slots"` // given since the process began
}

// Usage says how s stands. An unknown scope has an empty Usage.
func (e *Engine) Usage(now time.Time, s Scope) Usage {
	at := e.at(now)
	u := Usage{Scopes: []ScopeUsage{}, Queue: map[string]int{Interactive.String(): 0, Bulk.String(): 0}}
	in := e.scopes[s]
	if in == nil {
		return u
	}
	for _, x := range e.scopes {
		if x == in || x.outer[s] || in.outer[x.Scope] {
			u.Scopes = append(u.Scopes, e.scopeUsage(at, x))
		}
	}
	slices.SortFunc(u.Scopes, func(a, b ScopeUsage) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	tenants := map[string]*TenantUsage{}
	of := func(name string) *TenantUsage {
		t := tenants[name]
		if t == nil {
			t = &TenantUsage{Tenant: name, Queue: map[string]int{}}
			tenants[name] = t
		}
		return t
	}
	for name, n := range in.slots {
		of(name).Slots = n
	}
	for _, d := range e.order {
		for _, l := range d.lines {
			for _, t := range l.waiting {
				if slices.Contains(t.scopes, in) {
					c := l.flow.Class.String()
					u.Queue[c]++
					of(l.flow.Tenant).Queue[c]++
				}
			}
		}
		for _, end := range d.forecast(at) {
			l := end.line
			if !slices.Contains(l.under, in) {
				continue
			}
			r := Range{e.time(end.from), e.time(end.to)}
			if u.ExpectedEnd == nil || r.To.After(u.ExpectedEnd.To) {
				u.ExpectedEnd = &r
			}
			if u.Ends == nil {
				u.Ends = map[string]Range{}
			}
			u.Ends[l.flow.ID] = r
		}
	}
	for _, t := range tenants {
		u.Tenants = append(u.Tenants, *t)
	}
	slices.SortFunc(u.Tenants, func(a, b TenantUsage) int { return cmp.Compare(a.Tenant, b.Tenant) })
	return u
}

func (e *Engine) scopeUsage(at float64, x *instance) ScopeUsage {
	v := ScopeUsage{Scope: x.Scope, RatePerS: x.perSecond(), Sent: x.stats.total,
		Learned: x.policy.Kind != Learned || x.pacer.charges > 0 || x.adopted}
	v.Refused1m, v.Refused24h, v.Rate24h = x.stats.shares(at)
	if x.policy.Kind == PerMinute {
		v.Rate24h /= 60
	}
	v.Binding = x.stats.binding(at)
	if x.policy.Kind == Learned {
		v.HeadRoom, v.Refusals, v.WindowS = x.pacer.room, x.pacer.aim(), x.pacer.window
	}
	if v.Binding || x.paused > at {
		v.Why = x.why(at)
	}
	if x.paused > at && !math.IsInf(x.paused, 1) && (x.cool > 0 || x.paused == x.asked) {
		t := e.time(x.paused)
		v.PausedUntil = &t
	}
	return v
}

// why says what the scope's pace rests on.
func (s *instance) why(at float64) string {
	switch {
	case s.paused > at && (s.cool > 0 || s.paused == s.asked):
		return WhyPaused
	case at >= s.lease:
		return WhyOwner
	case s.policy.Kind == Fixed:
		return WhySet
	case s.policy.Kind == PerMinute:
		return WhyQuota
	case s.policy.Kind == Told:
		return WhyTold
	case s.pacer.charges > 0:
		return WhyRefused
	case s.stored:
		return WhyKept
	case s.adopted:
		return WhyPeers
	}
	return WhyGuess
}
