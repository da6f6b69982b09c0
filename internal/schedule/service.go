package schedule

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"imreport/internal/db"
	"imreport/internal/jobs"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/seal"
	"imreport/internal/table"
)

// Runs admits refreshes. Satisfied by run.Service.
type Runs interface {
	RefreshTx(ctx context.Context, tx *db.Tx, workspaceID, rawDataID string, req run.Request) (run.Run, error)
}

// Reports lists what has a schedule. Satisfied by report.Service.
type Reports interface {
	Scheduled(ctx context.Context, q db.Queryer) ([]report.RawData, error)
}

// Cost is what a refresh is expected to take.
type Cost struct {
	Licence string
	Calls   int
}

// Options of a Service.
type Options struct {
	Log     *slog.Logger
	Runs    Runs
	Reports Reports
	// Estimate is the expected cost of the refresh of a raw data that is to be
	// ready at the instant at.
	Estimate func(ctx context.Context, rd report.RawData, at time.Time) (Cost, error)
	// Rate is the learned rate of a licence in requests per second.
	Rate  func(licence string) float64
	Rules Rules
	// Every is how often is looked whether something is due; 0 means 5 s.
	Every time.Duration
	// Zone is a workspace's zone; nil means Asia/Seoul.
	Zone func(ctx context.Context, workspaceID string) (string, error)
	// Unreachable are the ad accounts of a workspace that its keys will not reach;
	// refused is when the platform refused one last, as far as raw data still show
	// it. Nil: every account is reached.
	Unreachable func(ctx context.Context, workspaceID string, refused map[string]time.Time) (map[string]bool, error)
	// Box seals the addresses of channels.
	Box *seal.Box
	// Deliver tells people; nil: nobody is told.
	Deliver Deliver
	// Missed hears of a morning that no process looked after in time, OnTime of
	// one that started as it should; both may be nil. They are called in the
	// transaction that admits the run.
	Missed func(ctx context.Context, tx *db.Tx, workspaceID string, at time.Time) error
	OnTime func(ctx context.Context, tx *db.Tx, workspaceID string) error
	Now    func() time.Time
}

// Service plans and starts the mornings. Every process may run one.
type Service struct {
	d    *db.DB
	jobs *jobs.Jobs
	o    Options
	log  *slog.Logger
	now  func() time.Time

	mu       sync.Mutex
	plan     map[string]Slot // by raw data id, as last made
	next     map[string]time.Time
	costs    map[string]cached
	planned  time.Time
	planOver string // what the plan was made for
	ticked   time.Time
	forgot   table.Day // when late pieces were last forgotten
	started  map[run.Cause]int64
}

// cached is an estimate and when it was made.
type cached struct {
	cost Cost
	at   time.Time
}

// New makes a Service and registers its job.
func New(d *db.DB, j *jobs.Jobs, o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every == 0 {
		o.Every = 5 * time.Second
	}
	if o.Rules == (Rules{}) {
		o.Rules = DefaultRules
	}
	s := &Service{d: d, jobs: j, o: o, log: o.Log, now: o.Now, costs: map[string]cached{}, started: map[run.Cause]int64{}}
	jobs.Handle(j, s.deliver)
	return s
}

// Run starts what is due until ctx ends. A passing fault of the database is
// logged; the next look makes up for it.
func (s *Service) Run(ctx context.Context) error {
	for {
		if n, err := s.Tick(ctx, s.now()); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "morning could not be looked after", "error", err)
		} else if n > 0 {
			s.log.InfoContext(ctx, "morning refreshes started", "count", n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(s.o.Every):
		}
	}
}

// Tick starts every refresh that is due at the instant now and reports how
// many it started. One that cannot be started keeps nothing else from it.
func (s *Service) Tick(ctx context.Context, now time.Time) (started int, err error) {
	all, err := s.o.Reports.Scheduled(ctx, s.d)
	if err != nil {
		return 0, err
	}
	since, err := s.since(ctx, all, now)
	if err != nil {
		return 0, err
	}
	rules, err := s.settings(ctx)
	if err != nil {
		return 0, err
	}
	have, err := s.claimed(ctx, table.DayOf(now)-4)
	if err != nil {
		return 0, err
	}
	mornings := s.mornings(all, since, have, now)
	s.replan(ctx, mornings, now)
	for _, m := range mornings {
		if m.start(s.slot(m.rd.ID)).After(now) {
			continue
		}
		skip := rules.skip(m, now)
		if skip != "" && m.at.At.After(now) {
			continue // until then it may be resumed, opened or the holiday taken back
		}
		ok, cerr := s.claim(ctx, m.rd, m.at.Day, run.Scheduled, m.at.At, skip, "", now)
		if ctx.Err() != nil {
			return started, ctx.Err()
		}
		err = errors.Join(err, cerr)
		if ok && skip == "" {
			started++
			s.count(run.Scheduled)
		}
	}
	for _, more := range []func() (int, error){
		func() (int, error) { return 0, s.repairs(ctx, all, now) },
		func() (int, error) { return s.lates(ctx, now) },
		func() (int, error) { return 0, s.forget(ctx, now) },
		func() (int, error) { return 0, s.digests(ctx, rules, now) },
	} {
		n, merr := more()
		started += n
		err = errors.Join(err, merr)
	}
	if err != nil {
		return started, err
	}
	s.mu.Lock()
	s.ticked = now
	s.mu.Unlock()
	return started, nil
}

func (s *Service) count(c run.Cause) {
	s.mu.Lock()
	s.started[c]++
	s.mu.Unlock()
}

// Figures of a process since it started.
type Figures struct {
	Ticked  time.Time           // last time that everything due was started; zero: never
	Started map[run.Cause]int64 // refreshes by cause
}

// Figures are the figures as they are now.
func (s *Service) Figures() Figures {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Figures{Ticked: s.ticked, Started: maps.Clone(s.started)}
}

// morning is an occurrence that has not been started.
type morning struct {
	rd     report.RawData
	at     Occurrence
	missed bool // its instant has passed
}

// start is when m is to begin.
func (m morning) start(s Slot) time.Time {
	if m.missed || m.rd.Schedule.Mode == report.StartAt || s.Start.IsZero() {
		return m.at.At
	}
	return s.Start
}

// mornings are the ones to come, and of those that were missed the newest per
// raw data: a catch-up brings only the newest day.
func (s *Service) mornings(all []report.RawData, since map[string]time.Time, have map[refreshKey]bool, now time.Time) []morning {
	var out []morning
	for _, rd := range all {
		last, _, ok := Around(*rd.Schedule, now)
		if !ok {
			continue
		}
		if !last.At.IsZero() && !last.At.Before(since[rd.ID]) && !have[refreshKey{rd.ID, last.Day, run.Scheduled}] {
			out = append(out, morning{rd, last, true})
		}
		if next, ok := following(rd, have, now); ok {
			out = append(out, morning{rd, next, false})
		}
	}
	return out
}

// following is the next occurrence that will refresh rd. One whose day was
// refreshed already, at an earlier time or in another zone, will not.
func following(rd report.RawData, have map[refreshKey]bool, now time.Time) (next Occurrence, ok bool) {
	next.At = now
	for range 3 { // a day comes twice at most, and a time may be moved to later once more
		if _, next, ok = Around(*rd.Schedule, next.At); !ok || !have[refreshKey{rd.ID, next.Day, run.Scheduled}] {
			return next, ok
		}
	}
	return next, false
}

// planEvery is how often the plan is made anew when nothing about it changed:
// rates and sizes are learned meanwhile.
const planEvery = time.Minute

// costFor is how long an estimate holds.
const costFor = 30 * time.Minute

func (s *Service) slot(rawDataID string) Slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plan[rawDataID]
}

// replan makes the plan of the mornings to come.
func (s *Service) replan(ctx context.Context, mornings []morning, now time.Time) {
	over := ""
	for _, m := range mornings {
		if !m.missed {
			over += m.rd.ID + m.at.At.Format(time.RFC3339)
		}
	}
	s.mu.Lock()
	fresh := over == s.planOver && now.Sub(s.planned) < planEvery
	s.mu.Unlock()
	if fresh {
		return
	}
	filled, err := s.filledSince(ctx, now.Add(-costFor))
	if err != nil {
		s.log.WarnContext(ctx, "estimates of mornings may be old", "error", err)
	}
	var jobs []Job
	next := map[string]time.Time{}
	for _, m := range mornings {
		if m.missed {
			continue
		}
		if m.rd.Schedule.Mode == report.StartAt {
			next[m.rd.ID] = m.at.At
			continue
		}
		changed := m.rd.UpdatedAt
		if f := filled[m.rd.ID]; f.After(changed) {
			changed = f
		}
		c := s.cost(ctx, m.rd, m.at.At, changed, now)
		jobs = append(jobs, Job{RawDataID: m.rd.ID, Licence: c.Licence, Account: m.rd.AccountID, Due: m.at.At, Calls: c.Calls})
	}
	plan := Plan(jobs, s.rate, s.o.Rules)
	for id, slot := range plan {
		next[id] = slot.Start
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan, s.next, s.planned, s.planOver = plan, next, now, over
}

// usual is the cost that is assumed where nothing is known: one account, one
// day of four types (docs/quota.md).
const usual = 45

// cost is what the refresh of rd at the instant costs. An estimate from before
// changed, when rd was edited or filled last, holds no more.
func (s *Service) cost(ctx context.Context, rd report.RawData, at, changed, now time.Time) Cost {
	s.mu.Lock()
	c, ok := s.costs[rd.ID]
	s.mu.Unlock()
	if ok && now.Sub(c.at) < costFor && c.at.After(changed) {
		return c.cost
	}
	cost := Cost{Calls: usual}
	if s.o.Estimate != nil {
		got, err := s.o.Estimate(ctx, rd, at)
		if err != nil {
			s.log.DebugContext(ctx, "no estimate", "raw_data", rd.ID, "error", err)
		} else {
			cost = got
		}
	}
	s.mu.Lock()
	s.costs[rd.ID] = cached{cost, now}
	s.mu.Unlock()
	return cost
}

// rateKnown is what is assumed of a licence that has not been used yet:
// quota.DefaultPolicies' start.
const rateKnown = 15.0

func (s *Service) rate(licence string) float64 {
	if s.o.Rate != nil {
		if r := s.o.Rate(licence); r > 0 {
			return r
		}
	}
	return rateKnown
}

// NextRefresh is when the raw data's next refresh starts by the present plan;
// zero when it has no schedule or was not planned yet.
func (s *Service) NextRefresh(rawDataID string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next[rawDataID]
}

// Outlook is what the plan says of a coming morning.
type Outlook struct {
	RawDataID string
	Slot
}

// Outlook is the present plan, by raw data.
func (s *Service) Outlook() []Outlook {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Outlook, 0, len(s.plan))
	for id, slot := range s.plan {
		out = append(out, Outlook{id, slot})
	}
	return out
}
