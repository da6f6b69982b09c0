package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"imreport/internal/db"
	"imreport/internal/jobs"
	"imreport/internal/quota"
)

// Several processes: real ones, started from this program, that share a
// PostgreSQL database and a server with three licences, an HTTP server in
// this process. Each works on the raw data of the licences that it owns.

const (
	licencesTogether = 3
	jobsTogether     = 8   // raw data per licence
	callsTogether    = 300 // calls of each
	rateTogether     = 25  // per licence and second
	togetherProcess  = "IMREPORT_BENCH_PROCESS"
	togetherURL      = "IMREPORT_BENCH_URL"
	togetherDatabase = "IMREPORT_BENCH_DATABASE"
)

// Together is three processes beside one.
type Together struct {
	One      []Wire  `json:"one"`
	Three    []Wire  `json:"three"`
	Longer   float64 `json:"median_longer_percent"` // makespan of three ÷ one, less 1
	Refused1 float64 `json:"refused_one_percent"`
	Refused3 float64 `json:"refused_three_percent"`
}

// Processes measures one process and three in turn, pairs times.
func Processes(ctx context.Context, server string, pairs int, out io.Writer) (t Together, err error) {
	fmt.Fprintf(out, "\nThree processes beside one, PostgreSQL, real time; %d licences at %d/s, %d calls\n",
		licencesTogether, rateTogether, licencesTogether*jobsTogether*callsTogether)
	var ratios, one, three []float64
	for i := range pairs {
		a, err := together(ctx, server, 1)
		if err != nil {
			return t, err
		}
		b, err := together(ctx, server, 3)
		if err != nil {
			return t, err
		}
		t.One, t.Three = append(t.One, a), append(t.Three, b)
		ratios = append(ratios, b.Makespan/a.Makespan)
		one, three = append(one, a.Refused), append(three, b.Refused)
		fmt.Fprintf(out, "pair %d: one %.3f@%.2f, three %.3f@%.2f\n", i+1, a.Makespan, a.Refused, b.Makespan, b.Refused)
	}
	t.Longer, t.Refused1, t.Refused3 = 100*(median(ratios)-1), median(one), median(three)
	fmt.Fprintf(out, "median: three take %+.1f %% (aim within 5), refused %.2f %% and %.2f %% (aim within 0.3 points)\n", t.Longer, t.Refused1, t.Refused3)
	return t, nil
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

// together plays one morning with n processes.
func together(ctx context.Context, server string, n int) (w Wire, err error) {
	base, drop, err := scratch(ctx, server)
	if err != nil {
		return w, err
	}
	defer drop()
	s := &server429{rate: rateTogether, buckets: map[string]*realBucket{}, taken: map[string]int{},
		total: callsTogether, left: licencesTogether * jobsTogether}
	var mu sync.Mutex
	ready := map[string]string{} // process: the licences it owns
	mux := http.NewServeMux()
	mux.HandleFunc("/call", s.call)
	mux.HandleFunc("/ready", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		ready[r.FormValue("process")] = r.FormValue("owns")
		mu.Unlock()
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case s.left == 0:
			w.WriteHeader(http.StatusGone)
		case !s.open:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	address, stop, err := listen(mux)
	if err != nil {
		return w, err
	}
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var running sync.WaitGroup
	failures := make(chan error, n)
	for i := range n {
		self, err := os.Executable()
		if err != nil {
			return w, err
		}
		p := exec.CommandContext(ctx, self, "bench", "bulk")
		p.Env = append(os.Environ(), togetherProcess+"=p"+strconv.Itoa(i), togetherURL+"="+address, togetherDatabase+"="+base)
		p.Stderr = os.Stderr
		if err := p.Start(); err != nil {
			return w, err
		}
		running.Go(func() {
			if err := p.Wait(); err != nil {
				failures <- err
			}
		})
	}
	spread := func() bool { // every process owns its part
		mu.Lock()
		defer mu.Unlock()
		owned := 0
		for _, o := range ready {
			if o == "" {
				return false
			}
			owned += len(strings.Split(o, ","))
		}
		return len(ready) == n && owned == licencesTogether
	}
	for !spread() {
		select {
		case <-ctx.Done():
			return w, ctx.Err()
		case err := <-failures:
			return w, err
		case <-time.After(50 * time.Millisecond):
		}
	}
	s.mu.Lock()
	s.open = true
	began := time.Now()
	s.mu.Unlock()
	running.Wait()
	if err := ctx.Err(); err != nil {
		return w, err
	}
	w.Calls = licencesTogether * jobsTogether * callsTogether
	ideal := float64(jobsTogether*callsTogether-3) / rateTogether
	w.Makespan = s.finished.Sub(began).Seconds() / ideal
	w.Refused = 100 * float64(s.refused) / float64(s.refused+w.Calls)
	return w, nil
}

// scratch is a fresh database on the server.
func scratch(ctx context.Context, server string) (address string, drop func(), err error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, err
	}
	admin, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", nil, fmt.Errorf("scratch database: %w", err)
	}
	name := "imreport_bench_" + strings.ReplaceAll(db.NewID(), "-", "")
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		_ = admin.Close(ctx)
		return "", nil, fmt.Errorf("scratch database: %w", err)
	}
	drop = func() {
		ctx := context.WithoutCancel(ctx)
		_, _ = admin.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		_ = admin.Close(ctx)
	}
	u.Path = "/" + name
	d, err := db.Open(ctx, db.Options{URL: u.String()})
	if err == nil {
		err = errors.Join(jobs.Migrate(ctx, d), d.Migrate(ctx), d.Close())
	}
	if err != nil {
		drop()
		return "", nil, fmt.Errorf("scratch database: %w", err)
	}
	return u.String(), drop, nil
}

// Child plays one of several processes, when the environment says so.
func Child(ctx context.Context) (was bool, err error) {
	name := os.Getenv(togetherProcess)
	if name == "" {
		return false, nil
	}
	d, err := db.Open(ctx, db.Options{URL: os.Getenv(togetherDatabase), MaxConns: 4})
	if err != nil {
		return true, err
	}
	defer func() { _ = d.Close() }()
	g := quota.New(quota.Options{})
	k, err := quota.Keep(ctx, d, g, quota.KeepOptions{Process: name})
	if err != nil {
		return true, err
	}
	c := &child{name: name, url: os.Getenv(togetherURL), g: g, k: k, http: wireClient(), working: map[string]context.CancelFunc{}}
	for l := range licencesTogether {
		err := d.InTx(ctx, func(tx *db.Tx) error {
			_, err := k.Owner(ctx, tx, strconv.Itoa(l))
			return err
		})
		if err != nil {
			return true, err
		}
	}
	return true, errors.Join(c.work(ctx), k.Stop(context.WithoutCancel(ctx)))
}

type child struct {
	name, url string
	g         *quota.Gate
	k         *quota.Keeper
	http      *http.Client
	working   map[string]context.CancelFunc // by licence
	wg        sync.WaitGroup
}

// work follows what this process owns until all is done.
func (c *child) work(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer c.wg.Wait()
	defer stop()
	for {
		owns := c.k.Owns()
		code, err := c.report(ctx, owns)
		switch {
		case err != nil:
			return err
		case code == http.StatusGone:
			return nil
		case code == http.StatusOK:
			for _, l := range owns {
				if c.working[l] == nil {
					life, cancel := context.WithCancel(ctx)
					c.working[l] = cancel
					c.begin(life, l)
				}
			}
			for l, cancel := range c.working {
				if !slices.Contains(owns, l) { // the new owner goes on
					cancel()
					delete(c.working, l)
				}
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// report tells the server what this process owns; 200: work, 410: all done.
func (c *child) report(ctx context.Context, owns []string) (code int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/ready?process="+c.name+"&owns="+strings.Join(owns, ","), nil)
	if err != nil {
		return 0, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// begin works on the raw data of a licence.
func (c *child) begin(ctx context.Context, licence string) {
	for i := range jobsTogether {
		job := licence + "-" + strconv.Itoa(i)
		f := c.g.Flow(quota.FlowOptions{ID: job, Class: quota.Bulk, Left: callsTogether})
		var calls sync.WaitGroup
		for range normalWorkers {
			calls.Go(func() {
				for ctx.Err() == nil {
					if err := ask(ctx, c.g, f, c.http, c.url, licence, job); err != nil {
						return
					}
				}
			})
		}
		c.wg.Go(func() { calls.Wait(); f.Close() })
	}
}
