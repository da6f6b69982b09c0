package shopify

import (
	"context"
	"fmt"
	"strings"
)

// topics are what a shop has to be subscribed to. The privacy topics are
// declared with the app and are no subscriptions of the API.
var topics = []string{"ORDERS_CREATE", "ORDERS_UPDATED", "ORDERS_PAID", "ORDERS_FULFILLED", "ORDERS_PARTIALLY_FULFILLED", "ORDERS_CANCELLED",
	"ORDERS_DELETE", "REFUNDS_CREATE", "FULFILLMENTS_UPDATE", "FULFILLMENT_EVENTS_CREATE", "APP_UNINSTALLED"}

const subscriptionsQuery = `query subscriptions {
  webhookSubscriptions(first: 100) { nodes { id topic endpoint { ... on WebhookHttpEndpoint { callbackUrl } } } }
}`

const subscribeMutation = `mutation subscribe($topic: WebhookSubscriptionTopic!, $in: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $in) {
    webhookSubscription { id }
    userErrors { field message }
  }
}`

// subscribe makes the subscriptions again that Shopify deleted after failed
// deliveries. They share the address of those that are left; when none is, a
// fresh one with a code of its own is made.
func (a *admin) subscribe(ctx context.Context) error {
	if a.s.o.HookURL == "" {
		return nil // nobody out there can reach this instance
	}
	prefix := strings.TrimSuffix(a.s.o.HookURL, "/") + "/"
	var have struct {
		Subscriptions struct {
			Nodes []struct {
				Topic    string `json:"topic"`
				Endpoint struct {
					URL string `json:"callbackUrl"`
				} `json:"endpoint"`
			} `json:"nodes"`
		} `json:"webhookSubscriptions"`
	}
	if err := a.query(ctx, "subscriptions", subscriptionsQuery, nil, &have); err != nil {
		return err
	}
	address, there := "", map[string]bool{}
	for _, n := range have.Subscriptions.Nodes {
		code, ours := strings.CutPrefix(n.Endpoint.URL, prefix)
		if !ours {
			continue
		}
		if h, err := a.s.shops.Fresh(ctx, code); err != nil || h.ID != a.shop.ID {
			continue // a code of long ago, or another shop's
		}
		address, there[n.Topic] = n.Endpoint.URL, true
	}
	for _, t := range topics {
		if there[t] {
			continue
		}
		if address == "" {
			code, err := a.s.shops.NewHookCode(ctx, a.shop.ID)
			if err != nil {
				return err
			}
			address = prefix + code
		}
		var made struct {
			Create struct {
				Errors []struct {
					Message string `json:"message"`
				} `json:"userErrors"`
			} `json:"webhookSubscriptionCreate"`
		}
		in := map[string]any{"callbackUrl": address, "format": "JSON"}
		if err := a.query(ctx, "subscribe", subscribeMutation, map[string]any{"topic": t, "in": in}, &made); err != nil {
			return err
		}
		if e := made.Create.Errors; len(e) > 0 {
			return fmt.Errorf("subscribe to %s: %s", t, clean(e[0].Message, 200))
		}
		a.s.log.WarnContext(ctx, "webhook subscription was missing", "shop", a.shop.ID, "topic", t)
	}
	return nil
}
