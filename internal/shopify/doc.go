// Package shopify speaks with Shopify: it checks and decodes webhooks, keeps
// them in an inbox until they are applied to the orders, and asks the Admin
// API for what was missed.
//
// Only the body of a webhook is signed. Topic, shop and times in its headers
// are hints: the address decides the shop, and what an order becomes does not
// depend on how often or in which sequence its webhooks come (package order).
package shopify
