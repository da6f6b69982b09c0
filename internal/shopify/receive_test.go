package shopify

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/order"
	"imreport/internal/shop"
)

const triggered = "2026-11-04T00:00:05.700123456Z"

func TestSampleOrder(t *testing.T) {
	body, err := os.ReadFile("testdata/order.json")
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(f *fixture) {
		f.ok(f.receive("orders/fulfilled", triggered, string(body)))
		o := f.get("5550000000001")
		at := time.Date(2026, 11, 4, 0, 0, 4, 0, time.UTC)
		if o.Name != "#1001" || o.Email != "jimin.kim@example.com" || o.CustomerName != "김지민" || o.Locale != "ko-KR" ||
			o.FinancialStatus != order.Paid || o.FulfillmentStatus != order.Fulfilled || !o.FulfilledAt.Equal(at) || len(o.Reviewable()) != 2 ||
			o.Lines[0].Title != "머그컵 - 화이트" || !o.Live || o.Refunded || o.CustomerID != "7770000000001" {
			f.t.Errorf("%+v", o)
		}
		refund := `{"id":3330000000001,"order_id":5550000000001,"refund_line_items":[{"line_item_id":9990000000002,"quantity":1}]}`
		f.ok(f.receive("refunds/create", triggered, refund))
		f.ok(f.receive("fulfillment_events/create", triggered, `{"id":1,"fulfillment_id":4440000000001,"order_id":5550000000001,"status":"delivered","happened_at":"2026-11-06T10:00:00+09:00"}`))
		if o = f.get("5550000000001"); len(o.Reviewable()) != 1 || o.Refunded || o.DeliveredAt.IsZero() {
			f.t.Errorf("%+v", o)
		}
		f.ok(f.receive("orders/delete", triggered, `{"id":5550000000001}`))
		f.ok(f.receive("orders/updated", "2026-11-05T00:00:05Z", string(body))) // a late retry
		if o = f.get("5550000000001"); !o.Gone() || o.Email != "" {
			f.t.Errorf("deleted: %+v", o)
		}
		if n := f.inbox("applied_us = 0"); n != 0 {
			f.t.Errorf("%d webhooks are not applied", n)
		}
	})
}

func TestRefusals(t *testing.T) {
	each(t, func(f *fixture) {
		body := `{"id":1,"name":"#1","updated_at":"2026-11-04T09:00:05+09:00"}`
		d := delivery("orders/create", triggered, body)
		f.refused(f.Receive(bg, "", d), errs.Unauthenticated, "shop.shop_code_missing")
		f.refused(f.Receive(bg, "shop_nope", d), errs.NotFound, "shop.shop_code_unknown")
		bad := delivery("orders/create", triggered, body)
		bad.Body = []byte(body + " ")
		f.refused(f.Receive(bg, f.code, bad), errs.Unauthenticated, "hook.signature_invalid")
		other := d
		other.Shop = "other.myshopify.com"
		f.refused(f.Receive(bg, f.code, other), errs.Forbidden, "shop.shop_mismatch")
		if n := f.inbox("TRUE"); n != 0 {
			f.t.Fatalf("%d refused webhooks were stored", n)
		}
		f.refused(f.receive("orders/create", triggered, `{"id":1`), errs.Invalid, "hook.body_unreadable")
		f.refused(f.receive("orders/create", triggered, "\xff\x00"), errs.Invalid, "hook.body_unreadable")
		f.refused(f.receive("orders/create", triggered, `{}`), errs.Invalid, "hook.body_unreadable")
		f.refused(f.receive("", triggered, body), errs.Invalid, "hook.body_unreadable")
		kept, err := f.Kept(bg, f.shop.ID, "", 10)
		f.ok(err)
		if len(kept) != 4 || kept[0].Problem != "no_topic" || kept[1].Problem != "incomplete" || kept[3].Head != `{"id":1` {
			f.t.Fatalf("%+v", kept)
		}
		raw, err := f.KeptBody(bg, f.shop.ID, kept[2].ID)
		f.ok(err)
		if string(raw) != "\xff\x00" {
			f.t.Errorf("%q", raw)
		}
		f.refused(f.Replay(bg, f.shop.ID, kept[3].ID, ""), errs.Invalid, "hook.body_unreadable")
		f.ok(f.Replay(bg, f.shop.ID, kept[0].ID, "orders/updated"))
		if o := f.get("1"); o.Name != "#1" {
			f.t.Errorf("%+v", o)
		}
		f.ok(f.DropKept(bg, f.shop.ID, kept[1].ID))
		f.refused(f.DropKept(bg, f.shop.ID, kept[1].ID), errs.NotFound, "hook.kept_not_found")
		_, err = f.KeptBody(bg, "another shop", kept[2].ID)
		f.refused(err, errs.NotFound, "hook.kept_not_found")
	})
}

func TestRotatedCodeAndSecrets(t *testing.T) {
	each(t, func(f *fixture) {
		body := `{"id":%d,"updated_at":"2026-11-04T09:00:05+09:00"}`
		fresh, err := f.shops.RotateCode(bg, "w", f.shop.ID)
		f.ok(err)
		_, err = f.shops.ByCode(bg, f.code)
		f.refused(err, errs.Forbidden, "shop.shop_code_unknown")
		_, err = f.shops.ByCode(bg, fresh)
		f.ok(err)
		f.ok(f.receive("orders/create", triggered, fmt.Sprintf(body, 1))) // to the old address
		f.now = f.now.Add(25 * time.Hour)
		f.refused(f.receive("orders/create", triggered, fmt.Sprintf(body, 2)), errs.NotFound, "shop.shop_code_unknown")
		f.code = fresh
		second := "the second secret"
		_, err = f.shops.Update(bg, "w", f.shop.ID, shop.Input{WebhookSecret: &second})
		f.ok(err)
		f.ok(f.receive("orders/create", triggered, fmt.Sprintf(body, 3))) // signed with the first one
		_, err = f.shops.Update(bg, "w", f.shop.ID, shop.Input{WebhookSecrets: &[]string{second}})
		f.ok(err)
		f.refused(f.receive("orders/create", triggered, fmt.Sprintf(body, 4)), errs.Unauthenticated, "hook.signature_invalid")
	})
}

func TestSweepAppliesWhatACrashLeft(t *testing.T) {
	each(t, func(f *fixture) {
		f.commits.taken = func([]*receipt) {} // the process dies right after the commit
		for i := range 3 {
			f.ok(f.Receive(bg, f.code, delivery("orders/create", triggered, fmt.Sprintf(`{"id":%d,"updated_at":"2026-11-04T09:00:05+09:00"}`, i+1))))
		}
		n, err := f.Sweep(bg)
		f.ok(err)
		if n != 0 {
			f.t.Errorf("swept %d before their time", n)
		}
		f.now = f.now.Add(sweepAfter)
		n, err = f.Sweep(bg)
		f.ok(err)
		if n != 3 || f.inbox("applied_us > 0") != 3 || f.get("2").ExternalID != "2" {
			f.t.Errorf("swept %d", n)
		}
		f.now = f.now.Add(keepFor + time.Hour)
		f.ok(f.Purge(bg))
		if n := f.inbox("TRUE"); n != 0 {
			f.t.Errorf("%d bodies are left after 30 days", n)
		}
	})
}

func TestOneBadWebhookHoldsNobodyUp(t *testing.T) {
	each(t, func(f *fixture) {
		f.orders.OnChange(func(_ context.Context, _ *db.Tx, _ *order.Order, after order.Order, _ order.Origin) error {
			if after.ExternalID == "13" {
				return fmt.Errorf("no luck")
			}
			return nil
		})
		var part []*receipt
		for i := 11; i < 16; i++ {
			d := delivery("orders/create", triggered, fmt.Sprintf(`{"id":%d,"updated_at":"2026-11-04T09:00:05+09:00"}`, i))
			r := newReceipt(f.shop.ID, d, f.now)
			r.news, _ = Decode(d.Topic, d.Triggered, d.Body)
			part = append(part, r)
		}
		f.ok(f.commits.commit(part))
		f.applyPart(bg, part)
		if n := f.inbox("applied_us > 0"); n != 4 {
			f.t.Errorf("%d applied, want 4", n)
		}
		if n := f.inbox("attempts = 1 AND applied_us = 0"); n != 1 {
			f.t.Errorf("%d to be tried again, want 1", n)
		}
	})
}

func TestManyDeliveriesShareCommits(t *testing.T) {
	each(t, func(f *fixture) {
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				for k := range 10 {
					body := fmt.Sprintf(`{"id":%d,"updated_at":"2026-11-04T09:00:05+09:00"}`, 100+(i*10+k)%80)
					if err := f.Receive(bg, f.code, delivery("orders/create", triggered, body)); err != nil {
						f.t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		f.ok(f.Stop(bg))
		if n := f.inbox("applied_us > 0"); n != 80 {
			f.t.Errorf("%d rows for 80 different webhooks sent four times", n)
		}
		var n int
		f.ok(f.db.QueryRow(bg, `SELECT count(*) FROM shop_order`).Scan(&n))
		if n != 80 {
			f.t.Errorf("%d orders", n)
		}
	})
}

func TestPrivacyTopics(t *testing.T) {
	each(t, func(f *fixture) {
		body := `{"id":%d,"email":"%s","updated_at":"2026-11-04T09:00:05+09:00","customer":{"first_name":"지민","last_name":"김"}}`
		for i, mail := range []string{"a@example.com", "b@example.com", "a@example.com"} {
			f.ok(f.receive("orders/create", triggered, fmt.Sprintf(body, i+1, mail)))
		}
		f.ok(f.receive("customers/data_request", "", `{"shop_id":1,"orders_requested":[1,3],"customer":{"id":7,"email":"a@example.com"},"data_request":{"id":9}}`))
		open, err := f.orders.PrivacyRequests(bg, f.shop.ID, "", 10)
		f.ok(err)
		if len(open) != 1 || open[0].Email != "a@example.com" || strings.Join(open[0].Orders, ",") != "1,3" {
			f.t.Fatalf("%+v", open)
		}
		export, err := f.orders.Export(bg, f.shop.ID, "a@example.com")
		f.ok(err)
		if len(export) != 2 {
			f.t.Errorf("exported %d orders", len(export))
		}
		f.ok(f.orders.EndPrivacyRequest(bg, f.shop.ID, open[0].ID, f.now))
		f.ok(f.receive("customers/redact", "", `{"shop_id":1,"customer":{"id":7,"email":"a@example.com"},"orders_to_redact":[1,4]}`))
		for id, gone := range map[string]bool{"1": true, "2": false, "3": true, "4": true} {
			if o := f.get(id); o.Gone() != gone {
				f.t.Errorf("order %s: %+v", id, o)
			}
		}
		f.ok(f.receive("orders/updated", triggered, fmt.Sprintf(body, 4, "a@example.com"))) // a late retry
		if o := f.get("4"); !o.Gone() || o.Email != "" {
			f.t.Errorf("brought back: %+v", o)
		}
		if n := f.inbox(`body LIKE '%a@example.com%' AND topic LIKE 'orders/create'`); n != 0 {
			f.t.Errorf("%d stored bodies still name the person", n)
		}
		f.ok(f.receive("app/uninstalled", "2026-11-24T01:00:00Z", `{"id":1}`))
		sh, err := f.shops.Get(bg, "w", f.shop.ID)
		f.ok(err)
		if sh.UninstalledAt.IsZero() {
			f.t.Error("the shop is still installed")
		}
		f.ok(f.receive("shop/redact", "", `{"shop_id":1}`))
		if o := f.get("2"); !o.Gone() {
			f.t.Errorf("%+v", o)
		}
	})
}

func FuzzDecode(f *testing.F) {
	body, _ := os.ReadFile("testdata/order.json")
	for _, topic := range []string{"orders/updated", "orders/delete", "refunds/create", "fulfillments/update", "fulfillment_events/create", "customers/redact", ""} {
		f.Add(topic, triggered, body)
	}
	f.Add("orders/create", "", []byte(`{"id":"gid://shopify/Order/1","line_items":[null,{}],"refunds":[{}],"customer":null}`))
	f.Add("orders/create", "", []byte(`{"id":5.55E+12}`))
	f.Fuzz(func(t *testing.T, topic, at string, body []byte) {
		n, err := Decode(topic, at, body)
		if err != nil {
			return
		}
		if e := n.Event; e != nil {
			if e.ExternalID == "" || strings.ContainsAny(e.ExternalID, "\x00") || strings.Contains(e.Name, "\x00") {
				t.Errorf("%+v", e)
			}
		}
		if s, packed := pack(body); strings.Contains(s, "\x00") || packed == (s == string(body)) && len(body) > 0 && packed {
			t.Errorf("pack: %q", s)
		} else if back, err := unpack(s, packed); err != nil || string(back) != string(body) {
			t.Errorf("unpack: %q, %v", back, err)
		}
	})
}
