package shopify

import (
	"cmp"
	"strings"

	"imreport/internal/order"
)

// delivered is the shipment status of a parcel that has arrived.
const delivered = "delivered"

// orderBody is an order as webhooks carry it; what is not used is not read.
type orderBody struct {
	ID           id           `json:"id"`
	Name         text         `json:"name"`
	Email        text         `json:"email"`
	ContactEmail text         `json:"contact_email"`
	Created      stamp        `json:"created_at"`
	Processed    stamp        `json:"processed_at"`
	Updated      stamp        `json:"updated_at"`
	Cancelled    stamp        `json:"cancelled_at"`
	CancelReason text         `json:"cancel_reason"`
	Financial    text         `json:"financial_status"`
	Fulfillment  text         `json:"fulfillment_status"`
	Test         flag         `json:"test"`
	Marketing    flag         `json:"buyer_accepts_marketing"`
	Locale       text         `json:"customer_locale"`
	Tags         text         `json:"tags"`
	SourceName   text         `json:"source_name"`
	Customer     customerBody `json:"customer"`
	Billing      addressBody  `json:"billing_address"`
	Shipping     addressBody  `json:"shipping_address"`
	Lines        []lineBody   `json:"line_items"`
	Parcels      []parcelBody `json:"fulfillments"`
	Refunds      []refundBody `json:"refunds"`
}

type customerBody struct {
	ID      id   `json:"id"`
	Email   text `json:"email"`
	First   text `json:"first_name"`
	Last    text `json:"last_name"`
	Consent struct {
		State text `json:"state"`
	} `json:"email_marketing_consent"`
}

type addressBody struct {
	Name  text `json:"name"`
	First text `json:"first_name"`
	Last  text `json:"last_name"`
}

type lineBody struct {
	ID          id   `json:"id"`
	ProductID   id   `json:"product_id"`
	VariantID   id   `json:"variant_id"`
	SKU         text `json:"sku"`
	Title       text `json:"title"`
	Name        text `json:"name"`
	Quantity    int  `json:"quantity"`
	Current     *int `json:"current_quantity"`
	Fulfillment text `json:"fulfillment_status"`
	GiftCard    flag `json:"gift_card"`
	Shipping    flag `json:"requires_shipping"`
}

type parcelBody struct {
	ID       id    `json:"id"`
	OrderID  id    `json:"order_id"`
	Status   text  `json:"status"`
	Shipment text  `json:"shipment_status"`
	Created  stamp `json:"created_at"`
	Updated  stamp `json:"updated_at"`
}

type refundBody struct {
	ID      id `json:"id"`
	OrderID id `json:"order_id"`
	Lines   []struct {
		LineID   id  `json:"line_item_id"`
		Quantity int `json:"quantity"`
	} `json:"refund_line_items"`
}

// flag is a boolean; null is false.
type flag bool

// UnmarshalJSON reads true, false, null and their texts.
func (v *flag) UnmarshalJSON(b []byte) error {
	*v = flag(strings.Trim(string(b), `"`) == "true")
	return nil
}

func (o orderBody) event(fired int64) order.Event {
	s := &order.Snapshot{Updated: int64(o.Updated), Triggered: fired, Created: int64(cmp.Or(o.Created, o.Processed)),
		Cancelled: int64(o.Cancelled), CancelReason: string(o.CancelReason), Name: string(o.Name),
		Email:      order.NormalEmail(string(cmp.Or(o.ContactEmail, o.Email, o.Customer.Email))),
		CustomerID: string(o.Customer.ID), CustomerName: o.customerName(), Locale: string(o.Locale), Consent: o.consent(),
		Tags: string(o.Tags), SourceName: string(o.SourceName), Financial: string(o.Financial), Fulfillment: string(o.Fulfillment), Test: bool(o.Test)}
	if s.Updated == 0 {
		s.Updated = max(fired/1000/1e6*1e6, s.Created) // whole seconds, as the shop counts
	}
	for _, l := range o.Lines {
		s.Lines = append(s.Lines, l.line())
	}
	e := order.Event{ExternalID: string(o.ID), Name: s.Name, Snapshot: s}
	for _, p := range o.Parcels {
		if p.ID != "" {
			e.Parcels = append(e.Parcels, p.parcel(fired))
		}
	}
	for _, r := range o.Refunds {
		if r.ID != "" {
			e.Refunds = append(e.Refunds, r.refund())
		}
	}
	return e
}

// customerName is a name to greet by; Korean names are written family first
// and together.
func (o orderBody) customerName() string {
	for _, n := range [][2]text{{o.Customer.First, o.Customer.Last}, {o.Billing.First, o.Billing.Last}, {o.Shipping.First, o.Shipping.Last}} {
		if n := fullName(string(n[0]), string(n[1])); n != "" {
			return n
		}
	}
	return string(cmp.Or(o.Billing.Name, o.Shipping.Name))
}

func fullName(first, last string) string {
	first, last = strings.TrimSpace(first), strings.TrimSpace(last)
	if hangul(first) && hangul(last) {
		return last + first
	}
	return strings.TrimSpace(first + " " + last)
}

func hangul(s string) bool {
	for _, r := range s {
		if r < '가' || r > '힣' {
			return false
		}
	}
	return s != ""
}

func (o orderBody) consent() order.Consent {
	switch o.Customer.Consent.State {
	case "subscribed":
		return order.ConsentGiven
	case "unsubscribed", "redacted":
		return order.ConsentRefused
	case "not_subscribed", "pending", "invalid":
		return order.ConsentUnknown
	}
	if o.Marketing {
		return order.ConsentGiven
	}
	return order.ConsentUnknown
}

func (l lineBody) line() order.Line {
	out := order.Line{ID: string(l.ID), ProductID: string(l.ProductID), VariantID: string(l.VariantID), SKU: string(l.SKU),
		Title: string(cmp.Or(l.Name, l.Title)), Quantity: l.Quantity, Left: l.Quantity, GiftCard: bool(l.GiftCard),
		RequiresShipping: bool(l.Shipping), Fulfilled: l.Fulfillment == order.Fulfilled}
	if l.Current != nil {
		out.Left = *l.Current
	}
	return out
}

func (p parcelBody) parcel(fired int64) order.Parcel {
	out := order.Parcel{ID: string(p.ID), Status: string(p.Status), Created: int64(p.Created), Updated: int64(p.Updated), Triggered: fired}
	if p.Shipment == delivered {
		out.Delivered = int64(cmp.Or(p.Updated, p.Created))
	}
	return out
}

func (r refundBody) refund() order.Refund {
	out := order.Refund{ID: string(r.ID)}
	for _, l := range r.Lines {
		if l.LineID != "" {
			out.Lines = append(out.Lines, order.RefundLine{LineID: string(l.LineID), Quantity: l.Quantity})
		}
	}
	return out
}
