package shopapi

import (
	"context"
	"time"

	"imreport/internal/order"
	"imreport/internal/review"
	"imreport/internal/web/rest"
)

type privacyDoc struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind" enum:"data_request,redact_customer,redact_shop"`
	Email      string     `json:"email"`
	CustomerID string     `json:"customer_id"`
	Orders     []string   `json:"orders"`
	ReceivedAt time.Time  `json:"received_at"`
	DueAt      time.Time  `json:"due_at"`
	DoneAt     *time.Time `json:"done_at"`
}

type personBody struct {
	Email  string      `json:"email"`
	Orders []rest.Text `json:"orders"`
}

type erasedDoc struct {
	Orders int `json:"orders"`
}

// exportDoc is all that is kept of one customer.
type exportDoc struct {
	Email      string       `json:"email"`
	Suppressed *string      `json:"suppressed"`
	Orders     []orderDoc   `json:"orders"`
	Messages   []messageDoc `json:"messages"`
	Reviews    []reviewDoc  `json:"reviews"`
	At         time.Time    `json:"at"`
}

func (a *API) privacyCalls() []rest.Operation {
	const tag = "shop-privacy"
	return []rest.Operation{
		rest.Op("GET", "/shop/privacy/requests", "listPrivacyRequests", tag, 200, a.privacyAccess(""), a.listPrivacy).With(rest.Paging...),
		rest.Op("POST", "/shop/privacy/requests/{id}/done", "endPrivacyRequest", tag, 204, a.privacyAccess("privacy.done"), a.endPrivacy),
		rest.Op("POST", "/shop/privacy/export", "exportCustomer", tag, 200, a.privacyAccess("privacy.export"), a.export),
		rest.Op("POST", "/shop/privacy/erase", "eraseCustomer", tag, 200, a.privacyAccess("privacy.erase"), a.erase),
	}
}

func (a *API) listPrivacy(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[privacyDoc], error) {
	return rest.List(c, func(cursor string, limit int) ([]order.PrivacyRequest, error) {
		return a.d.Orders.PrivacyRequests(ctx, theShop(ctx).ID, cursor, limit)
	}, func(p order.PrivacyRequest) string { return p.ID }, func(p order.PrivacyRequest) privacyDoc {
		return privacyDoc{ID: p.ID, Kind: string(p.Kind), Email: p.Email, CustomerID: p.CustomerID, Orders: append([]string{}, p.Orders...),
			ReceivedAt: p.ReceivedAt, DueAt: p.ReceivedAt.Add(order.PrivacyWithin), DoneAt: instant(p.DoneAt)}
	})
}

func (a *API) endPrivacy(ctx context.Context, c *rest.Call, _ *rest.None) (rest.None, error) {
	c.Subject(c.ID(), "")
	return rest.None{}, a.d.Orders.EndPrivacyRequest(ctx, theShop(ctx).ID, c.ID(), a.site.Now())
}

func (a *API) export(ctx context.Context, c *rest.Call, b *personBody) (exportDoc, error) {
	id := theShop(ctx).ID
	orders, err := a.d.Orders.Export(ctx, id, b.Email)
	if err != nil {
		return exportDoc{}, err
	}
	x, err := a.d.Reviews.Export(ctx, id, b.Email, ids(orders))
	if err != nil {
		return exportDoc{}, err
	}
	d := exportDoc{Email: b.Email, Suppressed: text(x.Suppressed), Orders: []orderDoc{}, Messages: []messageDoc{}, Reviews: []reviewDoc{}, At: a.site.Now()}
	for _, o := range orders {
		d.Orders = append(d.Orders, orderOf(c, o))
	}
	for _, m := range x.Messages {
		d.Messages = append(d.Messages, messageOf(c.Lang, m))
	}
	for _, v := range x.Reviews {
		d.Reviews = append(d.Reviews, a.reviewOf(c, v))
	}
	c.Subject(id, review.Mask(b.Email))
	return d, nil
}

func ids(orders []order.Order) []string {
	out := make([]string, len(orders))
	for i, o := range orders {
		out[i] = o.ID
	}
	return out
}

func (a *API) erase(ctx context.Context, c *rest.Call, b *personBody) (erasedDoc, error) {
	r := order.EraseRequest{Email: b.Email}
	for _, id := range b.Orders {
		r.ExternalIDs = append(r.ExternalIDs, string(id))
	}
	done, err := a.d.Orders.Erase(ctx, theShop(ctx).ID, r, a.site.Now())
	if err != nil {
		return erasedDoc{}, err
	}
	c.Subject(theShop(ctx).ID, "") // the log does not keep whose
	return erasedDoc{Orders: len(done)}, nil
}
