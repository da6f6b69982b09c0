package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"imreport/internal/account"
	"imreport/internal/db"
	"imreport/internal/quota"
	"imreport/internal/run"
)

// metrics are the numbers of this process at /metrics. Counts of runs come
// from the database, so every process tells the same.
type metrics struct {
	registry *prometheus.Registry
	a        *App
	pickup   prometheus.Histogram
	open     *prometheus.Desc
	oldest   *prometheus.Desc
	stranded *prometheus.Desc
	rate     *prometheus.Desc
	build    *prometheus.Desc
	ticked   *prometheus.Desc
	started  *prometheus.Desc
}

func newMetrics(a *App) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(), a: a,
		pickup: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "imreport_run_pickup_seconds", Help: "From the commit that started a run to its worker's lease.",
			Buckets: []float64{.005, .01, .025, .05, .1, .15, .25, .5, 1, 5, 60},
		}),
		open:     prometheus.NewDesc("imreport_runs_open", "Open runs by state and reason.", []string{"state", "reason"}, nil),
		oldest:   prometheus.NewDesc("imreport_runs_oldest_waiting_seconds", "Age of the oldest run in line.", nil, nil),
		stranded: prometheus.NewDesc("imreport_lanes_stranded_total", "Lanes that the sweeper had to restart; must stay 0.", nil, nil),
		rate:     prometheus.NewDesc("imreport_quota_rate_per_second", "Learned rate of a scope; licences are shortened.", []string{"scope", "id"}, nil),
		build:    prometheus.NewDesc("imreport_build_info", "Version of the program.", []string{"version", "database"}, nil),
		ticked:   prometheus.NewDesc("imreport_morning_last_tick_seconds", "Unix time of the last look at what is due; 0 before the first.", nil, nil),
		started:  prometheus.NewDesc("imreport_morning_refreshes_started_total", "Refreshes that this process started by itself.", []string{"cause"}, nil),
	}
	m.registry.MustRegister(m, m.pickup, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// picked hears how long a run waited for its worker.
func (m *metrics) picked(waited time.Duration) { m.pickup.Observe(waited.Seconds()) }

// Describe names the numbers that are read when they are asked for.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.open, m.oldest, m.stranded, m.rate, m.build, m.ticked, m.started} {
		ch <- d
	}
}

// collectWithin bounds what /metrics asks the database.
const collectWithin = 2 * time.Second

// Collect reads them.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	ctx, stop := context.WithTimeout(context.Background(), collectWithin)
	defer stop()
	ch <- prometheus.MustNewConstMetric(m.build, prometheus.GaugeValue, 1, m.a.o.Version, m.a.d.Dialect().String())
	ch <- prometheus.MustNewConstMetric(m.stranded, prometheus.CounterValue, float64(m.a.runs.Stranded()))
	for _, r := range m.a.gate.Export() {
		id := r.ID
		if r.Kind == quota.Licence && len(id) > 12 {
			id = account.Mask(id)
		}
		ch <- prometheus.MustNewConstMetric(m.rate, prometheus.GaugeValue, r.PerS, r.Kind, id)
	}
	m.collectMorning(ch)
	type count struct {
		state  run.State
		reason string
		n      int64
		since  int64
	}
	all, err := db.All(ctx, m.a.d, func(r db.Scanner) (c count, err error) {
		err = r.Scan(&c.state, &c.reason, &c.n, &c.since)
		return c, err
	}, `SELECT state, reason, count(*), min(created_us) FROM run WHERE state IN (1, 2, 3, 4, 5, 6) GROUP BY state, reason`)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(m.open, err)
		return
	}
	oldest := 0.0
	for _, c := range all {
		ch <- prometheus.MustNewConstMetric(m.open, prometheus.GaugeValue, float64(c.n), c.state.String(), c.reason)
		if c.state.Waiting() {
			oldest = max(oldest, time.Since(db.Time(c.since)).Seconds())
		}
	}
	ch <- prometheus.MustNewConstMetric(m.oldest, prometheus.GaugeValue, oldest)
}

// collectMorning reads the numbers of refreshes, and of the calls they spare.
func (m *metrics) collectMorning(ch chan<- prometheus.Metric) {
	f := m.a.mornings.Figures()
	ticked := 0.0
	if !f.Ticked.IsZero() {
		ticked = float64(f.Ticked.Unix())
	}
	ch <- prometheus.MustNewConstMetric(m.ticked, prometheus.GaugeValue, ticked)
	for _, c := range []run.Cause{run.Scheduled, run.Late, run.Repair} {
		ch <- prometheus.MustNewConstMetric(m.started, prometheus.CounterValue, float64(f.Started[c]), string(c))
	}
	m.a.naver.Counts().Each(func(name, help string, value int64) {
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue, float64(value))
	})
}
