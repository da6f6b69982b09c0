package shopify

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrNoOrder: there is no such order, or it was deleted.
var ErrNoOrder = errors.New("shopify: no such order")

var products = []struct {
	sku, title string
	price      int
}{
	{"MUG-WH-01", "머그컵 - 화이트", 14_000}, {"TEE-BK-M", "티셔츠 - 블랙 / M", 30_000}, {"SOAP-03", "수제 비누 3개입", 18_000},
	{"TEA-BR-50", "보리차 티백 50개", 9_900}, {"BAG-CV", "캔버스 에코백", 22_000},
}

var (
	families = []string{"김", "이", "박", "최", "정", "강", "조", "윤"}
	givens   = []string{"지민", "서연", "민준", "하은", "도윤", "예린", "시우", "수아"}
)

// Place makes an order: what o leaves empty is made up. It is pending unless o
// says otherwise.
func (s *Server) Place(o Order) Order {
	s.mu.Lock()
	s.last++
	n := s.last
	now := s.now()
	o.ID = cmp.Or(o.ID, 5_550_000_000_000+n)
	o.Name = cmp.Or(o.Name, fmt.Sprintf("#%d", 1000+n))
	if o.First == "" {
		o.First, o.Last = givens[s.rng.IntN(len(givens))], families[s.rng.IntN(len(families))]
	}
	if o.Email == "" {
		o.Email = fmt.Sprintf("customer%d@example.com", n)
	}
	o.Financial = cmp.Or(o.Financial, "pending")
	o.Created, o.Updated = now, now
	for i := len(o.Lines); i == 0 || i < 1+s.rng.IntN(2) && i < 2; i++ {
		p := products[s.rng.IntN(len(products))]
		o.Lines = append(o.Lines, Line{SKU: p.sku, Title: p.title, Price: p.price, Quantity: 1 + s.rng.IntN(2)})
	}
	for i := range o.Lines {
		l := &o.Lines[i]
		l.ID, l.Product = o.ID*10+int64(i), cmp.Or(l.Product, 8_880_000_000_000+int64(i))
		l.Current, l.Open = l.Quantity, l.Quantity
	}
	s.orders[o.ID] = &o
	s.mu.Unlock()
	s.emit(o.ID, "orders/create", "orders/updated")
	return o
}

// change works on an order as one merchant action, and sends the topics that
// fn names.
func (s *Server) change(id int64, fn func(o *Order) []string) error {
	s.mu.Lock()
	o := s.orders[id]
	if o == nil || o.Deleted {
		s.mu.Unlock()
		return fmt.Errorf("%w: %d", ErrNoOrder, id)
	}
	topics := fn(o)
	o.Updated = s.now()
	s.mu.Unlock()
	s.emit(id, append(topics, "orders/updated")...)
	return nil
}

// Pay pays an order.
func (s *Server) Pay(id int64) error {
	return s.change(id, func(o *Order) []string { o.Financial = "paid"; return []string{"orders/paid"} })
}

// Ship sends all that is open.
func (s *Server) Ship(id int64) error {
	return s.change(id, func(o *Order) []string {
		for i := range o.Lines {
			o.Lines[i].Open = 0
		}
		return s.ship(o)
	})
}

// ShipLine sends one line.
func (s *Server) ShipLine(id int64, line int) error {
	return s.change(id, func(o *Order) []string { o.Lines[line].Open = 0; return s.ship(o) })
}

func (s *Server) ship(o *Order) []string {
	s.last++
	o.Parcels = append(o.Parcels, Parcel{ID: 4_440_000_000_000 + s.last, Status: "success", Shipment: "in_transit", Created: s.now(), Updated: s.now()})
	if slices.ContainsFunc(o.Lines, func(l Line) bool { return l.Open > 0 }) {
		o.Shipped = "partial"
		return []string{"orders/partially_fulfilled", "fulfillments/create"}
	}
	o.Shipped = "fulfilled"
	return []string{"orders/fulfilled", "fulfillments/create"}
}

// Unship cancels the last parcel: nothing is shipped any more.
func (s *Server) Unship(id int64) error {
	return s.change(id, func(o *Order) []string {
		if n := len(o.Parcels); n > 0 {
			o.Parcels[n-1].Status, o.Parcels[n-1].Updated = "cancelled", s.now()
		}
		o.Shipped = ""
		for i := range o.Lines {
			o.Lines[i].Open = o.Lines[i].Current
		}
		return []string{"fulfillments/update"}
	})
}

// Deliver has all parcels arrive.
func (s *Server) Deliver(id int64) error {
	return s.change(id, func(o *Order) []string {
		for i := range o.Parcels {
			o.Parcels[i].Shipment, o.Parcels[i].Updated = "delivered", s.now()
		}
		return []string{"fulfillment_events/create", "fulfillments/update"}
	})
}

// Cancel cancels an order.
func (s *Server) Cancel(id int64) error {
	return s.change(id, func(o *Order) []string {
		o.Cancelled, o.Reason = s.now(), "customer"
		return []string{"orders/cancelled"}
	})
}

// Refund gives back a line, or everything when line is -1.
func (s *Server) Refund(id int64, line int) error {
	return s.change(id, func(o *Order) []string {
		s.last++
		r := Refund{ID: 3_330_000_000_000 + s.last, Created: s.now()}
		for i := range o.Lines {
			if l := &o.Lines[i]; (line < 0 || i == line) && l.Current > 0 {
				r.Lines = append(r.Lines, RefundLine{Line: l.ID, Quantity: l.Current})
				l.Current = 0
			}
		}
		o.Refunds = append(o.Refunds, r)
		o.Financial = "refunded"
		if slices.ContainsFunc(o.Lines, func(l Line) bool { return l.Current > 0 }) {
			o.Financial = "partially_refunded"
		}
		return []string{"refunds/create"}
	})
}

// Edit changes something that customers do not see.
func (s *Server) Edit(id int64, tags string) error {
	return s.change(id, func(o *Order) []string { o.Tags = tags; return nil })
}

// Delete deletes an order for good.
func (s *Server) Delete(id int64) error {
	s.mu.Lock()
	o := s.orders[id]
	if o == nil || o.Deleted {
		s.mu.Unlock()
		return fmt.Errorf("%w: %d", ErrNoOrder, id)
	}
	o.Deleted = true
	s.mu.Unlock()
	s.emit(id, "orders/delete")
	return nil
}

// Uninstall removes the app.
func (s *Server) Uninstall() {
	s.send("app/uninstalled", map[string]any{"id": 1, "domain": s.cfg.Domain}, s.actionID())
}

// Redact asks to erase a customer; the orders are named too.
func (s *Server) Redact(email string, orders ...int64) {
	s.send("customers/redact", map[string]any{"shop_id": 1, "shop_domain": s.cfg.Domain,
		"customer": map[string]any{"id": 7, "email": email, "phone": nil}, "orders_to_redact": orders}, s.actionID())
}

// Orders lists the orders, the oldest first.
func (s *Server) Orders() []Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Order, 0, len(s.orders))
	for _, o := range s.orders {
		c := *o
		c.Lines, c.Parcels, c.Refunds = slices.Clone(o.Lines), slices.Clone(o.Parcels), slices.Clone(o.Refunds)
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Order) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func (s *Server) now() time.Time { return s.cfg.Now() }
