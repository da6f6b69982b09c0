package order

import "time"

// Event is a piece of news about one order. Which parts it carries depends on
// what brought it.
type Event struct {
	ShopID     string
	ExternalID string // empty only for a file that knows no more than Name
	Name       string // "#1001"; may be empty
	Origin     Origin

	Snapshot  *Snapshot // the whole order, from a webhook or the Admin API
	File      *FileRow  // the whole order, from a file
	Refunds   []Refund  // facts: they add up
	Parcels   []Parcel
	DeletedAt time.Time // the shop deleted the order
}

// Snapshot is an order as the shop described it at one moment. The newest one
// by (Updated, Triggered) counts.
type Snapshot struct {
	Updated      int64   `json:"u"`           // updated_at, _us; the shop's has whole seconds
	Triggered    int64   `json:"t,omitempty"` // when the webhook fired, nanoseconds since 1970; 0: not told
	Created      int64   `json:"c"`           // _us
	Cancelled    int64   `json:"x,omitempty"` // _us
	CancelReason string  `json:"xr,omitempty"`
	Name         string  `json:"n,omitempty"`
	Email        string  `json:"m,omitempty"`
	CustomerID   string  `json:"ci,omitempty"`
	CustomerName string  `json:"cn,omitempty"`
	Locale       string  `json:"lo,omitempty"`
	Consent      Consent `json:"co,omitempty"`
	Tags         string  `json:"tg,omitempty"`
	SourceName   string  `json:"sn,omitempty"`
	Financial    string  `json:"fi,omitempty"`
	Fulfillment  string  `json:"fu,omitempty"`
	Test         bool    `json:"te,omitempty"`
	Lines        []Line  `json:"li,omitempty"`
}

// FileRow is an order as a file described it. It never covers a Snapshot that
// is as new.
type FileRow struct {
	Updated      int64   `json:"u"` // the later of Created and Fulfilled, _us
	Created      int64   `json:"c"`
	Fulfilled    int64   `json:"fa,omitempty"`
	Cancelled    int64   `json:"x,omitempty"` // _us; Updated where the file has no time
	Name         string  `json:"n,omitempty"`
	Email        string  `json:"m,omitempty"`
	CustomerName string  `json:"cn,omitempty"`
	Consent      Consent `json:"co,omitempty"`
	Financial    string  `json:"fi,omitempty"`
	Fulfillment  string  `json:"fu,omitempty"`
	Lines        []Line  `json:"li,omitempty"`
}

// Refund is money or goods going back. Refunds are told once and never
// change.
type Refund struct {
	ID    string       `json:"i"`
	Lines []RefundLine `json:"l,omitempty"`
}

// RefundLine is how many of a line went back.
type RefundLine struct {
	LineID   string `json:"i"`
	Quantity int    `json:"q"`
}

// Parcel is a fulfilment. The newest word by (Updated, Triggered) counts; that
// it was delivered once told is never taken back.
type Parcel struct {
	ID        string `json:"i"`
	Status    string `json:"s,omitempty"` // "success", "cancelled", …
	Created   int64  `json:"c,omitempty"` // _us
	Updated   int64  `json:"u,omitempty"`
	Triggered int64  `json:"t,omitempty"` // ns
	Delivered int64  `json:"d,omitempty"` // _us; the earliest told
}

// Outcome is what became of an event.
type Outcome int8

// The outcomes.
const (
	Unchanged Outcome = iota
	Added
	Updated
	// Refused: an erased or deleted order, or a name that two orders share.
	Refused
)

// Result is what Apply did with one event.
type Result struct {
	Outcome Outcome
	Code    string // why it was refused: "order_deleted", "order_erased", "name_ambiguous"
	Order   Order  // as it is now
}
