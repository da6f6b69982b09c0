package app

import (
	"context"
	"errors"
	"net/http"
	"time"

	"imreport/internal/mail/post"
	"imreport/internal/order"
	"imreport/internal/review"
	"imreport/internal/shop"
	"imreport/internal/shopify"
	"imreport/internal/web/hook"
	"imreport/internal/web/page"
	"imreport/internal/web/rest"
	"imreport/internal/web/shopapi"
	"imreport/internal/web/store"
)

// shopSide is the services of orders and reviews.
type shopSide struct {
	shops   *shop.Service
	orders  *order.Service
	reviews *review.Service
	hooks   *shopify.Service
	// sent is closed when the last mail under way has landed.
	sent    chan struct{}
	endMail context.CancelFunc
}

// buildShop builds the side of orders, reviews and their mails.
func (a *App) buildShop(context.Context) error {
	s := &a.shop
	s.shops = shop.New(a.d, a.box, shop.Options{Log: a.log})
	s.orders = order.New(a.d, s.shops, a.box, order.Options{Dir: a.dir("uploads"), Process: a.process, Log: a.log})
	s.reviews = review.New(a.d, a.box, s.shops, s.orders, review.Options{
		Carrier: post.Of(a.mail), Gate: a.gate, MailFrom: a.c.MailFrom, PublicURL: a.base(), Dir: a.dir("pictures"),
		Process: a.process, Incidents: a.incidents, Step: crashStep(), Log: a.log,
	})
	s.reviews.Register(s.orders)
	hooks := ""
	if a.c.PublicURL != "" {
		hooks = a.base() + "/hooks/shopify"
	}
	s.hooks = shopify.New(a.d, s.shops, s.orders, shopify.Options{Log: a.log, Gate: a.gate, AdminURL: a.c.ShopifyURL, HookURL: hooks,
		Step: crashStep()})
	return nil
}

// mountShop adds the calls, webhooks and pages of the shop side; around fills
// the frame of pages.
func (a *App) mountShop(calls *rest.API, around func(*http.Request) (*page.Frame, *time.Location, error)) {
	s := &a.shop
	shopapi.Mount(calls, shopapi.Deps{Shops: s.shops, Orders: s.orders, Reviews: s.reviews, Hooks: s.hooks})
	hook.Mount(a.site, s.hooks)
	store.Mount(a.site, store.Deps{Shops: s.shops, Orders: s.orders, Reviews: s.reviews, Hooks: s.hooks, Around: around})
}

// startShop begins the work of the shop side.
func (a *App) startShop(ctx context.Context) error {
	s := &a.shop
	if err := errors.Join(s.orders.Start(ctx), s.hooks.Start(ctx)); err != nil {
		return err
	}
	mails, end := context.WithCancel(context.WithoutCancel(ctx))
	s.endMail, s.sent = end, make(chan struct{})
	go func() {
		defer close(s.sent)
		a.warn(mails, "mails to customers are not sent", s.reviews.Run(mails))
	}()
	return nil
}

// stopShop ends it: what is under way lands first.
func (a *App) stopShop(ctx context.Context) error {
	s := &a.shop
	if s.endMail != nil {
		s.endMail()
		select {
		case <-s.sent:
		case <-ctx.Done():
		}
	}
	return errors.Join(s.hooks.Stop(ctx), s.orders.Stop(ctx))
}
