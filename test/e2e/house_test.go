package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "imreport/internal/app" // what the program is made of: go test keeps no result across its changes
	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/jobs"
	"imreport/sim/naver"
)

// binary is the program, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "imreport-e2e-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "imreport")
	build := exec.Command("go", "build", "-o", binary, "imreport/cmd/imreport")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "the program does not build:", err)
		os.Exit(1)
	}
	// The tests here mostly wait for other processes.
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const adminToken = "e2e-admin-token-0123456789"

// house is an instance over a fresh data folder, and the Naver that it asks.
type house struct {
	t     *testing.T
	naver *naver.Server
	url   string // of the simulated Naver
	dir   string
	pg    string // empty: SQLite
	token string // of the API; empty: adminToken
	env   []string

	mu     sync.Mutex
	asked  []asked
	closed chan struct{} // while set and open, reports are not answered
}

// hold lets Naver not answer about reports until the function is called.
func (h *house) hold() (release func()) {
	c := make(chan struct{})
	h.mu.Lock()
	h.closed = c
	h.mu.Unlock()
	return func() { close(c) }
}

// asked is a report that Naver was asked to make.
type asked struct {
	customer, report, day string
	at                    time.Time
}

// newHouse makes one with a Naver that answers as fast as it can.
func newHouse(t *testing.T, postgres bool, change ...func(*naver.Options)) *house {
	t.Helper()
	o := naver.Options{
		Seed: 7, Accounts: 4, Campaigns: 2, AdGroups: 4, Keywords: 20, PublishedFromStart: true, BuildMin: -1, BuildMax: -1,
		Limits: &naver.Limits{Scopes: map[string]naver.Limit{naver.ScopeLicence: {Rate: 400, WindowMS: 250, Form: "A"}}},
	}
	for _, f := range change {
		f(&o)
	}
	h := &house{t: t, naver: naver.New(o), dir: t.TempDir()}
	srv := httptest.NewServer(h.watch(h.naver))
	t.Cleanup(srv.Close)
	h.url = srv.URL
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32))
	if postgres {
		h.pg = dbtest.PostgresURL(t)
	}
	h.learn()
	h.env = []string{
		"IMREPORT_DATA=" + h.dir, "IMREPORT_DATABASE_URL=" + h.pg, "IMREPORT_SECRET_KEY=" + key, "IMREPORT_NAVER_URL=" + h.url,
		"IMREPORT_ADMIN_TOKEN=" + adminToken, "IMREPORT_PROBE_INTERVAL=1s", "LANG=en", "HOME=" + h.dir, "PATH=" + os.Getenv("PATH"),
	}
	return h
}

// learn prepares the database as if the gate had met this fast Naver before:
// how it finds the rate is tested elsewhere and takes its time.
func (h *house) learn() {
	h.t.Helper()
	ctx := context.Background()
	d, err := db.Open(ctx, db.Options{URL: h.pg, Dir: h.dir})
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if err := errors.Join(jobs.Migrate(ctx, d), d.Migrate(ctx)); err != nil {
		h.t.Fatal(err)
	}
	for kind, id := range map[string]string{"licence": naver.DefaultLicense, "customer": "*", "customer.report": "*", "ip": "naver"} {
		_, err := d.Exec(ctx, `INSERT INTO quota_rate (kind, id, per_s, ref, budget, at_us) VALUES ($1, $2, 300, 300, 0.01, $3)`, kind, id, db.US(time.Now()))
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

// watch notes every report that is asked for.
func (h *house) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		closed := h.closed
		h.mu.Unlock()
		if closed != nil && !strings.Contains(r.URL.Path, "accounts") {
			select {
			case <-closed:
			case <-r.Context().Done():
				return
			}
		}
		if r.Method == http.MethodPost && r.URL.Path == "/stat-reports" {
			b, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(b))
			var body struct{ ReportTp, StatDt string }
			_ = json.Unmarshal(b, &body)
			h.mu.Lock()
			h.asked = append(h.asked, asked{r.Header.Get("X-Customer"), body.ReportTp, strings.ReplaceAll(body.StatDt, "-", "")[:8], time.Now()})
			h.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

// process is one running program.
type process struct {
	h    *house
	cmd  *exec.Cmd
	url  string
	done chan struct{} // closed when it has ended
	log  *lines
}

// lines keeps what a process prints.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start starts serve, or worker, and waits until it says so; a process that
// is to crash may do so before.
func (h *house) start(command string, env ...string) *process {
	h.t.Helper()
	args := []string{command}
	if command == "serve" {
		args = append(args, "--addr", "127.0.0.1:0")
	}
	p := &process{h: h, cmd: exec.Command(binary, args...), done: make(chan struct{}), log: &lines{}}
	p.cmd.Env = append(slices.Clone(h.env), env...)
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(p.kill)
	ready := make(chan string, 1)
	go func() {
		s := bufio.NewScanner(out)
		for s.Scan() {
			if _, url, ok := strings.Cut(s.Text(), " listens on "); ok {
				ready <- url
			} else if strings.HasSuffix(s.Text(), " works") {
				ready <- ""
			}
		}
		_ = p.cmd.Wait()
		close(p.done)
	}()
	select {
	case p.url = <-ready:
	case <-p.done:
	case <-time.After(time.Minute):
		h.t.Fatalf("%s does not start:\n%s", command, p.log)
	}
	return p
}

// stop asks the process to stop and waits for it.
func (p *process) stop() {
	p.h.t.Helper()
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		p.h.t.Fatalf("the process does not stop:\n%s", p.log)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.h.t.Fatalf("stopped with exit code %d:\n%s", code, p.log)
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// call calls the API and decodes the answer into out.
func (p *process) call(method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+cmp.Or(p.h.token, adminToken))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, b)
	}
	if raw, ok := out.(*[]byte); ok {
		*raw = b
		return nil
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

func (p *process) must(method, path string, in, out any) {
	p.h.t.Helper()
	if err := p.call(method, path, in, out); err != nil {
		p.h.t.Fatal(err)
	}
}

// accounts registers the key and returns the ids of its ad accounts.
func (p *process) accounts() (ids []string) {
	p.h.t.Helper()
	var key struct{ ID string }
	p.must("POST", "/api/v1/api-keys", map[string]any{
		"name": "e2e", "platform": "naver_searchad", "license": naver.DefaultLicense, "secret": naver.DefaultSecret}, &key)
	p.must("POST", "/api/v1/api-keys/"+key.ID+"/sync", nil, nil)
	var list struct{ Items []struct{ ID string } }
	p.must("GET", "/api/v1/ad-accounts?limit=500", nil, &list)
	for _, a := range list.Items {
		ids = append(ids, a.ID)
	}
	return ids
}

// rawData asks for a raw data and returns its id.
func (p *process) rawData(account string, days int, reports ...string) string {
	p.h.t.Helper()
	var got struct {
		RawData struct{ ID string } `json:"raw_data"`
	}
	p.must("POST", "/api/v1/raw-data", map[string]any{
		"name": "보고서", "ad_account_id": account, "reports": reports, "period": map[string]any{"last_days": days},
		"destination": map[string]any{"type": "xlsx"},
	}, &got)
	return got.RawData.ID
}

// row is a row of a log.
type row struct {
	Seq    int
	RunID  string `json:"run_id"`
	State  int
	Reason *struct{ Code string }
	At     time.Time
}

func (p *process) logOf(rawData string) []row {
	p.h.t.Helper()
	var l struct{ Items []row }
	p.must("GET", "/api/v1/raw-data/"+rawData+"/log?limit=500", nil, &l)
	return l.Items
}

// await polls until ok, or fails the test after a generous time.
func (h *house) await(what string, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// allEnded waits until nothing is open.
func (h *house) allEnded(p *process) {
	h.t.Helper()
	h.await("the end of all runs", func() bool {
		var st struct{ Items []json.RawMessage }
		if err := p.call("GET", "/api/v1/status", nil, &st); err != nil {
			select {
			case <-p.done:
				h.t.Fatalf("the process has ended:\n%s", p.log)
			default:
			}
			return false
		}
		return len(st.Items) == 0
	})
}

// stored are the pieces that the archive keeps, as asked: "customer report day".
func (h *house) stored() map[string]bool {
	h.t.Helper()
	d, err := db.Open(context.Background(), db.Options{URL: h.pg, Dir: h.dir, Shared: true})
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	type key struct {
		customer, report string
		day              int64
	}
	all, err := db.All(context.Background(), d, func(r db.Scanner) (k key, err error) {
		err = r.Scan(&k.customer, &k.report, &k.day)
		return k, err
	}, `SELECT customer_id, report, day FROM piece WHERE current AND day > 0`)
	if err != nil {
		h.t.Fatal(err)
	}
	out := map[string]bool{}
	for _, k := range all {
		out[k.customer+" "+k.report+" "+time.Unix(k.day*86400, 0).UTC().Format("20060102")] = true
	}
	return out
}

// notAskedAgain checks that none of the stored pieces was asked for since.
func (h *house) notAskedAgain(stored map[string]bool, since time.Time) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.asked {
		if key := a.customer + " " + a.report + " " + a.day; a.at.After(since) && stored[key] {
			h.t.Errorf("%s was stored and is asked for again", key)
		}
	}
}

// each runs fn on SQLite and on PostgreSQL.
func each(t *testing.T, fn func(t *testing.T, postgres bool)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, false)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, true)
	})
}
