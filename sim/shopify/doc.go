// Package shopify imitates the shop that Shopify runs: it signs and sends
// webhooks, with the repeats, the reordering and the retries of the real one,
// and answers the part of the GraphQL Admin API that a reconciliation needs.
// It is written from what Shopify documents (docs/orders.md sums it up),
// not from our client.
//
// # Orders
//
// Place, Pay, Ship, Deliver, Cancel, Refund, Edit and Delete change orders, as
// a merchant and a carrier would. Each change is one merchant action: its
// webhooks share one X-Shopify-Event-Id, and several topics carry the same
// snapshot. updated_at has whole seconds, X-Shopify-Triggered-At nanoseconds.
//
// # Deliveries
//
// A delivery is sent to the address of its subscription. What is not answered
// with 2xx within 5 s comes again, with the original body, up to 8 times over
// 4 hours; then a subscription made through the Admin API is deleted. A
// profile adds what the network does: copies, late arrivals, loss.
//
// # The Admin API
//
// POST /admin/api/{version}/graphql.json takes a subset of GraphQL: queries of
// orders, order and webhookSubscriptions, the mutation
// webhookSubscriptionCreate. Unknown fields are errors. Costs are counted as
// documented (an object 1, a connection 2 and its objects, a mutation 10, at
// most 1,000), paid from a bucket that refills, and told in
// extensions.cost.throttleStatus; a query that does not fit is answered with
// HTTP 200 and the error THROTTLED.
package shopify
