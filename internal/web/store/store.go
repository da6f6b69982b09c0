// Package store is the pages of the shop side. What customers see stands in
// public.go, review.go and widget.go: the review page behind a mail's link,
// the unsubscribe page, the shop's reviews. What the shop's people see stands
// in the other files, one area each with its pages beside it.
//
// Customers' pages have a frame of their own: they carry the shop's name, need
// neither cookie nor script, and a GET changes nothing, because mail scanners
// open links too.
package store

import (
	"embed"
	"net/http"
	"time"

	"imreport/internal/i18n"
	"imreport/internal/order"
	"imreport/internal/review"
	"imreport/internal/shop"
	"imreport/internal/web"
	"imreport/internal/web/page"
	"imreport/internal/web/shopapi"
	"imreport/internal/workspace"
)

//go:embed *.html
var files embed.FS

// Deps are what the pages stand on.
type Deps struct {
	Shops   *shop.Service
	Orders  *order.Service
	Reviews *review.Service
	Hooks   shopapi.Hooks // nil: there are no webhooks
	// Around fills the frame of pages for the shop's people, as package ui
	// does; nil: they stand alone.
	Around func(r *http.Request) (*page.Frame, *time.Location, error)
}

// Store serves the pages.
type Store struct {
	d      Deps
	site   *web.Site
	pages  *page.Set
	public map[i18n.Lang]*publicSet
}

// Mount adds the pages.
func Mount(site *web.Site, d Deps) {
	s := &Store{d: d, site: site, pages: page.New(site, files), public: newPublic()}
	s.pages.Around = d.Around
	s.mountPublic()
	s.mountShops()
	s.mountOrders()
	s.mountImports()
	s.mountMessages()
	s.mountReviews()
	s.mountMails()
}

// looks is the access of pages that only show.
func looks() web.Access { return web.Access{Role: workspace.Viewer} }

// does is the access of forms that change something; name is for the audit log.
func does(role workspace.Role, name string) web.Access { return web.Access{Role: role, Action: name} }

// shopOf is the shop of the path, of the caller's workspace.
func (s *Store) shopOf(r *http.Request) (shop.Shop, error) {
	return s.d.Shops.Get(r.Context(), web.Of(r.Context()).Actor.WorkspaceID, r.PathValue("shop"))
}

// actor is who a log names.
func actor(r *http.Request) string {
	a := web.Of(r.Context()).Actor
	if a.Name != "" {
		return a.Name
	}
	return a.PersonID
}
