package shopify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"imreport/internal/db"
	"imreport/internal/order"
	"imreport/internal/shop"
)

const (
	// reconcileTick is how often a process looks for shops that are due.
	reconcileTick = 5 * time.Second
	// overlap is how far back each look goes over what is known: deliveries
	// may be late, and clocks differ (docs/orders.md).
	overlap = 30 * time.Minute
	// lookBack is as far as the API shows orders without read_all_orders.
	lookBack       = 60 * 24 * time.Hour
	reconcileLease = 10 * time.Minute
	retryAfter     = 5 * time.Minute
	deadTokenAfter = time.Hour
	shopsAtOnce    = 8
	subscribeEvery = time.Hour
	pageOrders     = 10 // with lines, parcels and refunds: some 800 points of at most 1,000
)

// ReconcileDue asks about every shop whose turn it is.
func (s *Service) ReconcileDue(ctx context.Context) error {
	shops, err := s.shops.ClaimReconcile(ctx, s.o.Now(), reconcileLease, shopsAtOnce)
	if err != nil {
		return err
	}
	var g errgroup.Group
	for _, sh := range shops {
		g.Go(func() error { return s.Reconcile(ctx, sh) })
	}
	return g.Wait()
}

// Reconcile asks the Admin API for the shop's orders that changed since it was
// last asked, and once an hour for its webhook subscriptions. It notes how it
// went, and returns the error as well.
func (s *Service) Reconcile(ctx context.Context, sh shop.Shop) error {
	began := s.o.Now()
	a, err := s.admin(ctx, sh)
	if err != nil {
		return err
	}
	defer a.flow.Close()
	err = a.orders(ctx, began)
	if err == nil {
		var due bool
		if due, err = s.shops.SubscriptionsDue(ctx, sh.ID, began, subscribeEvery); err == nil && due {
			err = a.subscribe(ctx)
		}
	}
	upTo, problem, next := began, "", began.Add(s.o.Every)
	switch {
	case ctx.Err() != nil:
		return ctx.Err() // the lease runs out, somebody goes on
	case errors.Is(err, errToken):
		upTo, problem, next = time.Time{}, "token_refused", began.Add(deadTokenAfter)
	case err != nil:
		upTo, problem, next = time.Time{}, "unreachable", began.Add(retryAfter)
	}
	if noted := s.shops.Reconciled(ctx, sh.ID, upTo, problem, next); err == nil {
		err = noted
	}
	if err != nil {
		return fmt.Errorf("reconcile shop %s: %w", sh.ID, err)
	}
	return nil
}

const ordersQuery = `query orders($q: String!, $n: Int!, $after: String) {
  orders(first: $n, after: $after, query: $q, sortKey: UPDATED_AT) {
    pageInfo { hasNextPage endCursor }
    nodes {
      id name email createdAt updatedAt cancelledAt cancelReason displayFinancialStatus displayFulfillmentStatus
      test tags sourceName customerLocale
      customer { id firstName lastName emailMarketingConsent { marketingState } }
      lineItems(first: 10) { pageInfo { hasNextPage endCursor } nodes { id sku name quantity currentQuantity unfulfilledQuantity isGiftCard requiresShipping product { id } variant { id } } }
      fulfillments(first: 5) { id status displayStatus createdAt updatedAt deliveredAt }
      refunds(first: 3) { id refundLineItems(first: 5) { nodes { quantity lineItem { id } } } }
    }
  }
}`

const linesQuery = `query lines($id: ID!, $after: String) {
  order(id: $id) {
    lineItems(first: 250, after: $after) { pageInfo { hasNextPage endCursor } nodes { id sku name quantity currentQuantity unfulfilledQuantity isGiftCard requiresShipping product { id } variant { id } } }
  }
}`

type pageInfo struct {
	More bool   `json:"hasNextPage"`
	End  string `json:"endCursor"`
}

type ordersPage struct {
	Orders struct {
		PageInfo pageInfo    `json:"pageInfo"`
		Nodes    []orderNode `json:"nodes"`
	} `json:"orders"`
}

type lineList struct {
	PageInfo pageInfo   `json:"pageInfo"`
	Nodes    []lineNode `json:"nodes"`
}

// orderNode is an order as the Admin API shows it.
type orderNode struct {
	ID          id       `json:"id"`
	Name        text     `json:"name"`
	Email       text     `json:"email"`
	Created     stamp    `json:"createdAt"`
	Updated     stamp    `json:"updatedAt"`
	Cancelled   stamp    `json:"cancelledAt"`
	Reason      text     `json:"cancelReason"`
	Financial   text     `json:"displayFinancialStatus"`
	Fulfillment text     `json:"displayFulfillmentStatus"`
	Test        flag     `json:"test"`
	Tags        []string `json:"tags"`
	SourceName  text     `json:"sourceName"`
	Locale      text     `json:"customerLocale"`
	Customer    struct {
		ID      id   `json:"id"`
		First   text `json:"firstName"`
		Last    text `json:"lastName"`
		Consent struct {
			State text `json:"marketingState"`
		} `json:"emailMarketingConsent"`
	} `json:"customer"`
	Lines   lineList `json:"lineItems"`
	Parcels []struct {
		ID        id    `json:"id"`
		Status    text  `json:"status"`
		Display   text  `json:"displayStatus"`
		Created   stamp `json:"createdAt"`
		Updated   stamp `json:"updatedAt"`
		Delivered stamp `json:"deliveredAt"`
	} `json:"fulfillments"`
	Refunds []struct {
		ID    id `json:"id"`
		Lines struct {
			Nodes []struct {
				Quantity int `json:"quantity"`
				Line     struct {
					ID id `json:"id"`
				} `json:"lineItem"`
			} `json:"nodes"`
		} `json:"refundLineItems"`
	} `json:"refunds"`
}

type lineNode struct {
	ID       id   `json:"id"`
	SKU      text `json:"sku"`
	Name     text `json:"name"`
	Quantity int  `json:"quantity"`
	Current  int  `json:"currentQuantity"`
	Open     int  `json:"unfulfilledQuantity"`
	GiftCard flag `json:"isGiftCard"`
	Shipping flag `json:"requiresShipping"`
	Product  struct {
		ID id `json:"id"`
	} `json:"product"`
	Variant struct {
		ID id `json:"id"`
	} `json:"variant"`
}

// orders fetches what changed, page by page, and applies each page.
func (a *admin) orders(ctx context.Context, began time.Time) error {
	since := a.shop.ReconciledAt
	if since.IsZero() {
		since = a.shop.ConnectedAt
	}
	since = since.Add(-overlap)
	if oldest := began.Add(-lookBack); since.Before(oldest) {
		since = oldest
	}
	var after any
	var last stamp
	for page := 1; ; page++ {
		if page%restartPages == 0 {
			// Pagination ends at 25,000 objects (docs/orders.md): begin anew
			// where it has come to.
			since, after = time.UnixMicro(int64(last)), nil
		}
		var p ordersPage
		q := "updated_at:>='" + since.UTC().Format(time.RFC3339) + "'"
		if err := a.query(ctx, "orders", ordersQuery, map[string]any{"q": q, "n": pageOrders, "after": after}, &p); err != nil {
			return err
		}
		events := make([]order.Event, 0, len(p.Orders.Nodes))
		for _, n := range p.Orders.Nodes {
			if n.ID == "" {
				continue
			}
			if err := a.moreLines(ctx, &n); err != nil {
				return err
			}
			last = n.Updated
			e := n.event(began)
			e.ShopID, e.Origin = a.shop.ID, order.Origin{Source: order.Admin, Live: true, At: began}
			events = append(events, e)
		}
		err := a.s.d.InTx(ctx, func(tx *db.Tx) error {
			_, err := a.s.orders.ApplyAll(ctx, tx, events)
			return err
		})
		if err != nil {
			return err
		}
		if !p.Orders.PageInfo.More || p.Orders.PageInfo.End == "" {
			return nil
		}
		after = p.Orders.PageInfo.End
	}
}

// restartPages × pageOrders is below 25,000.
const restartPages = 2000

// moreLines fetches the lines of a long order that its page left out.
func (a *admin) moreLines(ctx context.Context, n *orderNode) error {
	for l := n.Lines; l.PageInfo.More && l.PageInfo.End != ""; {
		var got struct {
			Order struct {
				Lines lineList `json:"lineItems"`
			} `json:"order"`
		}
		v := map[string]any{"id": "gid://shopify/Order/" + string(n.ID), "after": l.PageInfo.End}
		if err := a.query(ctx, "lines", linesQuery, v, &got); err != nil {
			return err
		}
		l = got.Order.Lines
		n.Lines.Nodes = append(n.Lines.Nodes, l.Nodes...)
	}
	return nil
}

// event makes the order of a webhook of it: the same words, so that it does
// not matter which of the two told.
func (n orderNode) event(began time.Time) order.Event {
	s := &order.Snapshot{Updated: int64(n.Updated), Triggered: began.UnixNano(), Created: int64(n.Created), Cancelled: int64(n.Cancelled),
		CancelReason: strings.ToLower(string(n.Reason)), Name: string(n.Name), Email: order.NormalEmail(string(n.Email)),
		CustomerID: string(n.Customer.ID), CustomerName: fullName(string(n.Customer.First), string(n.Customer.Last)), Locale: string(n.Locale),
		Tags: clean(strings.Join(n.Tags, ", "), 500), SourceName: string(n.SourceName), Financial: strings.ToLower(string(n.Financial)),
		Fulfillment: fulfillmentWord(string(n.Fulfillment)), Test: bool(n.Test)}
	switch n.Customer.Consent.State {
	case "SUBSCRIBED":
		s.Consent = order.ConsentGiven
	case "UNSUBSCRIBED", "REDACTED":
		s.Consent = order.ConsentRefused
	}
	for _, l := range n.Lines.Nodes {
		s.Lines = append(s.Lines, order.Line{ID: string(l.ID), ProductID: string(l.Product.ID), VariantID: string(l.Variant.ID), SKU: string(l.SKU),
			Title: string(l.Name), Quantity: l.Quantity, Left: l.Current, GiftCard: bool(l.GiftCard), RequiresShipping: bool(l.Shipping),
			Fulfilled: l.Open == 0})
	}
	e := order.Event{ExternalID: string(n.ID), Name: s.Name, Snapshot: s}
	for _, p := range n.Parcels {
		c := order.Parcel{ID: string(p.ID), Status: strings.ToLower(string(p.Status)), Created: int64(p.Created), Updated: int64(p.Updated),
			Triggered: began.UnixNano(), Delivered: int64(p.Delivered)}
		if c.Delivered == 0 && p.Display == "DELIVERED" {
			c.Delivered = int64(cmp.Or(p.Updated, p.Created))
		}
		e.Parcels = append(e.Parcels, c)
	}
	for _, r := range n.Refunds {
		out := order.Refund{ID: string(r.ID)}
		for _, l := range r.Lines.Nodes {
			out.Lines = append(out.Lines, order.RefundLine{LineID: string(l.Line.ID), Quantity: l.Quantity})
		}
		e.Refunds = append(e.Refunds, out)
	}
	return e
}

// fulfillmentWord is the webhook's word for a displayFulfillmentStatus.
func fulfillmentWord(s string) string {
	switch s {
	case "FULFILLED":
		return order.Fulfilled
	case "PARTIALLY_FULFILLED":
		return order.Partial
	case "RESTOCKED":
		return "restocked"
	}
	return "" // unfulfilled, on hold, scheduled, in progress: nothing shipped
}
