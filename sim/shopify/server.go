package shopify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Config of a Server. The zero value is good.
type Config struct {
	Addr    string // where Run listens
	Domain  string // of the shop; "our-test-shop.myshopify.com"
	Secret  string // webhooks are signed with it; "imreport-sim-secret"
	Token   string // of the Admin API; "shpat_sim"
	HookURL string // every topic is sent there from the start; empty: only to subscriptions
	Seed    uint64
	Profile string         // one of Profiles; "" is "plain"
	Zone    *time.Location // of the shop; Seoul
	// Scale is how many real seconds one second of the shop lasts, for
	// retries and late arrivals; 0 means 1.
	Scale float64
	// Budget of the Admin API: Max points, Restore per second. 0: 2,000 and
	// 100, as on the standard plan.
	Max, Restore float64
	// OrdersEvery makes Run place orders and see them through; 0: none.
	OrdersEvery time.Duration
	Now         func() time.Time // nil: time.Now
}

// profile is what the network does to deliveries.
type profile struct {
	again  float64       // chance of one more copy
	spread time.Duration // each is late by up to so much
	lost   float64       // chance of never coming
}

var profiles = map[string]profile{
	"plain":    {},
	"repeats":  {again: 0.5},
	"shuffled": {again: 0.3, spread: 5 * time.Second},
	"lossy":    {again: 0.2, spread: 5 * time.Second, lost: 0.05},
}

// Profiles lists the profiles.
func Profiles() []string { return slices.Sorted(maps.Keys(profiles)) }

// Topics are all that the shop sends.
var Topics = []string{"orders/create", "orders/updated", "orders/paid", "orders/fulfilled", "orders/partially_fulfilled", "orders/cancelled",
	"orders/delete", "refunds/create", "fulfillments/create", "fulfillments/update", "fulfillment_events/create", "app/uninstalled",
	"customers/data_request", "customers/redact", "shop/redact"}

// Subscription is where a topic is sent.
type Subscription struct {
	ID    string
	Topic string // "orders/create"
	URL   string
	API   bool // made through the Admin API: deleted after failures
}

// Stats counts since the start.
type Stats struct {
	Fired     int `json:"fired"`
	Attempts  int `json:"attempts"`
	Taken     int `json:"taken"`
	Refused   int `json:"refused"`
	Lost      int `json:"lost"`
	GivenUp   int `json:"given_up"`
	Queries   int `json:"queries"`
	Throttled int `json:"throttled"`
}

// Server is a shop; make it with New, use it from any goroutine.
type Server struct {
	cfg    Config
	prof   profile
	err    error // why New did not like the Config; Run returns it
	client *http.Client
	quit   chan struct{}
	wg     sync.WaitGroup

	mu         sync.Mutex
	rng        *rand.Rand
	orders     map[int64]*Order
	subs       []Subscription
	deliveries []*Delivery
	held       bool
	last       int64
	points     float64
	at         time.Time
	stats      Stats
}

// New makes a shop.
func New(c Config) *Server {
	c.Domain = cmp.Or(c.Domain, "our-test-shop.myshopify.com")
	c.Secret, c.Token = cmp.Or(c.Secret, "imreport-sim-secret"), cmp.Or(c.Token, "shpat_sim")
	c.Scale, c.Max, c.Restore = cmp.Or(c.Scale, 1), cmp.Or(c.Max, 2000), cmp.Or(c.Restore, 100)
	if c.Zone == nil {
		c.Zone = time.FixedZone("KST", 9*60*60)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{cfg: c, client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		quit: make(chan struct{}), rng: rand.New(rand.NewPCG(c.Seed, 1)), orders: map[int64]*Order{}, points: c.Max, at: c.Now()}
	var ok bool
	if s.prof, ok = profiles[cmp.Or(c.Profile, "plain")]; !ok {
		s.err = fmt.Errorf("shopify: no profile %q, only %v", c.Profile, Profiles())
	}
	if c.HookURL != "" {
		s.Subscribe(c.HookURL, Topics...)
	}
	return s
}

// Subscribe sends topics to an address, as if declared with the app.
func (s *Server) Subscribe(url string, topics ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range topics {
		s.last++
		s.subs = append(s.subs, Subscription{ID: gid("WebhookSubscription", s.last), Topic: t, URL: url})
	}
}

// Unsubscribe removes every subscription of a topic; of all topics when it is
// empty.
func (s *Server) Unsubscribe(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs = slices.DeleteFunc(s.subs, func(sub Subscription) bool { return topic == "" || sub.Topic == topic })
}

// Subscriptions lists them.
func (s *Server) Subscriptions() []Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.subs)
}

// Stats are the counts so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Run serves on Config.Addr and lives the shop's life until ctx ends, which is
// no error. It is the whole of "imreport sim shopify".
func (s *Server) Run(ctx context.Context) error {
	if s.err != nil {
		return s.err
	}
	l, err := net.Listen("tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("shopify: %w", err)
	}
	s.mu.Lock() // ids of an earlier run of this command must not come again
	s.last = max(s.last, s.now().Unix()/10%10_000_000)
	s.mu.Unlock()
	web := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	errc := make(chan error, 1)
	go func() { errc <- web.Serve(l) }()
	if s.cfg.OrdersEvery > 0 {
		go s.Live(ctx, s.cfg.OrdersEvery)
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-errc:
	}
	if e := web.Close(); !errors.Is(err, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	s.Close()
	return err
}

// Live places an order every so often and sees each through its life: paid,
// shipped, delivered; some are cancelled or partly refunded.
func (s *Server) Live(ctx context.Context, every time.Duration) {
	for {
		s.wg.Go(s.oneLife)
		select {
		case <-ctx.Done():
			return
		case <-s.quit:
			return
		case <-time.After(every):
		}
	}
}

func (s *Server) oneLife() {
	o := s.Place(Order{})
	s.mu.Lock()
	luck := s.rng.Float64()
	s.mu.Unlock()
	steps := []func(int64) error{s.Pay, s.Ship, s.Deliver}
	switch {
	case luck < 0.1:
		steps = []func(int64) error{s.Pay, s.Cancel}
	case luck < 0.2:
		steps = append(steps, func(id int64) error { return s.Refund(id, 0) })
	}
	for _, step := range steps {
		if !s.sleep(10*time.Second) || step(o.ID) != nil {
			return
		}
	}
}

// Close ends what is on its way.
func (s *Server) Close() {
	s.mu.Lock()
	select {
	case <-s.quit:
	default:
		close(s.quit)
	}
	s.mu.Unlock()
	s.wg.Wait()
}
