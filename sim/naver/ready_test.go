package naver

import (
	"strings"
	"testing"
	"time"
)

func TestReadiness(t *testing.T) {
	ask := func(c *client, at time.Duration) bool {
		t.Helper()
		c.clock.t = date(2026, time.May, 20).start().Add(at)
		code, _, body := c.do("POST", "/stat-reports", `{"reportTp":"AD","statDt":"20260519"}`)
		if code/100 != 2 && !strings.Contains(body, "20007") {
			t.Fatalf("%d %s", code, body)
		}
		return code/100 == 2
	}
	for name, tc := range map[string]struct {
		o     Options
		early time.Duration // not ready
		late  time.Duration // ready
	}{
		"default": {Options{}, 4*time.Hour - time.Second, 4 * time.Hour},
		"set":     {Options{ReadyAt: 6 * time.Hour}, 6*time.Hour - time.Second, 6 * time.Hour},
		"late":    {Options{LateShare: 1}, 7*time.Hour + 29*time.Minute, 13 * time.Hour},
		"storm":   {Options{Profile: "storm"}, 8*time.Hour - time.Second, 8 * time.Hour},
		"demo":    {Options{PublishedFromStart: true}, -1, 0},
	} {
		tc.o.Accounts = 2
		c := newClient(t, tc.o)
		if tc.early >= 0 && ask(c, tc.early) {
			t.Errorf("%s: ready at %v", name, tc.early)
		}
		if !ask(c, tc.late) {
			t.Errorf("%s: not ready at %v", name, tc.late)
		}
		if name == "storm" && c.sim.Metrics().Scopes[0].Capacity > 40 {
			t.Errorf("no incident at the first report: %+v", c.sim.Metrics().Scopes)
		}
		if err := c.sim.SetReady("20260519", "", time.Time{}); err != nil {
			t.Fatal(err)
		}
		if ask(c, 20*time.Hour) {
			t.Errorf("%s: ready, though never", name)
		}
	}
}

func TestDefaultLicenceLooksReal(t *testing.T) {
	if len(DefaultLicense) != 74 || strings.Trim(DefaultLicense, "0123456789abcdef") != "" || len(DefaultSecret) != 48 {
		t.Errorf("%d %d", len(DefaultLicense), len(DefaultSecret))
	}
}

func TestMorningIncidents(t *testing.T) {
	mornings := 0
	m := newLimiter(1, Limits{Incidents: true}, t0)
	for d := date(2026, 1, 1); d < date(2027, 1, 1); d++ {
		for at := 6 * time.Hour; at < 11*time.Hour; at += 30 * time.Second {
			if m.incidentAt(d.start().Add(at)) < 1 {
				mornings++
				break
			}
		}
	}
	if mornings < 150 || mornings > 215 {
		t.Errorf("%d of 365 mornings have an incident", mornings)
	}
}
