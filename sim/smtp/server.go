package smtp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Config of a Server. Only Dir is needed.
type Config struct {
	// Addr is where Run listens for SMTP, HTTPAddr where it serves Handler
	// (none when empty).
	Addr, HTTPAddr string
	// Dir is the mailbox folder; it is made when absent, and what is in it
	// from an earlier run stays.
	Dir string
	// Seed decides the faults that strike by probability.
	Seed uint64
	// Profile is one of Profiles; "" is "plain".
	Profile string
	// Domain is the server's name in the greeting; "mx.sim.example" if empty.
	Domain string
	// Username and Password make AUTH necessary. Without them AUTH is offered
	// and any name will do.
	Username, Password string
	// TLS offers STARTTLS.
	TLS *tls.Config
	// MaxBytes is the largest mail; 0 means 25 MiB (Gmail's).
	MaxBytes int
	// Scale is how many real seconds one second of the server lasts, for
	// Fault.For and Limits; 0 means 1. At 0.001 a hang of 11 minutes is over
	// in 0.66 s. In a testing/synctest bubble leave it and let time jump.
	Scale float64
	// NoSync leaves out fsync, for benches of something else.
	NoSync bool
	// BounceURL, when set, gets a POST of each bounce and complaint made by
	// the mailbox page (Content-Type message/rfc822).
	BounceURL string
	// Log gets one line per session event at debug level; nil is silent.
	Log *slog.Logger
}

// Stats counts since the start.
type Stats struct {
	// Connections were accepted in all; Open are open now; InData have sent
	// DATA and not yet got the final reply; Hanging sit in a Hang.
	Connections int `json:"connections"`
	Open        int `json:"open"`
	InData      int `json:"in_data"`
	Hanging     int `json:"hanging"`
	// Mails were stored since the start, Dots final dots that came.
	Mails int `json:"mails"`
	Dots  int `json:"dots"`
	// Replies by code, as written ("250": 12).
	Replies map[string]int `json:"replies"`
	// Faults that struck, by "at/do" ("stored/drop": 3).
	Faults map[string]int `json:"faults"`
}

// Server is a mail server; make it with New, use it from any goroutine.
type Server struct {
	cfg  Config
	prof profile
	box  *mailbox
	log  *slog.Logger
	born time.Time
	// openErr is why New could not open the mailbox; Serve returns it.
	openErr error

	mu        sync.Mutex
	faults    []*Fault
	lastFault int
	limits    Limits
	accepted  []time.Time // of the last 24 h of server time, when limited
	listeners map[net.Listener]struct{}
	conns     map[*session]struct{}
	stats     Stats
	closed    bool
	released  chan struct{} // closed and replaced by Release
	wg        sync.WaitGroup
	lastMail  int
	idPrefix  string
}

// ErrClosed is returned by Serve and Run after Close.
var ErrClosed = errors.New("smtp: server closed")

// New makes a server over the mailbox in c.Dir. It does not fail: a folder
// that cannot be read, or a profile that does not exist, is the error of Serve.
func New(c Config) *Server {
	if c.Domain == "" {
		c.Domain = "mx.sim.example"
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 25 << 20
	}
	if c.Scale == 0 {
		c.Scale = 1
	}
	s := &Server{cfg: c, log: c.Log, born: time.Now(), listeners: map[net.Listener]struct{}{},
		conns: map[*session]struct{}{}, released: make(chan struct{})}
	s.stats.Replies, s.stats.Faults = map[string]int{}, map[string]int{}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var ok bool
	if s.prof, ok = profiles[c.Profile]; !ok {
		s.openErr = fmt.Errorf("smtp: no profile %q, only %v", c.Profile, Profiles())
	}
	s.limits = s.prof.limits
	for _, f := range s.prof.faults {
		if _, err := s.AddFault(f); err != nil {
			s.openErr = errors.Join(s.openErr, err)
		}
	}
	if c.Dir == "" {
		s.openErr = errors.Join(s.openErr, errors.New("smtp: no Dir for the mailbox"))
	} else if box, err := openMailbox(c.Dir, c.NoSync); err != nil {
		s.openErr = errors.Join(s.openErr, err)
	} else {
		s.box = box
	}
	if s.box == nil { // keep Mails and Handler usable
		s.box = &mailbox{byID: map[string]int{}, more: make(chan struct{})}
	}
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails, crypto/rand says
	s.idPrefix = strconv.FormatInt(s.born.UnixMilli(), 36) + hex.EncodeToString(b[:])
	return s
}

// Serve accepts sessions on l until Close, then returns ErrClosed; any other
// error is the listener's or that of New. It closes l. Several listeners may
// be served at once; wrap one with tls.NewListener for smtps.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if s.openErr != nil {
		return s.openErr
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	for {
		conn, err := l.Accept()
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.listeners, l)
			if s.closed {
				return ErrClosed
			}
			return fmt.Errorf("smtp: accept: %w", err)
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			conn.Close()
			return ErrClosed
		}
		c := newSession(s, conn)
		s.conns[c] = struct{}{}
		s.stats.Connections++
		s.stats.Open++
		s.wg.Add(1)
		s.mu.Unlock()
		go func() {
			defer s.wg.Done()
			c.run()
			s.mu.Lock()
			delete(s.conns, c)
			s.stats.Open--
			s.mu.Unlock()
		}()
	}
}

// Run listens on Config.Addr (and Config.HTTPAddr) and serves until ctx ends,
// which is no error. It is the whole of "imreport sim smtp".
func (s *Server) Run(ctx context.Context) error {
	l, err := net.Listen("tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	errc := make(chan error, 2)
	n := 1
	go func() { errc <- s.Serve(l) }()
	web := &http.Server{Addr: s.cfg.HTTPAddr, Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	if s.cfg.HTTPAddr != "" {
		n++
		go func() { errc <- web.ListenAndServe() }()
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-errc:
		n--
	}
	err = errors.Join(err, s.Close(), web.Close())
	for range n {
		if e := <-errc; !errors.Is(e, ErrClosed) && !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Close ends all sessions at once, as a crash of the server would for its
// clients, and waits for their goroutines.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.close(false)
	}
	s.mu.Unlock()
	s.Release()
	s.wg.Wait()
	return nil
}

// now is the server's time: it runs 1/Scale times as fast as the clock.
func (s *Server) now() time.Time {
	return s.born.Add(time.Duration(float64(time.Since(s.born)) / s.cfg.Scale))
}

// real turns a duration of the server's time into one of the clock.
func (s *Server) real(d time.Duration) time.Duration {
	return time.Duration(float64(d) * s.cfg.Scale)
}

// AddFault adds a fault and returns its id; the first one that fits strikes,
// in the order of adding. The error says in words what is wrong with f.
func (s *Server) AddFault(f Fault) (int, error) {
	if err := f.check(); err != nil {
		return 0, fmt.Errorf("smtp: fault: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastFault++
	f.ID, f.Hits, f.Seen = s.lastFault, 0, 0
	s.faults = append(s.faults, &f)
	return f.ID, nil
}

// MustFault is AddFault for faults written in a test; it panics on a bad one.
func (s *Server) MustFault(f Fault) int {
	id, err := s.AddFault(f)
	if err != nil {
		panic(err)
	}
	return id
}

// RemoveFault ends the fault with this id and reports whether there was one.
func (s *Server) RemoveFault(id int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.faults)
	s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool { return f.ID == id })
	return len(s.faults) < n
}

// ClearFaults ends all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Faults copies the faults with their counts, spent ones too.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Fault, 0, len(s.faults))
	for _, f := range s.faults {
		out = append(out, *f)
	}
	return out
}

// SetLimits replaces the limits from the next command on.
func (s *Server) SetLimits(l Limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = l
}

// Limits are those in force.
func (s *Server) Limits() Limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limits
}

// Release ends every Hang that is going on.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.released)
	s.released = make(chan struct{})
	for c := range s.conns {
		if c.hanging {
			_ = c.conn.SetReadDeadline(time.Unix(1, 0))
		}
	}
}

// Stats copies the counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Replies, st.Faults = maps.Clone(st.Replies), maps.Clone(st.Faults)
	return st
}

// Mails copies the index of the mailbox, by arrival.
func (s *Server) Mails() []Mail { return s.box.list() }

// Raw reads the bytes of one mail as they came; ErrNoMail if there is none.
func (s *Server) Raw(id string) ([]byte, error) { return s.box.raw(id) }

// Clear deletes all mails.
func (s *Server) Clear() error { return s.box.clear() }

// Counts says how many mails carry each Token, or the Message-ID where there
// is no token. A value above 1 is a doubled mail.
func (s *Server) Counts() map[string]int { return Counts(s.Mails()) }

// Counts counts mails by Token, or by Message-ID where there is no token.
func Counts(mails []Mail) map[string]int {
	n := map[string]int{}
	for _, m := range mails {
		key := m.Token
		if key == "" {
			key = m.MessageID
		}
		n[key]++
	}
	return n
}

// Wait returns when the mailbox holds at least n mails, or with ctx's error.
func (s *Server) Wait(ctx context.Context, n int) error {
	for {
		have, more := s.box.arrived()
		if have >= n {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("smtp: %d of %d mails: %w", have, n, context.Cause(ctx))
		}
	}
}

// fire finds the fault that strikes at a phase, if any.
func (s *Server) fire(at Phase, to []string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.At == at && f.concerns(to) && f.strike(s.cfg.Seed) {
			s.stats.Faults[string(f.At)+"/"+string(f.Do)]++
			return *f, true
		}
	}
	return Fault{}, false
}

// admit counts an accepted mail against the rates; it returns the words of the
// refusal when one is full.
func (s *Server) admit() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limits.PerSecond == 0 && s.limits.PerDay == 0 {
		return ""
	}
	now := s.now()
	s.accepted = slices.DeleteFunc(s.accepted, func(t time.Time) bool { return now.Sub(t) >= 24*time.Hour })
	if s.limits.PerDay > 0 && len(s.accepted) >= s.limits.PerDay {
		return "Throttling failure: Daily message quota exceeded."
	}
	recent := 0
	for i := len(s.accepted) - 1; i >= 0 && now.Sub(s.accepted[i]) < time.Second; i-- {
		recent++
	}
	if s.limits.PerSecond > 0 && recent >= s.limits.PerSecond {
		return "Throttling failure: Maximum sending rate exceeded."
	}
	s.accepted = append(s.accepted, now)
	return ""
}

// nextID names a mail; names grow with arrival within one run.
func (s *Server) nextID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastMail++
	return fmt.Sprintf("%s-%06d", s.idPrefix, s.lastMail)
}
