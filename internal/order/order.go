// Package order holds the orders of a shop: each exists once, whatever is
// repeated or reordered.
//
// What is known of an order comes in Events: full snapshots by webhook or
// Admin API, rows of files, and facts (a refund, a parcel, a deletion). The
// row keeps the newest snapshot, the newest file row and all facts apart, and
// what people see is computed from the three. Each part only moves forward in
// a total order of its own, so any number of repeats in any sequence ends in
// the same order.
package order

import (
	"context"
	"time"

	"imreport/internal/db"
)

// Source says where the newest word about an order came from.
type Source string

// The sources.
const (
	Webhook Source = "webhook"
	CSV     Source = "csv"
	Admin   Source = "admin_api" // reconciliation
)

// Origin says what brought an event, for those who listen to changes.
type Origin struct {
	Source Source
	// Live: the event is news (a webhook, a repaired gap), or an import that
	// was asked to mail its orders. Without it nobody is mailed.
	Live bool
	// Topic of the webhook; empty otherwise.
	Topic string
	// ImportID of the file; empty otherwise.
	ImportID string
	// MailRate spreads the mails of an import: per second; 0: the shop's.
	MailRate float64
	// At is when the event was received, not when it happened.
	At time.Time
}

// Line is a position of an order.
type Line struct {
	ID               string `json:"id"` // the shop's; empty from files
	ProductID        string `json:"product_id,omitempty"`
	VariantID        string `json:"variant_id,omitempty"`
	SKU              string `json:"sku,omitempty"`
	Title            string `json:"title"`
	Quantity         int    `json:"quantity"`
	Left             int    `json:"left"` // after removals and refunds
	GiftCard         bool   `json:"gift_card,omitempty"`
	RequiresShipping bool   `json:"requires_shipping,omitempty"`
	Fulfilled        bool   `json:"fulfilled,omitempty"`
}

// Reviewable reports whether a customer can be asked about the line.
func (l Line) Reviewable() bool { return l.Left > 0 && !l.GiftCard }

// The values of FinancialStatus and FulfillmentStatus that rules look at; the
// shop's other words are kept as they are.
const (
	Paid              = "paid"
	PartiallyRefunded = "partially_refunded"
	RefundedStatus    = "refunded"
	Voided            = "voided"
	Fulfilled         = "fulfilled"
	Partial           = "partial"
)

// Consent is the customer's word on advertising mail.
type Consent int8

// The consents.
const (
	ConsentUnknown Consent = iota
	ConsentGiven
	ConsentRefused
)

// Order is one order as people see it.
type Order struct {
	ID          string
	ShopID      string
	ExternalID  string // the shop's id, text; "name:#1001" while only its name is known
	Provisional bool   // only a file's order name is known so far
	Name        string // "#1001"
	Email       string // normalised; empty: none
	// CustomerID is the shop's id of the customer; may be empty.
	CustomerID   string
	CustomerName string
	Locale       string // "ko-KR"; may be empty
	Consent      Consent
	Tags         string
	SourceName   string // "web", "pos", …

	FinancialStatus   string // "paid", …; empty: unknown
	FulfillmentStatus string // "fulfilled", "partial"; empty: nothing shipped
	Refunded          bool   // wholly: nothing of it is left with the customer
	Test              bool
	CancelReason      string

	CreatedAt   time.Time // when it was ordered
	UpdatedAt   time.Time // in the shop's words
	CancelledAt time.Time // zero: not cancelled
	FulfilledAt time.Time // when the last parcel left; zero unless wholly fulfilled
	DeliveredAt time.Time // when the last parcel arrived; zero: not known
	DeletedAt   time.Time // tombstone: deleted in the shop; personal data is gone
	ErasedAt    time.Time // tombstone: erased for privacy; personal data is gone

	Source Source
	// Live: some event about it was news, or an import asked to mail it. Past
	// orders from files are not mailed.
	Live bool

	Lines []Line
}

// Gone reports whether the order is a tombstone.
func (o Order) Gone() bool { return !o.DeletedAt.IsZero() || !o.ErasedAt.IsZero() }

// Reviewable are the lines that a customer can be asked about.
func (o Order) Reviewable() []Line {
	var out []Line
	for _, l := range o.Lines {
		if l.Reviewable() {
			out = append(out, l)
		}
	}
	return out
}

// Listener is told of every order that changed, inside the transaction that
// changed it. before is nil for an order that is new. An error undoes the
// change; the event comes again later.
type Listener func(ctx context.Context, tx *db.Tx, before *Order, after Order, origin Origin) error

// Filter picks orders for List.
type Filter struct {
	Search string // part of the name or the address
	Status string // a FinancialStatus, a FulfillmentStatus, or "cancelled"
	Source Source
	Gone   bool // tombstones too
}
