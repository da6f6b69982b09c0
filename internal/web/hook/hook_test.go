package hook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/order"
	"imreport/internal/seal"
	"imreport/internal/shop"
	"imreport/internal/shopify"
	"imreport/internal/web"
	"imreport/internal/web/hook"
	sim "imreport/sim/shopify"
)

const secret = "a client secret"

// start is a site that takes the webhooks of one shop.
func start(t *testing.T, d *db.DB) (site *web.Site, orders *order.Service, s *shopify.Service, sh shop.Shop, code string) {
	t.Helper()
	ctx := context.Background()
	box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Exec(ctx, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'W', 'Asia/Seoul', 'ko', 1)`); err != nil {
		t.Fatal(err)
	}
	shops := shop.New(d, box, shop.Options{})
	name, domain, key := "가게", "https://Our-Test-Shop.myshopify.com/admin", secret
	if sh, code, err = shops.Create(ctx, "w", shop.Input{Name: &name, Domain: &domain, WebhookSecret: &key}); err != nil {
		t.Fatal(err)
	}
	orders = order.New(d, shops, box, order.Options{Dir: t.TempDir()})
	s = shopify.New(d, shops, orders, shopify.Options{})
	site = web.New(web.Deps{})
	hook.Mount(site, s)
	return site, orders, s, sh, code
}

func TestCodes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		site, orders, s, sh, code := start(t, d)
		body := `{"id":5550000000001,"name":"#1001","updated_at":"2026-11-04T09:00:05+09:00"}`
		for _, c := range []struct {
			name, path, body, sign, shop string
			status                       int
			code                         string
		}{
			{"good", code, body, secret, "our-test-shop.myshopify.com", 200, ""},
			{"again", code, body, secret, "our-test-shop.myshopify.com", 200, ""},
			{"no shop header", code, body, secret, "", 200, ""},
			{"no code", "", body, secret, "", 401, "shop_code_missing"},
			{"unknown code", "shop_unknown", body, secret, "", 404, "shop_code_unknown"},
			{"wrong secret", code, body, "another", "", 401, "signature_invalid"},
			{"unsigned", code, body, "", "", 401, "signature_invalid"},
			{"another shop", code, body, secret, "other.myshopify.com", 403, "shop_mismatch"},
			{"too large", code, strings.Repeat(" ", shopify.BodyMax+1), secret, "", 413, "too_large"},
			{"large", code, strings.Repeat(" ", shopify.BodyMax-len(body)) + body, secret, "", 200, ""},
			{"unreadable", code, `{"id":`, secret, "", 422, "body_unreadable"},
		} {
			r := httptest.NewRequest(http.MethodPost, "/hooks/shopify/"+c.path, strings.NewReader(c.body))
			r.Header.Set("X-Shopify-Topic", "orders/create")
			r.Header.Set("X-Shopify-Triggered-At", "2026-11-04T00:00:05.7Z")
			r.Header.Set("Accept-Language", "en")
			if c.shop != "" {
				r.Header.Set("X-Shopify-Shop-Domain", c.shop)
			}
			if c.sign != "" {
				r.Header.Set("X-Shopify-Hmac-Sha256", sim.Sign(c.sign, []byte(c.body)))
			}
			w := httptest.NewRecorder()
			site.ServeHTTP(w, r)
			var p struct{ Code, Title string }
			if w.Body.Len() > 0 {
				if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
			}
			if w.Code != c.status || p.Code != c.code || c.code != "" && (p.Title == "" || w.Header().Get("Content-Type") != web.ProblemType) {
				t.Errorf("%s: %d %+v, want %d %s", c.name, w.Code, p, c.status, c.code)
			}
		}
		if err := s.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		if o, err := orders.Get(context.Background(), sh.ID, "5550000000001"); err != nil || o.Name != "#1001" {
			t.Errorf("%+v, %v", o, err)
		}
		if kept, err := s.Kept(context.Background(), sh.ID, "", 10); err != nil || len(kept) != 1 {
			t.Errorf("%+v, %v", kept, err)
		}
	})
}

func TestALifeOverTheWire(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		site, orders, s, sh, code := start(t, d)
		srv := httptest.NewServer(site)
		defer srv.Close()
		vendor := sim.New(sim.Config{Secret: secret, HookURL: srv.URL + "/hooks/shopify/" + code, Profile: "shuffled", Scale: 0.01, Seed: 4})
		defer vendor.Close()
		o := vendor.Place(sim.Order{})
		for _, step := range []func(int64) error{vendor.Pay, vendor.Ship, vendor.Unship, vendor.Ship, vendor.Deliver} {
			if err := step(o.ID); err != nil {
				t.Fatal(err)
			}
		}
		vendor.Wait(20e9)
		if err := s.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		got, err := orders.Get(context.Background(), sh.ID, fmt.Sprint(o.ID))
		if err != nil || got.FulfillmentStatus != order.Fulfilled || got.FinancialStatus != order.Paid || got.DeliveredAt.IsZero() || vendor.Stats().Refused != 0 {
			t.Errorf("%+v, %v, %+v", got, err, vendor.Stats())
		}
	})
}
