package naver

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"imreport/internal/account"
	"imreport/internal/archive"
	"imreport/internal/db"
	"imreport/internal/quota"
	"imreport/internal/run"
	"imreport/internal/table"
)

// Accounts says when a workspace's own key last reached a customer, and is
// told when it does. Satisfied by package account.
type Accounts interface {
	Account(ctx context.Context, q db.Queryer, accountID string) (account.Account, error)
	MarkProved(ctx context.Context, accountID string, now time.Time) error
}

// Options of a Source. Gate, DB and Archive must be set; the zero value of the
// rest is good.
type Options struct {
	URL     string // empty: DefaultURL
	Gate    *quota.Gate
	DB      *db.DB
	Archive *archive.Archive
	// Accounts may be nil: then each collecting proves its right anew.
	Accounts Accounts
	Log      *slog.Logger
	// Transport sends requests; nil: a client of its own.
	Transport http.RoundTripper
	// ReportDeadline is how long a report may take before it is made once
	// more; 0 means 10 min.
	ReportDeadline time.Duration
	// ProbeInterval is how often a day that Naver has not published yet is
	// asked for, by one account for all; 0 means 1 min.
	ProbeInterval time.Duration
	// RefetchDays before today are fetched once per Korean day, because Naver
	// corrects them for 48 h; 0 means 3.
	RefetchDays int
	// Parallel pieces of one order are on their way at once; 0 means 32.
	Parallel int
	// Published hears that a day can be had now: runs that are parked for the
	// subject Preparing can go on, and most of them count on being woken. May
	// be nil.
	Published func(day table.Day)
	// Back hears of the first good answer after Naver has failed for everybody:
	// runs that are to try again for the subject Outage can do so now. May be nil.
	Back func()
	// Restated hears, in the transaction that stores it anew, of a piece that
	// Naver had marked CHANGED, and for which raw data it was fetched. May be
	// nil.
	Restated func(ctx context.Context, tx *db.Tx, customerID, report string, day table.Day, rawDataID string) error
	// Doubted hears, in the transaction that marks it, of a stored piece that
	// Naver's own statistics contradict, and for which raw data it is being
	// fetched anew, if any. May be nil.
	Doubted func(ctx context.Context, tx *db.Tx, customerID, report string, day table.Day, rawDataID string) error
	// Pauses before a request is repeated after a passing fault; nil means
	// 1 s and 5 s. Longer pauses are the run's.
	Pauses []time.Duration
	// Timeout of an answer, and of silence within a download; 0 means 60 s.
	Timeout time.Duration
	// Poll is the least time between two looks at a customer's jobs; 0 means
	// 0.7 s.
	Poll time.Duration
	// Forgo does without ways of asking for less, so that bench morning can
	// tell what each is worth. The product leaves it empty.
	Forgo Forgo
	Now   func() time.Time
}

// Forgo are ways of asking for less that a Source may do without.
type Forgo struct {
	// OneLook: each job is looked at for itself, first after three seconds,
	// then after half as long again; otherwise one list tells the states of
	// all jobs of a customer, when they are likely to be ready.
	OneLook bool
	// DailyLists: each raw data reads the lists of entities whole; otherwise
	// one a day reads what has changed in them.
	DailyLists bool
}

// Source is Naver Search Ads as package run sees it.
type Source struct {
	o       Options
	client  *client
	store   store
	builds  *builds
	masters *builds
	ready   *readiness
	flights flights
	leases  leases
	counts  counts
	looked  sync.Map // customer → seenJobs
	namedBy sync.Map // customer → the run that last read its daily lists
	ledger  ledger

	recalling sync.Mutex
	recalled  bool // what was learned before is taken up
	// parsing bounds how many reports are read at once: reading costs memory
	// and CPU, waiting costs neither.
	parsing chan struct{}
}

// parsers is how many reports one process reads at once. Each takes about
// 10 MB while its Parquet pages fill.
const parsers = 4

// New makes a Source.
func New(o Options) (*Source, error) {
	if o.URL == "" {
		o.URL = DefaultURL
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Pauses == nil {
		o.Pauses = []time.Duration{time.Second, 5 * time.Second}
	}
	o.ReportDeadline = orElse(o.ReportDeadline, 10*time.Minute)
	o.ProbeInterval = orElse(o.ProbeInterval, time.Minute)
	o.Timeout = orElse(o.Timeout, time.Minute)
	o.Poll = orElse(o.Poll, pollMin)
	o.RefetchDays = orElse(o.RefetchDays, 3)
	o.Parallel = orElse(o.Parallel, 32)
	cl, err := newClient(clientOptions{
		url: o.URL, gate: o.Gate, transport: o.Transport, log: o.Log, now: o.Now, timeout: o.Timeout, idle: o.Timeout, pauses: o.Pauses, back: o.Back,
	})
	if err != nil {
		return nil, err
	}
	s := &Source{
		o: o, client: cl, store: store{o.DB}, builds: &builds{}, masters: &builds{},
		ready:   &readiness{now: o.Now, every: o.ProbeInterval, yield: o.ProbeInterval / yieldShare, ready: o.Published},
		parsing: make(chan struct{}, parsers),
	}
	s.leases = leases{s: s, owner: db.NewID()}
	return s, nil
}

var (
	_ run.Source         = (*Source)(nil)
	_ account.Discoverer = (*Source)(nil)
)

// Skew is how far this machine's clock is behind Naver's, as its answers tell;
// negative when it is ahead. Beyond a minute Naver refuses requests, which are
// then signed by its clock.
func (s *Source) Skew() time.Duration { return s.client.clock.current() }

// AssumeSkew takes up a skew that was measured before the first request, so
// that already the first run asks for the right days. Answers correct it.
func (s *Source) AssumeSkew(skew time.Duration) { s.client.clock.assume(skew) }

// today is the Korean day by Naver's clock, as far as it is known.
func (s *Source) today() table.Day { return table.DayOf(s.client.clock.real()) }

func orElse[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
