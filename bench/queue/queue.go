// Package queue measures the lane machine: how many runs it admits and ends a
// second with 10,000 lanes, and how long a promoted run waits for its worker,
// beside a bare job in the same run.
package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"imreport/internal/account"
	"imreport/internal/db"
	"imreport/internal/jobs"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/table"
)

// Options of the benchmark.
type Options struct {
	Lanes       int    // 0 means 10,000
	PerLane     int    // raw data in each lane; 0 means 3
	PostgresURL string // empty leaves PostgreSQL out
	Seconds     int    // of the paced part; 0 means 20
}

// Result is what one database showed.
type Result struct {
	Database   string        `json:"database"`
	Lanes      int           `json:"lanes"`
	Admissions float64       `json:"admissions_per_s"`
	Endings    float64       `json:"endings_per_s"`
	Runs       float64       `json:"whole_runs_per_s"` // admitted, led through 3-7, ended
	PacedRuns  float64       `json:"paced_runs_per_s"`
	PickupP50  time.Duration `json:"pickup_p50_ns"`
	PickupP99  time.Duration `json:"pickup_p99_ns"`
	BareP50    time.Duration `json:"bare_river_p50_ns"`
	BareP99    time.Duration `json:"bare_river_p99_ns"`
	// RatioP50 and RatioP99 are pickup over a bare River job in the same run.
	RatioP50     float64 `json:"pickup_over_bare_p50"`
	RatioP99     float64 `json:"pickup_over_bare_p99"`
	Stranded     int64   `json:"stranded_lanes"`
	TwoActive    int64   `json:"lanes_with_two_active"`
	PickupSample int     `json:"pickup_samples"`
}

const workers = 8 // goroutines that admit and end

// Run measures on SQLite and, when an address is given, on PostgreSQL, and
// prints a table.
func Run(ctx context.Context, o Options, out io.Writer) ([]Result, error) {
	o.Lanes, o.PerLane, o.Seconds = cmp.Or(o.Lanes, 10_000), cmp.Or(o.PerLane, 3), cmp.Or(o.Seconds, 20)
	var all []Result
	dir, err := os.MkdirTemp("", "imreport-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	res, err := measure(ctx, o, db.Options{Dir: dir})
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	all = append(all, res)
	if o.PostgresURL != "" {
		url, drop, err := freshDatabase(ctx, o.PostgresURL)
		if err != nil {
			return nil, err
		}
		defer drop()
		if res, err = measure(ctx, o, db.Options{URL: url}); err != nil {
			return nil, fmt.Errorf("postgres: %w", err)
		}
		all = append(all, res)
	}
	fmt.Fprintf(out, "%-9s %6s %13s %10s %8s | %9s %9s %9s | %9s %9s | %5s %5s | %8s\n", "database", "lanes", "admissions/s", "endings/s", "runs/s",
		"at runs/s", "pick. p50", "p99", "River p50", "p99", "×p50", "×p99", "stranded")
	for _, r := range all {
		fmt.Fprintf(out, "%-9s %6d %13.0f %10.0f %8.0f | %9.0f %9s %9s | %9s %9s | %5.2f %5.2f | %8d\n", r.Database, r.Lanes, r.Admissions, r.Endings,
			r.Runs, r.PacedRuns, ms(r.PickupP50), ms(r.PickupP99), ms(r.BareP50), ms(r.BareP99), r.RatioP50, r.RatioP99, r.Stranded)
	}
	return all, nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1fms", float64(d)/1e6) }

// bench is a run service whose runs do nothing but pass through the states.
type bench struct {
	d    *db.DB
	jobs *jobs.Jobs
	runs *run.Service

	mu     sync.Mutex
	pickup []time.Duration
	bare   []time.Duration
}

type bareArgs struct {
	At time.Time `json:"at"`
}

func (bareArgs) Kind() string { return "bench.bare" }

const workspace = "bench"

func open(ctx context.Context, o db.Options) (*bench, error) {
	d, err := db.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(jobs.Migrate(ctx, d), d.Migrate(ctx)); err != nil {
		return nil, err
	}
	if _, err := d.Exec(ctx, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ($1, 'B', 'Asia/Seoul', 'ko', 1)`, workspace); err != nil {
		return nil, err
	}
	b := &bench{d: d, jobs: jobs.New(d, jobs.Options{Process: "bench"})}
	jobs.Handle(b.jobs, func(_ context.Context, a bareArgs) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.bare = append(b.bare, time.Since(a.At))
		return nil
	})
	b.runs = run.New(d, b.jobs, run.Options{
		Process: "bench",
		Reports: report.New(d, report.Options{Types: []report.Type{{Name: "AD", DaysBack: 365}}}),
		Keys:    keys{}, Gate: quota.New(quota.Options{}),
		Sources:      map[string]run.Source{"bench": source{}},
		Destinations: map[string]run.Destination{report.XLSX: destination{}},
		Writers:      64,
		Picked: func(waited time.Duration) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.pickup = append(b.pickup, waited)
		},
	})
	return b, nil
}

func measure(ctx context.Context, o Options, dbo db.Options) (res Result, err error) {
	b, err := open(ctx, dbo)
	if err != nil {
		return res, err
	}
	defer func() { _ = b.d.Close() }()
	res.Database, res.Lanes = b.d.Dialect().String(), o.Lanes

	// Full load, nobody works yet: every lane gets one active run and others
	// in line; then as many endings, each of which starts the next of its lane.
	var started []string // the runs that hold their lanes
	var mu sync.Mutex
	began := time.Now()
	err = spread(ctx, o.Lanes*o.PerLane, func(i int) error {
		_, r, err := b.runs.Create(ctx, workspace, "p", input(i%o.Lanes), run.Request{Class: quota.Bulk})
		if err == nil && r.State.Active() {
			mu.Lock()
			started = append(started, r.ID)
			mu.Unlock()
		}
		return err
	})
	if err != nil {
		return res, err
	}
	res.Admissions = float64(o.Lanes*o.PerLane) / time.Since(began).Seconds()
	began = time.Now()
	err = spread(ctx, len(started), func(i int) error {
		_, err := b.runs.Cancel(ctx, workspace, started[i])
		return err
	})
	if err != nil {
		return res, err
	}
	res.Endings = float64(len(started)) / time.Since(began).Seconds()

	// Workers: what is left runs through all states as fast as it can.
	left := o.Lanes * (o.PerLane - 1)
	began = time.Now()
	if err := errors.Join(b.runs.Start(ctx), b.jobs.Start(ctx)); err != nil {
		return res, err
	}
	if err := b.drain(ctx); err != nil {
		return res, err
	}
	res.Runs = float64(left) / time.Since(began).Seconds()
	b.mu.Lock()
	b.pickup = nil // from here on at half of that load
	b.mu.Unlock()

	res.PacedRuns = res.Runs / 2
	if err := b.paced(ctx, o, res.PacedRuns); err != nil {
		return res, err
	}
	if err := b.drain(ctx); err != nil {
		return res, err
	}
	stop, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := errors.Join(b.jobs.Stop(stop), b.runs.Stop(stop)); err != nil {
		return res, err
	}
	res.PickupP50, res.PickupP99 = quantile(b.pickup, 0.5), quantile(b.pickup, 0.99)
	res.BareP50, res.BareP99 = quantile(b.bare, 0.5), quantile(b.bare, 0.99)
	res.PickupSample = len(b.pickup)
	if res.BareP50 > 0 && res.BareP99 > 0 {
		res.RatioP50 = float64(res.PickupP50) / float64(res.BareP50)
		res.RatioP99 = float64(res.PickupP99) / float64(res.BareP99)
	}
	res.Stranded = b.runs.Stranded()
	err = b.d.QueryRow(ctx, `SELECT count(*) FROM (SELECT lane_id FROM run WHERE state IN (3, 4, 5, 6)
		GROUP BY lane_id HAVING count(*) > 1) AS t`).Scan(&res.TwoActive)
	return res, err
}

// paced asks for refreshes at a fixed rate, whatever the answer times, and for
// one bare job beside every twentieth.
func (b *bench) paced(ctx context.Context, o Options, perSecond float64) error {
	n := int(perSecond * float64(o.Seconds))
	began := time.Now()
	var next atomic.Int64
	var g errgroup.Group
	for range workers {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return ctx.Err()
				}
				time.Sleep(time.Until(began.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))))
				_, _, err := b.runs.Create(ctx, workspace, "p", input(i%o.Lanes), run.Request{Class: quota.Bulk})
				if err != nil {
					return err
				}
				if i%20 == 0 {
					if err := b.enqueueBare(ctx); err != nil {
						return err
					}
				}
			}
		})
	}
	return g.Wait()
}

func (b *bench) enqueueBare(ctx context.Context) error {
	return b.d.InTx(ctx, func(tx *db.Tx) error {
		return b.jobs.Enqueue(ctx, tx, bareArgs{At: time.Now()}, jobs.In(jobs.Bulk))
	})
}

// drain waits until no run is open.
func (b *bench) drain(ctx context.Context) error {
	for {
		var n int
		if err := b.d.QueryRow(ctx, `SELECT count(*) FROM run WHERE state IN (1, 2, 3, 4, 5, 6)`).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func spread(ctx context.Context, n int, fn func(i int) error) error {
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return ctx.Err()
				}
				if err := fn(i); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(int(q*float64(len(all))), len(all)-1)]
}

func input(lane int) report.Input {
	return report.Input{Name: "bench", AccountID: fmt.Sprintf("lane-%05d", lane), Reports: []string{"AD"},
		Period: report.Period{LastDays: 1}, Destination: report.Destination{Type: report.XLSX}}
}

// freshDatabase makes a database beside the one that url names.
func freshDatabase(ctx context.Context, url string) (fresh string, drop func(), err error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return "", nil, err
	}
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return "", nil, err
	}
	name := fmt.Sprintf("imreport_bench_%d", time.Now().UnixNano())
	if _, err := c.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	drop = func() {
		_, _ = c.Exec(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		_ = c.Close(context.WithoutCancel(ctx))
	}
	return fmt.Sprintf("postgres://%s:%s@%s:%d/%s?sslmode=disable", cfg.User, cfg.Password, cfg.Host, cfg.Port, name), drop, nil
}

type keys struct{}

func (keys) Account(_ context.Context, _ db.Queryer, id string) (account.Account, error) {
	return account.Account{ID: id, WorkspaceID: workspace, APIKeyID: "k", Platform: "bench", CustomerID: id}, nil
}

func (keys) Credential(_ context.Context, ws, id string) (account.Credential, error) {
	return account.Credential{ID: id, WorkspaceID: ws, Platform: "bench", License: "bench"}, nil
}

func (keys) Usable(context.Context, db.Queryer, string) (bool, error)            { return true, nil }
func (keys) MarkInvalid(context.Context, *db.Tx, string, error, time.Time) error { return nil }
func (keys) MarkProved(context.Context, string, time.Time) error                 { return nil }

type source struct{}

func (source) Collect(context.Context, run.Order, run.Progress) error { return nil }

func (source) Tabs(context.Context, run.Order) ([]run.Tab, error) {
	return []run.Tab{{Report: "AD", Name: "AD", Open: func(context.Context) (table.Reader, error) { return table.Rows(), nil }}}, nil
}

type destination struct{}

func (destination) Create(_ context.Context, w run.Work) (run.Workbook, error) {
	return book(w.Object), nil
}
func (destination) Remove(context.Context, run.File) error { return nil }

type book string

func (book) Insert(context.Context, []run.Tab, func(int64)) error { return nil }
func (book) Add(context.Context, run.Info) error                  { return nil }
func (b book) Finish(context.Context) (run.File, error)           { return run.File{Object: string(b)}, nil }
func (book) Abandon()                                             {}
