package shopapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/mail"
	"imreport/internal/mail/post"
	"imreport/internal/order"
	"imreport/internal/review"
	"imreport/internal/seal"
	"imreport/internal/shop"
	"imreport/internal/web"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
	sim "imreport/sim/smtp"
)

const adminToken = "admin-token-admin-token"

// house is a site with shops, orders, reviews and a mail server.
type house struct {
	t       *testing.T
	d       *db.DB
	url     string
	box     *sim.Server
	orders  *order.Service
	reviews *review.Service
	shops   *shop.Service
	people  *workspace.Service
}

func build(t *testing.T, d *db.DB) *house {
	t.Helper()
	key, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, d: d, box: sim.New(sim.Config{Dir: t.TempDir(), NoSync: true})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = h.box.Serve(l) }()
	t.Cleanup(func() { _ = h.box.Close() })
	sender, err := mail.NewSMTP(mail.SMTPOptions{URL: "smtp://" + l.Addr().String(), From: "reviews@imreport.example", DotWithin: 3 * time.Second, CommandWithin: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	h.people = workspace.New(d, key, workspace.Options{})
	if err := h.people.Bootstrap(t.Context(), adminToken); err != nil {
		t.Fatal(err)
	}
	h.shops = shop.New(d, key, shop.Options{})
	h.orders = order.New(d, h.shops, key, order.Options{Dir: t.TempDir(), Process: "test"})
	h.reviews = review.New(d, key, h.shops, h.orders, review.Options{Carrier: post.New(sender), MailFrom: sender.From(), PublicURL: "https://reviews.example", Dir: t.TempDir(), Process: "test"})
	h.reviews.Register(h.orders)
	if err := h.orders.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.orders.Stop(context.Background()) })
	site := web.New(web.Deps{People: h.people})
	Mount(rest.New(site), Deps{Shops: h.shops, Orders: h.orders, Reviews: h.reviews})
	srv := httptest.NewServer(site)
	t.Cleanup(srv.Close)
	h.url = srv.URL
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.reviews.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return h
}

type header map[string]string

var asAdmin = header{"Authorization": "Bearer " + adminToken}

// call makes a request and reads its JSON answer.
func (h *house) call(method, path string, hd header, body string) (int, map[string]any) {
	h.t.Helper()
	r, err := http.NewRequest(method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for k, v := range hd {
		r.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	out := map[string]any{}
	if len(b) > 0 && b[0] == '{' {
		if err := json.Unmarshal(b, &out); err != nil {
			h.t.Fatalf("%s: %v", b, err)
		}
	}
	return res.StatusCode, out
}

// newShop makes a shop and returns its headers.
func (h *house) newShop(settings string) (id string, code header) {
	h.t.Helper()
	status, v := h.call("POST", "/api/v1/shops", asAdmin, settings)
	if status != 201 || v["access_code"] == "" {
		h.t.Fatalf("%d %v", status, v)
	}
	return v["id"].(string), header{"X-Shop-Access-Code": v["access_code"].(string)}
}

// put applies a snapshot of a fulfilled order, changed by change.
func (h *house) put(shopID, id, email string, change func(*order.Snapshot)) {
	h.t.Helper()
	at := time.Now()
	sn := &order.Snapshot{Updated: db.US(at), Created: db.US(at.Add(-time.Hour)), Name: "#" + id, Email: email, CustomerName: "김지민", Financial: order.Paid,
		Fulfillment: order.Fulfilled, Lines: []order.Line{{ID: "1", ProductID: "p1", Title: "머그컵", Quantity: 1, Left: 1, Fulfilled: true}}}
	if change != nil {
		change(sn)
	}
	e := order.Event{ShopID: shopID, ExternalID: id, Name: "#" + id, Origin: order.Origin{Source: order.Webhook, Live: true, At: at}, Snapshot: sn,
		Parcels: []order.Parcel{{ID: "f" + id, Status: "success", Created: db.US(at), Updated: db.US(at)}}}
	err := h.d.InTx(h.t.Context(), func(tx *db.Tx) error { _, err := h.orders.Apply(h.t.Context(), tx, e); return err })
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) messages(code header, query string) []map[string]any {
	h.t.Helper()
	status, v := h.call("GET", "/api/v1/shop/messages"+query, code, "")
	if status != 200 {
		h.t.Fatalf("%d %v", status, v)
	}
	var out []map[string]any
	for _, m := range v["items"].([]any) {
		out = append(out, m.(map[string]any))
	}
	return out
}

// until waits for the state of the only message that query picks.
func (h *house) until(code header, query, state string) map[string]any {
	h.t.Helper()
	var last any
	for range 200 {
		all := h.messages(code, query)
		last = all
		if len(all) > 0 && all[0]["state"] == state {
			return all[0]
		}
		time.Sleep(25 * time.Millisecond)
	}
	h.t.Fatalf("no message became %s: %v", state, last)
	return nil
}

func TestShopCalls(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := build(t, d)
		for name, f := range map[string]func(*house){
			"who asks": (*house).whoAsks, "an order becomes a mail": (*house).orderBecomesMail, "fifty clicks": (*house).fiftyClicks,
			"refusals": (*house).refusals, "templates and suppressions": (*house).templates, "privacy": (*house).privacy, "settings": (*house).settings, "imports": (*house).imports, "bounces": (*house).bounces,
		} {
			t.Run(name, func(t *testing.T) {
				inner := *h
				inner.t = t
				f(&inner)
			})
		}
	})
}

func (h *house) whoAsks() {
	id, code := h.newShop(`{"name":"가","domain":"ga.myshopify.com"}`)
	other, _ := h.newShop(`{"name":"나"}`)
	for _, x := range []struct {
		hd     header
		status int
		code   string
	}{
		{nil, 401, "shop_code_missing"},
		{header{"X-Shop-Access-Code": "shop_nonsense"}, 403, "shop_code_unknown"},
		{header{"X-Shop-Access-Code": code["X-Shop-Access-Code"], "X-Shopify-Shop-Domain": "other.myshopify.com"}, 403, "shop_mismatch"},
		{header{"X-Shop-Access-Code": code["X-Shop-Access-Code"], "X-Shop-Id": other}, 403, "shop_mismatch"},
		{header{"X-Shop-Access-Code": code["X-Shop-Access-Code"], "X-Shopify-Shop-Domain": "GA.myshopify.com"}, 200, ""},
		{code, 200, ""},
		{asAdmin, 422, "shop_id_missing"},
		{header{"Authorization": "Bearer x", "X-Shop-Id": id}, 401, "token_unknown"},
		{header{"Authorization": "Bearer " + adminToken, "X-Shop-Id": id}, 200, ""},
		{header{"Authorization": "Bearer " + adminToken, "X-Shop-Id": "nonsense"}, 404, "not_found"},
	} {
		status, v := h.call("GET", "/api/v1/shop/messages", x.hd, "")
		got, _ := v["code"].(string)
		if status != x.status || got != x.code {
			h.t.Errorf("%v: %d %v, want %d %s", x.hd, status, v, x.status, x.code)
		}
	}
	status, v := h.call("POST", "/api/v1/shops/"+id+"/access-code", asAdmin, "")
	if status != 200 || v["access_code"] == "" {
		h.t.Fatalf("%d %v", status, v)
	}
	if status, v := h.call("GET", "/api/v1/shop/messages", code, ""); status != 403 || v["code"] != "shop_code_unknown" {
		h.t.Errorf("the old code: %d %v", status, v)
	}
}

func (h *house) orderBecomesMail() {
	id, code := h.newShop(`{"name":"우리상점","review_delay":"0s","cooldown":"0s","mail_from":"우리상점 <reviews@shop.example>","mail_rate_per_second":100}`)
	h.put(id, "5550000000001", "jimin.kim@example.com", nil)
	m := h.until(code, "", "sent")
	o := m["order"].(map[string]any)
	if o["external_id"] != "5550000000001" || o["name"] != "#5550000000001" || m["kind"] != "review_request" || m["seq"] != 0.0 || m["sent_at"] == nil || m["attempts"] != 1.0 {
		h.t.Errorf("%v", m)
	}
	var mails int
	for _, x := range h.box.Mails() {
		if x.Token == m["id"] {
			mails++
			if x.From != "reviews@shop.example" || x.To[0] != "jimin.kim@example.com" || !strings.Contains(x.Subject, "우리상점") {
				h.t.Errorf("%+v", x)
			}
		}
	}
	if mails != 1 {
		h.t.Errorf("%d mails", mails)
	}
	status, v := h.call("GET", "/api/v1/shop/messages/"+m["id"].(string)+"/log", code, "")
	if status != 200 || len(v["items"].([]any)) < 4 {
		h.t.Errorf("%d %v", status, v)
	}
	for query, want := range map[string]int{"?state=sent": 1, "?state=scheduled,queued": 0, "?q=5550000000001": 1, "?q=%235550000000001": 1, "?q=jimin.kim@example.com": 1,
		"?q=nobody@example.com": 0, "?order=5550000000001": 1, "?kind=reminder": 0, "?limit=1": 1} {
		if got := h.messages(code, query); len(got) != want {
			h.t.Errorf("%s: %d messages, want %d", query, len(got), want)
		}
	}
	if status, v := h.call("GET", "/api/v1/shop/orders/5550000000001", code, ""); status != 200 || v["email"] != "jimin.kim@example.com" || len(v["messages"].([]any)) != 1 {
		h.t.Errorf("%d %v", status, v)
	}
	_, foreign := h.newShop(`{"name":"다른 상점"}`)
	for _, path := range []string{"/messages/" + m["id"].(string), "/messages/" + m["id"].(string) + "/log", "/orders/5550000000001"} {
		if status, _ := h.call("GET", "/api/v1/shop"+path, foreign, ""); status != 404 {
			h.t.Errorf("%s of another shop: %d", path, status)
		}
	}
	for _, path := range []string{"/send-now", "/cancel"} {
		if status, _ := h.call("POST", "/api/v1/shop/messages/"+m["id"].(string)+path, foreign, ""); status != 404 {
			h.t.Errorf("%s of another shop: %d", path, status)
		}
	}
}

// Fifty clicks, while the scheduler finds it due at the same second, send one
// mail; the others are told the state.
func (h *house) fiftyClicks() {
	id, code := h.newShop(`{"name":"클릭","review_delay":"1s","mail_rate_per_second":1000}`)
	h.put(id, "1001", "clicks@example.com", nil)
	m := h.messages(code, "")[0]
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for i := range 50 {
		wg.Go(func() {
			time.Sleep(time.Duration(i%10) * 100 * time.Millisecond)
			status, v := h.call("POST", "/api/v1/shop/messages/"+m["id"].(string)+"/send-now", code, "")
			mu.Lock()
			defer mu.Unlock()
			got[status]++
			if status == 409 && v["state"] == nil {
				h.t.Errorf("a refusal without the state: %v", v)
			}
		})
	}
	wg.Wait()
	h.until(code, "", "sent")
	if got[202]+got[409] != 50 || got[202] == 0 {
		h.t.Errorf("answers %v", got)
	}
	n := 0
	for _, x := range h.box.Mails() {
		if x.To[0] == "clicks@example.com" {
			n++
		}
	}
	if n != 1 {
		h.t.Errorf("%d mails", n)
	}
}

func (h *house) refusals() {
	id, code := h.newShop(`{"name":"거절","mail_rate_per_second":100}`)
	h.put(id, "1", "a@example.com", nil)
	m := h.messages(code, "")[0]
	path := "/api/v1/shop/messages/" + m["id"].(string)
	if m["state"] != "scheduled" || m["due_at"] == nil {
		h.t.Fatalf("%v", m)
	}
	for range 2 {
		if status, v := h.call("POST", path+"/cancel", code, ""); status != 200 || v["state"] != "cancelled" {
			h.t.Fatalf("%d %v", status, v)
		}
	}
	if status, v := h.call("POST", path+"/send-now", code, ""); status != 202 {
		h.t.Fatalf("send-now of a cancelled one: %d %v", status, v)
	}
	h.until(code, "", "sent")
	status, v := h.call("POST", path+"/send-now", header{"X-Shop-Access-Code": code["X-Shop-Access-Code"], "Accept-Language": "en"}, "{}")
	if status != 409 || v["state"] != "sent" || v["code"] != "message_sent" || v["action"] == "" {
		h.t.Errorf("%d %v", status, v)
	}
	if status, v := h.call("POST", path+"/cancel", code, ""); status != 409 || v["state"] != "sent" {
		h.t.Errorf("%d %v", status, v)
	}
	if status, _ := h.call("POST", path+"/send-now", code, `{"resend":true}`); status != 422 {
		h.t.Errorf("resend without why: %d", status)
	}
	status, v = h.call("POST", path+"/send-now", code, `{"resend":true,"why":"고객 요청"}`)
	if status != 202 || v["seq"] != 1.0 {
		h.t.Fatalf("%d %v", status, v)
	}
	// An order without an address is skipped, and says why.
	h.put(id, "2", "", nil)
	m = h.messages(code, "?order=2")[0]
	reason, _ := m["reason"].(map[string]any)
	if m["state"] != "skipped" || reason["code"] != "no_email" || reason["text"] == "" || reason["action"] == "" {
		h.t.Errorf("%v", m)
	}
	status, v = h.call("POST", "/api/v1/shop/messages/"+m["id"].(string)+"/send-now", code, "")
	if reason, _ = v["reason"].(map[string]any); status != 409 || v["state"] != "skipped" || reason["code"] != "no_email" {
		h.t.Errorf("%d %v", status, v)
	}
	if status, v := h.call("GET", "/api/v1/shop/messages?state=nonsense", code, ""); status != 422 {
		h.t.Errorf("%d %v", status, v)
	}
	status, v = h.call("POST", "/api/v1/shop/messages/bulk", code, `{"action":"cancel","state":["skipped"],"dry_run":true}`)
	if status != 200 || v["total"] != 1.0 {
		h.t.Errorf("%d %v", status, v)
	}
	status, v = h.call("POST", "/api/v1/shop/messages/bulk", code, `{"action":"cancel","state":["skipped"],"per_minute":6000}`)
	if status != 202 {
		h.t.Fatalf("%d %v", status, v)
	}
	h.until(code, "?order=2", "cancelled")
}

func (h *house) templates() {
	_, code := h.newShop(`{"name":"문구"}`)
	path := "/api/v1/shop/templates/review_request/ko"
	if status, v := h.call("GET", path, code, ""); status != 200 || v["own"] != false || !strings.Contains(v["body"].(string), "{link}") {
		h.t.Errorf("%d %v", status, v)
	}
	for _, x := range []struct{ body, code string }{
		{`{"mode":"informational","subject":"후기 쓰고 적립금 받으세요","body":"{link}","button":"쓰기"}`, "benefit"},
		{`{"mode":"informational","subject":"[광고] 후기","body":"{link}","button":"쓰기"}`, "ad_mark"},
		{`{"mode":"ad","subject":"후기 쓰고 쿠폰 받으세요","body":"{link}","button":"쓰기"}`, "sender_block"},
		{`{"mode":"informational","subject":"{customer}","body":"{link}","button":"쓰기"}`, "unknown_place"},
	} {
		status, v := h.call("PUT", path, code, x.body)
		all, _ := json.Marshal(v["errors"])
		if status != 422 || !strings.Contains(string(all), x.code) {
			h.t.Errorf("%s: %d %v", x.body, status, v)
		}
	}
	if status, v := h.call("PUT", path, code, `{"mode":"informational","subject":"{shop} {order}","body":"{name}님\n\n{link}","button":"쓰기"}`); status != 200 || v["own"] != true {
		h.t.Errorf("%d %v", status, v)
	}
	status, v := h.call("POST", path+"/preview", code, `{"to":"me@example.com"}`)
	if status != 200 || v["subject"] != "문구 #1001" || v["sent"] != true {
		h.t.Errorf("%d %v", status, v)
	}
	if status, v := h.call("POST", "/api/v1/shop/suppressions", code, `{"email":"Stop@Example.com","why":"전화로 요청"}`); status != 201 {
		h.t.Errorf("%d %v", status, v)
	}
	_, v = h.call("GET", "/api/v1/shop/suppressions", code, "")
	one := v["items"].([]any)[0].(map[string]any)
	if one["address"] != "s***@example.com" || one["why"] != "manual" {
		h.t.Errorf("%v", one)
	}
	if status, _ := h.call("DELETE", "/api/v1/shop/suppressions/"+one["id"].(string), code, ""); status != 204 {
		h.t.Errorf("%d", status)
	}
}

func (h *house) privacy() {
	id, _ := h.newShop(`{"name":"개인정보"}`)
	who := header{"Authorization": "Bearer " + adminToken, "X-Shop-Id": id}
	h.put(id, "77", "gone@example.com", nil)
	status, v := h.call("POST", "/api/v1/shop/privacy/export", who, `{"email":"gone@example.com"}`)
	if status != 200 || len(v["orders"].([]any)) != 1 || len(v["messages"].([]any)) != 1 {
		h.t.Fatalf("%d %v", status, v)
	}
	if status, v = h.call("POST", "/api/v1/shop/privacy/erase", who, `{"email":"gone@example.com"}`); status != 200 || v["orders"] != 1.0 {
		h.t.Fatalf("%d %v", status, v)
	}
	if m := h.messages(who, "")[0]; m["state"] != "skipped" || m["reason"].(map[string]any)["code"] != "erased" || m["to"] != "" {
		h.t.Errorf("%v", m)
	}
	h.put(id, "78", "gone@example.com", nil)
	if m := h.messages(who, "?order=78")[0]; m["state"] != "skipped" || m["reason"].(map[string]any)["code"] != "suppressed" {
		h.t.Errorf("an erased person is asked: %v", m)
	}
}

func (h *house) settings() {
	status, v := h.call("POST", "/api/v1/shops", asAdmin, `{"name":"설정","quiet_hours":{"from":"21:00","to":"08:00"},"webhook_secret":"s1","cooldown":"0s","reminder_delay":"7d","reminders":2}`)
	if status != 201 || v["review_delay"] != "14d" || v["max_order_age"] != "60d" || v["mail_rate_per_second"] != 5.0 || v["mail_retry_after"] == "" ||
		v["reminders"] != 2.0 || fmt.Sprint(v["quiet_hours"]) != "map[from:21:00 to:08:00]" || v["webhook_secret"] != nil {
		h.t.Fatalf("%d %v", status, v)
	}
	id := v["id"].(string)
	status, v = h.call("PATCH", "/api/v1/shops/"+id, asAdmin, `{"quiet_hours":null,"review_delay":"2s"}`)
	if status != 200 || v["quiet_hours"] != nil || v["review_delay"] != "2s" || v["cooldown"] != "0s" {
		h.t.Errorf("%d %v", status, v)
	}
	if status, v = h.call("PATCH", "/api/v1/shops/"+id, asAdmin, `{"review_delay":"soon","link_days":0}`); status != 422 {
		h.t.Errorf("%d %v", status, v)
	}
	if status, v = h.call("POST", "/api/v1/shops/"+id+"/stop", asAdmin, ""); status != 200 || v["stopped_why"] != "person" {
		h.t.Errorf("%d %v", status, v)
	}
	if status, v = h.call("POST", "/api/v1/shops/"+id+"/resume", asAdmin, ""); status != 200 || v["stopped_at"] != nil {
		h.t.Errorf("%d %v", status, v)
	}
}

func (h *house) imports() {
	_, code := h.newShop(`{"name":"파일","review_delay":"0s","mail_rate_per_second":100}`)
	head := "order_id,order_name,ordered_at,order_status,fulfilled_at,customer_name,customer_email,product_id,product_name,quantity,email_consent\n"
	file := head + "9001,#9001,2024-01-02 10:00:00 +0900,paid,2024-01-04 10:00:00 +0900,김하나,hana@example.com,SKU1,머그컵,1,no\n" +
		"9002,#9002,2024-01-02 10:00:00 +0900,paid,2024-01-04 10:00:00 +0900,이두리,not-an-address,SKU1,머그컵,1,no\n"
	csv := header{"X-Shop-Access-Code": code["X-Shop-Access-Code"], "Content-Type": "text/csv"}
	status, v := h.call("POST", "/api/v1/shop/orders/import?dry_run=true", csv, file)
	orders, _ := v["orders"].(map[string]any)
	if status != 200 || v["dry_run"] != true || orders["new"] != 1.0 || v["rows_refused"] != 1.0 || v["would_mail"] != 0.0 || len(v["errors"].([]any)) != 1 {
		h.t.Fatalf("%d %v", status, v)
	}
	if e := v["errors"].([]any)[0].(map[string]any); e["line"] != 3.0 || e["code"] == "" || e["message"] == "" {
		h.t.Errorf("%v", e)
	}
	if status, v = h.call("GET", "/api/v1/shop/orders", code, ""); len(v["items"].([]any)) != 0 {
		h.t.Errorf("a dry run wrote: %d %v", status, v)
	}
	// Nobody is mailed who was not asked for.
	if status, v = h.call("POST", "/api/v1/shop/orders/import", csv, file); status != 200 || v["would_mail"] != 0.0 {
		h.t.Fatalf("%d %v", status, v)
	}
	if all := h.messages(code, ""); len(all) != 0 {
		h.t.Errorf("%v", all)
	}
	if status, v = h.call("POST", "/api/v1/shop/orders/import?mail=true", csv, file); status != 200 || v["would_mail"] != 1.0 {
		h.t.Fatalf("%d %v", status, v)
	}
	h.until(code, "", "sent")
	status, v = h.call("POST", "/api/v1/shop/orders/import?mail=true", csv, file)
	if orders, _ = v["orders"].(map[string]any); status != 200 || orders["unchanged"] != 1.0 || len(h.messages(code, "")) != 1 {
		h.t.Errorf("again: %d %v", status, v)
	}
	if status, v = h.call("POST", "/api/v1/shop/orders/import", csv, "no,usable,header\n1,2,3\n"); status < 400 || status > 499 || v["code"] == "" {
		h.t.Errorf("%d %v", status, v)
	}
	_, v = h.call("GET", "/api/v1/shop/imports", code, "")
	one := v["items"].([]any)[len(v["items"].([]any))-1].(map[string]any)
	if status, _ := h.call("GET", "/api/v1/shop/imports/"+one["id"].(string)+"/errors", code, ""); status != 200 {
		h.t.Errorf("%d", status)
	}
	// A preview, then confirmed, as a form sends it.
	body := "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"orders.csv\"\r\n\r\n" + strings.ReplaceAll(file, "9001", "9101") + "\r\n--x--\r\n"
	form := header{"X-Shop-Access-Code": code["X-Shop-Access-Code"], "Content-Type": "multipart/form-data; boundary=x"}
	if status, v = h.call("POST", "/api/v1/shop/orders/import?dry_run=1", form, body); status != 200 {
		h.t.Fatalf("%d %v", status, v)
	}
	path := "/api/v1/shop/imports/" + v["id"].(string)
	if status, v = h.call("POST", path+"/confirm", code, `{"mail":false}`); status != 202 {
		h.t.Fatalf("%d %v", status, v)
	}
	for range 100 {
		if _, v = h.call("GET", path, code, ""); v["state"] == "done" && v["dry_run"] == false {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if status, v = h.call("GET", "/api/v1/shop/orders/9101", code, ""); status != 200 || v["source"] != "csv" {
		h.t.Errorf("%d %v", status, v)
	}
}

func (h *house) bounces() {
	id, code := h.newShop(`{"name":"반송","review_delay":"0s","mail_rate_per_second":100}`)
	h.put(id, "1", "bounce-api@example.com", nil)
	m := h.until(code, "", "sent")
	var dsn []byte
	for _, x := range h.box.Mails() {
		if x.Token == m["id"] {
			raw, err := h.box.Raw(x.ID)
			if err != nil {
				h.t.Fatal(err)
			}
			dsn = sim.DSN(x, raw, sim.Bounce{})
		}
	}
	mail := header{"X-Shop-Access-Code": code["X-Shop-Access-Code"], "Content-Type": "message/rfc822"}
	for _, again := range []bool{false, true} {
		status, v := h.call("POST", "/api/v1/shop/bounces", mail, string(dsn))
		if status != 200 || v["message_id"] != m["id"] || v["kind"] != "hard" || v["again"] != again {
			h.t.Errorf("%d %v", status, v)
		}
	}
	if status, v := h.call("POST", "/api/v1/shop/bounces", mail, "Subject: hello\r\n\r\nI am away"); status != 422 || v["code"] != "no_report" {
		h.t.Errorf("%d %v", status, v)
	}
	if all := h.messages(code, ""); all[0]["bounce"] != "hard" {
		h.t.Errorf("%v", all)
	}
}
