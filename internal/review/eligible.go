package review

import (
	"net/mail"
	"slices"
	"strings"
	"time"

	"imreport/internal/order"
)

// Facts are what eligibility depends on.
type Facts struct {
	Order order.Order
	// SuppressedBy is why the address gets no mail; empty: it may.
	SuppressedBy string
	Reviewed     bool // the order's review is written
	// Asked: an import (1) or a person (2) asked for the mail.
	Asked int
	Kind  Kind
	// Requested: the order's request was sent; a reminder needs that.
	Requested bool

	MaxAge      time.Duration // older orders are not mailed by themselves
	Uninstalled bool
	Ad          bool // the mail is advertising: it needs consent
	OptOutTag   string
	// Judged is the instant that the order's age is measured at.
	Judged time.Time
}

// Verdict is whether an order's customer may be asked.
type Verdict struct {
	OK     bool
	Reason Reason
	Args   []string
	// Waits: the order is on its way and nothing is wrong with it. Nobody is
	// told of it as skipped.
	Waits bool
}

func no(r Reason, args ...string) Verdict { return Verdict{Reason: r, Args: args} }

func notYet(r Reason) Verdict { return Verdict{Reason: r, Waits: true} }

// Judge says whether the customer of an order may be asked. It is a function
// of its argument alone. The first reason that holds is the one that is told:
// what cannot be mended stands before what can.
func Judge(f Facts) Verdict {
	o := f.Order
	switch {
	case !o.ErasedAt.IsZero():
		return no(OrderErased)
	case !o.DeletedAt.IsZero():
		return no(OrderDeleted)
	case f.Uninstalled:
		return no(Uninstalled)
	case o.Test:
		return no(TestOrder)
	case !o.CancelledAt.IsZero():
		return no(OrderCancelled)
	case o.Refunded || o.FinancialStatus == order.RefundedStatus || o.FinancialStatus == order.Voided:
		return no(OrderRefunded)
	case f.Reviewed:
		return no(AlreadyReviewed)
	}
	if v := shipped(o); v.Reason != "" {
		return v
	}
	switch {
	case !o.Live && f.Asked == 0:
		return Verdict{Reason: PastOrder, Waits: true}
	case len(o.Lines) > 0 && len(o.Reviewable()) == 0:
		return no(NoReviewableLine)
	case f.OptOutTag != "" && hasTag(o.Tags, f.OptOutTag):
		return no(OptedOut, f.OptOutTag)
	case o.Email == "":
		return no(NoEmail)
	case !validAddress(o.Email):
		return no(BadEmail)
	case f.SuppressedBy != "":
		return no(Suppressed, f.SuppressedBy)
	case f.Ad && o.Consent != order.ConsentGiven:
		return no(NoConsent)
	case f.Asked == 0 && f.MaxAge > 0 && f.Judged.Sub(o.CreatedAt) > f.MaxAge:
		return no(TooOld, days(f.MaxAge))
	case f.Kind == Reminder && !f.Requested:
		return no(RequestNotSent)
	}
	return Verdict{OK: true}
}

// shipped says whether the order is paid and wholly on its way. What a file
// does not say is taken to be so: files hold past orders.
func shipped(o order.Order) Verdict {
	file := o.Source == order.CSV
	switch {
	case o.FinancialStatus == order.Paid || o.FinancialStatus == order.PartiallyRefunded:
	case file && o.FinancialStatus == "":
	default:
		return notYet(NotPaid)
	}
	switch {
	case o.FulfillmentStatus == order.Fulfilled:
	case file && o.FulfillmentStatus == "":
	case o.FulfillmentStatus == order.Partial:
		return notYet(PartlyFulfilled)
	default:
		return notYet(NotFulfilled)
	}
	return Verdict{}
}

func hasTag(tags, want string) bool {
	return slices.ContainsFunc(strings.Split(tags, ","), func(t string) bool {
		return strings.EqualFold(strings.TrimSpace(t), want)
	})
}

// validAddress reports whether a mail can be sent to a: the form, not whether
// somebody reads it.
func validAddress(a string) bool {
	if len(a) > 254 || strings.ContainsAny(a, "<>()\",;: \t\r\n") {
		return false
	}
	p, err := mail.ParseAddress(a)
	if err != nil || p.Address != a {
		return false
	}
	_, domain, _ := strings.Cut(a, "@")
	return strings.Contains(domain, ".")
}

// clock is when an order's clock starts: it arrived, or else it left, or else
// (a file that says neither) it was made.
func clock(o order.Order) time.Time {
	switch {
	case !o.DeliveredAt.IsZero():
		return o.DeliveredAt
	case !o.FulfilledAt.IsZero():
		return o.FulfilledAt
	}
	return o.CreatedAt
}
