package order

import (
	"strings"
	"time"

	"imreport/internal/db"
)

// unknownShippingDays is how long a parcel is taken to be under way where a
// file does not say when it left (docs/orders.md).
const unknownShippingDays = 3

// nameMost bounds texts of a file that are kept, bytes.
const nameMost = 500

// builder makes orders of a file's rows.
type builder struct {
	l     *layout
	dates dates
	// unknownStatus are status words that nobody knows, for a notice.
	unknownStatus map[string]bool
}

// build makes an event of the rows of one order, or says what is wrong with
// them: one bad value refuses the order, not the file.
func (b *builder) build(g []fileRow) (e Event, wrong []RowError) {
	first := &g[0]
	bad := func(r *fileRow, f field, code string, args ...string) {
		if len(wrong) < 10 {
			wrong = append(wrong, RowError{Line: r.line, Column: b.l.column(f), Code: code, Args: args})
		}
	}
	// take is the first row that fills a field: continuation rows leave the
	// order's own columns empty, and empty is no value.
	take := func(f field) (string, *fileRow) {
		for i := range g {
			if v := g[i].cell[f]; v != "" {
				return v, &g[i]
			}
		}
		return "", first
	}
	var r *fileRow
	e.ExternalID, r = take(fOrderID)
	if isDamaged(e.ExternalID) {
		bad(r, fOrderID, "id_damaged", shown(e.ExternalID))
	} else if len(e.ExternalID) > 100 || strings.HasPrefix(e.ExternalID, provisionalPrefix) || strings.ContainsAny(e.ExternalID, "\x00\n") {
		bad(r, fOrderID, "id_invalid", shown(e.ExternalID))
	}
	e.Name, r = take(fOrderName)
	e.Name = cut(e.Name)
	if isDamaged(e.Name) {
		bad(r, fOrderName, "id_damaged", shown(e.Name))
	}
	if e.ExternalID == "" && Alias(e.Name) == "" {
		bad(first, fOrderID, "order_id_missing")
	}
	f := &FileRow{Name: e.Name}
	if v, r := take(fOrderedAt); v == "" {
		bad(first, fOrderedAt, "date_missing")
	} else if t, ok := b.dates.parse(v); ok {
		f.Created = db.US(t)
	} else {
		bad(r, fOrderedAt, "date_invalid", shown(v))
	}
	if v, r := take(fFulfilledAt); v != "" {
		if t, ok := b.dates.parse(v); ok {
			f.Fulfilled = db.US(t)
		} else {
			bad(r, fFulfilledAt, "date_invalid", shown(v))
		}
	}
	if v, r := take(fEmail); v != "" {
		if f.Email = NormalEmail(strings.TrimPrefix(v, "mailto:")); !ValidEmail(f.Email) {
			bad(r, fEmail, "email_invalid", shown(v))
		}
	} else if b.l.has(fEmail) {
		bad(first, fEmail, "email_missing")
	}
	f.CustomerName, _ = take(fName)
	if f.CustomerName == "" {
		given, _ := take(fFirstName)
		family, _ := take(fLastName)
		f.CustomerName = strings.TrimSpace(given + " " + family)
	}
	f.CustomerName = cut(f.CustomerName)
	consent, _ := take(fConsent)
	f.Consent = parseConsent(consent)
	back := b.status(f, g, take)
	for i := range g {
		b.line(f, &g[i], back[g[i].line], bad)
	}
	f.Updated = max(f.Created, f.Fulfilled)
	if f.Cancelled != 0 {
		f.Updated = max(f.Updated, f.Cancelled)
	}
	e.File = f
	return e, wrong
}

// status works out where the order stands from all columns that say so. Where
// its rows differ, those that were cancelled or given back are left out of it.
func (b *builder) status(f *FileRow, g []fileRow, take func(field) (string, *fileRow)) (out map[int64]bool) {
	out = map[int64]bool{}
	said := 0
	for i := range g {
		if g[i].cell[fStatus] == "" && g[i].cell[fClaim] == "" {
			continue
		}
		said++
		if b.read(g[i].cell[fClaim]).ended() || b.read(g[i].cell[fStatus]).ended() {
			out[g[i].line] = true
		}
	}
	if len(out) == said { // all of it, or nothing
		clear(out)
	}
	var s standing
	for _, from := range []field{fStatus, fClaim, fFinancial, fFulfillment} {
		v, _ := take(from)
		if len(out) > 0 && (from == fStatus || from == fClaim) {
			v = ""
			for i := range g {
				if !out[g[i].line] && g[i].cell[from] != "" {
					v = g[i].cell[from]
					break
				}
			}
		}
		got := b.read(v)
		s.cancelled = s.cancelled || got.cancelled
		if got.financial != "" && from != fFulfillment {
			s.financial = got.financial
		}
		if got.fulfillment != "" && from != fFinancial {
			s.fulfillment = got.fulfillment
		}
	}
	if v, _ := take(fRefunded); s.financial != RefundedStatus && parseAmount(v) > 0 {
		total, _ := take(fTotal)
		s.financial = PartiallyRefunded
		if t := parseAmount(total); t > 0 && parseAmount(v) >= t {
			s.financial = RefundedStatus
		}
	}
	if v, _ := take(fCancelledAt); v != "" {
		s.cancelled = true
		if t, ok := b.dates.parse(v); ok {
			f.Cancelled = db.US(t)
		}
	}
	if s.cancelled && f.Cancelled == 0 {
		f.Cancelled = max(f.Created, f.Fulfilled)
	}
	if f.Financial = s.financial; f.Financial == "" {
		f.Financial = Paid // past orders; a file that is silent about money tells of paid ones
	}
	f.Fulfillment = s.fulfillment
	silent := !b.l.has(fFulfilledAt) && !b.l.has(fFulfillment)
	switch {
	case f.Fulfilled != 0 && f.Fulfillment == "":
		f.Fulfillment = Fulfilled
	case f.Fulfilled == 0 && (f.Fulfillment == Fulfilled || silent && f.Fulfillment == "" && f.Created != 0 && !b.l.has(fStatus)):
		f.Fulfillment = Fulfilled
		f.Fulfilled = db.US(db.Time(f.Created).Add(unknownShippingDays * 24 * time.Hour))
	}
	return out
}

// read reads a status text and remembers words that nobody knows.
func (b *builder) read(v string) standing {
	s, ok := parseStatus(v)
	if !ok && len(b.unknownStatus) < 20 {
		b.unknownStatus[shown(v)] = true
	}
	return s
}

// ended reports whether nothing of it stays with the customer.
func (s standing) ended() bool { return s.cancelled || s.financial == RefundedStatus }

func (b *builder) line(f *FileRow, r *fileRow, back bool, bad func(*fileRow, field, string, ...string)) {
	l := Line{SKU: cut(r.cell[fProductID]), Title: cut(r.cell[fProduct])}
	n, ok := parseQuantity(r.cell[fQuantity])
	if !ok {
		bad(r, fQuantity, "quantity_invalid", shown(r.cell[fQuantity]))
	}
	l.ProductID, l.Quantity, l.Left, l.Fulfilled = l.SKU, n, n, f.Fulfillment == Fulfilled
	if back {
		l.Left = 0
	}
	if l.Title == "" {
		l.Title = l.SKU
	}
	if l.Title == "" {
		if len(f.Lines) > 0 {
			return // a row that only adds a payment or a note
		}
		bad(r, fProduct, "product_missing")
	}
	f.Lines = append(f.Lines, l)
}

// cut keeps a text of a file in bounds and storable.
func cut(s string) string {
	if len(s) > nameMost {
		s = s[:nameMost]
	}
	if strings.Contains(s, "\x00") {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	return strings.ToValidUTF8(s, "")
}
