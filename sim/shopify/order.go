package shopify

import (
	"fmt"
	"strings"
	"time"
)

// Order is an order of the shop.
type Order struct {
	ID        int64
	Name      string
	Email     string // may be empty
	First     string // of the customer's name
	Last      string
	Created   time.Time
	Updated   time.Time
	Cancelled time.Time
	Reason    string
	Financial string // "pending", "paid", …
	Shipped   string // "", "partial", "fulfilled"
	Test      bool
	Consent   bool
	Tags      string
	Lines     []Line
	Parcels   []Parcel
	Refunds   []Refund
	Deleted   bool
}

// Line is a position of an order.
type Line struct {
	ID       int64
	Product  int64
	SKU      string
	Title    string
	Quantity int
	Current  int // after refunds
	Open     int // not shipped yet
	Price    int // won
}

// Parcel is a fulfilment.
type Parcel struct {
	ID       int64
	Status   string // "success", "cancelled"
	Shipment string // "", "in_transit", "delivered"
	Created  time.Time
	Updated  time.Time
}

// Refund is money going back.
type Refund struct {
	ID      int64
	Created time.Time
	Lines   []RefundLine
}

// RefundLine is how many of a line went back.
type RefundLine struct {
	Line     int64
	Quantity int
}

// stamp is a time as webhooks write it: the shop's offset, whole seconds.
func (s *Server) stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.In(s.cfg.Zone).Format("2006-01-02T15:04:05-07:00")
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// webhook is the order as a webhook carries it.
func (s *Server) webhook(o *Order) map[string]any {
	total := 0
	lines := []any{}
	for _, l := range o.Lines {
		total += l.Price * l.Quantity
		var status any
		if l.Open == 0 {
			status = "fulfilled"
		}
		lines = append(lines, map[string]any{"id": l.ID, "product_id": l.Product, "variant_id": l.Product + 10_000_000_000, "sku": l.SKU,
			"title": l.Title, "name": l.Title, "quantity": l.Quantity, "current_quantity": l.Current, "fulfillable_quantity": l.Open,
			"fulfillment_status": status, "gift_card": false, "requires_shipping": true, "price": fmt.Sprint(l.Price)})
	}
	parcels := []any{}
	for i := range o.Parcels {
		parcels = append(parcels, s.parcel(o, &o.Parcels[i]))
	}
	refunds := []any{}
	for i := range o.Refunds {
		refunds = append(refunds, s.refund(o, &o.Refunds[i]))
	}
	consent := "not_subscribed"
	if o.Consent {
		consent = "subscribed"
	}
	return map[string]any{
		"id": o.ID, "admin_graphql_api_id": fmt.Sprintf("gid://shopify/Order/%d", o.ID), "name": o.Name,
		"order_number": o.ID % 1_000_000, "email": orNil(o.Email), "contact_email": orNil(o.Email),
		"created_at": s.stamp(o.Created), "processed_at": s.stamp(o.Created), "updated_at": s.stamp(o.Updated), "closed_at": nil,
		"cancelled_at": s.stamp(o.Cancelled), "cancel_reason": orNil(o.Reason), "test": o.Test, "confirmed": true, "source_name": "web",
		"currency": "KRW", "total_price": fmt.Sprint(total), "financial_status": o.Financial, "fulfillment_status": orNil(o.Shipped),
		"buyer_accepts_marketing": o.Consent, "customer_locale": "ko-KR", "tags": o.Tags,
		"customer": map[string]any{"id": o.ID + 2_000_000_000_000, "first_name": o.First, "last_name": o.Last, "email": orNil(o.Email),
			"email_marketing_consent": map[string]any{"state": consent, "opt_in_level": "single_opt_in", "consent_updated_at": nil}},
		"line_items": lines, "fulfillments": parcels, "refunds": refunds,
		"order_status_url": s.cfg.Domain + "/orders/" + fmt.Sprint(o.ID),
	}
}

func (s *Server) parcel(o *Order, p *Parcel) map[string]any {
	return map[string]any{"id": p.ID, "order_id": o.ID, "status": p.Status, "shipment_status": orNil(p.Shipment),
		"created_at": s.stamp(p.Created), "updated_at": s.stamp(p.Updated), "tracking_company": "CJ대한통운", "tracking_number": fmt.Sprint(p.ID)}
}

func (s *Server) refund(o *Order, r *Refund) map[string]any {
	lines := []any{}
	for _, l := range r.Lines {
		lines = append(lines, map[string]any{"line_item_id": l.Line, "quantity": l.Quantity, "restock_type": "return"})
	}
	return map[string]any{"id": r.ID, "order_id": o.ID, "created_at": s.stamp(r.Created), "refund_line_items": lines, "transactions": []any{}}
}

// node is the order as the Admin API shows it.
func (s *Server) node(o *Order) map[string]any {
	utc := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t.UTC().Format("2006-01-02T15:04:05Z")
	}
	lines := []any{}
	for _, l := range o.Lines {
		lines = append(lines, map[string]any{"id": gid("LineItem", l.ID), "sku": l.SKU, "name": l.Title, "title": l.Title, "quantity": l.Quantity,
			"currentQuantity": l.Current, "unfulfilledQuantity": l.Open, "isGiftCard": false, "requiresShipping": true,
			"product": map[string]any{"id": gid("Product", l.Product)}, "variant": map[string]any{"id": gid("ProductVariant", l.Product+10_000_000_000)}})
	}
	parcels := []any{}
	for _, p := range o.Parcels {
		var arrived any
		display := "FULFILLED"
		if p.Shipment == "delivered" {
			arrived, display = utc(p.Updated), "DELIVERED"
		}
		parcels = append(parcels, map[string]any{"id": gid("Fulfillment", p.ID), "status": strings.ToUpper(p.Status), "displayStatus": display,
			"createdAt": utc(p.Created), "updatedAt": utc(p.Updated), "deliveredAt": arrived})
	}
	refunds := []any{}
	for _, r := range o.Refunds {
		back := []any{}
		for _, l := range r.Lines {
			back = append(back, map[string]any{"quantity": l.Quantity, "lineItem": map[string]any{"id": gid("LineItem", l.Line)}})
		}
		refunds = append(refunds, map[string]any{"id": gid("Refund", r.ID), "createdAt": utc(r.Created), "refundLineItems": back})
	}
	shipped := map[string]string{"": "UNFULFILLED", "partial": "PARTIALLY_FULFILLED", "fulfilled": "FULFILLED"}[o.Shipped]
	consent := "NOT_SUBSCRIBED"
	if o.Consent {
		consent = "SUBSCRIBED"
	}
	tags := []any{}
	if o.Tags != "" {
		for _, t := range strings.Split(o.Tags, ", ") {
			tags = append(tags, t)
		}
	}
	return map[string]any{"id": gid("Order", o.ID), "name": o.Name, "email": orNil(o.Email), "createdAt": utc(o.Created), "updatedAt": utc(o.Updated),
		"cancelledAt": utc(o.Cancelled), "cancelReason": orNil(strings.ToUpper(o.Reason)), "displayFinancialStatus": strings.ToUpper(o.Financial),
		"displayFulfillmentStatus": shipped, "test": o.Test, "tags": tags, "sourceName": "web", "customerLocale": "ko-KR",
		"customer": map[string]any{"id": gid("Customer", o.ID+2_000_000_000_000), "firstName": o.First, "lastName": o.Last,
			"emailMarketingConsent": map[string]any{"marketingState": consent}},
		"lineItems": lines, "fulfillments": parcels, "refunds": refunds}
}

func gid(kind string, id int64) string { return fmt.Sprintf("gid://shopify/%s/%d", kind, id) }

// GID is the order's id in the Admin API.
func (o Order) GID() string { return gid("Order", o.ID) }
