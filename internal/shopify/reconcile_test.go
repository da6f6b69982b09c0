package shopify

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/order"
	"imreport/internal/quota"
	"imreport/internal/shop"
	sim "imreport/sim/shopify"
)

// vendor is a simulated shop and an instance that takes its webhooks.
type vendor struct {
	*fixture
	shop *sim.Server
	hook string
}

func eachVendor(t *testing.T, fn func(v *vendor)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		v := &vendor{}
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { v.shop.Handler().ServeHTTP(w, r) }))
		t.Cleanup(api.Close)
		hooks := httptest.NewServer(http.HandlerFunc(v.take))
		t.Cleanup(hooks.Close)
		v.fixture = newFixture(t, d, Options{Gate: quota.New(quota.Options{}), AdminURL: api.URL, HookURL: hooks.URL + "/hooks/shopify"})
		v.now = time.Now()
		v.shop = sim.New(sim.Config{Secret: secret, Seed: 1, Max: 100_000, Restore: 10_000})
		t.Cleanup(v.shop.Close)
		v.hook = hooks.URL + "/hooks/shopify/" + v.code
		token := "shpat_sim"
		_, err := v.shops.Update(bg, "w", v.fixture.shop.ID, shop.Input{AdminToken: &token})
		v.ok(err)
		fn(v)
	})
}

func (v *vendor) take(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, r.ContentLength)
	for n := 0; n < len(body); {
		k, err := r.Body.Read(body[n:])
		if n += k; err != nil && n < len(body) {
			return
		}
	}
	if err := v.Receive(r.Context(), strings.TrimPrefix(r.URL.Path, "/hooks/shopify/"), NewDelivery(r.Header, body)); err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		v.t.Errorf("%s: %v", r.Header.Get("X-Shopify-Topic"), err)
	}
}

func (v *vendor) reconcile() shop.Shop {
	v.t.Helper()
	sh, err := v.shops.Get(bg, "w", v.fixture.shop.ID)
	v.ok(err)
	v.ok(v.Reconcile(bg, sh))
	sh, err = v.shops.Get(bg, "w", sh.ID)
	v.ok(err)
	return sh
}

// sameToPeople ignores which of the two told.
func sameToPeople(a, b order.Order) bool {
	if len(a.Lines) != len(b.Lines) {
		return false
	}
	for i := range a.Lines {
		if a.Lines[i] != b.Lines[i] {
			return false
		}
	}
	a.Lines, b.Lines, a.ID, b.ID, a.ShopID, b.ShopID = nil, nil, "", "", "", ""
	a.SourceName, b.SourceName = "", ""
	return a.FulfilledAt.Equal(b.FulfilledAt) && a.DeliveredAt.Equal(b.DeliveredAt) && a.Name == b.Name && a.Email == b.Email &&
		a.FinancialStatus == b.FinancialStatus && a.FulfillmentStatus == b.FulfillmentStatus && a.CancelledAt.Equal(b.CancelledAt) &&
		a.Refunded == b.Refunded && a.CustomerName == b.CustomerName && a.UpdatedAt.Equal(b.UpdatedAt) && a.Consent == b.Consent && a.Tags == b.Tags
}

func TestReconcileFillsGaps(t *testing.T) {
	eachVendor(t, func(v *vendor) {
		v.shop.Subscribe(v.hook, sim.Topics...)
		live := []sim.Order{}
		for range 3 {
			live = append(live, v.shop.Place(sim.Order{}))
		}
		v.ok(v.shop.Pay(live[0].ID))
		v.ok(v.shop.Ship(live[0].ID))
		v.ok(v.shop.Deliver(live[0].ID))
		v.shop.Wait(10 * time.Second)
		v.applies.wg.Wait()
		byHook := v.get(gidNumber(live[0].ID))
		if byHook.DeliveredAt.IsZero() || byHook.FulfillmentStatus != order.Fulfilled {
			t.Errorf("%+v", byHook)
		}
		// The subscriptions are lost; the shop goes on.
		v.shop.Unsubscribe("")
		v.ok(v.shop.Refund(live[1].ID, 0))
		v.ok(v.shop.Cancel(live[2].ID))
		for range 25 { // several pages
			live = append(live, v.shop.Place(sim.Order{Financial: "paid", Lines: long(len(live))}))
		}
		v.shop.Wait(10 * time.Second)
		before := v.count()
		v.now = time.Now() // later than all that happened
		sh := v.reconcile()
		if sh.ReconcileProblem != "" || sh.ReconciledAt.IsZero() {
			t.Errorf("%+v", sh)
		}
		if n := v.count(); before != 3 || n != 28 {
			t.Errorf("%d orders before, %d after", before, n)
		}
		if o := v.get(gidNumber(live[2].ID)); o.CancelledAt.IsZero() || !o.Live {
			t.Errorf("%+v", o)
		}
		if o := v.get(gidNumber(live[27].ID)); len(o.Lines) != len(live[27].Lines) || len(o.Lines) < 15 {
			t.Errorf("%d lines of %d", len(o.Lines), len(live[27].Lines))
		}
		// What the API told is what the webhook told.
		if o := v.get(gidNumber(live[0].ID)); !sameToPeople(o, byHook) {
			t.Errorf("by webhook %+v\n  by the API %+v", byHook, o)
		}
		// It subscribed anew; a webhook comes through again.
		subs := v.shop.Subscriptions()
		if len(subs) != len(topics) {
			t.Fatalf("%d subscriptions, want %d", len(subs), len(topics))
		}
		code := subs[0].URL[strings.LastIndex(subs[0].URL, "/")+1:]
		if _, err := v.shops.ByCode(bg, code); err == nil {
			t.Error("the hook's code opens the API")
		}
		v.ok(v.shop.Pay(live[1].ID))
		v.shop.Wait(10 * time.Second)
		v.applies.wg.Wait()
		if n := v.inbox("applied_us > 0 AND topic = 'orders/paid'"); n != 2 {
			t.Errorf("%d webhooks orders/paid", n)
		}
		// One is lost again, with others left: it gets their address.
		v.shop.Unsubscribe("orders/updated")
		v.now = v.now.Add(2 * time.Hour)
		v.reconcile()
		again := v.shop.Subscriptions()
		if len(again) != len(topics) || again[len(again)-1].URL != subs[0].URL {
			t.Errorf("%+v", again)
		}
	})
}

func (f *fixture) count() (n int) {
	f.t.Helper()
	f.ok(f.db.QueryRow(bg, `SELECT count(*) FROM shop_order`).Scan(&n))
	return n
}

// long makes so many lines.
func long(n int) (lines []sim.Line) {
	for range n {
		lines = append(lines, sim.Line{SKU: "S", Title: "머그컵", Quantity: 1, Price: 1000})
	}
	return lines
}

func gidNumber(id int64) string { return bare(sim.Order{ID: id}.GID()) }

func TestReconcileWaitsForItsBudget(t *testing.T) {
	eachVendor(t, func(v *vendor) {
		v.shop = sim.New(sim.Config{Secret: secret, Seed: 1, Max: 1000, Restore: 5000})
		t.Cleanup(v.shop.Close)
		for range 30 {
			v.shop.Place(sim.Order{})
		}
		v.reconcile()
		if n := v.count(); n != 30 {
			t.Errorf("%d orders", n)
		}
	})
}

func TestDeadTokenIsTold(t *testing.T) {
	eachVendor(t, func(v *vendor) {
		token := "shpat_revoked"
		_, err := v.shops.Update(bg, "w", v.fixture.shop.ID, shop.Input{AdminToken: &token})
		v.ok(err)
		v.now = v.now.Add(time.Second)
		if err := v.ReconcileDue(bg); err == nil {
			t.Error("no error")
		}
		sh, err := v.shops.Get(bg, "w", v.fixture.shop.ID)
		v.ok(err)
		if sh.ReconcileProblem != "token_refused" {
			t.Errorf("%+v", sh)
		}
		v.ok(v.ReconcileDue(bg)) // not due again for an hour
	})
}
