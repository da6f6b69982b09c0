package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"imreport/internal/account"
	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/incident"
	"imreport/internal/jobs"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/schedule"
	"imreport/internal/seal"
	"imreport/internal/table"
	"imreport/internal/web"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

var bg = context.Background()

const (
	adminToken = "the-admin-token-of-this-test-0123456789"
	license    = "0100000000f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff00"
	secretA    = "AQAAAABTZWNyZXRLZXlGb3JUZXN0aW5nT25seTAwMDAwMQ=="
	secretB    = "AQAAAABTZWNyZXRLZXlGb3JUZXN0aW5nT25seTAwMDAwMg=="
)

// house is a Site with real services over a fresh database. Only the platform
// and the spreadsheets are the test's own.
type house struct {
	t         testing.TB
	d         *db.DB
	site      *web.Site
	calls     *rest.API
	people    *workspace.Service
	keys      *account.Service
	incidents *incident.Service
	jobs      *jobs.Jobs
	runs      *run.Service
	source    *fakeSource
	files     *fakeFiles
	expected  *quota.Range
	unread    atomic.Bool // reads of runs fail

	mu  sync.Mutex
	now time.Time
}

// each runs fn on both databases, with a house that works. Houses share
// nothing, and most of their time they wait for a database to be made.
func each(t *testing.T, fn func(h *house)) {
	t.Helper()
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d)
		h.work()
		fn(h)
	})
}

// one runs fn on SQLite only: for what no database can make different, or what
// its own package tests on both.
func one(t *testing.T, fn func(h *house)) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, dbtest.SQLite(t))
	h.work()
	fn(h)
}

func newHouse(t testing.TB, d *db.DB) *house {
	t.Helper()
	h := &house{t: t, d: d, source: &fakeSource{}, files: &fakeFiles{objects: map[string][]byte{}},
		now: time.Date(2026, 11, 20, 6, 0, 0, 0, table.KST)}
	box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	h.ok(err)
	h.jobs = jobs.New(d, jobs.Options{})
	h.people = workspace.New(d, box, workspace.Options{Now: h.clock})
	h.incidents = incident.New(d, h.jobs, nil)
	h.keys = account.New(d, h.jobs, box, h.incidents, nil)
	h.keys.Discover(account.NaverSearchAd, h.source)
	reports := report.New(d, report.Options{Types: []report.Type{{Name: "AD", DaysBack: 365}, {Name: "ADEXTENSION", DaysBack: 45}}, Zone: h.people.Zone})
	gate := quota.New(quota.Options{})
	h.runs = run.New(d, h.jobs, run.Options{
		Reports: reports, Keys: h.keys, Gate: gate, Now: h.clock, Lang: h.people.Lang,
		Sources:      map[string]run.Source{account.NaverSearchAd: h.source},
		Destinations: map[string]run.Destination{report.XLSX: h.files},
	})
	h.keys.DependsOn(func(ctx context.Context, tx *db.Tx, id string) ([]account.Dependent, error) {
		n, err := reports.OfAccount(ctx, tx, id)
		return []account.Dependent{{Kind: "raw_data", Count: n}}, err
	})
	_, err = h.people.EnsureFirst(bg)
	h.ok(err)
	h.ok(h.people.Bootstrap(bg, adminToken))
	h.site = web.New(web.Deps{People: h.people, Now: h.clock, PublicURL: "https://reports.example.kr"})
	h.calls = rest.New(h.site)
	Mount(h.calls, Deps{
		Runs: &runsOf{h.runs, h}, Reports: reports, Accounts: h.keys, Incidents: h.incidents, Files: h.files,
		Usage: func(_ context.Context, k account.Key) (quota.Usage, error) {
			own := func(kind, id string) quota.ScopeUsage {
				return quota.ScopeUsage{Scope: quota.Scope{Kind: kind, ID: id}, RatePerS: 20}
			}
			return quota.Usage{Scopes: []quota.ScopeUsage{own(quota.Licence, k.License), own(quota.Customer, "1234567"),
				own(quota.CustomerReport, "7777777")}, Queue: map[string]int{"bulk": 3}, Tenants: []quota.TenantUsage{
				{Tenant: "other 1", Queue: map[string]int{"bulk": 1}, Slots: 10},
				{Tenant: "other 2", Slots: 5},
				{Tenant: k.WorkspaceID, Queue: map[string]int{"bulk": 2}, Slots: 7}}}, nil
		},
		Estimate: func(_ context.Context, _ string, in report.Input) (Estimate, error) {
			return Estimate{Pieces: 3, Stored: 1, Requests: 9, Takes: 1500 * time.Millisecond, ReadyAt: h.clock().Add(2 * time.Second)}, nil
		},
		Spared: func(_ context.Context, ws, keyID string) (Spared, error) {
			return Spared{Since: h.now, Requests: 40, By: []SparedBy{{"kept", 30}, {"idle", 10}}}, nil
		},
		TryChannels: func(context.Context, string) ([]schedule.Trial, error) {
			return []schedule.Trial{{Channel: "slack", Sent: true}, {Channel: "webhook", Why: schedule.NotTaken, Status: 404}}, nil
		},
		Mornings: schedule.New(d, h.jobs, schedule.Options{Runs: h.runs, Reports: reports, Box: box, Unreachable: h.keys.Unreachable}),
		Expected: func(run.View) *quota.Range { return h.expected },
		NextRefresh: func(r report.RawData) time.Time {
			if r.Schedule == nil {
				return time.Time{}
			}
			return h.clock().Add(time.Hour)
		},
	})
	return h
}

// runsOf fails to read when the test says so.
type runsOf struct {
	*run.Service
	h *house
}

func (r *runsOf) Get(ctx context.Context, ws, id string) (run.View, error) {
	if r.h.unread.Load() {
		return run.View{}, io.ErrUnexpectedEOF
	}
	return r.Service.Get(ctx, ws, id)
}

func (r *runsOf) Item(ctx context.Context, ws, id string) (run.Item, error) {
	if r.h.unread.Load() {
		return run.Item{}, io.ErrUnexpectedEOF
	}
	return r.Service.Item(ctx, ws, id)
}

// work makes the house fill spreadsheets until the test ends.
func (h *house) work() {
	h.t.Helper()
	h.ok(h.runs.Start(bg))
	h.ok(h.jobs.Start(bg))
	h.t.Cleanup(func() {
		ctx, stop := context.WithTimeout(bg, 20*time.Second)
		defer stop()
		if err := h.jobs.Stop(ctx); err != nil {
			h.t.Error(err)
		}
		if err := h.runs.Stop(ctx); err != nil {
			h.t.Error(err)
		}
	})
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *house) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// answer is what a call was answered with.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

// client calls the API with a token, in English unless told otherwise.
type client struct {
	h     *house
	token string
	lang  string
	heads map[string]string
}

func (h *house) as(token string) *client { return &client{h: h, token: token, lang: "en"} }

func (h *house) admin() *client { return h.as(adminToken) }

func (c *client) with(name, value string) *client {
	d := *c
	d.heads = map[string]string{}
	maps.Copy(d.heads, c.heads)
	d.heads[name] = value
	return &d
}

func (c *client) do(method, path, body string) answer {
	c.h.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	if !strings.HasPrefix(path, "/api/") {
		path = "/api/v1" + path
	}
	r := httptest.NewRequest(method, path, content)
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept-Language", c.lang)
	for k, v := range c.heads {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	c.h.site.ServeHTTP(w, r)
	a := answer{t: c.h.t, status: w.Code, header: w.Header(), raw: w.Body.Bytes()}
	if kind := w.Header().Get("Content-Type"); strings.HasSuffix(kind, "json") && len(a.raw) > 0 {
		if err := json.Unmarshal(a.raw, &a.body); err != nil {
			c.h.t.Fatalf("%s %s: %v in %s", method, path, err, a.raw)
		}
	}
	return a
}

// want checks the status, and the problem's code when one is given.
func (a answer) want(status int, code ...string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.raw)
	}
	if len(code) > 0 && a.body["code"] != code[0] {
		a.t.Fatalf("code %v, want %s: %s", a.body["code"], code[0], a.raw)
	}
	return a
}

// at is a member of the answer by its path: "run.id"; nil when there is none.
func (a answer) at(path string) any {
	var v any = a.body
	for part := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[part]
	}
	return v
}

func (a answer) text(path string) string {
	a.t.Helper()
	s, ok := a.at(path).(string)
	if !ok {
		a.t.Fatalf("%s is no text in %s", path, a.raw)
	}
	return s
}

func (a answer) items() (all []map[string]any) {
	a.t.Helper()
	list, ok := a.body["items"].([]any)
	if !ok {
		a.t.Fatalf("no items in %s", a.raw)
	}
	for _, v := range list {
		all = append(all, v.(map[string]any))
	}
	return all
}

// role is a client whose token may do what a role may.
func (h *house) role(r workspace.Role) *client {
	h.t.Helper()
	return h.as(h.admin().do("POST", "/tokens", `{"name":"`+string(r)+`","role":"`+string(r)+`"}`).want(201).text("token"))
}

// stranger is the owner of another workspace.
func (h *house) stranger() *client {
	h.t.Helper()
	return h.as(h.admin().do("POST", "/workspaces", `{"name":"다른 회사"}`).want(201).text("token"))
}

// account makes a key and an ad account and returns their ids.
func (h *house) account(c *client, customer string) (key, id string) {
	h.t.Helper()
	key = c.do("POST", "/api-keys", `{"name":"키","license":"`+license+`","secret":"`+secretA+`"}`).want(201).text("id")
	return key, c.do("POST", "/ad-accounts", `{"api_key_id":"`+key+`","customer_id":"`+customer+`","name":"광고주"}`).want(201).text("id")
}

func rawDataJSON(accountID string) string {
	return `{"name":"주간 보고서","ad_account_id":"` + accountID + `","reports":["AD"],"period":{"last_days":3},"destination":{"type":"xlsx"}}`
}

// rawData makes a raw data and returns its id and that of its run.
func (h *house) rawData(c *client, accountID string) (id, run string) {
	h.t.Helper()
	a := c.do("POST", "/raw-data", rawDataJSON(accountID)).want(201)
	return a.text("raw_data.id"), a.text("run.id")
}

// await polls until ok, or fails the test after a generous time.
func (h *house) await(what string, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// ended waits until a run has the state.
func (h *house) ended(c *client, id string, state float64) answer {
	h.t.Helper()
	var a answer
	h.await("the end of run "+id, func() bool {
		a = c.do("GET", "/runs/"+id, "").want(200)
		return a.body["poll"] == false
	})
	if a.body["state"] != state {
		h.t.Fatalf("run ended in %v, want %v: %s", a.body["state"], state, a.raw)
	}
	return a
}

// fakeSource collects by a function of the test; nil: three pieces at once. It
// finds the accounts that the test names.
type fakeSource struct {
	mu      sync.Mutex
	collect func(ctx context.Context, p run.Progress) error
	found   []account.Found
	refused error
}

func (f *fakeSource) set(fn func(ctx context.Context, p run.Progress) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.collect = fn
}

// hold makes runs wait at 4 until the returned function is called.
func (f *fakeSource) hold() (release func()) {
	gate := make(chan struct{})
	f.set(func(ctx context.Context, p run.Progress) error {
		p.Plan(3)
		p.Done(1)
		select {
		case <-gate:
			p.Done(2)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return sync.OnceFunc(func() { close(gate) })
}

func (f *fakeSource) Collect(ctx context.Context, _ run.Order, p run.Progress) error {
	f.mu.Lock()
	fn := f.collect
	f.mu.Unlock()
	if fn != nil {
		return fn(ctx, p)
	}
	p.Plan(3)
	p.Done(3)
	return nil
}

func (f *fakeSource) Tabs(context.Context, run.Order) ([]run.Tab, error) {
	s := table.Schema{{Name: "clicks", Kind: table.Int}}
	return []run.Tab{{Report: "AD", Name: "AD", Schema: s, Rows: 1, Open: func(context.Context) (table.Reader, error) {
		return table.Rows(table.Row{table.I(1)}), nil
	}}}, nil
}

func (f *fakeSource) Discover(context.Context, account.Credential) ([]account.Found, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.found, f.refused
}

// fakeFiles are spreadsheets in memory.
type fakeFiles struct {
	mu      sync.Mutex
	objects map[string][]byte
}

func (f *fakeFiles) Create(_ context.Context, w run.Work) (run.Workbook, error) {
	return &fakeBook{f: f, object: w.Object}, nil
}

func (f *fakeFiles) Remove(_ context.Context, file run.File) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.objects, file.Object)
	return nil
}

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func (f *fakeFiles) Open(_ context.Context, file run.File) (io.ReadSeekCloser, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.objects[file.Object]
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	return memory{bytes.NewReader(b)}, int64(len(b)), nil
}

type fakeBook struct {
	f      *fakeFiles
	object string
}

func (b *fakeBook) Insert(_ context.Context, tabs []run.Tab, rows func(int64)) error {
	rows(tabs[0].Rows)
	return nil
}

func (b *fakeBook) Add(context.Context, run.Info) error { return nil }

func (b *fakeBook) Finish(context.Context) (run.File, error) {
	b.f.mu.Lock()
	defer b.f.mu.Unlock()
	content := []byte("PK\x03\x04 " + b.object)
	b.f.objects[b.object] = content
	return run.File{Object: b.object, Rows: 1, Bytes: int64(len(content))}, nil
}

func (b *fakeBook) Abandon() {}
