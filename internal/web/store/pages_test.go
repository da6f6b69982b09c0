package store

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/order"
	"imreport/internal/review"
	"imreport/internal/seal"
	"imreport/internal/shop"
	"imreport/internal/web"
	"imreport/internal/workspace"
)

// taken is a mail server that takes everything.
type taken struct {
	mu   sync.Mutex
	mail []review.Letter
}

func (c *taken) Carry(ctx context.Context, l review.Letter, beforeDot func(context.Context) error) review.Outcome {
	if err := beforeDot(ctx); err != nil {
		return review.Outcome{Fate: review.FateStopped, Err: err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mail = append(c.mail, l)
	return review.Outcome{Fate: review.FateSent}
}

type house struct {
	t       *testing.T
	d       *db.DB
	url     string
	mails   *taken
	orders  *order.Service
	reviews *review.Service
	shops   *shop.Service
	people  *workspace.Service
	who     workspace.Actor
	session string
	now     time.Time
	mu      sync.Mutex
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func build(t *testing.T, d *db.DB) *house {
	t.Helper()
	key, err := seal.New(make([]byte, seal.KeySize))
	h := &house{t: t, d: d, mails: &taken{}, now: time.Now()}
	h.ok(err)
	h.people = workspace.New(d, key, workspace.Options{})
	h.ok(h.people.Bootstrap(t.Context(), "admin-token-admin-token"))
	h.who, err = h.people.ByToken(t.Context(), "admin-token-admin-token")
	h.ok(err)
	local, err := h.people.Local(t.Context())
	h.ok(err)
	link, err := h.people.SignInLink(t.Context(), local)
	h.ok(err)
	session, err := h.people.UseSignInLink(t.Context(), link)
	h.ok(err)
	h.session = session.Token
	h.shops = shop.New(d, key, shop.Options{Now: h.clock})
	h.orders = order.New(d, h.shops, key, order.Options{Dir: t.TempDir(), Process: "test", Now: h.clock})
	h.reviews = review.New(d, key, h.shops, h.orders, review.Options{Carrier: h.mails, MailFrom: "a@example.kr", Dir: t.TempDir(), Process: "test", Now: h.clock})
	h.reviews.Register(h.orders)
	site := web.New(web.Deps{People: h.people, Now: h.clock})
	Mount(site, Deps{Shops: h.shops, Orders: h.orders, Reviews: h.reviews})
	srv := httptest.NewServer(site)
	t.Cleanup(srv.Close)
	h.url = srv.URL
	return h
}

// get is a page as the shop's owner sees it, or a customer when who is "".
func (h *house) do(method, path, who, lang, kind string, body io.Reader) (int, string) {
	h.t.Helper()
	r, err := http.NewRequest(method, h.url+path, body)
	h.ok(err)
	if who != "" {
		r.AddCookie(&http.Cookie{Name: web.SessionCookie, Value: who})
	}
	if lang != "" {
		r.Header.Set("Accept-Language", lang)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	h.ok(err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	h.ok(err)
	if l := res.Header.Get("Location"); l != "" {
		return res.StatusCode, l
	}
	return res.StatusCode, string(b)
}

func (h *house) get(path, lang string) (int, string) { return h.do("GET", path, "", lang, "", nil) }

func (h *house) post(path, lang string, v url.Values) (int, string) {
	return h.do("POST", path, "", lang, "application/x-www-form-urlencoded", strings.NewReader(v.Encode()))
}

// sent makes a shop and an order whose request is sent, and returns the path of
// its review page.
func (h *house) sent(settings shop.Input, id string) (sh shop.Shop, m review.Message, path string) {
	h.t.Helper()
	zero, name := "0s", "우리상점"
	settings.ReviewDelay, settings.Name = &zero, &name
	sh, _, err := h.shops.Create(h.t.Context(), h.who.WorkspaceID, settings)
	h.ok(err)
	h.put(sh, id)
	ctx, stop := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- h.reviews.Run(ctx) }()
	for range 200 {
		all, err := h.reviews.List(h.t.Context(), sh.ID, review.Filter{}, "", 1)
		h.ok(err)
		if len(all) == 1 && all[0].State == review.Sent {
			m = all[0]
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	h.ok(<-done)
	if m.ID == "" {
		h.t.Fatal("nothing was sent")
	}
	return sh, m, h.reviews.ReviewLink(m.ID)
}

func (h *house) put(sh shop.Shop, id string) {
	h.t.Helper()
	at := h.clock()
	e := order.Event{ShopID: sh.ID, ExternalID: id, Name: "#" + id, Origin: order.Origin{Source: order.Webhook, Live: true, At: at},
		Parcels: []order.Parcel{{ID: "f" + id, Status: "success", Created: db.US(at), Updated: db.US(at)}},
		Snapshot: &order.Snapshot{Updated: db.US(at), Created: db.US(at.Add(-time.Hour)), Name: "#" + id, Email: id + "@example.com", CustomerName: "김지민", Financial: order.Paid,
			Fulfillment: order.Fulfilled, Lines: []order.Line{{ID: "1", ProductID: "p1", Title: "머그컵 <b>", Quantity: 1, Left: 1, Fulfilled: true},
				{ID: "2", ProductID: "p2", Title: "티셔츠", Quantity: 1, Left: 1, Fulfilled: true}}}}
	h.ok(h.d.InTx(h.t.Context(), func(tx *db.Tx) error { _, err := h.orders.Apply(h.t.Context(), tx, e); return err }))
}

func (h *house) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func TestPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := build(t, d)
		for _, x := range []struct {
			name string
			fn   func(*house)
		}{
			{"review page", (*house).reviewOnce}, {"two forms at once", (*house).twoForms}, {"pictures", (*house).pictures}, {"unsubscribe", (*house).unsubscribe},
			{"widget", (*house).showWidget}, {"the shop's pages", (*house).merchant}, {"expired", (*house).expired},
		} {
			t.Run(x.name, func(t *testing.T) {
				was := h.t
				h.t = t
				x.fn(h)
				h.t = was
			})
		}
	})
}

func (h *house) reviewOnce() {
	sh, _, path := h.sent(shop.Input{}, "1001")
	for _, bad := range []string{"/r/nonsense", "/r/" + strings.Repeat("A", 43), "/u/" + strings.TrimPrefix(path, "/r/"), strings.Replace(path, "/r/", "/r/x", 1)} {
		if status, body := h.get(bad, "ko"); status != 404 || !strings.Contains(body, "<h1>") || strings.Contains(body, "request_id") {
			h.t.Errorf("%s: %d %s", bad, status, body)
		}
	}
	for range 3 { // mail scanners
		status, body := h.get(path, "ko")
		if status != 200 || !strings.Contains(body, "머그컵 &lt;b&gt;") || !strings.Contains(body, "티셔츠") || strings.Contains(body, "이미 후기를") {
			h.t.Fatalf("%d %s", status, body)
		}
	}
	if status, body := h.get(path, "en-US"); status != 200 || !strings.Contains(body, "Send the review") {
		h.t.Errorf("%d %s", status, body)
	}
	// A draft is kept.
	if status, _ := h.post(path, "ko", url.Values{"do": {"draft"}, "stars.1": {"4"}, "text.1": {"초안입니다"}}); status != 204 {
		h.t.Errorf("draft: %d", status)
	}
	if _, body := h.get(path, "ko"); !strings.Contains(body, "초안입니다") || !strings.Contains(body, `value="4" checked`) {
		h.t.Error("the draft is lost")
	}
	// Words without stars are told.
	if status, body := h.post(path, "ko", url.Values{"text.1": {"별이 없음"}}); status != 422 || !strings.Contains(body, "별이 없음") || !strings.Contains(body, "별점을 골라") {
		h.t.Errorf("%d %s", status, body)
	}
	in := url.Values{"stars.1": {"5"}, "text.1": {"아주 좋아요 <script>"}, "stars.2": {"3"}}
	if status, body := h.post(path, "ko", in); status != 200 || !strings.Contains(body, "고맙습니다") || !strings.Contains(body, "아주 좋아요 &lt;script&gt;") {
		h.t.Fatalf("%d %s", status, body)
	}
	for range 2 {
		if status, body := h.post(path, "ko", url.Values{"stars.1": {"1"}}); status != 200 || !strings.Contains(body, "이미 후기를 남겨 주셨습니다") || !strings.Contains(body, "아주 좋아요") {
			h.t.Errorf("%d %s", status, body)
		}
	}
	for lang, words := range map[string]string{"ko": "이미 후기를 남겨 주셨습니다", "en": "You have already written this review"} {
		if status, body := h.get(path, lang); status != 200 || !strings.Contains(body, words) || !strings.Contains(body, "아주 좋아요") {
			h.t.Errorf("%d %s", status, body)
		}
	}
	all, err := h.reviews.Reviews(h.t.Context(), sh.ID, review.ReviewFilter{}, "", 10)
	if err != nil || len(all) != 2 || all[0].Author != "김*민" {
		h.t.Errorf("%+v %v", all, err)
	}
}

func (h *house) twoForms() {
	sh, _, path := h.sent(shop.Input{}, "2001")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if status, body := h.post(path, "ko", url.Values{"stars.1": {fmt.Sprint(i%5 + 1)}}); status != 200 {
				h.t.Errorf("%d %s", status, body)
			}
		})
	}
	wg.Wait()
	all, err := h.reviews.Reviews(h.t.Context(), sh.ID, review.ReviewFilter{}, "", 10)
	if err != nil || len(all) != 1 {
		h.t.Fatalf("%d reviews, %v", len(all), err)
	}
	log, err := h.reviews.ReviewLog(h.t.Context(), sh.ID, all[0].ID)
	if err != nil || len(log) != 1 {
		h.t.Errorf("it was written %d times, %v", len(log), err)
	}
}

// picture is a JPEG that says it was taken sideways.
func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, 40, 20)), nil); err != nil {
		t.Fatal(err)
	}
	exif := "\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
	return append([]byte("\xff\xd8"+exif), b.Bytes()[2:]...)
}

func (h *house) pictures() {
	sh, _, path := h.sent(shop.Input{}, "3001")
	send := func(do string, photo []byte) (int, string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for k, v := range map[string]string{"stars.1": "5", "text.1": "사진도 있어요", "do": do} {
			h.ok(w.WriteField(k, v))
		}
		if photo != nil {
			p, err := w.CreateFormFile("photo.1", "a.jpg")
			h.ok(err)
			_, err = p.Write(photo)
			h.ok(err)
		}
		h.ok(w.Close())
		return h.do("POST", path, "", "ko", w.FormDataContentType(), &b)
	}
	if status, body := send("submit", []byte("not a picture")); status != 422 || !strings.Contains(body, "읽을 수 없는 사진") {
		h.t.Errorf("%d %s", status, body)
	}
	photo := regexp.MustCompile(`/review-photos/([0-9a-f-]+)\?t=[\w-]+`)
	status, body := send("keep", picture(h.t))
	found := photo.FindStringSubmatch(body)
	if status != 200 || found == nil || !strings.Contains(body, `width="20" height="40"`) {
		h.t.Fatalf("%d %s", status, body)
	}
	if status, body := h.get(found[0], ""); status != 200 || !strings.HasPrefix(body, "\xff\xd8") || strings.Contains(body, "Exif") {
		h.t.Errorf("picture: %d", status)
	}
	if status, _ := h.get("/review-photos/"+found[1], ""); status != 404 {
		h.t.Errorf("a picture that is not published: %d", status)
	}
	for range 2 { // the same picture, sent again
		if status, body = send("submit", picture(h.t)); status != 200 {
			h.t.Fatalf("%d %s", status, body)
		}
	}
	all, err := h.reviews.Reviews(h.t.Context(), sh.ID, review.ReviewFilter{}, "", 10)
	if err != nil || len(all) != 1 || len(all[0].Photos) != 1 {
		h.t.Fatalf("%+v %v", all, err)
	}
	if status, _ := h.get("/review-photos/"+found[1], ""); status != 200 {
		h.t.Errorf("a published picture: %d", status)
	}
	_, err = h.reviews.Moderate(h.t.Context(), sh.ID, all[0].ID, review.Hidden, "민수", "다른 사람의 얼굴")
	h.ok(err)
	if status, _ := h.get("/review-photos/"+found[1], ""); status != 404 {
		h.t.Errorf("a hidden picture: %d", status)
	}
}

func (h *house) unsubscribe() {
	sh, m, _ := h.sent(shop.Input{}, "4001")
	path := h.reviews.UnsubscribeLink(m.ID)
	for range 2 {
		if status, body := h.get(path, "ko"); status != 200 || !strings.Contains(body, "그만 받기") {
			h.t.Errorf("%d %s", status, body)
		}
	}
	all, err := h.reviews.Suppressions(h.t.Context(), sh.ID, "", 10)
	if err != nil || len(all) != 0 {
		h.t.Fatal("looking at the page unsubscribed")
	}
	for range 2 { // one click, as mail programs do
		if status, body := h.do("POST", path, "", "", "application/x-www-form-urlencoded", strings.NewReader("List-Unsubscribe=One-Click")); status != 200 {
			h.t.Errorf("%d %s", status, body)
		}
	}
	if all, err = h.reviews.Suppressions(h.t.Context(), sh.ID, "", 10); err != nil || len(all) != 1 || all[0].Why != review.WhyUnsubscribed {
		h.t.Errorf("%+v %v", all, err)
	}
	if status, body := h.get(path, "en"); status != 200 || !strings.Contains(body, "no more") {
		h.t.Errorf("%d %s", status, body)
	}
}

func (h *house) showWidget() {
	sh, _, path := h.sent(shop.Input{}, "5001")
	if status, body := h.get("/widget/"+sh.ID, "ko"); status != 200 || strings.Contains(body, "ld+json") {
		h.t.Errorf("%d %s", status, body)
	}
	h.post(path, "ko", url.Values{"stars.1": {"5"}, "text.1": {`</script><script>alert(1)`}, "stars.2": {"2"}})
	for query, want := range map[string]string{"": `"ratingValue":3.5`, "?product=p1": `"@type":"Product"`, "?format=fragment": `"reviewCount":2`} {
		status, body := h.get("/widget/"+sh.ID+query, "ko")
		if status != 200 || !strings.Contains(body, want) || strings.Contains(body, "<script>alert") {
			h.t.Errorf("%s: %d %s", query, status, body)
		}
	}
	if status, _ := h.get("/widget/nonsense", "ko"); status != 404 {
		h.t.Errorf("another shop: %d", status)
	}
}

func (h *house) expired() {
	_, _, path := h.sent(shop.Input{}, "6001")
	_, _, written := h.sent(shop.Input{}, "6002")
	h.post(written, "ko", url.Values{"stars.1": {"5"}})
	h.advance(91 * 24 * time.Hour)
	if status, body := h.get(path, "ko"); status != 410 || !strings.Contains(body, "<h1>") {
		h.t.Errorf("%d %s", status, body)
	}
	if status, _ := h.post(path, "ko", url.Values{"stars.1": {"5"}}); status != 410 {
		h.t.Errorf("%d", status)
	}
	if status, body := h.get(written, "ko"); status != 200 || !strings.Contains(body, "이미 후기를 남겨 주셨습니다") {
		h.t.Errorf("%d %s", status, body)
	}
}

var csrf = regexp.MustCompile(`name="csrf" value="([\w-]+)"`)

// form posts a form of a page of the shop's people.
func (h *house) form(page, action string, v url.Values) (int, string) {
	h.t.Helper()
	status, body := h.do("GET", page, h.session, "ko", "", nil)
	found := csrf.FindStringSubmatch(body)
	if status != 200 || found == nil {
		h.t.Fatalf("%s: %d %s", page, status, body)
	}
	v.Set("csrf", found[1])
	return h.do("POST", action, h.session, "ko", "application/x-www-form-urlencoded", strings.NewReader(v.Encode()))
}

func (h *house) merchant() {
	sh, m, path := h.sent(shop.Input{}, "7001")
	h.post(path, "ko", url.Values{"stars.1": {"5"}, "text.1": {"좋아요"}})
	all, err := h.reviews.Reviews(h.t.Context(), sh.ID, review.ReviewFilter{}, "", 1)
	h.ok(err)
	if len(all) != 1 || all[0].ExternalID != "7001" {
		h.t.Fatalf("%+v", all)
	}
	o, err := h.orders.Get(h.t.Context(), sh.ID, "7001")
	h.ok(err)
	root := "/shops/" + sh.ID
	for _, p := range []string{"/shops", "/shops/new", root, root + "/settings", root + "/orders", root + "/orders?q=7001&status=fulfilled", root + "/orders/" + o.ID, root + "/imports",
		root + "/messages", root + "/messages?state=sent&q=7001", root + "/messages/" + m.ID, root + "/bulk?action=cancel&state=skipped", root + "/reviews", root + "/reviews/" + all[0].ID,
		root + "/mails", root + "/mails?kind=reminder&lang=en&order=7001", root + "/mail-preview", root + "/suppressions", root + "/privacy"} {
		for _, lang := range []string{"ko", "en"} {
			status, body := h.do("GET", p, h.session, lang, "", nil)
			if status != 200 || strings.Contains(body, "shopui.") || strings.Contains(body, "review.state.") {
				h.t.Errorf("%s in %s: %d %s", p, lang, status, body)
			}
		}
		if status, _ := h.do("GET", p, "", "ko", "", nil); status != 303 {
			h.t.Errorf("%s without a session: %d", p, status)
		}
	}
	if _, body := h.do("GET", "/shops/new", h.session, "ko", "", nil); !strings.Contains(body, `value="21:00"`) || !strings.Contains(body, `value="08:00"`) {
		h.t.Errorf("no quiet hours are offered: %s", body)
	}
	if status, body := h.form("/shops/new", "/shops", url.Values{"name": {"조용한 상점"}, "zone": {"Asia/Seoul"}, "lang": {"ko"}, "quiet_from": {"22:00"}, "quiet_to": {"late"}}); status != 422 || !strings.Contains(body, `value="22:00"`) {
		h.t.Errorf("%d %s", status, body)
	}
	if status, body := h.form("/shops/new", "/shops", url.Values{"name": {"새 상점"}, "zone": {"Asia/Seoul"}, "lang": {"ko"}}); status != 200 || !strings.Contains(body, "shop_") {
		h.t.Errorf("%d %s", status, body)
	}
	if status, body := h.form("/shops/new", "/shops", url.Values{"name": {""}, "zone": {"Mars"}, "lang": {"ko"}}); status != 422 || !strings.Contains(body, "aria-invalid") {
		h.t.Errorf("%d %s", status, body)
	}
	good := url.Values{"name": {"우리상점"}, "zone": {"Asia/Seoul"}, "lang": {"ko"}, "review_delay": {"7d"}, "cooldown": {"30d"}, "max_order_age": {"60d"}, "mail_retry_after": {"60s"},
		"mail_rate_per_second": {"5"}, "reminders": {"1"}, "reminder_delay": {"7d"}, "link_days": {"90"}, "quiet_from": {"21:00"}, "quiet_to": {"08:00"}, "may_edit": {"1"}}
	if status, body := h.form(root+"/settings", root+"/settings", good); status != 303 {
		h.t.Errorf("%d %s", status, body)
	}
	good.Set("review_delay", "bald")
	if status, body := h.form(root+"/settings", root+"/settings", good); status != 422 || !strings.Contains(body, "bald") {
		h.t.Errorf("%d %s", status, body)
	}
	one := root + "/messages/" + m.ID
	if status, body := h.form(one, one+"/send-now", url.Values{}); status != 409 {
		h.t.Errorf("%d %s", status, body)
	}
	if status, body := h.form(one, one+"/resend", url.Values{"why": {"고객 요청"}}); status != 409 { // the review is written
		h.t.Errorf("%d %s", status, body)
	}
	h.put(sh, "7002")
	next, err := h.reviews.List(h.t.Context(), sh.ID, review.Filter{}, "", 1)
	h.ok(err)
	two := root + "/messages/" + next[0].ID
	for _, x := range []struct{ act, flash string }{{"/cancel", ""}, {"/send-now", ""}} {
		if status, body := h.form(two, two+x.act, url.Values{"back": {root + "/messages"}}); status != 303 || body != root+"/messages" {
			h.t.Errorf("%s: %d %s", x.act, status, body)
		}
	}
	rev := root + "/reviews/" + all[0].ID
	if status, body := h.form(rev, rev+"/moderate", url.Values{"state": {"hidden"}}); status != 422 {
		h.t.Errorf("hidden without a reason: %d %s", status, body)
	}
	for _, v := range []url.Values{{"state": {"hidden"}, "why": {"광고 글"}}, {"state": {"published"}}} {
		if status, body := h.form(rev, rev+"/moderate", v); status != 303 {
			h.t.Errorf("%v: %d %s", v, status, body)
		}
	}
	if status, _ := h.form(rev, rev+"/reply", url.Values{"reply": {"고맙습니다"}}); status != 303 {
		h.t.Errorf("%d", status)
	}
	words := url.Values{"kind": {"review_request"}, "lang": {"ko"}, "mode": {"informational"}, "subject": {"쿠폰 드려요"}, "body": {"{link}"}, "button": {"쓰기"}, "do": {"save"}}
	if status, body := h.form(root+"/mails", root+"/mails", words); status != 422 || !strings.Contains(body, "쿠폰") {
		h.t.Errorf("%d %s", status, body)
	}
	words.Set("subject", "{order} 어떠셨나요")
	for do, want := range map[string]int{"preview": 200, "test": 200, "save": 303, "reset": 303} {
		words.Set("do", do)
		words.Set("to", "me@example.com")
		if status, body := h.form(root+"/mails", root+"/mails", words); status != want {
			h.t.Errorf("%s: %d %s", do, status, body)
		}
	}
	if status, _ := h.form(root+"/suppressions", root+"/suppressions", url.Values{"email": {"x@example.com"}}); status != 303 {
		h.t.Errorf("%d", status)
	}
	if status, body := h.form(root+"/messages", root+"/bulk", url.Values{"action": {"cancel"}, "state": {"scheduled,queued"}, "per_minute": {"600"}}); status != 303 {
		h.t.Errorf("%d %s", status, body)
	} else if status, body = h.do("GET", body, h.session, "ko", "", nil); status != 200 {
		h.t.Errorf("%d %s", status, body)
	}
	for _, act := range []string{"/stop", "/resume"} {
		if status, _ := h.form(root, root+act, url.Values{}); status != 303 {
			h.t.Errorf("%s: %d", act, status)
		}
	}
	if status, body := h.form(root+"/privacy", root+"/privacy/erase", url.Values{"email": {"7001@example.com"}}); status != 200 || !strings.Contains(body, "1건") {
		h.t.Errorf("%d %s", status, body)
	}
	if status, body := h.get(path, "ko"); status != 404 {
		h.t.Errorf("the link of an erased person: %d %s", status, body)
	}
}
