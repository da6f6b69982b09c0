package shopapi

import (
	"context"
	"io"
	"net/http"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/mail"
	"imreport/internal/review"
	"imreport/internal/shopify"
	"imreport/internal/web"
	"imreport/internal/web/rest"
)

type templateDoc struct {
	Kind      string     `json:"kind" enum:"review_request,reminder"`
	Lang      string     `json:"lang" enum:"ko,en"`
	Mode      string     `json:"mode" enum:"informational,ad"`
	Subject   string     `json:"subject"`
	Body      string     `json:"body"`
	Button    string     `json:"button"`
	Own       bool       `json:"own"`
	UpdatedAt *time.Time `json:"updated_at"`
}

type templateBody struct {
	Mode    string `json:"mode" enum:"informational,ad"`
	Subject string `json:"subject"`
	Body    string `json:"body"`
	Button  string `json:"button"`
}

type previewBody struct {
	OrderID string `json:"order_id"`
	To      string `json:"to"` // sends it there as a test
}

type previewDoc struct {
	From    string `json:"from"`
	Lang    string `json:"lang"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
	Sent    bool   `json:"sent"`
}

type suppressionDoc struct {
	ID      string     `json:"id"`
	Address string     `json:"address"`
	Why     string     `json:"why" enum:"unsubscribed,bounced,complained,erased,manual,soft_bounces"`
	Text    string     `json:"text"`
	Detail  string     `json:"detail"`
	At      time.Time  `json:"at"`
	Until   *time.Time `json:"until"`
}

type suppressBody struct {
	Email string `json:"email" required:"true"`
	Why   string `json:"why"`
}

type bounceDoc struct {
	MessageID *string `json:"message_id"`
	Kind      string  `json:"kind"`
	Again     bool    `json:"again"`
}

type keptDoc struct {
	ID         string    `json:"id"`
	Topic      string    `json:"topic"`
	Problem    string    `json:"problem"`
	Bytes      int       `json:"bytes"`
	Head       string    `json:"head"`
	ReceivedAt time.Time `json:"received_at"`
}

type replayBody struct {
	Topic string `json:"topic"`
}

func (a *API) mailCalls() []rest.Operation {
	const tag, hooks = "shop-mails", "shop-hooks"
	bounce := a.does("mail.bounce")
	bounce.MaxBody = mail.ReportMax
	ops := []rest.Operation{
		rest.Op("GET", "/shop/templates/{kind}/{lang}", "getTemplate", tag, 200, a.reads(), a.getTemplate),
		rest.Op("PUT", "/shop/templates/{kind}/{lang}", "setTemplate", tag, 200, a.does("template.update"), a.setTemplate),
		rest.Op("DELETE", "/shop/templates/{kind}/{lang}", "resetTemplate", tag, 200, a.does("template.reset"), a.resetTemplate),
		rest.Op("POST", "/shop/templates/{kind}/{lang}/preview", "previewTemplate", tag, 200, a.does(""), a.preview),
		rest.Op("GET", "/shop/suppressions", "listSuppressions", tag, 200, a.reads(), a.listSuppressions).With(rest.Paging...),
		rest.Op("POST", "/shop/suppressions", "addSuppression", tag, 201, a.does("suppression.create"), a.addSuppression),
		rest.Op("DELETE", "/shop/suppressions/{id}", "liftSuppression", tag, 204, a.does("suppression.lift"), a.liftSuppression),
		rest.Raw("POST", "/shop/bounces", "takeBounce", tag, "application/json", bounce, a.takeBounce).Reads("message/rfc822"),
	}
	if a.d.Hooks != nil {
		ops = append(ops,
			rest.Op("GET", "/shop/kept-webhooks", "listKeptWebhooks", hooks, 200, a.reads(), a.listKept).With(rest.Paging...),
			rest.Op("POST", "/shop/kept-webhooks/{id}/replay", "replayWebhook", hooks, 204, a.does("webhook.replay"), a.replay))
	}
	return ops
}

func templateOf(t review.Template) templateDoc {
	return templateDoc{Kind: string(t.Kind), Lang: string(t.Lang), Mode: string(t.Mode), Subject: t.Subject, Body: t.Body, Button: t.Button, Own: t.Own,
		UpdatedAt: instant(t.UpdatedAt)}
}

// which is the template that the path names; 404 when there is none such.
func which(c *rest.Call) (i18n.Lang, review.Kind, error) {
	k := review.Kind(c.R.PathValue("kind"))
	l := i18n.Lang(c.R.PathValue("lang"))
	if k != review.Request && k != review.Reminder || l != i18n.Korean && l != i18n.English {
		return l, k, web.NotFound()
	}
	return l, k, nil
}

func (a *API) getTemplate(ctx context.Context, c *rest.Call, _ *rest.None) (templateDoc, error) {
	l, k, err := which(c)
	if err != nil {
		return templateDoc{}, err
	}
	t, err := a.d.Reviews.Template(ctx, theShop(ctx).ID, l, k)
	return templateOf(t), err
}

func (a *API) setTemplate(ctx context.Context, c *rest.Call, b *templateBody) (templateDoc, error) {
	l, k, err := which(c)
	if err != nil {
		return templateDoc{}, err
	}
	t, err := a.d.Reviews.SetTemplate(ctx, theShop(ctx).ID, review.Template{Lang: l, Kind: k, Mode: review.Mode(b.Mode), Subject: b.Subject, Body: b.Body, Button: b.Button})
	c.Subject(theShop(ctx).ID, string(k)+" "+string(l))
	return templateOf(t), err
}

func (a *API) resetTemplate(ctx context.Context, c *rest.Call, _ *rest.None) (templateDoc, error) {
	l, k, err := which(c)
	if err != nil {
		return templateDoc{}, err
	}
	if err := a.d.Reviews.ResetTemplate(ctx, theShop(ctx).ID, l, k); err != nil {
		return templateDoc{}, err
	}
	c.Subject(theShop(ctx).ID, string(k)+" "+string(l))
	return a.getTemplate(ctx, c, nil)
}

func (a *API) preview(ctx context.Context, c *rest.Call, b *previewBody) (previewDoc, error) {
	l, k, err := which(c)
	if err != nil {
		return previewDoc{}, err
	}
	id := theShop(ctx).ID
	t, err := a.d.Reviews.Template(ctx, id, l, k)
	if err != nil {
		return previewDoc{}, err
	}
	orderID := ""
	if b.OrderID != "" {
		o, err := a.d.Orders.Get(ctx, id, b.OrderID)
		if err != nil {
			return previewDoc{}, err
		}
		orderID = o.ID
	}
	letter, err := a.d.Reviews.Preview(ctx, id, orderID, k, &t)
	if err != nil {
		return previewDoc{}, err
	}
	d := previewDoc{From: letter.From, Lang: string(letter.Lang), Subject: letter.Subject, Text: letter.Text, HTML: letter.HTML}
	if b.To != "" {
		if err := a.d.Reviews.SendTest(ctx, id, orderID, k, &t, b.To, db.NewID()); err != nil {
			return d, err
		}
		d.Sent = true
	}
	return d, nil
}

func (a *API) listSuppressions(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[suppressionDoc], error) {
	return rest.List(c, func(cursor string, limit int) ([]review.Suppression, error) {
		return a.d.Reviews.Suppressions(ctx, theShop(ctx).ID, cursor, limit)
	}, func(v review.Suppression) string { return v.Hash }, func(v review.Suppression) suppressionDoc {
		return suppressionDoc{ID: v.Hash, Address: v.Address, Why: v.Why, Text: i18n.T(c.Lang, "review.suppressed."+v.Why), Detail: v.Detail, At: v.At, Until: instant(v.Until)}
	})
}

func (a *API) addSuppression(ctx context.Context, c *rest.Call, b *suppressBody) (suppressionDoc, error) {
	if err := a.d.Reviews.SuppressByHand(ctx, theShop(ctx).ID, b.Email, b.Why); err != nil {
		return suppressionDoc{}, err
	}
	c.Subject(theShop(ctx).ID, review.Mask(b.Email))
	return suppressionDoc{Address: review.Mask(b.Email), Why: review.WhyManual, Text: i18n.T(c.Lang, "review.suppressed."+review.WhyManual), Detail: b.Why, At: a.site.Now()}, nil
}

func (a *API) liftSuppression(ctx context.Context, c *rest.Call, _ *rest.None) (rest.None, error) {
	c.Subject(theShop(ctx).ID, c.ID())
	return rest.None{}, a.d.Reviews.Lift(ctx, theShop(ctx).ID, c.ID())
}

// takeBounce takes a bounce or complaint as the mail that it came as.
func (a *API) takeBounce(w http.ResponseWriter, r *http.Request) error {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	t, err := TakeBounce(r.Context(), a.d.Reviews, raw)
	if err != nil {
		return err
	}
	d := bounceDoc{MessageID: text(t.MessageID), Kind: t.Kind, Again: t.Again}
	web.Subject(r.Context(), t.MessageID, t.Kind)
	return web.WriteJSON(w, http.StatusOK, d)
}

// TakeBounce reads a DSN or ARF mail and tells the reviews of it. The error
// shopapi.no_report says that the mail is neither.
func TakeBounce(ctx context.Context, reviews *review.Service, raw []byte) (t review.Taken, err error) {
	all, err := mail.ParseReports(raw)
	if err != nil || len(all) == 0 {
		return t, errs.E(errs.Invalid, "shopapi.no_report", err)
	}
	for i, r := range all {
		one := review.Report{Complaint: r.Complaint, Token: r.Token, Address: r.Address, Action: r.Action, Status: r.Status, Words: r.Words,
			Raw: append([]byte{byte(i)}, raw...)}
		if t, err = reviews.Bounced(ctx, one); err != nil {
			return t, err
		}
	}
	return t, nil
}

func (a *API) listKept(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[keptDoc], error) {
	return rest.List(c, func(cursor string, limit int) ([]shopify.Kept, error) {
		return a.d.Hooks.Kept(ctx, theShop(ctx).ID, cursor, limit)
	}, func(k shopify.Kept) string { return k.ID }, func(k shopify.Kept) keptDoc {
		return keptDoc{ID: k.ID, Topic: k.Topic, Problem: i18n.T(c.Lang, "hook.problem."+k.Problem), Bytes: k.Bytes, Head: k.Head, ReceivedAt: k.ReceivedAt}
	})
}

func (a *API) replay(ctx context.Context, c *rest.Call, b *replayBody) (rest.None, error) {
	c.Subject(c.ID(), b.Topic)
	return rest.None{}, a.d.Hooks.Replay(ctx, theShop(ctx).ID, c.ID(), b.Topic)
}
