package naver

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a virtual clock.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// morning is 2026-05-20 10:00 KST, long after yesterday was published.
func morning() *clock { return &clock{t: time.Date(2026, 5, 20, 1, 0, 0, 0, time.UTC)} }

// client is a plain caller, written from the fact sheet.
type client struct {
	t        *testing.T
	sim      *Server
	url      string
	clock    *clock
	license  string
	secret   string
	customer int64
}

// newClient starts a simulator on a virtual clock; profile "" is calm.
func newClient(t *testing.T, o Options) *client {
	t.Helper()
	ck := morning()
	if o.Now == nil {
		o.Now = ck.now
	}
	if o.Profile == "" {
		o.Profile = "calm"
	}
	sim := New(o)
	srv := httptest.NewServer(sim)
	t.Cleanup(srv.Close)
	return &client{t, sim, srv.URL, ck, sim.o.License, sim.o.Secret, sim.Customers()[0].ID}
}

// do sends a signed request; target is a path with query, or a whole URL.
func (c *client) do(method, target, body string) (int, http.Header, string) {
	c.t.Helper()
	return c.send(c.request(method, target, body))
}

// request is a signed request.
func (c *client) request(method, target, body string) *http.Request {
	c.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = c.url + target
	}
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	ts := strconv.FormatInt(c.clock.now().UnixMilli(), 10)
	r.Header.Set("X-Timestamp", ts)
	r.Header.Set("X-API-KEY", c.license)
	r.Header.Set("X-Customer", strconv.FormatInt(c.customer, 10))
	r.Header.Set("X-Signature", Sign(c.secret, ts, method, r.URL.EscapedPath()))
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json; charset=UTF-8")
	}
	return r
}

func (c *client) send(r *http.Request) (int, http.Header, string) {
	c.t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, res.Header, string(raw)
	}
	return res.StatusCode, res.Header, string(raw)
}

// get decodes the answer of a call that must succeed.
func (c *client) get(method, target, body string, v any) {
	c.t.Helper()
	code, _, raw := c.do(method, target, body)
	if code/100 != 2 {
		c.t.Fatalf("%s %s: %d %s", method, target, code, raw)
	}
	if v != nil {
		if err := json.Unmarshal([]byte(raw), v); err != nil {
			c.t.Fatalf("%s %s: %v in %s", method, target, err, raw)
		}
	}
}

type statJob struct {
	ReportJobID int64  `json:"reportJobId"`
	Status      string `json:"status"`
	DownloadURL string `json:"downloadUrl"`
	StatDt      string `json:"statDt"`
}

// post makes a stat report.
func (c *client) post(report, statDay string) statJob {
	c.t.Helper()
	var j statJob
	c.get("POST", "/stat-reports", `{"reportTp":"`+report+`","statDt":"`+statDay+`"}`, &j)
	return j
}

// state asks for a job again.
func (c *client) state(id int64) statJob {
	c.t.Helper()
	var j statJob
	c.get("GET", "/stat-reports/"+strconv.FormatInt(id, 10), "", &j)
	return j
}

// rows makes, waits for and downloads a report.
func (c *client) rows(report, statDay string) [][]string {
	c.t.Helper()
	j := c.post(report, statDay)
	c.clock.add(30 * time.Second)
	j = c.state(j.ReportJobID)
	if j.Status == stNone {
		return nil
	}
	code, _, raw := c.do("GET", j.DownloadURL, "")
	if code != 200 {
		c.t.Fatalf("download %s %s (%s): %d %s", report, statDay, j.Status, code, raw)
	}
	return tsv(raw)
}

func tsv(raw string) [][]string {
	var out [][]string
	for line := range strings.Lines(raw) {
		out = append(out, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return out
}
