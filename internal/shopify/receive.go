package shopify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/order"
	"imreport/internal/quota"
	"imreport/internal/shop"
)

// BodyMax bounds a webhook: orders of 100 KB and more are normal, 4 MiB is far
// above any (docs/orders.md).
const BodyMax = 4 << 20 // bytes

// Delivery is a webhook as it came.
type Delivery struct {
	Topic     string
	Shop      string // domain, as the header says
	EventID   string
	WebhookID string
	Triggered string
	Header    http.Header
	Body      []byte
}

// NewDelivery reads the headers of a webhook.
func NewDelivery(h http.Header, body []byte) Delivery {
	return Delivery{Topic: first(h, "Topic"), Shop: first(h, "Shop-Domain"), EventID: first(h, "Event-Id"),
		WebhookID: first(h, "Webhook-Id"), Triggered: first(h, "Triggered-At"), Header: h, Body: body}
}

// Options of a Service.
type Options struct {
	Log *slog.Logger     // nil: silent
	Now func() time.Time // nil: time.Now
	// Gate paces the Admin API; nil: no reconciliation.
	Gate *quota.Gate
	// AdminURL is the Admin API's address with {shop} for the shop's domain;
	// empty: Shopify's own.
	AdminURL string
	// HTTP sends requests to the Admin API; nil: a client with timeouts.
	HTTP *http.Client
	// HookURL is the address of this instance's hooks without the access code
	// ("https://reports.example.kr/hooks/shopify"), for subscriptions that have
	// to be made again; empty: none are.
	HookURL string
	// Every is how often a shop is reconciled; 0: 15 minutes.
	Every time.Duration
	// Step is called at the named steps of a webhook's way, for tests that end
	// the process there; nil: not at all.
	Step func(step string)
}

// The named steps of a webhook's way, in order; see Options.Step.
const (
	StepReceiving = "receiving" // in the transaction that stores it
	StepReceived  = "received"  // stored for good, not answered
	StepApplying  = "applying"  // in the transaction that applies it
	StepApplied   = "applied"   // in force
)

// Steps are all of them.
var Steps = []string{StepReceiving, StepReceived, StepApplying, StepApplied}

// Service takes webhooks and reconciles.
type Service struct {
	d      *db.DB
	shops  *shop.Service
	orders *order.Service
	o      Options
	log    *slog.Logger

	commits committer
	applies applier
	recent  recent

	mu    sync.Mutex
	heard map[string]time.Time // when last_hook_us of a shop was written

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// New makes a Service. Receive works at once; Start begins the sweeps.
func New(d *db.DB, shops *shop.Service, orders *order.Service, o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 30 * time.Second}
	}
	if o.Every == 0 {
		o.Every = 15 * time.Minute
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	s := &Service{d: d, shops: shops, orders: orders, o: o, log: o.Log, heard: map[string]time.Time{}}
	s.commits = committer{d: d, taken: s.applies.add, step: o.Step}
	s.applies.apply = s.applyPart
	return s
}

// Known is nil when the access code leads to a shop, the error of shop.ByHook
// otherwise.
func (s *Service) Known(ctx context.Context, code string) error {
	_, err := s.shops.ByHook(ctx, code)
	return err
}

// Receive takes a webhook that came to the address with this access code: it
// checks the signature and returns once the webhook is stored for good. It is
// in force within seconds. Errors: those of shop.ByHook, shop.shop_mismatch
// (403), hook.signature_invalid (401), hook.body_unreadable (422, and the body
// is kept aside), db.unreachable (503).
func (s *Service) Receive(ctx context.Context, code string, d Delivery) error {
	h, err := s.shops.ByHook(ctx, code)
	if err != nil {
		return err
	}
	if !Signed(d.Header, d.Body, h.Secrets) {
		// Another process may have rotated the secret a moment ago.
		if h, err = s.shops.Fresh(ctx, code); err != nil {
			return err
		}
		if !Signed(d.Header, d.Body, h.Secrets) {
			return errs.E(errs.Unauthenticated, "hook.signature_invalid", nil)
		}
	}
	if !h.SameDomain(d.Shop) {
		return shop.Mismatch(clean(d.Shop, 100))
	}
	r := newReceipt(h.ID, d, s.o.Now())
	if s.recent.has(r.key()) {
		return nil
	}
	var bad error
	if r.news, bad = Decode(d.Topic, d.Triggered, d.Body); bad != nil {
		r.problem = problemOf(bad)
	}
	n := r.news
	r.applied = bad == nil && n.Event == nil && n.Privacy == nil && !n.Uninstalled && !n.Ask
	if err := s.commits.add(ctx, r); err != nil {
		return err
	}
	if bad != nil {
		return errs.E(errs.Invalid, "hook.body_unreadable", bad)
	}
	s.recent.add(r.key())
	return nil
}

// problemOf is the short name of why a body is kept aside; "hook.problem.X" is
// its sentence.
func problemOf(err error) string {
	switch {
	case errors.Is(err, errNoTopic):
		return "no_topic"
	case errors.Is(err, errIncomplete):
		return "incomplete"
	}
	return "unreadable"
}

// Start begins the sweeps: webhooks that a crash left behind, reconciliation,
// the purge of old bodies. It works until Stop.
func (s *Service) Start(context.Context) error {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.every(ctx, sweepEvery, "sweep", func(ctx context.Context) error { _, err := s.Sweep(ctx); return err })
	s.every(ctx, time.Hour, "purge", s.Purge)
	if s.o.Gate != nil {
		s.every(ctx, reconcileTick, "reconcile", s.ReconcileDue)
	}
	return nil
}

// every calls fn at once and then again and again.
func (s *Service) every(ctx context.Context, d time.Duration, name string, fn func(context.Context) error) {
	s.wg.Go(func() {
		t := time.NewTicker(d)
		defer t.Stop()
		for {
			if err := fn(ctx); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "webhooks: "+name, "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
		}
	})
}

// Stop ends the sweeps and waits until what was received is applied.
func (s *Service) Stop(ctx context.Context) error {
	if s.stop != nil {
		s.stop()
	}
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		s.commits.wg.Wait()
		s.applies.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("webhooks: %w", ctx.Err())
	}
}

// keepFor is how long bodies are kept (design, section 8).
const keepFor = 30 * 24 * time.Hour

// Purge removes webhooks that are older than 30 days, those that were kept
// aside too.
func (s *Service) Purge(ctx context.Context) error {
	for {
		n, err := s.d.Exec(ctx, `DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE received_us < $1 LIMIT 1000)`,
			db.US(s.o.Now().Add(-keepFor)))
		if err != nil || n < 1000 {
			return err
		}
	}
}
