package orders

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"imreport/internal/db"
	"imreport/internal/order"
	"imreport/internal/web"
	"imreport/internal/web/hook"
	sim "imreport/sim/shopify"
)

// Permutations counts final states of orders.
type Permutations struct {
	Sequences int `json:"sequences"`
	Wrong     int `json:"wrong"`
}

// Webhooks is what many connections saw.
type Webhooks struct {
	Orders         int           `json:"orders"`
	Webhooks       int           `json:"webhooks"`
	Connections    int           `json:"connections"`
	PerSecond      float64       `json:"per_s"`
	P50            time.Duration `json:"p50_ns"`
	P99            time.Duration `json:"p99_ns"`
	Wrong          int           `json:"wrong_final_states"`
	Twins          int           `json:"twins"`
	PlainPerSecond float64       `json:"plain_synced_inserts_per_s"`
	PlainP99       time.Duration `json:"plain_p99_ns"`
	AppliedWithin  time.Duration `json:"all_applied_after_ns"` // after the last answer
}

// clockwork is a shop's clock that stands still until it is moved.
type clockwork struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clockwork) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clockwork) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

// story is one order's life as its shop fired it: six snapshots, of which the
// pairs share a second, in five merchant actions.
func story(shop *sim.Server, clock *clockwork) (id int64, err error) {
	o := shop.Place(sim.Order{Lines: []sim.Line{{SKU: "A", Title: "머그컵", Quantity: 2, Price: 14_000}, {SKU: "B", Title: "티셔츠", Quantity: 1, Price: 30_000}}})
	steps := []func() error{
		func() error { clock.add(100 * time.Millisecond); return shop.Pay(o.ID) },
		func() error { clock.add(20 * time.Second); return shop.Ship(o.ID) },
		func() error { clock.add(200 * time.Millisecond); return shop.Edit(o.ID, "vip") },
		func() error { clock.add(30 * time.Second); return shop.Refund(o.ID, 0) },
		func() error { clock.add(300 * time.Millisecond); return shop.Edit(o.ID, "vip, seen") },
	}
	for _, s := range steps {
		if err := s(); err != nil {
			return o.ID, err
		}
	}
	return o.ID, nil
}

func newShop(clock *clockwork, url string) *sim.Server {
	s := sim.New(sim.Config{Secret: secret, Seed: 7, Now: clock.now})
	s.Subscribe(url, "orders/updated")
	s.Hold(true)
	return s
}

// right reports whether the stored order is what the shop has.
func right(o order.Order, want sim.Order) bool {
	return o.Name == want.Name && o.Email == want.Email && o.FinancialStatus == want.Financial && o.FulfillmentStatus == want.Shipped &&
		o.Tags == want.Tags && len(o.Lines) == len(want.Lines) && o.Lines[0].Left == want.Lines[0].Current && o.Lines[1].Left == want.Lines[1].Current &&
		o.FulfilledAt.Equal(want.Parcels[0].Created.Truncate(time.Second)) && o.UpdatedAt.Equal(want.Updated.Truncate(time.Second))
}

// permutations sends five of the events of an order in every sequence, each
// followed by repeats of an earlier one.
func (h *house) permutations(ctx context.Context) (*Permutations, error) {
	p := &Permutations{}
	clock := &clockwork{t: time.Date(2026, 11, 4, 0, 0, 0, 0, time.UTC)}
	shop := newShop(clock, "http://bench.invalid/")
	var ids []int64
	var arrange func(used []bool, seq []int) error
	arrange = func(used []bool, seq []int) error {
		if len(seq) < len(used) {
			for i := range used {
				if !used[i] {
					used[i] = true
					if err := arrange(used, append(seq, i)); err != nil {
						return err
					}
					used[i] = false
				}
			}
			return nil
		}
		n := len(shop.Deliveries())
		id, err := story(shop, clock)
		if err != nil {
			return err
		}
		ids = append(ids, id)
		fired := shop.Deliveries()[n+1:] // the last five
		for at, i := range seq {
			for _, d := range []*sim.Delivery{fired[i], fired[seq[at/2]]} {
				if err := h.take(ctx, shop, d); err != nil {
					return err
				}
			}
		}
		p.Sequences++
		return nil
	}
	if err := arrange(make([]bool, 5), nil); err != nil {
		return nil, err
	}
	if err := h.hooks.Stop(ctx); err != nil {
		return nil, err
	}
	wrong, twins, err := h.check(ctx, shop)
	p.Wrong = wrong + twins
	return p, err
}

func (h *house) take(ctx context.Context, shop *sim.Server, d *sim.Delivery) error {
	return h.hooks.Receive(ctx, h.code, newDelivery(shop.Header(d), d.Body))
}

// check compares all orders with those of the shop.
func (h *house) check(ctx context.Context, shop *sim.Server) (wrong, twins int, err error) {
	for _, want := range shop.Orders() {
		o, err := h.orders.Get(ctx, h.shop.ID, strconv.FormatInt(want.ID, 10))
		if err != nil || !right(o, want) {
			wrong++
		}
	}
	var rows int
	err = h.d.QueryRow(ctx, `SELECT count(*) FROM shop_order`).Scan(&rows)
	return wrong, rows - len(shop.Orders()), err
}

// webhooks sends the webhooks of many orders, copied and shuffled, over many
// connections, and then as many plain inserts from as many clients.
func (h *house) webhooks(ctx context.Context, o Options) (*Webhooks, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	site := web.New(web.Deps{})
	hook.Mount(site, h.hooks)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- site.Serve(ctx, l) }()
	url := "http://" + l.Addr().String() + "/hooks/shopify/" + h.code

	w := &Webhooks{Orders: o.Orders, Connections: o.Connections}
	clock := &clockwork{t: time.Date(2026, 11, 4, 0, 0, 0, 0, time.UTC)}
	shop := newShop(clock, url)
	for range o.Orders {
		if _, err := story(shop, clock); err != nil {
			return nil, err
		}
	}
	var all []*sim.Delivery
	for _, d := range shop.Deliveries() {
		for range o.Copies {
			all = append(all, d)
		}
	}
	rnd := rand.New(rand.NewPCG(3, 3))
	rnd.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	w.Webhooks = len(all)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.Connections, MaxConnsPerHost: o.Connections}}
	if err := h.hooks.Start(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	took, err := spread(ctx, o.Connections, len(all), func(i int) error { return post(ctx, client, shop, all[i]) })
	if err != nil {
		return nil, err
	}
	w.PerSecond = float64(len(all)) / time.Since(began).Seconds()
	w.P50, w.P99 = quantile(took, 0.5), quantile(took, 0.99)
	began = time.Now()
	if err := h.applied(ctx); err != nil {
		return nil, err
	}
	w.AppliedWithin = time.Since(began)
	if err := h.hooks.Stop(ctx); err != nil {
		return nil, err
	}
	if w.Wrong, w.Twins, err = h.check(ctx, shop); err != nil {
		return nil, err
	}
	if err := h.plain(ctx, o, w, all); err != nil {
		return nil, err
	}
	client.CloseIdleConnections()
	stop()
	return w, <-served
}

// applied waits until no webhook waits.
func (h *house) applied(ctx context.Context) error {
	for {
		var n int
		if err := h.d.QueryRow(ctx, `SELECT count(*) FROM inbox WHERE applied_us = 0 AND problem = ''`).Scan(&n); err != nil || n == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func post(ctx context.Context, client *http.Client, shop *sim.Server, d *sim.Delivery) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return err
	}
	req.Header = shop.Header(d)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("a webhook was answered %s", res.Status)
	}
	return nil
}

// plain inserts the same bodies, one row and one synced commit each.
func (h *house) plain(ctx context.Context, o Options, w *Webhooks, all []*sim.Delivery) error {
	if _, err := h.d.Exec(ctx, `CREATE TABLE bench_plain (id TEXT PRIMARY KEY, body TEXT NOT NULL)`); err != nil {
		return err
	}
	n := min(len(all), 10_000)
	began := time.Now()
	took, err := spread(ctx, o.Connections, n, func(i int) error {
		return h.d.InSyncedTx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO bench_plain (id, body) VALUES ($1, $2)`, db.NewID(), string(all[i].Body))
			return err
		})
	})
	w.PlainPerSecond = float64(n) / time.Since(began).Seconds()
	w.PlainP99 = quantile(took, 0.99)
	return err
}

// spread calls fn for 0 to n-1 from several goroutines and says how long each
// call took.
func spread(ctx context.Context, workers, n int, fn func(i int) error) ([]time.Duration, error) {
	took := make([]time.Duration, n)
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return ctx.Err()
				}
				began := time.Now()
				if err := fn(i); err != nil {
					return err
				}
				took[i] = time.Since(began)
			}
		})
	}
	return took, g.Wait()
}

func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return all[min(int(q*float64(len(all))), len(all)-1)]
}
