package naver

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 5, 20, 1, 0, 0, 0, time.UTC)

// one is a limiter with a single scope, without drift.
func one(l Limit, more Limits) limiter {
	more.Scopes = map[string]Limit{ScopeLicence: l}
	return newLimiter(1, more, t0)
}

var anyone = origin{ip: "127.0.0.1", license: "x", customer: 1}

func TestWindowNeverOverfull(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := Limit{Rate: 1 + 40*r.Float64(), WindowMS: 50 + r.IntN(950)}
		m := one(l, Limits{CountRejected: seed%2 == 0, Drift: seed%3 == 0})
		window := time.Duration(l.WindowMS) * time.Millisecond
		peak := 1.0
		if m.l.Drift {
			peak = 1.2
		}
		allowed := int(math.Ceil(l.Rate * peak * window.Seconds()))
		var accepted []time.Time
		now := t0
		for range 5000 {
			now = now.Add(time.Duration(r.ExpFloat64() / (l.Rate * 2) * float64(time.Second)))
			if _, ok := m.allow(anyone, now); !ok {
				continue
			}
			accepted = append(accepted, now)
			if n := len(accepted) - 1 - allowed; n >= 0 && now.Sub(accepted[n]) < window {
				t.Fatalf("seed %d, %+v: %d arrivals within %v, allowed %d", seed, l, allowed+1, now.Sub(accepted[n]), allowed)
			}
		}
		if seed%2 == 1 && len(accepted) < 1000 { // where refusals count, this load gets next to nothing
			t.Errorf("seed %d: only %d of 5000 accepted", seed, len(accepted))
		}
	}
}

func TestBucketNeverAboveRateAndBurst(t *testing.T) {
	l := Limit{Rate: 10, Burst: 5}
	m := one(l, Limits{TokenBuckets: true})
	r := rand.New(rand.NewPCG(1, 1))
	now, n := t0, 0
	for range 5000 {
		now = now.Add(time.Duration(r.ExpFloat64() / 30 * float64(time.Second)))
		if _, ok := m.allow(anyone, now); ok {
			n++
		}
		if most := 5 + 10*now.Sub(t0).Seconds(); float64(n) > most+1e-6 {
			t.Fatalf("%d accepted after %v", n, now.Sub(t0))
		}
	}
	if want := 10 * now.Sub(t0).Seconds(); float64(n) < want-1 {
		t.Errorf("%d accepted, the rate allows %.0f", n, want)
	}
}

// Calling on while refused: free or deadly.
func TestRefusalsCount(t *testing.T) {
	for name, tc := range map[string]struct {
		more Limits
		want bool // something gets through later on
	}{
		"window, refusals free":  {Limits{}, true},
		"window, refusals count": {Limits{CountRejected: true}, false},
		"bucket, refusals free":  {Limits{TokenBuckets: true}, true},
		"bucket, refusals count": {Limits{TokenBuckets: true, CountRejected: true}, false},
	} {
		m := one(Limit{Rate: 25, WindowMS: 250}, tc.more)
		late := 0
		for i := range 2000 { // 200/s for 10 s
			if _, ok := m.allow(anyone, t0.Add(time.Duration(i)*5*time.Millisecond)); ok && i > 200 {
				late++
			}
		}
		if (late > 0) != tc.want {
			t.Errorf("%s: %d accepted after the first second", name, late)
		}
		b := m.buckets[bucketKey{ScopeLicence, "x"}]
		if tc.want && late < 220 { // 25/s for 9 s
			t.Errorf("%s: only %d accepted", name, late)
		}
		if !tc.want && b.tally.worst < 1900 {
			t.Errorf("%s: longest streak %d", name, b.tally.worst)
		}
		if _, ok := m.allow(anyone, t0.Add(20*time.Second)); !ok {
			t.Errorf("%s: still refused after a pause", name)
		}
	}
}

func TestPacedClientSeesFewRefusals(t *testing.T) {
	m := newLimiter(3, ProfileLimits("perlicence"), t0)
	now := t0
	for range 6000 {
		b := m.bucket(ScopeLicence, "x", m.l.Scopes[ScopeLicence])
		rate := b.capacity(&m, now)
		now = now.Add(time.Duration(float64(time.Second) / (0.8 * rate)))
		m.allow(anyone, now)
	}
	if share := float64(m.total.refused) / 6000; share >= 0.01 {
		t.Errorf("%.2f %% refused at 80 %% of the capacity", share*100)
	}
	b := m.buckets[bucketKey{ScopeLicence, "x"}].tally
	if used := float64(b.accepted) / b.integral; used < 0.78 || used > 0.82 {
		t.Errorf("%.3f of the capacity used", used)
	}
}

func TestProfilesJudgeTheirScopes(t *testing.T) {
	for profile, want := range map[string]string{"calm": "", "documented": ScopeCustReport, "perlicence": ScopeCustReport, "strict": ScopeCustReport} {
		l := ProfileLimits(profile)
		l.Drift, l.Incidents, l.ForeignMax = false, false, 0
		m := newLimiter(1, l, t0)
		who := anyone
		who.op = opReport
		got := ""
		for range 20 {
			if scope, ok := m.allow(who, t0); !ok && got == "" {
				got = scope
			}
		}
		if got != want {
			t.Errorf("%s: refused by %q, want %q", profile, got, want)
		}
	}
	// Many customers at once: bound by licence or by address.
	for profile, want := range map[string]string{"documented": ScopeIP, "perlicence": ScopeLicence} {
		l := ProfileLimits(profile)
		l.Drift, l.Incidents, l.ForeignMax = false, false, 0
		m := newLimiter(1, l, t0)
		for i := range 60 {
			who := anyone
			who.customer = int64(i)
			if scope, ok := m.allow(who, t0); !ok && scope != want {
				t.Errorf("%s: refused by %s", profile, scope)
			}
		}
		if m.total.refused == 0 {
			t.Errorf("%s: nothing refused", profile)
		}
	}
}

func TestGuard(t *testing.T) {
	for _, sticky := range []bool{false, true} {
		l := ProfileLimits("documented")
		l.Drift, l.Incidents, l.ForeignMax, l.GuardSticky = false, false, 0, sticky
		m := newLimiter(1, l, t0)
		who := anyone
		who.op = opKwTool
		for i := range 60 {
			m.allow(who, t0.Add(time.Duration(i)*10*time.Millisecond))
		}
		if _, ok := m.allow(who, t0.Add(299*time.Second)); ok {
			t.Error("not blocked")
		}
		if _, ok := m.allow(anyone, t0.Add(299*time.Second)); !ok {
			t.Error("other operations are blocked too")
		}
		if _, ok := m.allow(who, t0.Add(302*time.Second)); ok == sticky {
			t.Errorf("after 300 s, sticky %v: %v", sticky, ok)
		}
	}
}

func TestIncidentAndForeignTraffic(t *testing.T) {
	accepted := func(l Limits, steps ...incident) int {
		m := newLimiter(1, l, t0)
		m.steps = steps
		n := 0
		for i := range 1800 { // 18/s for 100 s
			if _, ok := m.allow(anyone, t0.Add(time.Duration(i)*time.Second/18)); ok {
				n++
			}
		}
		return n
	}
	l := Limits{Scopes: map[string]Limit{ScopeCust: {Rate: 20, WindowMS: 250}}}
	free := accepted(l)
	slow := accepted(l, incident{t0, t0.Add(100 * time.Second), 0.3})
	l.ForeignMax = 15
	shared := accepted(l)
	l.ForeignShare = 1e-9
	if others := accepted(l); others != free {
		t.Errorf("%d with others at other customers, %d alone", others, free)
	}
	if free != 1800 || slow > free/2 || shared >= free-100 {
		t.Errorf("alone %d, in an incident %d, with others %d", free, slow, shared)
	}
}

func TestRefusalBodies(t *testing.T) {
	for form, want := range map[string]string{"A": `"Too Many Requests"`, "B": "Cannot handle the request", "C": "<h1>429 Too Many Requests</h1>", "D": "Not Over 100 rps"} {
		c := newClient(t, Options{Accounts: 2, Limits: &Limits{Scopes: map[string]Limit{ScopeCust: {Rate: 1, WindowMS: 1000, Form: form}}}})
		c.get("GET", "/ncc/campaigns", "", nil)
		code, h, body := c.do("GET", "/ncc/campaigns", "")
		if code != 429 || !strings.Contains(body, want) || h.Get("Retry-After") != "" || (h.Get("X-Transaction-ID") == "") != (form == "C") {
			t.Errorf("form %s: %d %s %v", form, code, body, h)
		}
		m := c.sim.Metrics()
		if m.Arrivals != 2 || m.Refused != 1 || m.RefusalRate != 0.5 || m.Scopes[0].Accepted != 1 || m.MaxRefusedStreak != 1 || m.Statuses["429"] != 1 {
			t.Errorf("metrics %+v", m)
		}
		c.clock.add(time.Second)
		c.get("GET", "/ncc/campaigns", "", nil)
		if m := c.sim.Metrics(); m.Efficiency != 2 || m.Scopes[0].Capacity != 1 { // 2 accepted in 1 s at 1/s
			t.Errorf("efficiency %v, %+v", m.Efficiency, m.Scopes)
		}
	}
}
