// Package jobs wakes work up: a job is enqueued in a transaction and handled
// once that has committed, by some process, at least once. It is the only
// package that imports River.
//
// The tables of the packages that use it are the truth. A job is a message
// such as "run N, epoch E may start": when it is lost, somebody's sweep sends
// it again; when it comes twice, the handler's conditional UPDATE sees that
// there is nothing to do. No id of a job is ever kept.
package jobs

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"imreport/internal/db"
)

// Args are what a job carries; they travel as JSON. Kind is "package.verb".
type Args interface{ Kind() string }

// Queue is a line of jobs with workers of its own, so that one line cannot
// make another wait.
type Queue string

// The queues that every working process serves.
const (
	Default     Queue = "default"     // small chores: mail, webhooks, exports
	Interactive Queue = "interactive" // a person is looking
	Bulk        Queue = "bulk"        // the morning
)

// workers bounds how many handlers of a queue run at once in one process.
// Handlers are short: a long run leaves its handler at once (package run).
var workers = map[Queue]int{Default: 32, Interactive: 32, Bulk: 64}

// ProcessQueue is the line of one process, for work that it alone should do.
func ProcessQueue(process string) Queue { return Queue("process-" + process) }

// Options of a Jobs.
type Options struct {
	Log *slog.Logger
	// Process is the name of this process; it serves ProcessQueue(Process).
	Process string
	// Poll is how long a job may lie that nothing has told of: one that was
	// planned for later, or one whose notice was lost. 0 means 500 ms.
	Poll time.Duration
}

// Jobs enqueues and, once started, handles.
type Jobs struct {
	d       *db.DB
	o       Options
	workers *river.Workers
	pg      *river.Client[pgx.Tx]
	lite    *river.Client[*sql.Tx]
}

// New makes a Jobs over d. Register handlers with Handle, then Start.
func New(d *db.DB, o Options) *Jobs {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Jobs{d: d, o: o, workers: river.NewWorkers()}
}

// Migrate makes or upgrades River's own tables.
func Migrate(ctx context.Context, d *db.DB) error {
	if p := d.Pool(); p != nil {
		// Several processes may start at once, and River's migrator takes no
		// lock. One transaction for all of it cannot be: PostgreSQL does not
		// let a new enum value be used in the transaction that adds it.
		c, err := p.Acquire(ctx)
		if err != nil {
			return err
		}
		defer c.Release()
		if _, err := c.Exec(ctx, `SELECT pg_advisory_lock(7239001)`); err != nil {
			return err
		}
		defer func() { _, _ = c.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock(7239001)`) }()
		m, err := rivermigrate.New(riverpgxv5.New(p), nil)
		if err != nil {
			return err
		}
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	}
	m, err := rivermigrate.New(riversqlite.New(d.Writer()), nil)
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// Handle registers fn for jobs of T's kind. An error makes the job come again,
// after 1 s, 16 s, 81 s … (attempt to the fourth), 25 times at most; Snooze
// makes it come again without counting. Call it before Start.
func Handle[T Args](j *Jobs, fn func(ctx context.Context, args T) error) {
	river.AddWorker(j.workers, &worker[T]{fn: fn})
}

type worker[T Args] struct {
	river.WorkerDefaults[T]
	fn func(context.Context, T) error
}

func (w *worker[T]) Work(ctx context.Context, job *river.Job[T]) error {
	err := w.fn(ctx, job.Args)
	var s snooze
	if errors.As(err, &s) {
		return river.JobSnooze(time.Duration(s))
	}
	return err
}

type snooze time.Duration

func (s snooze) Error() string { return "again in " + time.Duration(s).String() }

// Snooze, returned by a handler, makes the job come again after d without
// counting as a failure.
func Snooze(d time.Duration) error { return snooze(d) }

// Option changes one Enqueue.
type Option func(*river.InsertOpts)

// At delays the job until t.
func At(t time.Time) Option { return func(o *river.InsertOpts) { o.ScheduledAt = t } }

// In puts the job into queue q instead of Default.
func In(q Queue) Option { return func(o *river.InsertOpts) { o.Queue = string(q) } }

// Enqueue adds a job that exists if tx commits.
func (j *Jobs) Enqueue(ctx context.Context, tx *db.Tx, args Args, options ...Option) error {
	if err := j.client(); err != nil {
		return err
	}
	o := &river.InsertOpts{Queue: string(Default)}
	for _, f := range options {
		f(o)
	}
	var err error
	if j.pg != nil {
		_, err = j.pg.InsertTx(ctx, tx.PGX(), args, o)
	} else {
		_, err = j.lite.InsertTx(ctx, tx.SQL(), args, o)
	}
	if err != nil {
		return fmt.Errorf("enqueue %s: %w", args.Kind(), err)
	}
	return nil
}

// Start begins to handle jobs, until Stop.
func (j *Jobs) Start(ctx context.Context) error {
	if err := j.client(); err != nil {
		return err
	}
	if j.pg != nil {
		return j.pg.Start(ctx)
	}
	return j.lite.Start(ctx)
}

// Stop takes no more jobs and waits for those at work, until ctx ends; then it
// cancels them.
func (j *Jobs) Stop(ctx context.Context) error {
	stop := func(stop, cancel func(context.Context) error) error {
		if err := stop(ctx); err == nil {
			return nil
		}
		hard, end := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer end()
		return cancel(hard)
	}
	switch {
	case j.pg != nil:
		return stop(j.pg.Stop, j.pg.StopAndCancel)
	case j.lite != nil:
		return stop(j.lite.Stop, j.lite.StopAndCancel)
	}
	return nil
}

// client makes the River client at its first use, when all handlers are known.
func (j *Jobs) client() (err error) {
	if j.pg != nil || j.lite != nil {
		return nil
	}
	cfg := &river.Config{
		Logger:  slog.New(warnings{j.o.Log.Handler()}),
		Workers: j.workers,
		Queues:  map[string]river.QueueConfig{},
		// Settings by measurement, docs/adr/0004: River's own defaults cap a
		// queue at ten fetches a second.
		FetchCooldown:        20 * time.Millisecond,
		FetchPollInterval:    cmp.Or(j.o.Poll, 500*time.Millisecond),
		JobTimeout:           time.Minute,
		RescueStuckJobsAfter: 10 * time.Minute,
		ErrorHandler:         (*failures)(j),
	}
	for q, n := range workers {
		cfg.Queues[string(q)] = river.QueueConfig{MaxWorkers: n}
	}
	if j.o.Process != "" {
		cfg.Queues[string(ProcessQueue(j.o.Process))] = river.QueueConfig{MaxWorkers: workers[Bulk]}
	}
	if p := j.d.Pool(); p != nil {
		j.pg, err = river.NewClient(riverpgxv5.New(p), cfg)
	} else {
		j.lite, err = river.NewClient(riversqlite.New(j.d.Writer()), cfg)
	}
	return err
}

// failures logs what went wrong in a handler: "return or log, not both" ends
// here.
type failures Jobs

func (f *failures) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	f.o.Log.WarnContext(ctx, "job failed", "kind", job.Kind, "attempt", job.Attempt, "error", err)
	return nil
}

func (f *failures) HandlePanic(ctx context.Context, job *rivertype.JobRow, v any, trace string) *river.ErrorHandlerResult {
	f.o.Log.ErrorContext(ctx, "job panicked", "kind", job.Kind, "attempt", job.Attempt, "panic", v, "trace", trace)
	return nil
}

// warnings keeps River's own log to what somebody should see.
type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}

func (w warnings) WithAttrs(a []slog.Attr) slog.Handler { return warnings{w.Handler.WithAttrs(a)} }

func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
