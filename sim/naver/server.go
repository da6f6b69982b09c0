package naver

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The key that works when Options names none.
const (
	// DefaultLicense has the form of a real one: 74 characters of lower-case hex.
	DefaultLicense = "0100000000" + "5a3c9e17d2b84f60a1e7c35b90d4f28866b1703ecd95a24f1b8e60d7c3952fa4"
	// DefaultSecret looks like base64 and is used as it stands.
	DefaultSecret = "AQAAAABTaW11bGF0ZWRTZWNyZXRLZXlPZkltcmVwb3J0MDE="
	// DefaultOwner is the customer id of the key's owner, itself no advertiser.
	DefaultOwner int64 = 900001
)

// Options of a Server; the zero value works.
type Options struct {
	// Seed decides all names, numbers, drifts and delays.
	Seed uint64
	// Profile is one of Profiles; "" is "perlicence".
	Profile string
	// Accounts is how many advertisers the key reaches; 0 means 40.
	Accounts int
	// Campaigns, AdGroups and Keywords are the size of each account; 0 means
	// 6, 24 and 300, which make some 300 rows of AD a day.
	Campaigns, AdGroups, Keywords int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// License and Secret are the key; "" means the defaults.
	License, Secret string
	// OwnerCustomer is the key owner's own customer id; 0 means DefaultOwner.
	OwnerCustomer int64
	// ReadyAt is the KST time of day at which yesterday is published; 0 means
	// 04:00 (08:00 in profile storm).
	ReadyAt time.Duration
	// LateShare is the share of mornings, 0 to 1, on which yesterday is
	// published late instead, between 07:30 and 13:00 (about 0.05 in reality).
	LateShare float64
	// PublishedFromStart has yesterday published at any hour, until SetPublished(false).
	PublishedFromStart bool
	// BuildMin and BuildMax bound the time from a job's POST to its end; 0
	// means 1 s and 20 s, negative means 0; master reports take a tenth of it.
	BuildMin, BuildMax time.Duration
	// Limits replaces the limits of the profile; see ProfileLimits.
	Limits *Limits
	// ClientIP tells the address a request comes from; nil takes RemoteAddr.
	ClientIP func(*http.Request) string
	// BaseURL begins download links; "" takes scheme and Host of the request.
	BaseURL string
	// Refused hears which scope refused a request, while nothing else is
	// answered; nil: nobody does. A client cannot learn it from an answer.
	Refused func(scope string, r *http.Request)
	// Logger gets one line per request at debug level; nil is silent.
	Logger *slog.Logger
}

// Server is the simulated vendor, an http.Handler for any number of
// goroutines; make it with New. Admin calls are under /_sim/.
type Server struct {
	o     Options
	now   func() time.Time
	log   *slog.Logger
	shape shape
	accts []Customer
	byID  map[int64]int // customer id to index in accts
	mux   *http.ServeMux
	admin http.Handler

	mu       sync.Mutex
	keys     map[string]*key
	forbid   map[int64]bool
	limiter  limiter
	stat     map[int64][]*job // by customer, oldest first
	master   map[int64][]*job
	stuck    map[int64]int // what the master counter counts too much
	links    map[string]*job
	lastJob  int64
	tx       uint64
	ready    map[readyKey]time.Time
	late     bool
	stormed  bool
	closed   bool // maintenance
	skew     time.Duration
	statsLag time.Duration
	faults   []*Fault
	lastID   int
	calls    map[string]int
	statuses map[int]int

	world atomic.Pointer[world]
}

// New makes a simulator. It panics on a profile that does not exist.
func New(o Options) *Server {
	if o.Profile == "" {
		o.Profile = "perlicence"
	}
	if !slices.Contains(Profiles(), o.Profile) {
		panic(fmt.Sprintf("naver: no profile %q, only %v", o.Profile, Profiles()))
	}
	setDefault(&o.Accounts, 40)
	setDefault(&o.Campaigns, 6)
	setDefault(&o.AdGroups, 24)
	setDefault(&o.Keywords, 300)
	setDefault(&o.License, DefaultLicense)
	setDefault(&o.Secret, DefaultSecret)
	setDefault(&o.OwnerCustomer, DefaultOwner)
	setDefault(&o.BuildMin, time.Second)
	setDefault(&o.BuildMax, 20*time.Second)
	if o.Profile == "storm" {
		setDefault(&o.ReadyAt, 8*time.Hour)
	}
	setDefault(&o.ReadyAt, 4*time.Hour)
	o.BuildMin = max(o.BuildMin, 0)
	o.BuildMax = max(o.BuildMax, o.BuildMin)
	s := &Server{o: o, now: o.Now, log: o.Logger, shape: newShape(o), keys: map[string]*key{}, forbid: map[int64]bool{},
		stat: map[int64][]*job{}, master: map[int64][]*job{}, stuck: map[int64]int{}, links: map[string]*job{},
		ready:   map[readyKey]time.Time{},
		lastJob: firstJob, byID: map[int64]int{}, calls: map[string]int{}, statuses: map[int]int{}}
	s.world.Store(&world{map[string]override{}, map[revKey]int{}})
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.accts = s.makeAccounts()
	for i, a := range s.accts {
		s.byID[a.ID] = i
	}
	l := ProfileLimits(o.Profile)
	if o.Limits != nil {
		l = *o.Limits
	}
	s.limiter = newLimiter(o.Seed, l, s.now())
	s.keys[o.License] = &key{license: o.License, secret: o.Secret}
	s.mux = s.routes()
	s.admin = s.adminRoutes()
	return s
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Seed is the seed in use, for a test's log.
func (s *Server) Seed() uint64 { return s.o.Seed }

// call is one request under way: who asks and what was found about it.
type call struct {
	s        *Server
	w        http.ResponseWriter
	r        *http.Request
	now      time.Time
	ip       string
	license  string
	customer int64
	acct     int // index of the customer, -1 when it is not an advertiser
}

// api is the handler of one operation, called when limits and auth are passed.
type api func(*call)

func (s *Server) handle(mux *http.ServeMux, pattern string, h api) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		c, ok := s.admit(w, r)
		if !ok || s.strikes(c) {
			return
		}
		h(c)
	})
}

// routes lists every public path. Paths have no prefix and no trailing slash.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	s.accountRoutes(mux)
	s.nccRoutes(mux)
	s.statsRoutes(mux)
	s.moneyRoutes(mux)
	s.jobRoutes(mux)
	s.masterRoutes(mux)
	s.handle(mux, "GET /report-download", s.download)
	s.handle(mux, "GET /keywordstool", s.keywordTool)
	s.handle(mux, "/", func(c *call) { c.ncc(404, 1001, "Not found.") })
	return mux
}

// maxURI is the longest request line's URI that the front passes, in bytes
// (fact sheet 2.2: too long a URL is refused with HTML).
const maxURI = 8192

// ServeHTTP answers one request, as vendor or, under /_sim/, as admin.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/_sim" || len(r.URL.Path) > 5 && r.URL.Path[:6] == "/_sim/" {
		s.admin.ServeHTTP(w, r)
		return
	}
	rec := &recorder{ResponseWriter: w}
	w = rec
	s.mu.Lock()
	now := s.now()
	w.Header().Set("Date", now.Add(s.skew).UTC().Format(http.TimeFormat))
	s.calls[r.Method+" "+class(r.URL.Path)]++
	s.mu.Unlock()
	w.Header().Set("Server", "nfront")
	defer func() {
		s.mu.Lock()
		s.statuses[rec.code]++
		s.mu.Unlock()
		s.log.Debug("request", "method", r.Method, "path", r.URL.Path, "customer", r.Header.Get("X-Customer"), "status", rec.code)
	}()
	if len(r.RequestURI) > maxURI {
		html(w, 400, "<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid request.\n</body></html>\n")
		return
	}
	s.mux.ServeHTTP(w, r)
}

// recorder remembers the status for the metrics.
type recorder struct {
	http.ResponseWriter
	code int
}

// WriteHeader notes the first status.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

// Write is an implicit 200.
func (r *recorder) Write(b []byte) (int, error) {
	if r.code == 0 {
		r.code = 200
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// clientIP is the address whose limits count.
func (s *Server) clientIP(r *http.Request) string {
	if s.o.ClientIP != nil {
		return s.o.ClientIP(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
