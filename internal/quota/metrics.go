package quota

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are a gate's numbers for Prometheus. Customers' scopes are counted
// together: there may be hundreds.
type metrics struct {
	g       *Gate
	name    func(Scope) string
	rate    *prometheus.Desc
	sent    *prometheus.Desc
	refused *prometheus.Desc
	bound   *prometheus.Desc
	paused  *prometheus.Desc
	queue   *prometheus.Desc
	line    *prometheus.Desc
	slots   *prometheus.Desc
	end     *prometheus.Desc
	wire    *prometheus.Desc
	handed  *prometheus.Desc
	owned   *prometheus.Desc
}

// Collector shows the gate to Prometheus. name is how a scope's id is shown,
// so that a licence need not appear in full; nil shows ids as they are.
func (g *Gate) Collector(name func(Scope) string) prometheus.Collector {
	if name == nil {
		name = func(s Scope) string { return s.ID }
	}
	scope := []string{"scope", "id"}
	return &metrics{g: g, name: name,
		rate:    prometheus.NewDesc("imreport_gate_rate_per_second", "Learned, set or told rate of a scope that customers share.", scope, nil),
		sent:    prometheus.NewDesc("imreport_gate_calls_total", "Calls sent; customers' scopes are counted together.", scope, nil),
		refused: prometheus.NewDesc("imreport_gate_refusals_total", "Refusals (429) charged to a scope.", scope, nil),
		bound:   prometheus.NewDesc("imreport_gate_binding", "1 while most calls of a scope wait for it.", scope, nil),
		paused:  prometheus.NewDesc("imreport_gate_paused", "1 while a scope's circuit is open after mass refusals.", scope, nil),
		queue:   prometheus.NewDesc("imreport_gate_queue", "Calls that wait, by class.", []string{"class"}, nil),
		line:    prometheus.NewDesc("imreport_gate_workspace_queue", "Calls that wait, by workspace.", []string{"workspace"}, nil),
		slots:   prometheus.NewDesc("imreport_gate_workspace_slots_total", "Slots given, by shared scope and workspace.", []string{"scope", "id", "workspace"}, nil),
		end:     prometheus.NewDesc("imreport_gate_expected_end_seconds", "Unix time by which all that is known now is expected to end; 0 while nobody knows or nothing waits.", nil, nil),
		wire:    prometheus.NewDesc("imreport_gate_in_flight", "Calls on the wire.", nil, nil),
		handed:  prometheus.NewDesc("imreport_gate_moved_total", "Licences that went to other processes.", nil, nil),
		owned:   prometheus.NewDesc("imreport_gate_licences_owned", "Licences whose calls this process sends; 0 without a shared database.", nil, nil),
	}
}

// Describe names the numbers.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.rate, m.sent, m.refused, m.bound, m.paused, m.queue, m.line, m.slots, m.end, m.wire, m.handed, m.owned} {
		ch <- d
	}
}

// tally is what is shown of one scope, or of all customers' of a kind.
type tally struct {
	rate, sent, refused float64
	bound, paused, one  bool
}

// given is whose slots of a shared scope are counted.
type given struct {
	scope  Scope
	tenant string
}

// Collect reads them.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.g.mu.Lock()
	e := m.g.e
	at := e.at(time.Now())
	all := map[Scope]tally{}
	owned := 0.
	slots := map[given]float64{}
	for s, in := range e.scopes {
		if e.leased[s.Kind] && at < in.lease {
			owned++
		}
		key, one := Scope{s.Kind, m.name(s)}, true
		if in.policy.Narrow {
			key, one = Scope{s.Kind, ""}, false
		}
		t := all[key]
		t.one = one
		t.rate = in.perSecond()
		t.sent += float64(in.stats.total)
		t.refused += float64(in.stats.totalRefused)
		t.bound = t.bound || in.stats.binding(at)
		t.paused = t.paused || in.paused > at && in.cool > 0
		all[key] = t
		for tenant, n := range in.slots {
			slots[given{key, tenant}] += float64(n)
		}
	}
	queue := map[Class]float64{Interactive: 0, Bulk: 0, Backfill: 0}
	line := map[string]float64{}
	wire, end := 0., 0.
	for _, d := range e.order {
		wire += float64(d.wire)
		for _, l := range d.lines {
			queue[l.flow.Class] += float64(len(l.waiting))
			line[l.flow.Tenant] += float64(len(l.waiting))
		}
		for _, x := range d.forecast(at) {
			end = max(end, float64(e.time(x.to).UnixMilli())/1e3)
		}
	}
	m.g.mu.Unlock()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	for s, t := range all {
		if t.one {
			gauge(m.rate, t.rate, s.Kind, s.ID)
		}
		count(m.sent, t.sent, s.Kind, s.ID)
		count(m.refused, t.refused, s.Kind, s.ID)
		gauge(m.bound, bit(t.bound), s.Kind, s.ID)
		gauge(m.paused, bit(t.paused), s.Kind, s.ID)
	}
	for c, n := range queue {
		gauge(m.queue, n, c.String())
	}
	for tenant, n := range line {
		gauge(m.line, n, tenant)
	}
	for x, n := range slots {
		count(m.slots, n, x.scope.Kind, x.scope.ID, x.tenant)
	}
	gauge(m.end, end)
	gauge(m.wire, wire)
	gauge(m.owned, owned)
	count(m.handed, float64(m.g.moved.Load()))
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
