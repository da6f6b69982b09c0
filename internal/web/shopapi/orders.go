package shopapi

import (
	"context"
	"time"

	"imreport/internal/order"
	"imreport/internal/review"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

type orderDoc struct {
	ID                string         `json:"id"`
	ExternalID        string         `json:"external_id"`
	Provisional       bool           `json:"provisional"`
	Name              string         `json:"name"`
	Email             string         `json:"email"`
	CustomerName      string         `json:"customer_name"`
	FinancialStatus   *string        `json:"financial_status"`
	FulfillmentStatus *string        `json:"fulfillment_status"`
	Refunded          bool           `json:"refunded"`
	Test              bool           `json:"test"`
	CancelledAt       *time.Time     `json:"cancelled_at"`
	FulfilledAt       *time.Time     `json:"fulfilled_at"`
	DeliveredAt       *time.Time     `json:"delivered_at"`
	DeletedAt         *time.Time     `json:"deleted_at"`
	ErasedAt          *time.Time     `json:"erased_at"`
	CreatedAt         *time.Time     `json:"created_at"`
	UpdatedAt         *time.Time     `json:"updated_at"`
	Source            string         `json:"source" enum:"webhook,csv,admin_api"`
	Lines             []orderLineDoc `json:"lines"`
}

type orderLineDoc struct {
	ID        string `json:"id"`
	ProductID string `json:"product_id"`
	SKU       string `json:"sku"`
	Title     string `json:"title"`
	Quantity  int    `json:"quantity"`
	Left      int    `json:"left"`
}

// orderDetailDoc is an order with where its request stands.
type orderDetailDoc struct {
	orderDoc
	Messages []messageDoc `json:"messages"`
	// Blocked is why it would not be asked about by itself; null: it would be.
	Blocked *reasonDoc `json:"blocked"`
}

func (a *API) orderCalls() []rest.Operation {
	const tag = "shop-orders"
	return []rest.Operation{
		rest.Op("GET", "/shop/orders", "listOrders", tag, 200, a.reads(), a.listOrders).With(rest.Paging...).With(
			rest.Param{Name: "q", Type: "string"}, rest.Param{Name: "status", Type: "string"}, rest.Param{Name: "source", Type: "string"}),
		rest.Op("GET", "/shop/orders/{id}", "getOrder", tag, 200, a.reads(), a.getOrder),
		rest.Op("POST", "/shop/orders/{id}/ask", "askOrder", tag, 202, a.does("message.ask"), a.askOrder).
			Fails(409, "message_not_eligible", "message_sent"),
	}
}

// mayRead reports whether the caller sees customers' addresses and names.
func mayRead(c *rest.Call) bool { return c.Actor.Role.AtLeast(workspace.Editor) }

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func orderOf(c *rest.Call, o order.Order) orderDoc {
	d := orderDoc{
		ID: o.ID, ExternalID: o.ExternalID, Provisional: o.Provisional, Name: o.Name, Email: o.Email, CustomerName: o.CustomerName,
		FinancialStatus: text(o.FinancialStatus), FulfillmentStatus: text(o.FulfillmentStatus), Refunded: o.Refunded, Test: o.Test,
		CancelledAt: instant(o.CancelledAt), FulfilledAt: instant(o.FulfilledAt), DeliveredAt: instant(o.DeliveredAt), DeletedAt: instant(o.DeletedAt),
		ErasedAt: instant(o.ErasedAt), CreatedAt: instant(o.CreatedAt), UpdatedAt: instant(o.UpdatedAt), Source: string(o.Source), Lines: []orderLineDoc{},
	}
	if !mayRead(c) {
		d.Email, d.CustomerName = review.Mask(o.Email), review.Author(o.CustomerName)
	}
	for _, l := range o.Lines {
		d.Lines = append(d.Lines, orderLineDoc{ID: l.ID, ProductID: l.ProductID, SKU: l.SKU, Title: l.Title, Quantity: l.Quantity, Left: l.Left})
	}
	return d
}

func (a *API) listOrders(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[orderDoc], error) {
	f := order.Filter{Search: c.Query("q"), Status: c.Query("status"), Source: order.Source(c.Query("source"))}
	// A cursor of this list is its own text; rest's is wrapped around it.
	return listBy(c, func(cursor string, limit int) ([]order.Order, string, error) {
		return a.d.Orders.List(ctx, theShop(ctx).ID, f, cursor, limit)
	}, func(o order.Order) orderDoc { return orderOf(c, o) })
}

func (a *API) getOrder(ctx context.Context, c *rest.Call, _ *rest.None) (orderDetailDoc, error) {
	o, err := a.d.Orders.Get(ctx, theShop(ctx).ID, c.ID())
	if err != nil {
		return orderDetailDoc{}, err
	}
	st, err := a.d.Reviews.Of(ctx, o)
	if err != nil {
		return orderDetailDoc{}, err
	}
	d := orderDetailDoc{orderDoc: orderOf(c, o), Messages: []messageDoc{}, Blocked: reasonOf(c.Lang, st.Verdict.Reason, st.Verdict.Args)}
	for _, m := range st.Messages {
		d.Messages = append(d.Messages, messageOf(c.Lang, m))
	}
	return d, nil
}

func (a *API) askOrder(ctx context.Context, c *rest.Call, _ *rest.None) (messageDoc, error) {
	o, err := a.d.Orders.Get(ctx, theShop(ctx).ID, c.ID())
	if err != nil {
		return messageDoc{}, err
	}
	m, err := a.d.Reviews.Ask(ctx, theShop(ctx).ID, o.ID, actor(c))
	if err != nil {
		return messageDoc{}, worded(c.Lang, err)
	}
	c.Subject(m.ID, o.Name)
	return messageOf(c.Lang, m), nil
}

// listBy is rest.List for lists that say themselves where the next page
// begins.
func listBy[D, T any](c *rest.Call, fetch func(cursor string, limit int) ([]D, string, error), show func(D) T) (rest.Page[T], error) {
	limit, err := c.Limit()
	if err != nil {
		return rest.Page[T]{}, err
	}
	cursor := c.Query("cursor")
	all, next, err := fetch(cursor, limit)
	if err != nil {
		return rest.Page[T]{}, err
	}
	p := rest.Page[T]{Items: make([]T, 0, len(all))}
	for _, d := range all {
		p.Items = append(p.Items, show(d))
	}
	if next != "" {
		p.NextCursor = &next
	}
	return p, nil
}
