package review

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/order"
	"imreport/internal/seal"
	"imreport/internal/shop"
	"imreport/internal/workspace"
)

// fakeOrders are orders in memory; put tells the service of them as package
// order does.
type fakeOrders struct {
	mu  sync.Mutex
	all map[string]order.Order
}

func (f *fakeOrders) ByID(_ context.Context, _ db.Queryer, id string) (order.Order, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, ok := f.all[id]
	if !ok {
		return o, errs.E(errs.NotFound, "order.not_found", nil)
	}
	return o, nil
}

func (f *fakeOrders) ByIDs(ctx context.Context, q db.Queryer, ids []string) (map[string]order.Order, error) {
	out := map[string]order.Order{}
	for _, id := range ids {
		if o, err := f.ByID(ctx, q, id); err == nil {
			out[id] = o
		}
	}
	return out, nil
}

func (f *fakeOrders) List(context.Context, string, order.Filter, string, int) ([]order.Order, string, error) {
	return nil, "", errors.New("not used")
}

// clock is a time that tests move.
type testClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *testClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

type fixture struct {
	*Service
	t      *testing.T
	ctx    context.Context
	clock  *testClock
	orders *fakeOrders
	shops  *shop.Service
	shop   shop.Shop
	box    *seal.Box
}

func ptr[T any](v T) *T { return &v }

func newBox(t *testing.T) *seal.Box {
	t.Helper()
	box, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// noon is a Tuesday noon in Seoul.
var noon = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)

func newFixture(t *testing.T, d *db.DB, o Options, in shop.Input) *fixture {
	t.Helper()
	ctx := t.Context()
	box := newBox(t)
	f := &fixture{t: t, ctx: ctx, clock: &testClock{t: noon}, orders: &fakeOrders{all: map[string]order.Order{}}, box: box}
	people := workspace.New(d, box, workspace.Options{})
	if err := people.Bootstrap(ctx, "test-token-test-token"); err != nil {
		t.Fatal(err)
	}
	who, err := people.ByToken(ctx, "test-token-test-token")
	if err != nil {
		t.Fatal(err)
	}
	f.shops = shop.New(d, box, shop.Options{Now: f.clock.now})
	if in.Name == nil {
		in.Name = ptr("우리상점")
	}
	if in.MailFrom == nil {
		in.MailFrom = ptr("우리상점 <reviews@shop.example>")
	}
	if f.shop, _, err = f.shops.Create(ctx, who.WorkspaceID, in); err != nil {
		t.Fatal(err)
	}
	o.Now, o.Dir = f.clock.now, t.TempDir()
	if o.PublicURL == "" {
		o.PublicURL = "https://reviews.example"
	}
	f.Service = New(d, box, f.shops, f.orders, o)
	return f
}

// fulfilled is an order that may be asked about at once.
func (f *fixture) fulfilled(id, email string) order.Order {
	at := f.clock.now()
	return order.Order{
		ID: id, ShopID: f.shop.ID, ExternalID: "x" + id, Name: "#" + id, Email: email, CustomerName: "김지민",
		FinancialStatus: order.Paid, FulfillmentStatus: order.Fulfilled, CreatedAt: at.Add(-72 * time.Hour), FulfilledAt: at, UpdatedAt: at,
		Source: order.Webhook, Live: true,
		Lines: []order.Line{{ID: "1", ProductID: "p1", Title: "머그컵", Quantity: 1, Left: 1}, {ID: "2", ProductID: "p2", Title: "티셔츠", Quantity: 1, Left: 1}},
	}
}

// put stores o and tells the service, as an event from a webhook.
func (f *fixture) put(o order.Order) { f.putBy(o, order.Origin{Source: order.Webhook, Live: true}) }

func (f *fixture) putBy(o order.Order, origin order.Origin) {
	f.t.Helper()
	f.orders.mu.Lock()
	var before *order.Order
	if old, ok := f.orders.all[o.ID]; ok {
		before = &old
	}
	f.orders.all[o.ID] = o
	f.orders.mu.Unlock()
	if err := f.d.InTx(f.ctx, func(tx *db.Tx) error { return f.Changed(f.ctx, tx, before, o, origin) }); err != nil {
		f.t.Fatal(err)
	}
}

// messages of the shop, the oldest first.
func (f *fixture) messages() []Message {
	f.t.Helper()
	all, err := f.List(f.ctx, f.shop.ID, Filter{}, "", 500)
	if err != nil {
		f.t.Fatal(err)
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

func (f *fixture) only() Message {
	f.t.Helper()
	all := f.messages()
	if len(all) != 1 {
		f.t.Fatalf("%d messages: %+v", len(all), all)
	}
	return all[0]
}

func (f *fixture) states(id string) (out []State) {
	f.t.Helper()
	log, err := f.Log(f.ctx, f.shop.ID, id, 0, 100)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, w := range log {
		out = append(out, w.State)
	}
	return out
}

// sendDue makes one attempt at everything that is due, one after the other.
func (f *fixture) sendDue() {
	f.t.Helper()
	ids, err := db.All(f.ctx, f.d, db.Value[string], `SELECT id FROM message
		WHERE shop_id = $2 AND state IN ('scheduled', 'queued') AND due_us <= $1 ORDER BY due_us, id`, db.US(f.clock.now()), f.shop.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, id := range ids {
		a, ok, err := f.claim(f.ctx, id)
		if err != nil {
			f.t.Fatal(err)
		}
		if ok {
			if _, err := f.attempt(f.ctx, context.WithoutCancel(f.ctx), a); err != nil {
				f.t.Fatal(err)
			}
		}
	}
}

// carrier is a mail server in memory: fate says what becomes of a letter.
type carrier struct {
	mu   sync.Mutex
	sent []Letter
	fate func(l Letter) Outcome // nil: sent
	at   func()                 // called before the mark
}

func (c *carrier) Carry(ctx context.Context, l Letter, beforeDot func(context.Context) error) Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := Outcome{Fate: FateSent, Reply: "2.0.0 queued"}
	if c.fate != nil {
		out = c.fate(l)
	}
	if out.Fate == FateLater || out.Fate == FateDenied {
		return out
	}
	if c.at != nil {
		c.at()
	}
	if err := beforeDot(ctx); err != nil {
		return Outcome{Fate: FateStopped, Phase: "mark", Err: err}
	}
	c.sent = append(c.sent, l)
	return out
}

func (c *carrier) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sent)
}

// suite are the tests that run on both databases; each has a shop of its own
// in one database, because making databases is what takes long.
var suite []suiteTest

type suiteTest struct {
	name string
	in   shop.Input
	fn   func(t *testing.T, f *fixture, c *carrier)
}

func add(name string, in shop.Input, fn func(t *testing.T, f *fixture, c *carrier)) bool {
	suite = append(suite, suiteTest{name, in, fn})
	return true
}

func TestOnBothDatabases(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, x := range suite {
			t.Run(x.name, func(t *testing.T) {
				c := &carrier{}
				x.fn(t, newFixture(t, d, Options{Carrier: c}, x.in), c)
			})
		}
	})
}
