package shopify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/order"
	"imreport/internal/seal"
	"imreport/internal/shop"
)

var bg = context.Background()

const secret = "shhh-this-is-a-test"

type fixture struct {
	*Service
	t      *testing.T
	db     *db.DB
	shops  *shop.Service
	orders *order.Service
	shop   shop.Shop
	code   string
	now    time.Time
}

func each(t *testing.T, fn func(f *fixture)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { fn(newFixture(t, d, Options{})) })
}

func newFixture(t *testing.T, d *db.DB, o Options) *fixture {
	t.Helper()
	box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	f := &fixture{t: t, db: d, now: time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC)}
	f.ok(err)
	_, err = d.Exec(bg, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'W', 'Asia/Seoul', 'ko', 1)`)
	f.ok(err)
	now := func() time.Time { return f.now }
	f.shops = shop.New(d, box, shop.Options{Now: now})
	name, domain, s := "가게", "our-test-shop.myshopify.com", secret
	f.shop, f.code, err = f.shops.Create(bg, "w", shop.Input{Name: &name, Domain: &domain, WebhookSecret: &s})
	f.ok(err)
	f.orders = order.New(d, f.shops, box, order.Options{Dir: t.TempDir(), Process: "test", Now: now})
	o.Now = now
	f.Service = New(d, f.shops, f.orders, o)
	return f
}

func (f *fixture) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func sign(body string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

func delivery(topic, triggered, body string) Delivery {
	return NewDelivery(http.Header{"X-Shopify-Topic": {topic}, "X-Shopify-Triggered-At": {triggered}, "X-Shopify-Hmac-Sha256": {sign(body)},
		"X-Shopify-Shop-Domain": {"our-test-shop.myshopify.com"}, "X-Shopify-Webhook-Id": {"w"}, "X-Shopify-Event-Id": {"e"}}, []byte(body))
}

func (f *fixture) receive(topic, triggered, body string) error {
	f.t.Helper()
	err := f.Receive(bg, f.code, delivery(topic, triggered, body))
	f.applies.wg.Wait()
	return err
}

func (f *fixture) refused(err error, kind errs.Kind, key string) {
	f.t.Helper()
	if e := errs.As(err); e == nil || e.Key != key || e.Kind != kind {
		f.t.Errorf("got %v, want %s", err, key)
	}
}

func (f *fixture) get(id string) order.Order {
	f.t.Helper()
	o, err := f.orders.Get(bg, f.shop.ID, id)
	if err != nil {
		f.t.Errorf("order %s: %v", id, errors.Join(err))
	}
	return o
}

func (f *fixture) inbox(where string) (n int) {
	f.t.Helper()
	f.ok(f.db.QueryRow(bg, `SELECT count(*) FROM inbox WHERE `+where).Scan(&n))
	return n
}
