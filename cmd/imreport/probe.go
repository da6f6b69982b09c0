package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/quota"
	"imreport/internal/source/naver"
)

// probeFlags let doctor measure a real key.
type probeFlags struct {
	Probe     bool          `help:"Measure how fast a key may be used: only reading calls, at growing rates, until the first refusals. The key comes from NAVER_API_KEY and NAVER_SECRET_KEY."`
	Customers listFlag      `name:"customer" help:"Customer ids (CUSTOMER_ID) for --probe: one, or two to tell whether their limits are apart." placeholder:"ID[,ID]"`
	Calls     int           `name:"probe-calls" default:"600" help:"Calls that --probe sends at most."`
	Top       float64       `name:"probe-rate" default:"40" help:"Calls per second at which --probe stops at the latest."`
	License   string        `name:"license" env:"NAVER_API_KEY" hidden:""`
	Secret    string        `name:"secret" env:"NAVER_SECRET_KEY" hidden:""`
	Pause     time.Duration `name:"probe-pause" default:"5s" hidden:""`
	Step      time.Duration `name:"probe-step" default:"2s" hidden:""`
}

// probe measures and prints what it found.
func (c *probeFlags) probe(ctx context.Context, url string, o *out) error {
	lang := terminalLang()
	if c.License == "" || c.Secret == "" {
		return errs.E(errs.Invalid, "quota.probe.no_key", nil)
	}
	if len(c.Customers) < 1 || len(c.Customers) > 2 {
		return errs.E(errs.Invalid, "quota.probe.no_customer", nil)
	}
	say := func(key string, args ...any) { fmt.Fprintln(o.stdout, i18n.T(lang, key, args...)) }
	say("quota.probe.begins", c.Calls, int(c.Top))
	p := &naverProbe{url: strings.TrimSuffix(url, "/"), license: c.License, secret: c.Secret, http: &http.Client{Timeout: 30 * time.Second}}
	second := quota.ProbeTarget{}
	if len(c.Customers) == 2 {
		second = p.target(c.Customers[1], "/ncc/campaigns")
	}
	r, err := quota.Probe(ctx, quota.ProbeOptions{To: c.Top, Calls: c.Calls, Pause: c.Pause, Step: c.Step},
		p.target(c.Customers[0], "/ncc/campaigns"), second, p.target(c.Customers[0], "/stat-reports"))
	for _, ramp := range []quota.Ramp{r.First, r.Both, r.Second, r.Report} {
		if ramp.Calls == 0 || ramp.Carried == 0 && ramp.Refusals == 0 {
			continue
		}
		if ramp.Refusals == 0 {
			say("quota.probe.carried", ramp.Name, perSecond(ramp.Carried), ramp.Calls)
			continue
		}
		if ramp.Carried == 0 {
			say("quota.probe.refused_here", ramp.Name, perSecond(ramp.Refused), ramp.Calls, ramp.Refusals)
		} else {
			say("quota.probe.refused", ramp.Name, perSecond(ramp.Refused), perSecond(ramp.Carried), ramp.Calls, ramp.Refusals)
		}
		if ramp.Blames != "" {
			say("quota.probe.names", ramp.Blames)
		}
		if ramp.After > 0 {
			say("quota.probe.after", ramp.After)
		}
	}
	if err != nil {
		return err
	}
	switch {
	case len(c.Customers) < 2:
		say("quota.probe.one_customer")
	case !r.Known:
		say("quota.probe.unknown")
	case r.Shared:
		say("quota.probe.shared")
	default:
		say("quota.probe.apart")
	}
	say("quota.probe.ends")
	return nil
}

func perSecond(r float64) string { return strconv.FormatFloat(r, 'f', 1, 64) }

// naverProbe sends reading calls with a key. It passes no gate: it paces
// itself, and what it does must not change what the gate has learned.
type naverProbe struct {
	url, license, secret string
	http                 *http.Client
}

func (p *naverProbe) target(customer, path string) quota.ProbeTarget {
	return quota.ProbeTarget{Name: "GET " + path + " (" + customer + ")", Send: func(ctx context.Context) (quota.Answer, error) {
		return p.get(ctx, customer, path)
	}}
}

// get sends one call.
func (p *naverProbe) get(ctx context.Context, customer, path string) (a quota.Answer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return a, err
	}
	at, signature := naver.Sign(p.secret, time.Now(), http.MethodGet, path)
	for name, value := range map[string]string{"X-Timestamp": at, "X-API-KEY": p.license, "X-Customer": customer, "X-Signature": signature} {
		req.Header.Set(name, value)
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return a, errs.E(errs.Unavailable, "cli.naver_unreachable", err, p.url)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close() // it was read as far as it matters
	if resp.StatusCode < 300 {
		return a, nil
	}
	if err != nil {
		return a, fmt.Errorf("probe: %w", err)
	}
	var said struct {
		Code   int    `json:"code"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	_ = json.Unmarshal(body, &said) // an HTML answer says nothing
	if resp.StatusCode == http.StatusTooManyRequests || said.Code == http.StatusTooManyRequests {
		a.Refused = true
		if strings.Contains(string(body), "rps") || strings.Contains(resp.Header.Get("Content-Type"), "html") {
			a.Blames = quota.IP
		}
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
			a.RetryAfter = time.Duration(n) * time.Second
		}
		return a, nil
	}
	return a, errs.E(errs.Conflict, "quota.probe.error", nil, resp.StatusCode, strings.TrimSpace(said.Title+" "+said.Detail))
}
