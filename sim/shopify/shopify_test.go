package shopify

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// sink takes webhooks and remembers them; it refuses as long as it is told to.
type sink struct {
	mu     sync.Mutex
	topics []string
	events map[string]bool
	bodies map[string]bool
	refuse bool
	badly  int
}

func (k *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.Header.Get("X-Shopify-Hmac-Sha256") != Sign("s3cret", body) {
		k.badly++
	}
	if k.refuse {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	k.topics = append(k.topics, r.Header.Get("X-Shopify-Topic"))
	k.events[r.Header.Get("X-Shopify-Event-Id")] = true
	k.bodies[r.Header.Get("X-Shopify-Webhook-Id")+string(body)] = true
}

func start(t *testing.T, c Config) (*Server, *sink, string) {
	t.Helper()
	k := &sink{events: map[string]bool{}, bodies: map[string]bool{}}
	hooks := httptest.NewServer(k)
	t.Cleanup(hooks.Close)
	c.Secret, c.Scale = "s3cret", 1e-6
	s := New(c)
	t.Cleanup(s.Close)
	return s, k, hooks.URL
}

func TestOneActionSharesItsEventID(t *testing.T) {
	s, k, url := start(t, Config{})
	s.Subscribe(url, Topics...)
	o := s.Place(Order{})
	if err := s.Pay(o.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Ship(o.ID); err != nil {
		t.Fatal(err)
	}
	s.Wait(10 * time.Second)
	if len(k.topics) != 7 || len(k.events) != 3 || len(k.bodies) != 7 || k.badly != 0 {
		t.Errorf("%v in %d events, %d badly signed", k.topics, len(k.events), k.badly)
	}
}

func TestRetriesEndAndTakeTheSubscriptionAlong(t *testing.T) {
	s, k, url := start(t, Config{})
	s.Subscribe(url, "orders/create")
	if _, err := s.create(selection{args: map[string]any{"topic": "ORDERS_UPDATED", "webhookSubscription": map[string]any{"callbackUrl": url}},
		fields: []selection{{name: "userErrors", fields: []selection{{name: "message"}}}}}); err != nil {
		t.Fatal(err)
	}
	k.refuse = true
	s.Place(Order{})
	if !s.Wait(20 * time.Second) {
		t.Fatal("retries go on")
	}
	if len(k.topics) != 18 || len(k.bodies) != 2 {
		t.Errorf("%d attempts, %d different", len(k.topics), len(k.bodies))
	}
	subs := s.Subscriptions()
	if len(subs) != 1 || subs[0].API || s.Stats().GivenUp != 2 {
		t.Errorf("%+v, %+v", subs, s.Stats())
	}
}

func TestHeldDeliveriesGoWhenTold(t *testing.T) {
	s, k, url := start(t, Config{Profile: "shuffled"})
	s.Subscribe(url, "orders/create", "orders/updated")
	s.Hold(true)
	s.Place(Order{})
	all := s.Deliveries()
	for _, d := range []*Delivery{all[1], all[0], all[1]} {
		if status, err := s.Send(d); status != 200 || err != nil {
			t.Errorf("%d, %v", status, err)
		}
	}
	if got := strings.Join(k.topics, " "); got != "orders/updated orders/create orders/updated" {
		t.Error(got)
	}
}

func ask(t *testing.T, s *Server, token, query string, vars map[string]any) (status int, out map[string]any) {
	t.Helper()
	body, _ := json.Marshal(map[string]any{"query": query, "variables": vars})
	r := httptest.NewRequest(http.MethodPost, "/admin/api/2026-10/graphql.json", bytes.NewReader(body))
	r.Header.Set("X-Shopify-Access-Token", token)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	return w.Code, out
}

func text(v any) string { b, _ := json.Marshal(v); return string(b) }

func TestGraphQL(t *testing.T) {
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	s, _, _ := start(t, Config{Max: 100, Restore: 10, Now: func() time.Time { return at }})
	for range 3 {
		s.Place(Order{})
	}
	if status, _ := ask(t, s, "wrong", "{ orders(first: 1) { nodes { id } } }", nil); status != http.StatusUnauthorized {
		t.Errorf("status %d", status)
	}
	const q = `query q($n: Int!, $after: String) { orders(first: $n, after: $after, query: "updated_at:>='2026-11-23T00:00:00Z'") {
		pageInfo { hasNextPage endCursor } nodes { id name customer { firstName } } } } # a comment`
	_, out := ask(t, s, "shpat_sim", q, map[string]any{"n": 2, "after": nil})
	if got := text(out["data"]); !strings.Contains(got, `"hasNextPage":true`) || strings.Count(got, `"firstName"`) != 2 {
		t.Error(got)
	}
	if got := text(out["extensions"]); !strings.Contains(got, `"requestedQueryCost":6`) {
		t.Error(got)
	}
	_, out = ask(t, s, "shpat_sim", q, map[string]any{"n": 2, "after": "cursor-2"})
	if got := text(out["data"]); !strings.Contains(got, `"hasNextPage":false`) || strings.Count(got, `"firstName"`) != 1 {
		t.Error(got)
	}
	for query, want := range map[string]string{
		"{ orders(first: 1) { nodes { colour } } }":          "doesn't exist",
		"{ orders { nodes { id } } }":                        "provide one of first",
		"{ orders(first: 1) { nodes { customer } } }":        "must have selections",
		"{ orders(first: 1) { nodes { id { x } } } }":        "scalars",
		"{ orders(first: 2000) { nodes { id } } }":           "MAX_COST_EXCEEDED",
		"{ orders(first: 95) { nodes { id } } }":             "THROTTLED",
		"{ orders(first: 1) { nodes { id }":                  "syntax error",
		"query q($n: Int!) { orders(first: $n) { nodes { } ": "not given",
	} {
		if _, out := ask(t, s, "shpat_sim", query, nil); !strings.Contains(text(out["errors"]), want) {
			t.Errorf("%s: %s, want %s", query, text(out), want)
		}
	}
	at = at.Add(time.Minute) // the bucket is full again
	if _, out := ask(t, s, "shpat_sim", "{ orders(first: 95) { nodes { id } } }", nil); out["errors"] != nil {
		t.Error(text(out))
	}
}
