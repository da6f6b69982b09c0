package order

import (
	"bytes"
	"context"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/seal"
	"imreport/internal/shop"
)

var bg = context.Background()

var epoch = time.Date(2026, 11, 4, 0, 0, 5, 0, time.UTC)

type fixture struct {
	*Service
	t    *testing.T
	db   *db.DB
	shop shop.Shop
	now  time.Time
}

func each(t *testing.T, fn func(f *fixture)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { fn(newFixture(t, d)) })
}

func newFixture(t *testing.T, d *db.DB) *fixture {
	t.Helper()
	box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, db: d, now: epoch.Add(time.Hour)}
	if _, err := d.Exec(bg, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'W', 'Asia/Seoul', 'ko', 1)`); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return f.now }
	shops := shop.New(d, box, shop.Options{Now: now})
	name := "가게"
	if f.shop, _, err = shops.Create(bg, "w", shop.Input{Name: &name}); err != nil {
		t.Fatal(err)
	}
	f.Service = New(d, shops, box, Options{Dir: t.TempDir(), Process: "test", Now: now})
	return f
}

func (f *fixture) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// apply takes events, each in a transaction of its own.
func (f *fixture) apply(events ...Event) (last Result) {
	f.t.Helper()
	for _, e := range events {
		e.ShopID = f.shop.ID
		f.ok(f.db.InTx(bg, func(tx *db.Tx) (err error) {
			last, err = f.Apply(bg, tx, e)
			return err
		}))
	}
	return last
}

func (f *fixture) get(id string) Order {
	f.t.Helper()
	o, err := f.Get(bg, f.shop.ID, id)
	f.ok(err)
	return o
}

func (f *fixture) count() (n int) {
	f.t.Helper()
	f.ok(f.db.QueryRow(bg, `SELECT count(*) FROM shop_order WHERE shop_id = $1`, f.shop.ID).Scan(&n))
	return n
}

// snap is a webhook event of order id at second sec and nanosecond ns.
func snap(id string, sec int64, ns int64, change func(*Snapshot)) Event {
	s := &Snapshot{Updated: (epoch.Unix() + sec) * 1e6, Triggered: (epoch.Unix()+sec)*1e9 + ns, Created: epoch.Unix() * 1e6,
		Name: "#" + id, Email: "jimin.kim@example.com", Financial: Paid,
		Lines: []Line{{ID: "1", ProductID: "11", Title: "머그컵", Quantity: 2, Left: 2}, {ID: "2", ProductID: "12", Title: "티셔츠", Quantity: 1, Left: 1}}}
	if change != nil {
		change(s)
	}
	return Event{ExternalID: id, Name: s.Name, Origin: Origin{Source: Webhook, Live: true}, Snapshot: s}
}
