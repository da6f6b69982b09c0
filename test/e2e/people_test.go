package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"imreport/internal/db"
	"imreport/sim/naver"
)

// A process that dies is replaced by the other one within seconds.
func TestTakeover(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	p, q := h.start("serve"), h.start("serve")
	release := h.hold()
	all := p.ask()
	id := all[0].id
	h.await("importing", func() bool { l := p.logOf(id); return l[len(l)-1].State == 4 })
	// Who works at it is told by its lease; the other one goes on.
	if strings.Contains(h.leaseOwner(id), fmt.Sprintf("-%d-", p.cmd.Process.Pid)) {
		p, q = q, p
	}
	q.kill()
	died := time.Now()
	resumed := func() (at time.Time) {
		for _, l := range p.logOf(id) {
			if l.Reason != nil && l.Reason.Code == "resumed" {
				at = l.At
			}
		}
		return at
	}
	h.await("the takeover", func() bool { return !resumed().IsZero() })
	t.Logf("taken over %.1f s after the kill", resumed().Sub(died).Seconds())
	release()
	h.allEnded(p)
	p.check(all)
}

// leaseOwner is the process that works at a raw data's open run.
func (h *house) leaseOwner(rawData string) (owner string) {
	h.t.Helper()
	d, err := db.Open(context.Background(), db.Options{URL: h.pg, Dir: h.dir, Shared: true})
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	err = d.QueryRow(context.Background(), `SELECT lease_owner FROM run WHERE raw_data_id = $1 AND state BETWEEN 3 AND 6`, rawData).Scan(&owner)
	if err != nil {
		h.t.Fatal(err)
	}
	return owner
}

// Days are told by Naver's clock, whatever this machine believes.
func TestAWrongClock(t *testing.T) {
	t.Parallel()
	const off = 8 * 24 * time.Hour
	h := newHouse(t, false, func(o *naver.Options) { o.Now = func() time.Time { return time.Now().Add(off) } })
	p := h.start("serve")
	accounts := p.accounts()
	id := p.rawData(accounts[0], 2, "AD")
	h.allEnded(p)
	var rd struct {
		State       int
		DataThrough string `json:"data_through"`
	}
	p.must("GET", "/api/v1/raw-data/"+id, nil, &rd)
	want := time.Now().Add(off).In(time.FixedZone("KST", 9*3600)).AddDate(0, 0, -1).Format(time.DateOnly)
	if rd.State != success || rd.DataThrough != want {
		t.Errorf("ended in %d with data through %s, want %s", rd.State, rd.DataThrough, want)
	}
}

// program runs the program to its end and returns its exit code and what it
// printed.
func (h *house) program(env []string, args ...string) (code int, out string) {
	h.t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = append(slices.Clone(h.env), env...)
	b, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(b)
}

func TestWhatCannotBeDoneIsTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	if code, out := h.program(nil, "token", "create"); code != 1 || !strings.Contains(out, "no workspace yet") {
		t.Errorf("token create before the first start: %d %s", code, out)
	}
	p := h.start("serve")
	for name, c := range map[string]struct {
		env  []string
		args []string
		code int
		want string
	}{
		"folder_in_use":    {args: []string{"serve", "--addr", "127.0.0.1:0"}, code: 1, want: "Another imreport is using the data folder"},
		"worker_on_sqlite": {args: []string{"worker"}, code: 2, want: "A worker needs PostgreSQL"},
		"address_in_use": {env: []string{"IMREPORT_DATA=" + t.TempDir()}, args: []string{"serve", "--addr", strings.TrimPrefix(p.url, "http://")},
			code: 1, want: "Cannot listen on this address"},
		"wrong_secret_key": {env: []string{"IMREPORT_SECRET_KEY=eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg="}, args: []string{"token", "create"},
			code: 1, want: "cannot be opened"},
		"unknown_flag":     {args: []string{"serve", "--nonsense"}, code: 2, want: "unknown flag"},
		"unknown_command":  {args: []string{"nonsense"}, code: 2, want: "unexpected argument"},
		"help":             {args: []string{"serve", "--help"}, code: 0, want: "IMREPORT_DATABASE_URL"},
		"version":          {args: []string{"version"}, code: 0, want: "imreport "},
		"token":            {args: []string{"token", "create", "--name", "e2e"}, code: 0, want: "imr_"},
		"config_file_lost": {args: []string{"serve", "--config", "/nowhere.yaml"}, code: 2, want: "nowhere.yaml"},
		"doctor":           {args: []string{"doctor"}, code: 0, want: "All is well."},
		"postgres_no_key": {env: []string{"IMREPORT_SECRET_KEY=", "IMREPORT_DATABASE_URL=postgres://nobody@127.0.0.1:1/x"}, args: []string{"serve"},
			code: 2, want: "a secret key is required"},
		"database_lost": {env: []string{"IMREPORT_DATABASE_URL=postgres://nobody@127.0.0.1:1/x"}, args: []string{"serve"},
			code: 1, want: "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := h.program(c.env, c.args...)
			if code != c.code || !strings.Contains(out, c.want) {
				t.Errorf("exit code %d, want %d, and %q in:\n%s", code, c.code, c.want, out)
			}
			if strings.Contains(out, "goroutine ") {
				t.Errorf("a stack trace:\n%s", out)
			}
		})
	}
	p.stop()
}

// The demo fills its sample data, goes on at a second start, and leaves
// nothing outside its folder.
func TestDemo(t *testing.T) {
	t.Parallel()
	home, dir := t.TempDir(), filepath.Join(t.TempDir(), "demo")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	h := &house{t: t, dir: dir, env: []string{"HOME=" + home, "LANG=en", "PATH=" + os.Getenv("PATH")}}
	start := func() *process {
		p := &process{h: h, cmd: exec.Command(binary, "demo", "--data", dir, "--addr", addr), url: "http://" + addr, done: make(chan struct{}), log: &lines{}}
		p.cmd.Env, p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = h.env, home, p.log, p.log
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.kill)
		go func() {
			_ = p.cmd.Wait()
			close(p.done)
		}()
		h.await("the demo's address", func() bool { return strings.Contains(p.log.String(), "API token: ") })
		_, rest, _ := strings.Cut(p.log.String(), "API token: ")
		h.token, _, _ = strings.Cut(rest, "\n")
		return p
	}
	done := func(p *process) (n, all int) {
		var list struct {
			Items []struct {
				HasFile bool `json:"has_file"`
			}
		}
		if err := p.call("GET", "/api/v1/raw-data", nil, &list); err != nil {
			t.Fatalf("%v\n%s", err, p.log)
		}
		for _, rd := range list.Items {
			if rd.HasFile {
				n++
			}
		}
		return n, len(list.Items)
	}
	p := start()
	if !strings.Contains(p.log.String(), "Sign in ") {
		t.Errorf("no sign-in link:\n%s", p.log)
	}
	h.await("a first spreadsheet", func() bool { n, _ := done(p); return n >= 1 })
	p.stop()
	token := h.token
	p = start()
	if h.token != token {
		t.Error("the token has changed")
	}
	was, all := done(p)
	if was < 1 || all < 5 {
		t.Errorf("after the restart %d of %d are there", was, all)
	}
	h.await("one more spreadsheet", func() bool { n, _ := done(p); return n > was })
	p.stop()
	if left, err := os.ReadDir(home); err != nil || len(left) > 0 {
		t.Errorf("the demo has left %v in the home folder: %v", left, err)
	}
}

// One spreadsheet without a server: bad input is told, Ctrl-C breaks nothing,
// and a second start goes on from what is there.
func TestImport(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	customer := h.naver.Customers()[0].ID
	day := func(back int) string {
		return time.Now().In(time.FixedZone("KST", 9*3600)).AddDate(0, 0, -back).Format(time.DateOnly)
	}
	dir := t.TempDir()
	out := filepath.Join(dir, "out.xlsx")
	flags := map[string]string{"--customer": fmt.Sprintf("\u200b%d ", customer), "--report": "AD,ad_conversion", "--from": day(6), "--to": day(1), "--out": out}
	args := func(change ...string) []string {
		all := []string{"import"}
		for _, f := range []string{"--customer", "--report", "--from", "--to", "--out"} {
			v := flags[f]
			for i := 0; i+1 < len(change); i += 2 {
				if change[i] == f {
					v = change[i+1]
				}
			}
			all = append(all, f, v)
		}
		for i := 0; i+1 < len(change); i += 2 {
			if _, known := flags[change[i]]; !known {
				all = append(all, change[i], change[i+1])
			}
		}
		return all
	}
	h.env = append(h.env, "NAVER_API_KEY="+naver.DefaultLicense, "NAVER_SECRET_KEY="+naver.DefaultSecret, "IMREPORT_CACHE="+filepath.Join(dir, "cache"))
	for name, c := range map[string]struct {
		env  []string
		args []string
		code int
		want string
	}{
		"report":       {args: args("--report", "ADX"), code: 2, want: "--report: "},
		"backwards":    {args: args("--from", day(1), "--to", day(4)), code: 2, want: "--from, --to: "},
		"today":        {args: args("--to", day(0)), code: 2, want: "--to: "},
		"future":       {args: args("--to", day(-3)), code: 2, want: "--to: "},
		"too_old":      {args: args("--report", "AD_CONVERSION_DETAIL", "--from", day(60)), code: 2, want: "45 days"},
		"not_a_day":    {args: args("--from", "2026-13-01"), code: 2, want: "--from: "},
		"customer":     {args: args("--customer", "abc"), code: 2, want: "--customer: "},
		"foreign":      {args: args("--customer", "99"), code: 1, want: "may not see this ad account"},
		"no_folder":    {args: args("--out", filepath.Join(dir, "none", "x.xlsx")), code: 2, want: "There is no folder"},
		"a_folder":     {args: args("--out", dir), code: 2, want: "is a folder"},
		"template":     {args: args("--template", "x.xlsx"), code: 2, want: "not available"},
		"no_key":       {env: []string{"NAVER_API_KEY=", "NAVER_SECRET_KEY="}, args: args(), code: 2, want: "NAVER_API_KEY: "},
		"wrong_key":    {env: []string{"NAVER_API_KEY=0100"}, args: args(), code: 1, want: "does not accept this access licence"},
		"wrong_secret": {env: []string{"NAVER_SECRET_KEY=x"}, args: args(), code: 1, want: "The secret does not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			code, got := h.program(c.env, c.args...)
			if code != c.code || !strings.Contains(got, c.want) {
				t.Errorf("exit code %d, want %d, and %q in:\n%s", code, c.code, c.want, got)
			}
		})
	}
	if _, err := os.Stat(out); err == nil {
		t.Fatal("a refused import has left a file")
	}
	// Ctrl-C once some pieces are there.
	cmd := exec.Command(binary, args()...)
	cmd.Env = h.env
	log := &lines{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h.await("some reports", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return len(h.asked) >= 6 })
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(log.String(), "Stopped.") {
		t.Fatalf("Ctrl-C: exit code %d\n%s", code, log)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.xlsx*")); len(left) > 0 {
		t.Errorf("Ctrl-C has left %v", left)
	}
	h.mu.Lock()
	before := len(h.asked)
	h.mu.Unlock()
	code, got := h.program(nil, args()...)
	if code != 0 || !strings.Contains(got, "is complete") {
		t.Fatalf("second start: exit code %d\n%s", code, got)
	}
	h.mu.Lock()
	t.Logf("%d reports asked for before Ctrl-C, %d in all", before, len(h.asked))
	h.mu.Unlock()
	f, err := excelize.OpenFile(out)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	want := 0
	for d := 1; d <= 6; d++ {
		truth, err := h.naver.Truth(customer, "AD", strings.ReplaceAll(day(d), "-", ""))
		if err != nil {
			t.Fatal(err)
		}
		want += len(truth.Rows)
	}
	if rows, err := f.GetRows("AD"); err != nil || len(rows)-1 != want {
		t.Errorf("%d rows, Naver has %d: %v", len(rows)-1, want, err)
	}
	// A third start has nothing to fetch but the proof of its right.
	h.mu.Lock()
	before = len(h.asked)
	h.mu.Unlock()
	if code, got := h.program(nil, args()...); code != 0 {
		t.Errorf("third start: exit code %d\n%s", code, got)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.asked) != before {
		t.Errorf("%d reports were asked for again", len(h.asked)-before)
	}
}
