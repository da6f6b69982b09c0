package naver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"imreport/internal/account"
	"imreport/internal/archive"
	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/quota"
	"imreport/internal/run"
	"imreport/internal/table"
	vendor "imreport/sim/naver"
)

// morning is the instant at which the tests begin: ten o'clock in Korea, when
// yesterday is published.
var morning = time.Date(2026, 11, 25, 10, 0, 0, 0, table.KST)

// clockwork is a clock that runs with the real one and can be put forward.
type clockwork struct {
	mu    sync.Mutex
	base  time.Time
	began time.Time
}

func (c *clockwork) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base.Add(time.Since(c.began))
}

func (c *clockwork) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base = c.base.Add(d)
}

// stage is a Source before a simulated Naver.
type stage struct {
	*Source
	t      *testing.T
	sim    *vendor.Server
	clock  *clockwork
	url    string
	seen   *requests
	dir    string
	o      Options
	cred   account.Credential
	heard  []table.Day // published
	heardM sync.Mutex
}

// requests counts what passes to the simulator, by "METHOD /path" with ids
// replaced.
type requests struct {
	mu    sync.Mutex
	calls map[string]int
	all   []string // with bodies
	block func(r *http.Request) bool
}

func (q *requests) count(r *http.Request, body string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	path := r.URL.Path
	for _, p := range []string{"/stat-reports/", "/master-reports/"} {
		if strings.HasPrefix(path, p) {
			path = p + "{id}"
		}
	}
	if q.calls == nil {
		q.calls = map[string]int{}
	}
	q.calls[r.Method+" "+path]++
	q.all = append(q.all, r.Method+" "+path+" "+body)
}

// take returns the counts and starts anew.
func (q *requests) take() (calls map[string]int, all []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	calls, all = q.calls, q.all
	q.calls, q.all = map[string]int{}, nil
	return calls, all
}

func sum(calls map[string]int) (n int) {
	for _, v := range calls {
		n += v
	}
	return n
}

// newStage makes a simulator with small accounts and a Source over it.
func newStage(t *testing.T, d *db.DB, so vendor.Options, change func(*Options)) *stage {
	t.Helper()
	if d == nil {
		d = dbtest.SQLite(t)
	}
	clock := &clockwork{base: morning, began: time.Now()}
	so.Now = clock.now
	so.Seed = 7
	if so.Profile == "" {
		so.Profile = "calm"
	}
	for p, v := range map[*int]int{&so.Accounts: 6, &so.Campaigns: 6, &so.AdGroups: 24, &so.Keywords: 30} {
		if *p == 0 {
			*p = v
		}
	}
	if so.BuildMin == 0 {
		so.BuildMin, so.BuildMax = time.Millisecond, 3*time.Millisecond
	}
	sim := vendor.New(so)
	seen := &requests{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		seen.count(r, string(body))
		if seen.block != nil && seen.block(r) {
			panic(http.ErrAbortHandler)
		}
		sim.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	st := &stage{t: t, sim: sim, clock: clock, url: server.URL, seen: seen, dir: filepath.Join(t.TempDir(), "archive")}
	dir, err := archive.NewDir(st.dir)
	if err != nil {
		t.Fatal(err)
	}
	st.o = Options{
		URL: server.URL, DB: d, Archive: archive.Open(d, dir), Now: clock.now, Gate: fastGate(),
		Pauses: []time.Duration{time.Millisecond, 2 * time.Millisecond}, Poll: 5 * time.Millisecond,
		Published: func(day table.Day) {
			st.heardM.Lock()
			defer st.heardM.Unlock()
			st.heard = append(st.heard, day)
		},
	}
	if testing.Verbose() {
		st.o.Log = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	}
	if change != nil {
		change(&st.o)
	}
	st.cred = account.Credential{ID: "key", WorkspaceID: "ws", License: vendor.DefaultLicense, Secrets: []string{vendor.DefaultSecret}, Revision: 1}
	st.restart()
	return st
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// fastGate is a gate that never makes a test wait.
func fastGate() *quota.Gate {
	fast := quota.Policy{Kind: quota.Fixed, Rate: 10_000}
	policies := map[string]quota.Policy{}
	for kind := range quota.DefaultPolicies() {
		policies[kind] = fast
	}
	return quota.New(quota.Options{Policies: policies})
}

// restart replaces the Source by a new one over the same database and archive:
// what a new process knows.
func (st *stage) restart() {
	st.t.Helper()
	s, err := New(st.o)
	if err != nil {
		st.t.Fatal(err)
	}
	st.t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			st.t.Errorf("close: %v", err)
		}
	})
	for _, t := range reportTypes { // no first guess of seconds
		s.builds.saw(t.name, time.Millisecond, true)
	}
	for item := range masterItems {
		s.masters.saw(item, time.Millisecond, true)
	}
	st.Source = s
}

// busy and idle are the customers with and without impressions.
func (st *stage) busy() (ids []string)  { return st.customers(false) }
func (st *stage) quiet() (ids []string) { return st.customers(true) }

func (st *stage) customers(quiet bool) (ids []string) {
	for _, c := range st.sim.Customers() {
		if c.Quiet == quiet {
			ids = append(ids, strconv.FormatInt(c.ID, 10))
		}
	}
	if len(ids) == 0 {
		st.t.Fatal("the simulator has no such customer")
	}
	return ids
}

// order asks for the reports of a customer over the days before today.
func (st *stage) order(customer string, days int, reports ...string) run.Order {
	today := table.DayOf(st.clock.now())
	return run.Order{RunID: db.NewID(), RawDataID: "raw", WorkspaceID: "ws", Credential: st.cred, CustomerID: customer,
		Reports: reports, From: today - table.Day(days), To: today - 1}
}

// progress counts, and refuses to fall.
type progress struct {
	t           *testing.T
	mu          sync.Mutex
	total, done int
}

func (p *progress) Plan(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total = n
}

func (p *progress) Done(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done += n; n < 0 || p.done > p.total {
		p.t.Errorf("%d of %d done", p.done, p.total)
	}
}

// must collects, without an error.
func (st *stage) must(o run.Order) {
	st.t.Helper()
	p := &progress{t: st.t}
	if err := st.Collect(context.Background(), o, p); err != nil {
		st.t.Fatalf("collect: %v", err)
	}
	if p.done != p.total {
		st.t.Errorf("%d of %d pieces done", p.done, p.total)
	}
}

// fails collects and returns how the run is to stop.
func (st *stage) fails(o run.Order) *run.Stop {
	st.t.Helper()
	err := st.Collect(context.Background(), o, &progress{t: st.t})
	var stop *run.Stop
	if !errors.As(err, &stop) {
		st.t.Fatalf("collect: %v, want a stop", err)
	}
	return stop
}

// rows reads the tab of a report as texts by column.
func (st *stage) rows(o run.Order, report string) (schema table.Schema, rows [][]string) {
	st.t.Helper()
	tabs, err := st.Tabs(context.Background(), o)
	if err != nil {
		st.t.Fatal(err)
	}
	for _, tab := range tabs {
		if tab.Report != report {
			continue
		}
		r, err := tab.Open(context.Background())
		if err != nil {
			st.t.Fatal(err)
		}
		err = drain(r, func(row table.Row) error {
			cells := make([]string, len(row))
			for i, c := range tab.Schema {
				cells[i] = show(c.Kind, row[i])
			}
			rows = append(rows, cells)
			return nil
		})
		if err != nil {
			st.t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			st.t.Fatal(err)
		}
		if int64(len(rows)) != tab.Rows {
			st.t.Errorf("%s: %d rows, the tab says %d", report, len(rows), tab.Rows)
		}
		return tab.Schema, rows
	}
	st.t.Fatalf("no tab %s", report)
	return nil, nil
}

func customerID(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// truth is what the simulator knows of a report.
func (st *stage) truth(customer, report string, day table.Day) vendor.Truth {
	st.t.Helper()
	truth, err := st.sim.Truth(customerID(customer), report, day.Compact())
	if err != nil {
		st.t.Fatal(err)
	}
	return truth
}
