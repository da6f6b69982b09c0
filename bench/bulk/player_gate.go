package bulk

import (
	"math"
	"strconv"
	"time"

	"imreport/internal/quota"
)

var epoch = time.Date(2026, 3, 2, 22, 30, 0, 0, time.UTC) // 07:30 in Seoul

func instant(t float64) time.Time { return epoch.Add(time.Duration(t * 1e9)) }

// gate plays the product's own decision code.
type gate struct {
	e     *quota.Engine
	calls map[*quota.Ticket]*call
	seen  map[*job]*shown
}

// shown is the range of ends that a raw data was first shown.
type shown struct{ at, from, to float64 }

func newGate(*setup) client {
	return &gate{e: quota.NewEngine(quota.Options{}, epoch), calls: map[*quota.Ticket]*call{}, seen: map[*job]*shown{}}
}

func (g *gate) begin(_ float64, j *job) {
	class := quota.Bulk
	if j.interactive {
		class = quota.Interactive
	}
	j.client = g.e.Open(quota.FlowOptions{ID: strconv.Itoa(j.id), Tenant: strconv.Itoa(j.tenant), Class: class,
		Left: j.left, ReportLeft: j.reportLeft})
}

// scopesOf are the scopes of a call, as the Naver client names them.
func scopesOf(c *call) []quota.Scope {
	customer := strconv.Itoa(c.job.customer)
	all := []quota.Scope{{Kind: quota.IP, ID: "naver"}, {Kind: quota.Licence, ID: strconv.Itoa(c.job.licence)}, {Kind: quota.Customer, ID: customer}}
	if c.report {
		all = append(all, quota.Scope{Kind: quota.CustomerReport, ID: customer})
	}
	return all
}

func (g *gate) submit(now float64, c *call) {
	t := g.e.Enqueue(instant(now), c.job.client.(quota.FlowID), quota.Call{Scopes: scopesOf(c)})
	c.again = t
	g.calls[t] = c
}

func (g *gate) next(now float64) (*call, float64) {
	t, again := g.e.Next(instant(now))
	if t != nil {
		return g.calls[t], 0
	}
	if again.IsZero() {
		return nil, math.Inf(1)
	}
	return nil, again.Sub(epoch).Seconds() + 0.5e-9 // instant cuts to whole nanoseconds
}

func (g *gate) answered(now float64, c *call, refused bool, blames string) {
	t := c.again.(*quota.Ticket)
	if !g.e.Done(instant(now), t, quota.Answer{Refused: refused, Blames: blames}) {
		delete(g.calls, t)
	}
}

func (g *gate) end(_ float64, j *job) { g.e.Close(j.client.(quota.FlowID)) }

// learned is the rate that the common scopes of licence 0 allow together.
func (g *gate) learned() float64 {
	rate, _ := g.e.Learned(quota.Scope{Kind: quota.Licence, ID: "0"})
	if ip, n := g.e.Learned(quota.Scope{Kind: quota.IP, ID: "naver"}); n > 0 {
		rate = min(rate, ip)
	}
	return rate
}

// look notes the first range that each raw data is shown.
func (g *gate) look(now float64, jobs []*job) {
	for _, j := range jobs {
		if j.left == 0 || g.seen[j] != nil {
			continue
		}
		if r, ok := g.e.Forecast(instant(now), j.client.(quota.FlowID)); ok {
			g.seen[j] = &shown{now, r.From.Sub(epoch).Seconds(), r.To.Sub(epoch).Seconds()}
		}
	}
}

// oracle is a gate that is told every limit's true rate at every moment, times
// part. What it does not reach, nobody can.
type oracle struct {
	gate
	w    *setup
	part float64
	at   float64
}

func newOracle(part float64) func(*setup) client {
	return func(w *setup) client {
		fixed := quota.Policy{Kind: quota.Fixed, Rate: 1e6}
		narrow := quota.Policy{Kind: quota.Fixed, Rate: 1e6, Narrow: true}
		return &oracle{w: w, part: part, at: -1, gate: gate{calls: map[*quota.Ticket]*call{},
			e: quota.NewEngine(quota.Options{Policies: map[string]quota.Policy{quota.IP: fixed, quota.Licence: fixed,
				quota.Customer: narrow, quota.CustomerReport: narrow}}, epoch)}}
	}
}

func (o *oracle) next(now float64) (*call, float64) {
	if now >= o.at { // told 20 times a second
		o.at = now + 0.05
		o.tell(now, quota.IP, o.w.root, func(int) string { return "naver" })
		o.tell(now, quota.Licence, o.w.lic, strconv.Itoa)
		o.tell(now, quota.Customer, o.w.cust, strconv.Itoa)
		o.tell(now, quota.CustomerReport, o.w.rep, strconv.Itoa)
	}
	c, again := o.gate.next(now)
	if c == nil && len(o.calls) > 0 {
		again = min(again, max(o.at, now+0.05))
	}
	return c, again
}

func (o *oracle) tell(now float64, kind string, limits []*limit, id func(int) string) {
	for i, l := range limits {
		o.e.SetRate(quota.Scope{Kind: kind, ID: id(i)}, min(1e6, max(0.01, o.part*l.net(now))))
	}
}

func (o *oracle) answered(now float64, c *call, refused bool, blames string) {
	t := c.again.(*quota.Ticket)
	a := quota.Answer{Refused: refused, Blames: blames}
	if refused {
		a.RetryAfter = time.Nanosecond // a fixed scope would pause for a second
	}
	if !o.e.Done(instant(now), t, a) {
		delete(o.calls, t)
	}
}
