package run

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"imreport/internal/account"
	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/jobs"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/table"
)

// Cause says why a run was asked for.
type Cause string

// The causes.
const (
	Manual    Cause = "manual"
	Scheduled Cause = "scheduled"
	Late      Cause = "late"   // numbers that come hours after the others
	Repair    Cause = "repair" // the platform restated a day
)

// Second reports whether the run was asked for because a spreadsheet lacks
// something: it waits until that is there.
func (c Cause) Second() bool { return c == Late || c == Repair }

// Kinds of runs.
const (
	KindCreate = "create" // until one has succeeded
	KindUpdate = "update"
)

// Run is one filling of a raw data.
type Run struct {
	ID          string
	RawDataID   string
	WorkspaceID string
	Lane        string // its ad account's id
	Kind        string
	Cause       Cause
	Class       quota.Class
	// GateClass is how urgent its requests are: Class, or that of somebody
	// more urgent who waits for it.
	GateClass   quota.Class
	Force       bool
	Ticket      int64 // order in the lane
	State       State
	Reason      Code
	ReasonArgs  []any
	Subject     string
	Parked      bool
	WakeAt      time.Time // zero: somebody wakes it
	Epoch       int64
	LeaseUntil  time.Time // zero: nobody holds it
	Cancel      bool      // somebody asked for its end
	Definition  report.Definition
	Attempt     int // faults in a row
	FaultSince  time.Time
	Done, Total int64 // work units
	// Deadline is when it should be ready, by its schedule; zero: no time is set.
	Deadline  time.Time
	CreatedAt time.Time
	StartedAt time.Time
	EndedAt   time.Time
}

// Keys is what runs need to know of API keys and ad accounts. Satisfied by
// package account.
type Keys interface {
	// Account is the ad account, whatever workspace it belongs to.
	Account(ctx context.Context, q db.Queryer, accountID string) (account.Account, error)
	// Credential is what its requests are signed with.
	Credential(ctx context.Context, workspaceID, keyID string) (account.Credential, error)
	// Usable reports whether the key is not known to be dead.
	Usable(ctx context.Context, q db.Queryer, keyID string) (bool, error)
	// MarkInvalid notes that the platform refuses the key, and tells people once.
	MarkInvalid(ctx context.Context, tx *db.Tx, keyID string, why error, now time.Time) error
	// MarkProved notes that the account was reached.
	MarkProved(ctx context.Context, accountID string, now time.Time) error
}

// Options of a Service.
type Options struct {
	Log     *slog.Logger
	Process string // name of this process, unique among those that share the database
	Reports *report.Service
	Keys    Keys
	Gate    *quota.Gate
	// Sources by platform, Destinations by type. Only processes that work need
	// them.
	Sources      map[string]Source
	Destinations map[string]Destination
	// Lang is the language of a workspace's spreadsheets.
	Lang func(ctx context.Context, workspaceID string) (i18n.Lang, error)
	// Route says which queue a run of the key should go to; nil: by class.
	Route func(ctx context.Context, tx *db.Tx, keyID string, class quota.Class) (jobs.Queue, error)
	// Revisions lists what the platform restated since the last filling, for
	// the info tab; may be nil.
	Revisions func(ctx context.Context, o Order, since time.Time) ([]Revision, error)
	// Lacks hears, in each transaction that ends a run well, of the pieces that
	// it went on without, if any; nil: runs wait for all of them.
	Lacks func(ctx context.Context, tx *db.Tx, r Run, late []LatePiece) error
	// RetryFor is how long transient faults are retried; 0 means 6 h.
	RetryFor time.Duration
	// FirstPause is the pause after the first fault, doubled up to 10 min; 0
	// means 5 s.
	FirstPause time.Duration
	// Writers bounds how many runs write spreadsheets at once; 0 means 2.
	Writers int
	// Picked hears how long each run waited from its promotion to its lease;
	// may be nil.
	Picked func(time.Duration)
	// Step hears of each step of a worker of this process once it is durable,
	// by its name: claimed, IMPORTING, piece, INSERTING, ADDING, finished,
	// ended. For crash tests; may be nil.
	Step func(name string)
	Now  func() time.Time
}

// Service admits, starts and ends runs.
type Service struct {
	d       *db.DB
	jobs    *jobs.Jobs
	o       Options
	log     *slog.Logger
	now     func() time.Time
	keeper  *keeper
	writers chan struct{}
	// Stranded counts lanes that the sweeper had to restart; it must stay 0.
	stranded counter
}

// New makes a Service and registers its job. Start makes it work.
func New(d *db.DB, j *jobs.Jobs, o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.RetryFor == 0 {
		o.RetryFor = 6 * time.Hour
	}
	if o.FirstPause == 0 {
		o.FirstPause = 5 * time.Second
	}
	if o.Writers == 0 {
		o.Writers = 2
	}
	if o.Process == "" {
		o.Process = db.NewID()
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	if o.Lang == nil {
		o.Lang = func(context.Context, string) (i18n.Lang, error) { return i18n.Korean, nil }
	}
	s := &Service{d: d, jobs: j, o: o, log: o.Log, now: o.Now, writers: make(chan struct{}, o.Writers)}
	s.keeper = newKeeper(s)
	jobs.Handle(j, s.start)
	return s
}

// Stranded is how many lanes the sweeper had to restart in this process. It
// must stay 0: anything else is a fault in the lane machine.
func (s *Service) Stranded() int64 { return s.stranded.n.Load() }

// startArgs is the job "run N, epoch E may start". A doubled one finds the
// lease taken, a stale one another epoch; both do nothing.
type startArgs struct {
	RunID string `json:"run_id"`
	Epoch int64  `json:"epoch"`
}

// Kind names the job.
func (startArgs) Kind() string { return "run.start" }

const columns = `id, raw_data_id, workspace_id, lane_id, kind, cause, class, gate_class, force, ticket, state, reason, reason_args,
	subject, parked, wake_us, epoch, lease_until_us, cancel_requested, definition, attempt, fault_us, done, total,
	deadline_us, created_us, started_us, ended_us`

func scan(row db.Scanner) (Run, error) {
	var r Run
	var args, definition string
	var wake, lease, fault, deadline, created, started, ended int64
	err := row.Scan(&r.ID, &r.RawDataID, &r.WorkspaceID, &r.Lane, &r.Kind, &r.Cause, &r.Class, &r.GateClass, &r.Force, &r.Ticket,
		&r.State, &r.Reason, &args, &r.Subject, &r.Parked, &wake, &r.Epoch, &lease, &r.Cancel, &definition,
		&r.Attempt, &fault, &r.Done, &r.Total, &deadline, &created, &started, &ended)
	if err != nil {
		return r, err
	}
	r.WakeAt, r.LeaseUntil, r.FaultSince = db.Time(wake), db.Time(lease), db.Time(fault)
	r.Deadline = db.Time(deadline)
	r.CreatedAt, r.StartedAt, r.EndedAt = db.Time(created), db.Time(started), db.Time(ended)
	if args != "" {
		err = json.Unmarshal([]byte(args), &r.ReasonArgs)
	}
	if definition != "" {
		err = errors.Join(err, json.Unmarshal([]byte(definition), &r.Definition))
	}
	return r, err
}

func get(ctx context.Context, q db.Queryer, id string) (Run, error) {
	r, err := scan(q.QueryRow(ctx, `SELECT `+columns+` FROM run WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return r, errs.E(errs.NotFound, "run.not_found", nil)
	}
	if err != nil {
		return r, fmt.Errorf("run %s: %w", id, err)
	}
	return r, nil
}

// lockLane takes the lane's lock until tx ends. Every transaction that admits,
// starts or ends a run does so first: the unique index alone strands lanes
// (docs/adr/0003).
func lockLane(ctx context.Context, tx *db.Tx, lane string) error {
	if _, err := tx.Exec(ctx, `UPDATE lane SET ticket = ticket WHERE id = $1`, lane); err != nil {
		return fmt.Errorf("lock lane %s: %w", lane, err)
	}
	return nil
}

// mine reads the run r of a worker under its lane's lock: run.lease_lost when
// it is another attempt's by now or has ended.
func mine(ctx context.Context, tx *db.Tx, r Run) (Run, error) {
	if err := lockLane(ctx, tx, r.Lane); err != nil {
		return Run{}, err
	}
	cur, err := get(ctx, tx, r.ID)
	if err == nil && (cur.Epoch != r.Epoch || !cur.State.Active()) {
		err = errs.E(errs.LeaseLost, "run.lease_lost", nil, r.ID)
	}
	return cur, err
}

// enter writes that run r is now in state st: its own row, the log, and the
// raw data's state. The caller holds the lane.
func enter(ctx context.Context, tx *db.Tx, r *Run, st State, reason Code, args []any, at time.Time) error {
	return enterAs(ctx, tx, r, st, reason, args, reason, args, at)
}

// enterAs is enter with another reason in the log than on the run: a run that
// goes back in line is logged as requeued and goes on to show what it waits for.
func enterAs(ctx context.Context, tx *db.Tx, r *Run, st State, reason Code, args []any, logged Code, loggedArgs []any, at time.Time) error {
	r.State, r.Reason, r.ReasonArgs = st, reason, args
	_, err := tx.Exec(ctx, `UPDATE run SET state = $2, reason = $3, reason_args = $4 WHERE id = $1`,
		r.ID, st, reason, encode(args))
	if err != nil {
		return fmt.Errorf("run %s enters %s: %w", r.ID, st, err)
	}
	var seq int64
	err = tx.QueryRow(ctx, `
		INSERT INTO raw_data_state (raw_data_id, seq, run_id, state, reason, reason_args, at_us, file, file_run_id, data_through, filled_us)
		VALUES ($1, 1, $2, $3, $4, $5, $6, '', '', 0, 0)
		ON CONFLICT (raw_data_id) DO UPDATE SET seq = raw_data_state.seq + 1, run_id = excluded.run_id,
			state = excluded.state, reason = excluded.reason, reason_args = excluded.reason_args, at_us = excluded.at_us
		RETURNING seq`, r.RawDataID, r.ID, st, logged, encode(loggedArgs), db.US(at)).Scan(&seq)
	if err != nil {
		return fmt.Errorf("state of raw data %s: %w", r.RawDataID, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO run_log (raw_data_id, seq, run_id, state, reason, reason_args, at_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, r.RawDataID, seq, r.ID, st, logged, encode(loggedArgs), db.US(at))
	if err != nil {
		return fmt.Errorf("log of raw data %s: %w", r.RawDataID, err)
	}
	return nil
}

// setReason changes why r waits, without a row in the log.
func setReason(ctx context.Context, tx *db.Tx, r *Run, reason Code, args ...any) error {
	r.Reason, r.ReasonArgs = reason, args
	_, err := tx.Exec(ctx, `UPDATE run SET reason = $2, reason_args = $3 WHERE id = $1`, r.ID, reason, encode(args))
	return err
}

// send enqueues the job that lets r start at its present epoch.
func (s *Service) send(ctx context.Context, tx *db.Tx, r Run, keyID string) error {
	q := jobs.Bulk
	if r.Class == quota.Interactive {
		q = jobs.Interactive
	}
	if s.o.Route != nil {
		to, err := s.o.Route(ctx, tx, keyID, r.Class)
		if err != nil {
			return err
		}
		if to != "" {
			q = to
		}
	}
	if _, err := tx.Exec(ctx, `UPDATE run SET promoted_us = $2 WHERE id = $1`, r.ID, db.US(s.now())); err != nil {
		return err
	}
	return s.jobs.Enqueue(ctx, tx, startArgs{RunID: r.ID, Epoch: r.Epoch}, jobs.In(q))
}

func encode(v any) string {
	if a, ok := v.([]any); ok && len(a) == 0 {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // arguments are strings, numbers and times
	}
	return string(b)
}

// dataThrough is the last day that a filled definition covers with all of its
// report types.
func dataThrough(def report.Definition, late []LatePiece) table.Day {
	to := def.To
	for _, p := range late {
		to = min(to, p.Day-1)
	}
	return to
}
