package shopify

import (
	"cmp"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Handler serves the Admin API and, below /_sim, this simulator's own switches:
//
//	GET  /_sim/stats                       Stats
//	GET  /_sim/orders                      the orders, as webhooks carry them
//	POST /_sim/orders                      {email?, financial_status?} places one
//	POST /_sim/orders/{id}/{action}        pay, ship, unship, deliver, cancel, refund, edit, delete
//	POST /_sim/subscribe                   {url, topics?} as if declared with the app
//	POST /_sim/unsubscribe                 {topic?} loses a subscription
//	GET  /_sim/subscriptions               all of them
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /admin/api/{version}/graphql.json", s.graphql)
	mux.HandleFunc("GET /_sim/stats", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, s.Stats()) })
	mux.HandleFunc("GET /_sim/subscriptions", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, s.Subscriptions()) })
	mux.HandleFunc("GET /_sim/orders", func(w http.ResponseWriter, _ *http.Request) {
		out := []any{}
		for _, o := range s.Orders() {
			out = append(out, s.webhook(&o))
		}
		write(w, http.StatusOK, out)
	})
	mux.HandleFunc("POST /_sim/orders", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Email     string `json:"email"`
			Financial string `json:"financial_status"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			write(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		o := s.Place(Order{Email: in.Email, Financial: in.Financial})
		write(w, http.StatusCreated, s.webhook(&o))
	})
	mux.HandleFunc("POST /_sim/orders/{id}/{action}", s.act)
	mux.HandleFunc("POST /_sim/subscribe", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			URL    string   `json:"url"`
			Topics []string `json:"topics"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.URL == "" {
			write(w, http.StatusBadRequest, map[string]string{"error": "want {url, topics?}"})
			return
		}
		if len(in.Topics) == 0 {
			in.Topics = Topics
		}
		s.Subscribe(in.URL, in.Topics...)
		write(w, http.StatusOK, s.Subscriptions())
	})
	mux.HandleFunc("POST /_sim/unsubscribe", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Topic string `json:"topic"`
		}
		_ = json.NewDecoder(r.Body).Decode(&in) // an empty body means all
		s.Unsubscribe(in.Topic)
		write(w, http.StatusOK, s.Subscriptions())
	})
	return mux
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}

func (s *Server) act(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	do := map[string]func(int64) error{"pay": s.Pay, "ship": s.Ship, "unship": s.Unship, "deliver": s.Deliver, "cancel": s.Cancel,
		"refund": func(id int64) error { return s.Refund(id, -1) }, "edit": func(id int64) error { return s.Edit(id, "edited") }, "delete": s.Delete}[r.PathValue("action")]
	if do == nil {
		write(w, http.StatusNotFound, map[string]string{"error": "no such action"})
		return
	}
	if err := do(id); err != nil {
		write(w, http.StatusNotFound, map[string]string{"error": err.Error()})
		return
	}
	write(w, http.StatusOK, map[string]bool{"ok": true})
}

// costMost is the most that one query may cost.
const costMost = 1000

// mutationCost is what a mutation costs.
const mutationCost = 10

func (s *Server) graphql(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Shopify-Access-Token")), []byte(s.cfg.Token)) != 1 {
		write(w, http.StatusUnauthorized, map[string]any{"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"})
		return
	}
	var in struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
		write(w, http.StatusBadRequest, map[string]any{"errors": map[string]string{"query": "Required parameter missing or invalid"}})
		return
	}
	kind, fields, err := parseQuery(in.Query, in.Variables)
	requested := float64(cost(fields))
	if kind == "mutation" {
		requested = mutationCost
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Queries++
	s.refill()
	fail := func(message, code string) {
		e := map[string]any{"message": message}
		if code != "" {
			e["extensions"] = map[string]any{"code": code, "documentation": "https://shopify.dev/api/usage/rate-limits"}
		}
		write(w, http.StatusOK, map[string]any{"errors": []any{e}, "extensions": s.told(requested, nil)})
	}
	switch {
	case err != nil:
		fail(err.Error(), "")
		return
	case requested > costMost:
		fail(fmt.Sprintf("Query cost is %.0f, which exceeds the single query max cost limit (%d).", requested, costMost), "MAX_COST_EXCEEDED")
		return
	case requested > s.points:
		s.stats.Throttled++
		fail("Throttled", "THROTTLED")
		return
	}
	data := map[string]any{}
	for _, f := range fields {
		v, err := s.root(kind, f)
		if err != nil {
			fail(err.Error(), "")
			return
		}
		data[f.name] = v
	}
	actual := requested
	if kind == "query" { // what did not come is given back
		b, _ := json.Marshal(data) // plain values
		actual = min(requested, float64(strings.Count(string(b), "{")))
	}
	s.points -= actual
	write(w, http.StatusOK, map[string]any{"data": data, "extensions": s.told(requested, actual)})
}

func (s *Server) refill() {
	now := s.now()
	s.points = min(s.cfg.Max, s.points+s.cfg.Restore*max(0, now.Sub(s.at).Seconds()))
	s.at = now
}

func (s *Server) told(requested float64, actual any) map[string]any {
	return map[string]any{"cost": map[string]any{"requestedQueryCost": requested, "actualQueryCost": actual,
		"throttleStatus": map[string]any{"maximumAvailable": s.cfg.Max, "currentlyAvailable": float64(int(s.points)), "restoreRate": s.cfg.Restore}}}
}

// since is the one filter that orders understands.
var since = regexp.MustCompile(`^updated_at:>(=?)'?([0-9TZ:+-]+)'?$`)

func (s *Server) root(kind string, f selection) (any, error) {
	switch kind + " " + f.name {
	case "query orders":
		list, err := s.find(f)
		if err != nil {
			return nil, err
		}
		return under(f, list)
	case "query order":
		id, _ := f.args["id"].(string)
		for _, o := range s.orders {
			if gid("Order", o.ID) == id && !o.Deleted {
				return answer(s.node(o), f.fields, "Order")
			}
		}
		return nil, nil
	case "query webhookSubscriptions":
		list := []any{}
		for _, sub := range s.subs {
			if sub.API {
				list = append(list, map[string]any{"id": sub.ID, "topic": enum(sub.Topic), "endpoint": map[string]any{"callbackUrl": sub.URL}})
			}
		}
		return under(f, list)
	case "mutation webhookSubscriptionCreate":
		return s.create(f)
	}
	return nil, fmt.Errorf("field '%s' doesn't exist on type '%s'", f.name, kind)
}

// under answers a field of the root that is a connection.
func under(f selection, list []any) (any, error) {
	all, err := answer(map[string]any{f.name: list}, []selection{f}, "QueryRoot")
	if err != nil {
		return nil, err
	}
	return all.(map[string]any)[f.name], nil
}

func (s *Server) find(f selection) ([]any, error) {
	from := time.Time{}
	if q, _ := f.args["query"].(string); q != "" {
		m := since.FindStringSubmatch(q)
		if m == nil {
			return nil, fmt.Errorf("this simulator does not know the query %q", q)
		}
		var err error
		if from, err = time.Parse(time.RFC3339, m[2]); err != nil {
			return nil, err
		}
	}
	var found []*Order
	for _, o := range s.orders {
		if !o.Deleted && !o.Updated.Truncate(time.Second).Before(from) {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b *Order) int { return cmp.Or(a.Updated.Compare(b.Updated), cmp.Compare(a.ID, b.ID)) })
	list := []any{}
	for _, o := range found {
		list = append(list, s.node(o))
	}
	if f.args["first"] == nil {
		return nil, fmt.Errorf("you must provide one of first or last")
	}
	return list, nil
}

func (s *Server) create(f selection) (any, error) {
	topic, _ := f.args["topic"].(string)
	in, _ := f.args["webhookSubscription"].(map[string]any)
	url, _ := in["callbackUrl"].(string)
	if uri, ok := in["uri"].(string); ok {
		url = uri
	}
	wrong := func(message string) (any, error) {
		return answer(map[string]any{"webhookSubscription": nil, "userErrors": []any{map[string]any{"field": []any{"webhookSubscription"}, "message": message}}}, f.fields, "payload")
	}
	name := ""
	for _, t := range Topics {
		if enum(t) == topic {
			name = t
		}
	}
	switch {
	case name == "" || strings.HasPrefix(name, "customers/") || name == "shop/redact":
		return wrong("Topic is invalid")
	case url == "":
		return wrong("Address can't be blank")
	case slices.ContainsFunc(s.subs, func(v Subscription) bool { return v.Topic == name && v.URL == url }):
		return wrong("Address for this topic has already been taken")
	}
	s.last++
	sub := Subscription{ID: gid("WebhookSubscription", s.last), Topic: name, URL: url, API: true}
	s.subs = append(s.subs, sub)
	return answer(map[string]any{"webhookSubscription": map[string]any{"id": sub.ID, "topic": topic, "endpoint": map[string]any{"callbackUrl": url}},
		"userErrors": []any{}}, f.fields, "payload")
}

func enum(topic string) string { return strings.ToUpper(strings.ReplaceAll(topic, "/", "_")) }
