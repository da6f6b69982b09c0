package shopapi

import (
	"context"
	"time"

	"imreport/internal/errs"
	"imreport/internal/review"
	"imreport/internal/shop"
	"imreport/internal/web"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

type shopDoc struct {
	ID                string      `json:"id"`
	Name              string      `json:"name"`
	Domain            string      `json:"domain"`
	Zone              string      `json:"zone"`
	Lang              string      `json:"lang" enum:"ko,en"`
	ReviewDelay       string      `json:"review_delay"`
	Cooldown          string      `json:"cooldown"`
	QuietHours        *shop.Hours `json:"quiet_hours"`
	MaxOrderAge       string      `json:"max_order_age"`
	MailRatePerSecond float64     `json:"mail_rate_per_second"`
	MailRetryAfter    string      `json:"mail_retry_after"`
	MailFrom          string      `json:"mail_from"`
	WebhookSecrets    int         `json:"webhook_secret_count"`
	HasAdminToken     bool        `json:"has_admin_api_token"`

	ReminderDelay string `json:"reminder_delay"`
	Reminders     int    `json:"reminders"`
	LinkDays      int    `json:"link_days"`
	HoldReviews   bool   `json:"hold_reviews"`
	MayEdit       bool   `json:"may_edit"`
	Incentivised  bool   `json:"incentivised"`
	SenderBlock   string `json:"sender_block"`
	OptOutTag     string `json:"opt_out_tag"`

	StoppedAt     *time.Time `json:"stopped_at"`
	StoppedWhy    *string    `json:"stopped_why"`
	UninstalledAt *time.Time `json:"uninstalled_at"`
	LastHookAt    *time.Time `json:"last_webhook_at"`
	ReconciledAt  *time.Time `json:"reconciled_at"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
}

// newShopDoc is a shop with its access code, which is shown once.
type newShopDoc struct {
	shopDoc
	AccessCode string `json:"access_code"`
	HookURL    string `json:"hook_url"`
}

type codeDoc struct {
	AccessCode string `json:"access_code"`
	HookURL    string `json:"hook_url"`
}

type shopBody struct {
	Name              rest.Optional[string]     `json:"name"`
	Domain            rest.Optional[string]     `json:"domain"`
	Zone              rest.Optional[string]     `json:"zone"`
	Lang              rest.Optional[string]     `json:"lang"`
	WebhookSecret     rest.Optional[string]     `json:"webhook_secret"`
	WebhookSecrets    rest.Optional[[]string]   `json:"webhook_secrets"`
	AdminToken        rest.Optional[string]     `json:"admin_api_token"`
	ReviewDelay       rest.Optional[string]     `json:"review_delay"`
	Cooldown          rest.Optional[string]     `json:"cooldown"`
	QuietHours        rest.Optional[shop.Hours] `json:"quiet_hours"`
	MaxOrderAge       rest.Optional[string]     `json:"max_order_age"`
	MailRatePerSecond rest.Optional[float64]    `json:"mail_rate_per_second"`
	MailRetryAfter    rest.Optional[string]     `json:"mail_retry_after"`
	MailFrom          rest.Optional[string]     `json:"mail_from"`
	ReminderDelay     rest.Optional[string]     `json:"reminder_delay"`
	Reminders         rest.Optional[int]        `json:"reminders"`
	LinkDays          rest.Optional[int]        `json:"link_days"`
	HoldReviews       rest.Optional[bool]       `json:"hold_reviews"`
	MayEdit           rest.Optional[bool]       `json:"may_edit"`
	Incentivised      rest.Optional[bool]       `json:"incentivised"`
	SenderBlock       rest.Optional[string]     `json:"sender_block"`
	OptOutTag         rest.Optional[string]     `json:"opt_out_tag"`
}

// input is b as package shop takes it. null is the same as absent, except
// where it ends something.
func (b *shopBody) input() shop.Input {
	in := shop.Input{
		Name: b.Name.Pointer(), Domain: b.Domain.Pointer(), Zone: b.Zone.Pointer(), Lang: b.Lang.Pointer(),
		WebhookSecret: b.WebhookSecret.Pointer(), WebhookSecrets: b.WebhookSecrets.Pointer(), AdminToken: b.AdminToken.Pointer(),
		ReviewDelay: b.ReviewDelay.Pointer(), Cooldown: b.Cooldown.Pointer(), MaxOrderAge: b.MaxOrderAge.Pointer(),
		MailRatePerSecond: b.MailRatePerSecond.Pointer(), MailRetryAfter: b.MailRetryAfter.Pointer(), MailFrom: b.MailFrom.Pointer(),
	}
	if b.QuietHours.Set {
		h := b.QuietHours.Pointer()
		in.QuietHours = &h
	}
	empty := ""
	for _, o := range []struct {
		from rest.Optional[string]
		to   **string
	}{{b.AdminToken, &in.AdminToken}, {b.MailFrom, &in.MailFrom}, {b.Domain, &in.Domain}} {
		if o.from.Set && o.from.Null {
			*o.to = &empty
		}
	}
	return in
}

// asking is the part of b that says how the shop asks; any is false when there
// is none.
func (b *shopBody) asking() (in review.SettingsInput, any bool, err error) {
	in = review.SettingsInput{Reminders: b.Reminders.Pointer(), LinkDays: b.LinkDays.Pointer(), Hold: b.HoldReviews.Pointer(), MayEdit: b.MayEdit.Pointer(),
		Incentivised: b.Incentivised.Pointer(), SenderBlock: b.SenderBlock.Pointer(), OptOutTag: b.OptOutTag.Pointer()}
	if text := b.ReminderDelay.Pointer(); text != nil {
		d, err := shop.ParseDuration(*text)
		if err != nil {
			return in, false, errs.InvalidField("reminder_delay", "shop.duration.malformed", *text)
		}
		in.ReminderDelay = &d
	}
	return in, in != review.SettingsInput{}, nil
}

func (a *API) shopCalls() []rest.Operation {
	const tag = "shops"
	manage := func(action string) web.Access { return web.Access{Role: workspace.Admin, Action: action} }
	create, code := manage("shop.create"), manage("shop.access_code")
	create.Creates, create.Secret = true, true
	code.Secret = true
	return []rest.Operation{
		rest.Op("POST", "/shops", "createShop", tag, 201, create, a.createShop),
		rest.Op("GET", "/shops", "listShops", tag, 200, web.Access{Role: workspace.Viewer}, a.listShops).With(rest.Paging...),
		rest.Op("GET", "/shops/{id}", "getShop", tag, 200, web.Access{Role: workspace.Viewer}, a.getShop),
		rest.Op("PATCH", "/shops/{id}", "updateShop", tag, 200, manage("shop.update"), a.updateShop),
		rest.Op("POST", "/shops/{id}/access-code", "rotateShopCode", tag, 200, code, a.rotateCode),
		rest.Op("POST", "/shops/{id}/stop", "stopShop", tag, 200, web.Access{Role: workspace.Editor, Action: "shop.stop"}, a.stopShop),
		rest.Op("POST", "/shops/{id}/resume", "resumeShop", tag, 200, web.Access{Role: workspace.Editor, Action: "shop.resume"}, a.resumeShop),
		rest.Op("POST", "/shops/{id}/installed", "installedShop", tag, 200, manage("shop.installed"), a.installedShop),
	}
}

func (a *API) show(ctx context.Context, sh shop.Shop) (shopDoc, error) {
	v, err := a.d.Reviews.Settings(ctx, sh.ID)
	if err != nil {
		return shopDoc{}, err
	}
	d := shopDoc{
		ID: sh.ID, Name: sh.Name, Domain: sh.Domain, Zone: sh.Zone, Lang: string(sh.Lang), ReviewDelay: shop.FormatDuration(sh.ReviewDelay),
		Cooldown: shop.FormatDuration(sh.Cooldown), QuietHours: sh.QuietHours.Clock(), MaxOrderAge: shop.FormatDuration(sh.MaxOrderAge),
		MailRatePerSecond: sh.MailRatePerSecond, MailRetryAfter: shop.FormatDuration(sh.MailRetryAfter), MailFrom: sh.MailFrom,
		WebhookSecrets: sh.WebhookSecrets, HasAdminToken: sh.HasAdminToken, ReminderDelay: shop.FormatDuration(v.ReminderDelay), Reminders: v.Reminders,
		LinkDays: v.LinkDays, HoldReviews: v.Hold, MayEdit: v.MayEdit, Incentivised: v.Incentivised, SenderBlock: v.SenderBlock, OptOutTag: v.OptOutTag,
		StoppedAt: instant(v.StoppedAt), UninstalledAt: instant(sh.UninstalledAt), LastHookAt: instant(sh.LastHookAt),
		ReconciledAt: instant(sh.ReconciledAt), CreatedAt: sh.CreatedAt, UpdatedAt: sh.UpdatedAt,
	}
	if v.Stopped() {
		why := string(v.StoppedWhy)
		d.StoppedWhy = &why
	}
	return d, nil
}

func (a *API) createShop(ctx context.Context, c *rest.Call, b *shopBody) (newShopDoc, error) {
	in, any, err := b.asking()
	if err != nil {
		return newShopDoc{}, err
	}
	if any {
		if err := in.Check(); err != nil {
			return newShopDoc{}, err
		}
	}
	sh, code, err := a.d.Shops.Create(ctx, c.Workspace(), b.input())
	if err != nil {
		return newShopDoc{}, err
	}
	c.Created("/shops", sh.ID, sh.Name)
	if any {
		if _, err := a.d.Reviews.SetSettings(ctx, sh.ID, in); err != nil {
			return newShopDoc{}, err
		}
	}
	d, err := a.show(ctx, sh)
	return newShopDoc{shopDoc: d, AccessCode: code, HookURL: a.hookURL(c, code)}, err
}

func (a *API) hookURL(c *rest.Call, code string) string {
	return a.site.PublicURL(c.R) + "/hooks/shopify/" + code
}

func (a *API) listShops(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[shopDoc], error) {
	var failed error
	p, err := rest.List(c, func(cursor string, limit int) ([]shop.Shop, error) {
		return a.d.Shops.List(ctx, c.Workspace(), cursor, limit)
	}, func(sh shop.Shop) string { return sh.ID }, func(sh shop.Shop) shopDoc {
		d, err := a.show(ctx, sh)
		if err != nil {
			failed = err
		}
		return d
	})
	if err == nil {
		err = failed
	}
	return p, err
}

func (a *API) getShop(ctx context.Context, c *rest.Call, _ *rest.None) (shopDoc, error) {
	sh, err := a.d.Shops.Get(ctx, c.Workspace(), c.ID())
	if err != nil {
		return shopDoc{}, err
	}
	return a.show(ctx, sh)
}

func (a *API) updateShop(ctx context.Context, c *rest.Call, b *shopBody) (shopDoc, error) {
	in, any, err := b.asking()
	if err != nil {
		return shopDoc{}, err
	}
	if any {
		if err := in.Check(); err != nil {
			return shopDoc{}, err
		}
	}
	sh, err := a.d.Shops.Update(ctx, c.Workspace(), c.ID(), b.input())
	if err != nil {
		return shopDoc{}, err
	}
	if any {
		if _, err := a.d.Reviews.SetSettings(ctx, sh.ID, in); err != nil {
			return shopDoc{}, err
		}
	}
	c.Subject(sh.ID, sh.Name)
	return a.show(ctx, sh)
}

func (a *API) rotateCode(ctx context.Context, c *rest.Call, _ *rest.None) (codeDoc, error) {
	code, err := a.d.Shops.RotateCode(ctx, c.Workspace(), c.ID())
	c.Subject(c.ID(), "")
	return codeDoc{AccessCode: code, HookURL: a.hookURL(c, code)}, err
}

// shopAct does something to a shop of the workspace and shows it.
func (a *API) shopAct(ctx context.Context, c *rest.Call, act func(id string) error) (shopDoc, error) {
	sh, err := a.d.Shops.Get(ctx, c.Workspace(), c.ID())
	if err != nil {
		return shopDoc{}, err
	}
	if err := act(sh.ID); err != nil {
		return shopDoc{}, err
	}
	c.Subject(sh.ID, sh.Name)
	return a.getShop(ctx, c, nil)
}

func (a *API) stopShop(ctx context.Context, c *rest.Call, _ *rest.None) (shopDoc, error) {
	return a.shopAct(ctx, c, func(id string) error { return a.d.Reviews.Stop(ctx, id) })
}

func (a *API) resumeShop(ctx context.Context, c *rest.Call, _ *rest.None) (shopDoc, error) {
	return a.shopAct(ctx, c, func(id string) error { return a.d.Reviews.Resume(ctx, id) })
}

func (a *API) installedShop(ctx context.Context, c *rest.Call, _ *rest.None) (shopDoc, error) {
	return a.shopAct(ctx, c, func(id string) error { return a.d.Shops.Installed(ctx, c.Workspace(), id) })
}
