// Package shopapi is the JSON calls about shops: the shops of a workspace, and
// for one shop its orders, imports, messages, reviews, templates and privacy
// requests. The mechanism is package rest.
//
// Calls under /shop/… say which shop they mean by its access code
// (X-Shop-Access-Code), or by a token of the workspace with X-Shop-Id.
package shopapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/order"
	"imreport/internal/review"
	"imreport/internal/shop"
	"imreport/internal/shopify"
	"imreport/internal/web"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

// Deps are what the calls stand on.
type Deps struct {
	Shops   *shop.Service
	Orders  *order.Service
	Reviews *review.Service
	Hooks   Hooks // nil: there are no webhooks
}

// Hooks is what the calls need of package shopify.
type Hooks interface {
	Kept(ctx context.Context, shopID, cursor string, limit int) ([]shopify.Kept, error)
	KeptBody(ctx context.Context, shopID, id string) ([]byte, error)
	Replay(ctx context.Context, shopID, id, topic string) error
}

// API is the calls of one site.
type API struct {
	d    Deps
	site *web.Site
}

// Mount adds the calls.
func Mount(calls *rest.API, d Deps) {
	a := &API{d: d, site: calls.Site()}
	calls.Add(a.shopCalls()...)
	for _, ops := range [][]rest.Operation{a.orderCalls(), a.importCalls(), a.messageCalls(), a.reviewCalls(), a.mailCalls(), a.privacyCalls()} {
		for _, o := range ops {
			calls.Add(o.Secured(rest.ByShopCode, rest.ByToken, rest.BySession).With(
				rest.Param{Name: shopIDHeader, Type: "string", Header: true}).Fails(401, "shop_code_missing").Fails(403, "shop_code_unknown", "shop_mismatch"))
		}
	}
}

// The headers that say which shop is meant.
const (
	codeHeader   = "X-Shop-Access-Code"
	shopIDHeader = "X-Shop-Id"
	domainHeader = "X-Shopify-Shop-Domain"
)

type shopKey struct{}

// theShop is the shop that a call is about.
func theShop(ctx context.Context) shop.Shop {
	sh, _ := ctx.Value(shopKey{}).(shop.Shop)
	return sh
}

// authenticate finds the shop that a call is about and who asks. Errors:
// shop.shop_code_missing (401), shop.shop_code_unknown and shop.shop_mismatch
// (403), shop.not_found (404, another workspace's).
func (a *API) authenticate(r *http.Request) error {
	sh, err := a.whose(r)
	if err != nil {
		return err
	}
	if header := r.Header.Get(domainHeader); !sh.SameDomain(header) {
		return shop.Mismatch(header)
	}
	*r = *r.WithContext(context.WithValue(r.Context(), shopKey{}, sh))
	return nil
}

func (a *API) whose(r *http.Request) (shop.Shop, error) {
	info := web.Of(r.Context())
	id := strings.TrimSpace(r.Header.Get(shopIDHeader))
	code := r.Header.Get(codeHeader)
	if code == "" && (r.Header.Get("Authorization") != "" || id != "") {
		if err := a.site.Authenticate(r); err != nil {
			return shop.Shop{}, err
		}
		switch {
		case !info.Known:
			return shop.Shop{}, errs.E(errs.Unauthenticated, "shop.shop_code_missing", nil)
		case id == "":
			return shop.Shop{}, errs.InvalidField(shopIDHeader, "shopapi.shop_id_missing")
		}
		return a.d.Shops.Get(r.Context(), info.Actor.WorkspaceID, id)
	}
	sh, err := a.d.Shops.ByCode(r.Context(), code)
	if err != nil {
		return sh, err
	}
	if id != "" && id != sh.ID {
		return sh, shop.Mismatch(id)
	}
	// The code is the shop's own: its programs may do what an editor may.
	info.Actor = workspace.Actor{WorkspaceID: sh.WorkspaceID, Name: sh.Name, Role: workspace.Editor, Lang: sh.Lang, Via: workspace.ViaToken}
	info.Known = true
	return sh, nil
}

// reads is the access of calls that change nothing.
func (a *API) reads() web.Access {
	return web.Access{Role: workspace.Viewer, Authenticate: a.authenticate}
}

// does is the access of calls that change something; name is for the audit log.
func (a *API) does(name string) web.Access {
	return web.Access{Role: workspace.Editor, Authenticate: a.authenticate, Action: name}
}

// actor is who a log names.
func actor(c *rest.Call) string {
	if c.Actor.Name != "" {
		return c.Actor.Name
	}
	return c.Actor.PersonID
}

// instant is nil for the zero time.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// reasonDoc is why something is as it is, in words.
type reasonDoc struct {
	Code   string `json:"code"`
	Text   string `json:"text"`
	Action string `json:"action,omitempty"` // what would make it go
}

func reasonOf(l i18n.Lang, r review.Reason, args []string) *reasonDoc {
	if r == "" {
		return nil
	}
	return &reasonDoc{Code: string(r), Text: r.Text(l, args), Action: r.Action(l, args)}
}

// worded says the reason of a refused action in words.
func worded(l i18n.Lang, err error) error {
	e := errs.As(err)
	if e == nil || e.Extra == nil {
		return err
	}
	r, ok := e.Extra["reason"].(review.Reason)
	if !ok {
		return err
	}
	args, _ := e.Extra["reason_args"].([]string)
	delete(e.Extra, "reason_args")
	return e.With("reason", reasonOf(l, r, args))
}
