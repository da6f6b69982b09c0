package store

import (
	"net/http"
	"net/url"

	"imreport/internal/order"
	"imreport/internal/review"
	"imreport/internal/web"
	"imreport/internal/workspace"
)

func (s *Store) mountOrders() {
	s.site.Page("GET /shops/{shop}/orders", looks(), s.orders)
	s.site.Page("GET /shops/{shop}/orders/{id}", looks(), s.order)
	s.site.Page("POST /shops/{shop}/orders/{id}/ask", does(workspace.Editor, "message.ask"), s.ask)
}

// masked hides a customer from those who only look.
func masked(r *http.Request, o order.Order) order.Order {
	if !web.Of(r.Context()).Actor.Role.AtLeast(workspace.Editor) {
		o.Email, o.CustomerName = review.Mask(o.Email), review.Author(o.CustomerName)
	}
	return o
}

type ordersView struct {
	Rows   []order.Order
	Query  string
	Status string
	Next   string
	All    []string // statuses to choose from
}

func (s *Store) orders(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	v := ordersView{Query: q.Get("q"), Status: q.Get("status"), All: []string{"", "fulfilled", "partial", "paid", "refunded", "cancelled"}}
	rows, next, err := s.d.Orders.List(r.Context(), sh.ID, order.Filter{Search: v.Query, Status: v.Status}, q.Get("after"), 50)
	if err != nil {
		return err
	}
	for _, o := range rows {
		v.Rows = append(v.Rows, masked(r, o))
	}
	if next != "" {
		v.Next = "/shops/" + sh.ID + "/orders?" + url.Values{"q": {v.Query}, "status": {v.Status}, "after": {next}}.Encode()
	}
	return s.render(w, r, http.StatusOK, "orders", "orders", sh, nil, v)
}

type orderView struct {
	Order    order.Order
	Messages []messageRow
	Blocked  string
	Action   string
	CanAsk   bool
}

func (s *Store) order(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	o, err := s.d.Orders.Get(r.Context(), sh.ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	st, err := s.d.Reviews.Of(r.Context(), o)
	if err != nil {
		return err
	}
	l := web.Of(r.Context()).Lang
	v := orderView{Order: masked(r, o), Blocked: st.Verdict.Reason.Text(l, st.Verdict.Args), Action: st.Verdict.Reason.Action(l, st.Verdict.Args)}
	for _, m := range st.Messages {
		v.Messages = append(v.Messages, rowOf(l, m))
	}
	late := st.Verdict.Reason == review.PastOrder || st.Verdict.Reason == review.TooOld
	v.CanAsk = len(st.Messages) == 0 && (st.Verdict.OK || late) && web.Of(r.Context()).Actor.Role.AtLeast(workspace.Editor)
	return s.render(w, r, http.StatusOK, "order", "orders", sh, nil, v)
}

func (s *Store) ask(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	o, err := s.d.Orders.Get(r.Context(), sh.ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	m, err := s.d.Reviews.Ask(r.Context(), sh.ID, o.ID, actor(r))
	if err != nil {
		return err
	}
	web.Subject(r.Context(), m.ID, o.Name)
	return to(w, r, "/shops/"+sh.ID+"/messages/"+m.ID, "message_queued")
}
