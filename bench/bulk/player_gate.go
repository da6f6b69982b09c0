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
	e       *quota.Engine
	calls   map[*quota.Ticket]*call
	reports bool
}

func newGate(reports bool) *gate {
	return &gate{e: quota.NewEngine(quota.Options{}, epoch), calls: map[*quota.Ticket]*call{}, reports: reports}
}

func (g *gate) begin(now float64, j *job) {
	class := quota.Bulk
	if j.interactive {
		class = quota.Interactive
	}
	j.client = g.e.Open(quota.FlowOptions{ID: strconv.Itoa(j.id), Tenant: strconv.Itoa(j.tenant), Class: class,
		Left: j.left, ReportLeft: j.reportLeft})
}

func (g *gate) submit(now float64, c *call) {
	cust := strconv.Itoa(c.job.customer)
	scopes := []quota.Scope{{Kind: quota.IP, ID: "naver"}, {Kind: quota.Licence, ID: strconv.Itoa(c.job.licence)}, {Kind: quota.Customer, ID: cust}}
	if c.report {
		scopes = append(scopes, quota.Scope{Kind: quota.CustomerReport, ID: cust})
	}
	t := g.e.Enqueue(instant(now), c.job.client.(quota.FlowID), quota.Call{Scopes: scopes})
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

func (g *gate) end(now float64, j *job) { g.e.Close(j.client.(quota.FlowID)) }
