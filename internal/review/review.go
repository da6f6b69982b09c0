// Package review asks customers for reviews, once each, and keeps what they
// write.
//
// A message is one row per order, kind and turn; the row is the authority over
// what was sent. It is claimed by a compare-and-set, handed to the mail server
// up to the last byte of the body, marked by a second compare-and-set that is
// on disk, and only then ended with the final dot. What is lost between the
// mark and the server's reply is of unknown fate: it is shown, and only a
// person sends it again. Eligibility is judged when a message is scheduled,
// when its order changes, at the claim and at the mark. docs/mail.md draws it.
package review

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"imreport/internal/db"
	"imreport/internal/i18n"
	"imreport/internal/incident"
	"imreport/internal/order"
	"imreport/internal/quota"
	"imreport/internal/seal"
	"imreport/internal/shop"
)

// Orders are where orders are read. Satisfied by order.Service.
type Orders interface {
	ByID(ctx context.Context, q db.Queryer, id string) (order.Order, error)
	ByIDs(ctx context.Context, q db.Queryer, ids []string) (map[string]order.Order, error)
	List(ctx context.Context, shopID string, f order.Filter, cursor string, limit int) ([]order.Order, string, error)
}

// Options of a Service.
type Options struct {
	// Carrier hands mails to a mail server; nil: there is none, and what is
	// due waits.
	Carrier Carrier
	// Gate paces the mails of a sender; nil makes one of its own.
	Gate *quota.Gate
	// MailFrom is the sender of shops that name none; empty: the Carrier's
	// own, when it has a method From.
	MailFrom string
	// PublicURL is what links in mails are built from.
	PublicURL string
	// Dir is where pictures are kept; processes share it.
	Dir string
	// Process names this process, for its leases.
	Process string
	// Incidents tell the owner when a shop is stopped; nil: nobody is told.
	Incidents *incident.Service
	// Lease is how long a claimed message stays its process's without a word of
	// life; 0 means 8 s. On SQLite nothing is reaped while the process lives.
	Lease time.Duration
	// Step is called at the named steps of a sending, for tests that end the
	// process there; nil does nothing.
	Step func(step string)
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: silent
}

// Service keeps messages and reviews, and sends.
type Service struct {
	d      *db.DB
	box    *seal.Box
	shops  *shop.Service
	orders Orders
	o      Options
	now    func() time.Time
	log    *slog.Logger
	gate   *quota.Gate

	wake  chan struct{} // something may be due
	mu    sync.Mutex
	busy  map[string]map[string]bool // messages in hand, by sender
	flow  map[string]*quota.Flow     // by shop
	shown map[string]int64           // by shop: what was due up to then is queued
}

// New makes a Service. Then register Changed, Erased and Mailable with the
// orders, and Run it.
func New(d *db.DB, box *seal.Box, shops *shop.Service, orders Orders, o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Gate == nil {
		o.Gate = quota.New(quota.Options{})
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	if o.Process == "" {
		o.Process = db.NewID()
	}
	if o.Lease == 0 {
		o.Lease = 8 * time.Second
	}
	if f, ok := o.Carrier.(interface{ From() string }); ok && o.MailFrom == "" {
		o.MailFrom = f.From()
	}
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	return &Service{d: d, box: box, shops: shops, orders: orders, o: o, now: o.Now, log: o.Log, gate: o.Gate,
		wake: make(chan struct{}, 1), busy: map[string]map[string]bool{}, flow: map[string]*quota.Flow{}, shown: map[string]int64{}}
}

// Register makes the orders tell this service what changes.
func (s *Service) Register(o *order.Service) {
	o.OnChange(s.Changed)
	o.OnErase(s.Erased)
	o.SetMailable(s.Mailable)
}

// Letter is a mail to a customer, finished but for its encoding.
type Letter struct {
	// Token is the message's id; it comes back in bounces.
	Token string
	// MessageID is stable over all attempts: "rr-ID.0@example.kr".
	MessageID string
	From      string // "Name <a@example.kr>"
	To        string // a bare address
	ReplyTo   string // may be empty
	Date      time.Time
	Lang      i18n.Lang
	Subject   string
	Text      string
	HTML      string
	// Unsubscribe is the https address of one click (RFC 8058).
	Unsubscribe string
	// Feedback names the shop to mailbox providers that count complaints.
	Feedback string
}

// Carrier hands a letter to a mail server, in two phases. Implemented by
// package mail/post.
type Carrier interface {
	// Carry calls beforeDot when everything but the final dot is handed over;
	// its error stops the delivery with nothing sent.
	Carry(ctx context.Context, l Letter, beforeDot func(context.Context) error) Outcome
}

// Fate is what became of a letter.
type Fate int8

// The fates.
const (
	FateLater   Fate = iota // not taken; it may go again
	FateSent                // taken
	FateDenied              // refused for good
	FateUnknown             // lost between the dot and the reply
	FateStopped             // beforeDot said no
)

// Outcome is how a letter fared.
type Outcome struct {
	Fate Fate
	// Address: the refusal is about the recipient, not about us.
	Address bool
	// Throttled: the server asked to slow down; no attempt is used up.
	Throttled bool
	Code      int    // the server's reply code; 0 when it said nothing
	Status    string // enhanced status: "5.1.1"
	Reply     string // its words
	Phase     string // how far it came: "rcpt"
	Err       error  // for the log
}

// poke makes Run look at once.
func (s *Service) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// host names this instance in Message-IDs: the host of the public address or,
// where that says nothing to others, the sender's.
func (s *Service) host(from string) string {
	u, err := url.Parse(s.o.PublicURL)
	if err == nil && strings.Contains(u.Hostname(), ".") && net.ParseIP(u.Hostname()) == nil {
		return u.Hostname()
	}
	if _, domain, ok := strings.Cut(bare(from), "@"); ok {
		return domain
	}
	return "localhost"
}
