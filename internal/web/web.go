// Package web is the outside of imreport: one mux, what is the same for every
// request (who asks, in which language, what the log says, how an error
// reads), and the server.
//
// Package api adds the JSON calls, package ui the pages, package hook the
// webhooks: each with Mount(site, deps). Handlers return errors; how an error
// looks to the caller is decided here and nowhere else.
package web

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"imreport/internal/errs"
	"imreport/internal/workspace"
)

// Deps are what a Site needs.
type Deps struct {
	Log *slog.Logger // nil: silent
	// People says who asks, and keeps the audit log and the answers of
	// repeated POSTs.
	People *workspace.Service
	// PublicURL is the address that people use: "https://reports.example.kr".
	// Cookies are Secure when it is https. May be empty.
	PublicURL string
	// Ready says whether this process can work: the database answers, the
	// schema is current. nil: always.
	Ready func(ctx context.Context) error
	// Metrics take the metrics of requests; Gatherer is what /metrics shows.
	Metrics  prometheus.Registerer
	Gatherer prometheus.Gatherer
	Now      func() time.Time // nil: time.Now
}

// Handler answers a request, or returns why not.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Site is the mux and what all requests have in common.
type Site struct {
	d      Deps
	mux    *http.ServeMux
	root   http.Handler
	origin *http.CrossOriginProtection
	took   *prometheus.HistogramVec
	// errorPage shows a Problem to a person; set by package ui.
	errorPage func(w http.ResponseWriter, r *http.Request, p Problem)
	// quit is closed when the server begins to stop: streams end then.
	quit chan struct{}
}

// New makes a Site that knows /healthz, /readyz and /metrics.
func New(d Deps) *Site {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	s := &Site{d: d, mux: http.NewServeMux(), origin: http.NewCrossOriginProtection(), quit: make(chan struct{})}
	if u, err := url.Parse(d.PublicURL); err == nil && u.Host != "" {
		if err := s.origin.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			d.Log.Warn("the public address is not an origin", "url", d.PublicURL, "error", err)
		}
	}
	s.took = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "imreport_http_request_seconds", Help: "How long requests took, by route and status.",
		Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
	}, []string{"route", "status"})
	if d.Metrics != nil {
		d.Metrics.MustRegister(s.took)
	}
	s.health()
	s.mux.HandleFunc("/", s.plain(func(w http.ResponseWriter, r *http.Request) { s.answerError(w, r, s.unmatched(w, r)) }))
	s.root = s.headers(s.begin(compress(limit(s.mux))))
	return s
}

// ServeHTTP answers a request.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.root.ServeHTTP(w, r) }

// Now is the site's clock.
func (s *Site) Now() time.Time { return s.d.Now() }

// Log is the site's log.
func (s *Site) Log() *slog.Logger { return s.d.Log }

// People is who the site knows.
func (s *Site) People() *workspace.Service { return s.d.People }

// PublicURL is the address that links are built from: the configured one, else
// the one by which this request came.
func (s *Site) PublicURL(r *http.Request) string {
	if s.d.PublicURL != "" {
		return s.d.PublicURL
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// Quit is closed when the server begins to stop. Streams end then; everything
// else is allowed to finish.
func (s *Site) Quit() <-chan struct{} { return s.quit }

// Times of the server. A write has no limit: files may be large and streams
// last; a client that reads nothing is ended by the stream's own deadline.
const (
	readHeaderWithin = 10 * time.Second
	readWithin       = 60 * time.Second
	uploadWithin     = 10 * time.Minute // for bodies above the usual size
	idleFor          = 120 * time.Second
	headerMax        = 64 << 10 // bytes
	stopWithin       = 15 * time.Second
)

// Serve answers requests on l until ctx ends, then lets those under way
// finish.
func (s *Site) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: s, ReadHeaderTimeout: readHeaderWithin, ReadTimeout: readWithin, IdleTimeout: idleFor,
		MaxHeaderBytes: headerMax, ErrorLog: slog.NewLogLogger(s.d.Log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		close(s.quit)
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		err := srv.Shutdown(within)
		if err != nil {
			_ = srv.Close() // what did not end in time is cut off
		}
		stopped <- err
	}()
	if err := srv.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return <-stopped
}

// unready is the answer of /readyz: always 503, whatever the reason.
func unready(err error) error {
	if errs.KindOf(err) == errs.Unavailable {
		return err
	}
	return errs.E(errs.Unavailable, "web.unready", err)
}
