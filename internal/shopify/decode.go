package shopify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"imreport/internal/order"
)

// News is what a webhook says, decoded.
type News struct {
	// Event of one order; nil when the topic is about something else.
	Event *order.Event
	// Privacy is a privacy topic's request.
	Privacy *Privacy
	// Uninstalled: the shop removed the app.
	Uninstalled bool
	// Ask: the order changed in a way that the body does not tell.
	Ask bool
}

// Privacy is a request of a customer or shop under privacy law.
type Privacy struct {
	Kind       order.PrivacyKind
	Email      string
	CustomerID string
	Orders     []string // external ids
}

// Decoding errors: why a signed body is kept aside.
var (
	errUnreadable = errors.New("unreadable")
	errIncomplete = errors.New("incomplete")
	errNoTopic    = errors.New("no topic")
)

// Decode reads the body of a webhook. triggered is the header's text. The
// error says why the body has to be kept aside.
func Decode(topic, triggered string, body []byte) (News, error) {
	if topic == "" {
		if topic = guess(body); topic == "" {
			return News{}, errNoTopic
		}
	}
	fired := nanos(triggered)
	switch topic {
	case "orders/create", "orders/updated", "orders/paid", "orders/fulfilled", "orders/partially_fulfilled", "orders/cancelled":
		var o orderBody
		if err := read(body, &o); err != nil {
			return News{}, err
		}
		if o.ID == "" {
			return News{}, fmt.Errorf("%w: no id", errIncomplete)
		}
		e := o.event(fired)
		return News{Event: &e, Ask: fired == 0}, nil
	case "orders/delete":
		var o struct {
			ID id `json:"id"`
		}
		if err := read(body, &o); err != nil {
			return News{}, err
		}
		if o.ID == "" {
			return News{}, fmt.Errorf("%w: no id", errIncomplete)
		}
		at := time.Unix(0, fired)
		if fired == 0 {
			at = time.UnixMicro(1) // some time ago; that it is gone is what counts
		}
		return News{Event: &order.Event{ExternalID: string(o.ID), DeletedAt: at}}, nil
	case "orders/edited":
		return News{Ask: true}, read(body, &struct{}{})
	case "refunds/create":
		var r refundBody
		if err := read(body, &r); err != nil {
			return News{}, err
		}
		if r.ID == "" || r.OrderID == "" {
			return News{}, fmt.Errorf("%w: no id or order_id", errIncomplete)
		}
		return News{Event: &order.Event{ExternalID: string(r.OrderID), Refunds: []order.Refund{r.refund()}}}, nil
	case "fulfillments/create", "fulfillments/update":
		var f parcelBody
		if err := read(body, &f); err != nil {
			return News{}, err
		}
		if f.ID == "" || f.OrderID == "" {
			return News{}, fmt.Errorf("%w: no id or order_id", errIncomplete)
		}
		return News{Event: &order.Event{ExternalID: string(f.OrderID), Parcels: []order.Parcel{f.parcel(fired)}}}, nil
	case "fulfillment_events/create":
		return decodeParcelEvent(body)
	case "app/uninstalled":
		return News{Uninstalled: true}, read(body, &struct{}{})
	case "customers/data_request", "customers/redact", "shop/redact":
		return decodePrivacy(topic, body)
	}
	return News{}, read(body, &struct{}{}) // not our topic: nothing to do
}

func read(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return fmt.Errorf("%w: not an object", errUnreadable) // null decodes into anything
	}
	return nil
}

// guess finds the topic of a webhook whose header was lost on the way: only an
// order is plain enough.
func guess(body []byte) string {
	var o struct {
		ID        id              `json:"id"`
		LineItems json.RawMessage `json:"line_items"`
	}
	if json.Unmarshal(body, &o) == nil && o.ID != "" && len(o.LineItems) > 0 {
		return "orders/updated"
	}
	return ""
}

func decodeParcelEvent(body []byte) (News, error) {
	var e struct {
		Parcel   id    `json:"fulfillment_id"`
		OrderID  id    `json:"order_id"`
		Status   text  `json:"status"`
		Happened stamp `json:"happened_at"`
		Created  stamp `json:"created_at"`
	}
	if err := read(body, &e); err != nil {
		return News{}, err
	}
	if e.Parcel == "" || e.OrderID == "" {
		return News{}, fmt.Errorf("%w: no fulfillment_id or order_id", errIncomplete)
	}
	if e.Status != delivered {
		return News{}, nil
	}
	at := e.Happened
	if at == 0 {
		at = e.Created
	}
	return News{Event: &order.Event{ExternalID: string(e.OrderID), Parcels: []order.Parcel{{ID: string(e.Parcel), Delivered: int64(at)}}}}, nil
}

func decodePrivacy(topic string, body []byte) (News, error) {
	var p struct {
		Customer struct {
			ID    id   `json:"id"`
			Email text `json:"email"`
		} `json:"customer"`
		Requested []id `json:"orders_requested"`
		Redact    []id `json:"orders_to_redact"`
	}
	if err := read(body, &p); err != nil {
		return News{}, err
	}
	n := &Privacy{Email: order.NormalEmail(string(p.Customer.Email)), CustomerID: string(p.Customer.ID)}
	for _, o := range append(p.Requested, p.Redact...) {
		if o != "" {
			n.Orders = append(n.Orders, string(o))
		}
	}
	switch topic {
	case "customers/data_request":
		n.Kind = order.DataRequest
	case "customers/redact":
		n.Kind = order.RedactCustomer
		if n.Email == "" && len(n.Orders) == 0 && n.CustomerID == "" {
			return News{}, fmt.Errorf("%w: no customer", errIncomplete)
		}
	default:
		n.Kind = order.RedactShop
	}
	return News{Privacy: n}, nil
}

// id is an identifier: a whole number of any length, or text; never a float,
// which loses digits. "gid://shopify/Order/1" is 1.
type id string

// UnmarshalJSON reads it.
func (v *id) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		return nil
	case len(b) > 1 && b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*v = id(bare(s))
	default:
		for _, c := range b {
			if c < '0' || c > '9' {
				return fmt.Errorf("id %s is not a whole number", b)
			}
		}
		*v = id(b)
	}
	if len(*v) > 100 || strings.ContainsAny(string(*v), "\x00") {
		return errors.New("id is too long")
	}
	return nil
}

// bare strips the prefix of a GraphQL id.
func bare(gid string) string {
	if rest, ok := strings.CutPrefix(gid, "gid://shopify/"); ok {
		_, n, _ := strings.Cut(rest, "/")
		n, _, _ = strings.Cut(n, "?")
		return n
	}
	return strings.TrimSpace(gid)
}

// stamp is an instant, _us; null is 0.
type stamp int64

// UnmarshalJSON reads RFC 3339.
func (v *stamp) UnmarshalJSON(b []byte) error {
	if string(b) == "null" || string(b) == `""` {
		return nil
	}
	s, err := strconv.Unquote(string(b))
	if err != nil {
		return fmt.Errorf("time %s", b)
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1971 || t.Year() > 9999 {
		return fmt.Errorf("time %s", b)
	}
	*v = stamp(t.UnixMicro())
	return nil
}

// text is a string that both databases can hold: no NUL, valid UTF-8.
type text string

// UnmarshalJSON reads it; null is empty, a number or a flag its own text.
func (v *text) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '"' {
		if string(b) != "null" && b[0] != '{' && b[0] != '[' {
			*v = text(b)
		}
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*v = text(clean(s, 500))
	return nil
}

// clean takes NULs and what is not UTF-8 out of s, and cuts it to n bytes.
func clean(s string, n int) string {
	s = strings.ReplaceAll(s, "\x00", "")
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

// nanos is when a webhook fired, from its header; 0 when that is missing or no
// time.
func nanos(triggered string) int64 {
	t, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(triggered))
	if err != nil || t.Year() < 1971 || t.Year() > 2261 {
		return 0
	}
	return t.UnixNano()
}
