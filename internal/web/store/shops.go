package store

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/review"
	"imreport/internal/shop"
	"imreport/internal/shopify"
	"imreport/internal/web"
	"imreport/internal/web/page"
	"imreport/internal/workspace"
)

// view is what every page of a shop sees, beside its own data.
type view struct {
	Shop     shop.Shop
	Set      review.Settings
	Tab      string
	CanWrite bool // may act on messages, orders and reviews
	CanSet   bool // may change settings and see privacy
	Wrong    map[string]string
	D        any
}

// render shows a page of a shop.
func (s *Store) render(w http.ResponseWriter, r *http.Request, status int, name, tab string, sh shop.Shop, wrong map[string]string, d any) error {
	set, err := s.d.Reviews.Settings(r.Context(), sh.ID)
	if err != nil {
		return err
	}
	a := web.Of(r.Context()).Actor
	v := view{Shop: sh, Set: set, Tab: tab, CanWrite: a.Role.AtLeast(workspace.Editor), CanSet: a.Role.AtLeast(workspace.Admin), Wrong: wrong, D: d}
	title := sh.Name
	if tab != "" {
		title = i18n.T(web.Of(r.Context()).Lang, "shopui.tab."+tab) + " · " + sh.Name
	}
	m, ok := d.(moving)
	return s.pages.Render(w, r, status, name, page.Page{Title: title, Section: "shops", Open: ok && m.moving(), Data: v})
}

// moving is data that changes by itself: while it does, the page asks again.
type moving interface{ moving() bool }

// to sends the browser on after a form.
func to(w http.ResponseWriter, r *http.Request, path, flash string) error {
	if flash != "" {
		page.Flash(w, flash)
	}
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

// words are the sentences of an error's fields, by field; nil for any other
// error.
func words(r *http.Request, err error) map[string]string {
	e := errs.As(err)
	if e == nil || e.Kind != errs.Invalid || len(e.Fields) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, f := range e.Fields {
		out[f.Name] = i18n.T(web.Of(r.Context()).Lang, f.Key, f.Args...)
	}
	return out
}

func (s *Store) mountShops() {
	s.site.Page("GET /shops", looks(), s.shops)
	s.site.Page("GET /shops/new", web.Access{Role: workspace.Admin}, s.newShop)
	s.site.Page("POST /shops", does(workspace.Admin, "shop.create"), s.createShop)
	s.site.Page("GET /shops/{shop}", looks(), s.shop)
	s.site.Page("GET /shops/{shop}/settings", web.Access{Role: workspace.Admin}, s.settings)
	s.site.Page("POST /shops/{shop}/settings", does(workspace.Admin, "shop.update"), s.saveSettings)
	s.site.Page("POST /shops/{shop}/access-code", does(workspace.Admin, "shop.access_code"), s.rotate)
	s.site.Page("POST /shops/{shop}/stop", does(workspace.Editor, "shop.stop"), s.stop)
	s.site.Page("POST /shops/{shop}/resume", does(workspace.Editor, "shop.resume"), s.resume)
	s.site.Page("POST /shops/{shop}/installed", does(workspace.Admin, "shop.installed"), s.installed)
	s.site.Page("POST /shops/{shop}/webhooks/{kept}/replay", does(workspace.Editor, "webhook.replay"), s.replay)
}

type shopRow struct {
	shop.Shop
	Set    review.Settings
	Counts map[string]int
}

// counts are the messages of a shop by state, as templates look them up.
func (s *Store) counts(ctx context.Context, shopID string) (map[string]int, error) {
	n, err := s.d.Reviews.Counts(ctx, shopID)
	out := map[string]int{}
	for st, c := range n {
		out[string(st)] = c
	}
	return out, err
}

func (s *Store) shops(w http.ResponseWriter, r *http.Request) error {
	a := web.Of(r.Context()).Actor
	all, err := s.d.Shops.List(r.Context(), a.WorkspaceID, r.URL.Query().Get("after"), 51)
	if err != nil {
		return err
	}
	next := ""
	if len(all) > 50 {
		all = all[:50]
		next = "/shops?after=" + all[49].ID
	}
	rows := make([]shopRow, len(all))
	for i, sh := range all {
		rows[i].Shop = sh
		if rows[i].Set, err = s.d.Reviews.Settings(r.Context(), sh.ID); err != nil {
			return err
		}
		if rows[i].Counts, err = s.counts(r.Context(), sh.ID); err != nil {
			return err
		}
	}
	l := web.Of(r.Context()).Lang
	return s.pages.Render(w, r, http.StatusOK, "shops", page.Page{Title: i18n.T(l, "ui.nav.shops"), Section: "shops", Data: map[string]any{
		"Rows": rows, "Next": next, "CanSet": a.Role.AtLeast(workspace.Admin)}})
}

func (s *Store) newShop(w http.ResponseWriter, r *http.Request) error {
	return s.showNew(w, r, http.StatusOK, shop.Shop{Zone: "Asia/Seoul"}, usualQuiet, nil)
}

// usualQuiet are the hours that a new shop's form offers as quiet: those in
// which Korean law wants consent of its own for advertising
// (정보통신망법 제50조 제3항).
var usualQuiet = shop.Hours{From: "21:00", To: "08:00"}

func (s *Store) showNew(w http.ResponseWriter, r *http.Request, status int, sh shop.Shop, quiet shop.Hours, wrong map[string]string) error {
	l := web.Of(r.Context()).Lang
	return s.pages.Render(w, r, status, "shop_new", page.Page{Title: i18n.T(l, "shopui.shop.new"), Section: "shops", Data: map[string]any{"Shop": sh, "Quiet": quiet, "Wrong": wrong}})
}

func (s *Store) createShop(w http.ResponseWriter, r *http.Request) error {
	f := r.PostForm
	name, domain, zone, lang := f.Get("name"), f.Get("domain"), f.Get("zone"), f.Get("lang")
	in := shop.Input{Name: &name, Domain: &domain, Zone: &zone, Lang: &lang}
	if v := strings.TrimSpace(f.Get("webhook_secret")); v != "" {
		in.WebhookSecret = &v
	}
	if v := strings.TrimSpace(f.Get("mail_from")); v != "" {
		in.MailFrom = &v
	}
	hours := shop.Hours{From: strings.TrimSpace(f.Get("quiet_from")), To: strings.TrimSpace(f.Get("quiet_to"))}
	if hours != (shop.Hours{}) {
		quiet := &hours
		in.QuietHours = &quiet
	}
	sh, code, err := s.d.Shops.Create(r.Context(), web.Of(r.Context()).Actor.WorkspaceID, in)
	if wrong := words(r, err); wrong != nil {
		return s.showNew(w, r, http.StatusUnprocessableEntity, shop.Shop{Name: name, Domain: domain, Zone: zone, Lang: i18n.Lang(lang), MailFrom: f.Get("mail_from")}, hours, wrong)
	}
	if err != nil {
		return err
	}
	web.Subject(r.Context(), sh.ID, sh.Name)
	return s.showCode(w, r, sh, code)
}

// showCode shows an access code, once.
func (s *Store) showCode(w http.ResponseWriter, r *http.Request, sh shop.Shop, code string) error {
	w.Header().Set("Cache-Control", "no-store")
	return s.render(w, r, http.StatusOK, "shop_code", "", sh, nil, map[string]string{"Code": code, "Hook": s.site.PublicURL(r) + "/hooks/shopify/" + code})
}

func (s *Store) rotate(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	code, err := s.d.Shops.RotateCode(r.Context(), sh.WorkspaceID, sh.ID)
	if err != nil {
		return err
	}
	web.Subject(r.Context(), sh.ID, sh.Name)
	return s.showCode(w, r, sh, code)
}

// overview is how a shop stands.
type overview struct {
	Counts map[string]int
	States []review.State
	Kept   []shopify.Kept
	Rating review.Rating
	Widget string
}

func (s *Store) shop(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	v := overview{States: review.States, Widget: s.site.PublicURL(r) + "/widget/" + sh.ID}
	if v.Counts, err = s.counts(r.Context(), sh.ID); err != nil {
		return err
	}
	if v.Rating, err = s.d.Reviews.Rating(r.Context(), sh.ID, ""); err != nil {
		return err
	}
	if s.d.Hooks != nil {
		if v.Kept, err = s.d.Hooks.Kept(r.Context(), sh.ID, "", 20); err != nil {
			return err
		}
	}
	return s.render(w, r, http.StatusOK, "shop", "overview", sh, nil, v)
}

func (s *Store) replay(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil || s.d.Hooks == nil {
		return err
	}
	web.Subject(r.Context(), r.PathValue("kept"), "")
	if err := s.d.Hooks.Replay(r.Context(), sh.ID, r.PathValue("kept"), strings.TrimSpace(r.PostForm.Get("topic"))); err != nil {
		return err
	}
	return to(w, r, "/shops/"+sh.ID, "webhook_replayed")
}

func (s *Store) settings(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "shop_settings", "settings", sh, nil, settingsForm(sh, nil))
}

// settingsForm are the texts in the fields of the settings page: what is
// stored, or what was typed.
func settingsForm(sh shop.Shop, typed map[string]string) map[string]string {
	f := map[string]string{"review_delay": shop.FormatDuration(sh.ReviewDelay), "cooldown": shop.FormatDuration(sh.Cooldown),
		"max_order_age": shop.FormatDuration(sh.MaxOrderAge), "mail_retry_after": shop.FormatDuration(sh.MailRetryAfter),
		"mail_rate_per_second": strconv.FormatFloat(sh.MailRatePerSecond, 'f', -1, 64)}
	if q := sh.QuietHours.Clock(); q != nil {
		f["quiet_from"], f["quiet_to"] = q.From, q.To
	}
	for k, v := range typed {
		f[k] = v
	}
	return f
}

func (s *Store) saveSettings(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	f := r.PostForm
	typed := map[string]string{}
	text := func(name string) *string { v := strings.TrimSpace(f.Get(name)); typed[name] = v; return &v }
	in := shop.Input{Name: text("name"), Domain: text("domain"), Zone: text("zone"), Lang: text("lang"), ReviewDelay: text("review_delay"),
		Cooldown: text("cooldown"), MaxOrderAge: text("max_order_age"), MailRetryAfter: text("mail_retry_after"), MailFrom: text("mail_from")}
	wrong := map[string]string{}
	l := web.Of(r.Context()).Lang
	if rate, err := strconv.ParseFloat(*text("mail_rate_per_second"), 64); err == nil {
		in.MailRatePerSecond = &rate
	} else {
		wrong["mail_rate_per_second"] = i18n.T(l, "api.not_a_number")
	}
	var quiet *shop.Hours
	if from, till := *text("quiet_from"), *text("quiet_to"); from != "" || till != "" {
		quiet = &shop.Hours{From: from, To: till}
	}
	in.QuietHours = &quiet
	if v := *text("webhook_secret"); v != "" {
		in.WebhookSecret = &v
	}
	if v := *text("admin_api_token"); v != "" {
		in.AdminToken = &v
	}
	delete(typed, "webhook_secret")
	delete(typed, "admin_api_token")
	ask := review.SettingsInput{SenderBlock: text("sender_block"), OptOutTag: text("opt_out_tag")}
	number := func(name string) *int {
		n, err := strconv.Atoi(*text(name))
		if err != nil {
			wrong[name] = i18n.T(l, "api.not_a_whole_number")
			return nil
		}
		return &n
	}
	tick := func(name string) *bool { v := f.Get(name) != ""; return &v }
	ask.Reminders, ask.LinkDays = number("reminders"), number("link_days")
	ask.Hold, ask.MayEdit, ask.Incentivised = tick("hold_reviews"), tick("may_edit"), tick("incentivised")
	if d, err := shop.ParseDuration(*text("reminder_delay")); err == nil {
		ask.ReminderDelay = &d
	} else {
		wrong["reminder_delay"] = i18n.T(l, "shop.duration.malformed", typed["reminder_delay"])
	}
	err = ask.Check()
	if err == nil && len(wrong) == 0 {
		if sh, err = s.d.Shops.Update(r.Context(), sh.WorkspaceID, sh.ID, in); err == nil {
			_, err = s.d.Reviews.SetSettings(r.Context(), sh.ID, ask)
		}
	}
	for k, v := range words(r, err) {
		wrong[strings.Replace(k, "quiet_hours", "quiet_from", 1)] = v
	}
	if len(wrong) > 0 {
		return s.render(w, r, http.StatusUnprocessableEntity, "shop_settings", "settings", sh, wrong, settingsForm(sh, typed))
	}
	if err != nil {
		return err
	}
	web.Subject(r.Context(), sh.ID, sh.Name)
	return to(w, r, "/shops/"+sh.ID+"/settings", "shop_saved")
}

// act does something to the shop of the path and goes back to its page.
func (s *Store) act(w http.ResponseWriter, r *http.Request, flash string, do func(ctx context.Context, sh shop.Shop) error) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	if err := do(r.Context(), sh); err != nil {
		return err
	}
	web.Subject(r.Context(), sh.ID, sh.Name)
	return to(w, r, "/shops/"+sh.ID, flash)
}

func (s *Store) stop(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, "shop_stopped", func(ctx context.Context, sh shop.Shop) error { return s.d.Reviews.Stop(ctx, sh.ID) })
}

func (s *Store) resume(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, "shop_resumed", func(ctx context.Context, sh shop.Shop) error { return s.d.Reviews.Resume(ctx, sh.ID) })
}

func (s *Store) installed(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, "shop_saved", func(ctx context.Context, sh shop.Shop) error { return s.d.Shops.Installed(ctx, sh.WorkspaceID, sh.ID) })
}
