package order

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"imreport/internal/db"
)

// parts is all that is known of an order, as stored. Every field only moves
// forward in an order of its own, so that the sequence of events is nothing
// to it: the newest snapshot, the newest file row, facts that add up, marks
// that stay.
type parts struct {
	Names    []string  `json:"n,omitempty"` // aliases that lead here
	Snapshot *Snapshot `json:"s,omitempty"`
	File     *FileRow  `json:"f,omitempty"`
	Refunds  []Refund  `json:"r,omitempty"` // by id
	Parcels  []Parcel  `json:"p,omitempty"` // by id
	// Shipped is the earliest snapshot that said "fulfilled", _us: the
	// clock's start where no parcel tells.
	Shipped int64 `json:"sh,omitempty"`
	Deleted int64 `json:"d,omitempty"` // _us
	Erased  int64 `json:"e,omitempty"` // _us
	Live    bool  `json:"l,omitempty"`
}

// take adds an event. A tombstone keeps only its marks: a late retry does not
// bring a person back.
func (p *parts) take(e Event) {
	if at := db.US(e.DeletedAt); at != 0 && (p.Deleted == 0 || at < p.Deleted) {
		p.Deleted = at
	}
	if p.Deleted != 0 || p.Erased != 0 {
		p.bury()
		return
	}
	p.Live = p.Live || e.Origin.Live
	if s := e.Snapshot; s != nil {
		if s.Fulfillment == Fulfilled && (p.Shipped == 0 || s.Updated < p.Shipped) {
			p.Shipped = s.Updated
		}
		if p.Snapshot == nil || newer(s, p.Snapshot) {
			p.Snapshot = s
		}
	}
	if f := e.File; f != nil && (p.File == nil || f.over(p.File)) {
		p.File = f
	}
	for _, r := range e.Refunds {
		i, found := slices.BinarySearchFunc(p.Refunds, r.ID, func(r Refund, id string) int { return strings.Compare(r.ID, id) })
		if !found {
			p.Refunds = slices.Insert(slices.Clone(p.Refunds), i, r)
		}
	}
	for _, n := range e.Parcels {
		i, found := slices.BinarySearchFunc(p.Parcels, n.ID, func(r Parcel, id string) int { return strings.Compare(r.ID, id) })
		p.Parcels = slices.Clone(p.Parcels)
		if found {
			p.Parcels[i] = p.Parcels[i].merge(n)
		} else {
			p.Parcels = slices.Insert(p.Parcels, i, n)
		}
	}
}

// bury drops all that says something about a person.
func (p *parts) bury() { *p = parts{Names: p.Names, Deleted: p.Deleted, Erased: p.Erased} }

// newer reports whether a is to be believed over b. Two snapshots of one
// moment that differ are told apart by their content, so that every sequence
// of arrival ends alike.
func newer(a, b *Snapshot) bool {
	c := cmp.Or(cmp.Compare(a.Updated, b.Updated), cmp.Compare(a.Triggered, b.Triggered))
	if c == 0 {
		c = bytes.Compare(asJSON(a), asJSON(b))
	}
	return c > 0
}

// over reports whether the file row f replaces g. At equal times the later
// import counts, except that it cannot take a cancellation or a refund back.
func (f *FileRow) over(g *FileRow) bool {
	if f.Updated != g.Updated {
		return f.Updated > g.Updated
	}
	return f.ended() || !g.ended()
}

func (f *FileRow) ended() bool { return f.Cancelled != 0 || f.Financial == RefundedStatus }

func (a Parcel) merge(b Parcel) Parcel {
	early := a.Delivered
	if early == 0 || b.Delivered != 0 && b.Delivered < early {
		early = b.Delivered
	}
	c := cmp.Or(cmp.Compare(b.Updated, a.Updated), cmp.Compare(b.Triggered, a.Triggered), strings.Compare(b.Status, a.Status),
		cmp.Compare(b.Created, a.Created))
	if c > 0 {
		a = b
	}
	a.Delivered = early
	return a
}

func asJSON(v any) []byte {
	b, _ := json.Marshal(v) // plain structs always marshal
	return b
}

// known reports whether the row says anything to people yet: a refund may come
// before its order.
func (p *parts) known() bool {
	return p.Snapshot != nil || p.File != nil || p.Deleted != 0 || p.Erased != 0
}

// provisionalPrefix begins the external id of an order that only a file's
// order name stands for.
const provisionalPrefix = "name:"

// order is what people see of the row.
func (w row) order() Order {
	o := Order{ID: w.id, ShopID: w.shopID, ExternalID: w.externalID, Provisional: strings.HasPrefix(w.externalID, provisionalPrefix),
		DeletedAt: db.Time(w.parts.Deleted), ErasedAt: db.Time(w.parts.Erased), Live: w.parts.Live}
	if o.Gone() {
		o.UpdatedAt = db.Time(max(w.parts.Deleted, w.parts.Erased))
		o.Source = Webhook
		return o
	}
	if f := w.parts.File; f != nil {
		o.fromFile(f)
	}
	if s := w.parts.Snapshot; s != nil {
		file := o
		o.fromSnapshot(s, &w.parts)
		if f := w.parts.File; f != nil {
			o.blend(file, f.Updated > s.Updated)
		}
	}
	o.Refunded = o.FinancialStatus == RefundedStatus || len(o.Lines) > 0 && len(w.parts.Refunds) > 0 &&
		!slices.ContainsFunc(o.Lines, func(l Line) bool { return l.Left > 0 })
	return o
}

func (o *Order) fromFile(f *FileRow) {
	o.Source, o.Name, o.Email, o.CustomerName, o.Consent = CSV, f.Name, f.Email, f.CustomerName, f.Consent
	o.FinancialStatus, o.FulfillmentStatus = f.Financial, f.Fulfillment
	o.CreatedAt, o.UpdatedAt, o.CancelledAt = db.Time(f.Created), db.Time(f.Updated), db.Time(f.Cancelled)
	o.FulfilledAt, o.Lines = db.Time(f.Fulfilled), f.Lines
}

func (o *Order) fromSnapshot(s *Snapshot, p *parts) {
	id, shopID, external, provisional, live := o.ID, o.ShopID, o.ExternalID, o.Provisional, o.Live
	*o = Order{ID: id, ShopID: shopID, ExternalID: external, Provisional: provisional, Live: live, Source: Webhook,
		Name: s.Name, Email: s.Email, CustomerID: s.CustomerID, CustomerName: s.CustomerName, Locale: s.Locale, Consent: s.Consent,
		Tags: s.Tags, SourceName: s.SourceName, FinancialStatus: s.Financial, FulfillmentStatus: s.Fulfillment, Test: s.Test,
		CancelReason: s.CancelReason, CreatedAt: db.Time(s.Created), UpdatedAt: db.Time(s.Updated), CancelledAt: db.Time(s.Cancelled)}
	back := map[string]int{}
	for _, r := range p.Refunds {
		for _, l := range r.Lines {
			back[l.LineID] += l.Quantity
		}
	}
	o.Lines = slices.Clone(s.Lines)
	for i := range o.Lines {
		l := &o.Lines[i]
		l.Left = max(0, min(l.Left, l.Quantity-back[l.ID]))
	}
	if s.Fulfillment == Fulfilled {
		o.FulfilledAt, o.DeliveredAt = p.shipped()
	}
}

// shipped is when the last good parcel left and, if all have arrived, when the
// last did.
func (p *parts) shipped() (left, arrived time.Time) {
	var out, in int64
	all := true
	for _, c := range p.Parcels {
		if c.Status != parcelSuccess {
			continue
		}
		out, in = max(out, c.Created), max(in, c.Delivered)
		all = all && c.Delivered != 0
	}
	if out == 0 {
		out = p.Shipped
	}
	if !all {
		in = 0
	}
	return db.Time(out), db.Time(in)
}

// parcelSuccess is the status of a fulfilment that happened.
const parcelSuccess = "success"

// blend fills what the shop's snapshot does not say from the file. A file that
// is newer than the snapshot also tells of later steps; it never undoes one.
func (o *Order) blend(file Order, newer bool) {
	o.Email = cmp.Or(o.Email, file.Email)
	o.CustomerName = cmp.Or(o.CustomerName, file.CustomerName)
	o.Consent = cmp.Or(o.Consent, file.Consent)
	if len(o.Lines) == 0 {
		o.Lines = file.Lines
	}
	if !newer {
		return
	}
	if o.CancelledAt.IsZero() {
		o.CancelledAt = file.CancelledAt
	}
	if file.FulfillmentStatus == Fulfilled && o.FulfillmentStatus != Fulfilled {
		o.FulfillmentStatus, o.FulfilledAt = Fulfilled, file.FulfilledAt
	}
	if file.FinancialStatus == RefundedStatus || file.FinancialStatus == Paid && o.FinancialStatus != RefundedStatus && o.FinancialStatus != PartiallyRefunded {
		o.FinancialStatus = file.FinancialStatus
	}
	o.UpdatedAt = file.UpdatedAt
}
