package store

import (
	"net/http"
	"net/mail"
	"strings"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/order"
	"imreport/internal/review"
	"imreport/internal/web"
	"imreport/internal/workspace"
)

func (s *Store) mountMails() {
	s.site.Page("GET /shops/{shop}/mails", looks(), s.template)
	s.site.Page("POST /shops/{shop}/mails", does(workspace.Editor, "template.update"), s.saveTemplate)
	s.site.Page("GET /shops/{shop}/mail-preview", looks(), s.previewHTML)
	s.site.Page("GET /shops/{shop}/suppressions", looks(), s.suppressions)
	s.site.Page("POST /shops/{shop}/suppressions", does(workspace.Editor, "suppression.create"), s.addSuppression)
	s.site.Page("POST /shops/{shop}/suppressions/lift", does(workspace.Editor, "suppression.lift"), s.lift)
	s.site.Page("GET /shops/{shop}/privacy", web.Access{Role: workspace.Admin}, s.privacy)
	s.site.Page("POST /shops/{shop}/privacy/erase", does(workspace.Admin, "privacy.erase"), s.erase)
	s.site.Page("POST /shops/{shop}/privacy/{id}/done", does(workspace.Admin, "privacy.done"), s.privacyDone)
}

type templateView struct {
	review.Template
	Letter review.Letter
	From   string // of the letter, as people read it
	Order  string // external id or name of the order that the preview is about
	To     string
	Sent   bool
	Fault  string // the preview could not be made, or the test not be sent
	Kinds  []review.Kind
	Langs  []i18n.Lang
}

// which is the template that a query or form names.
func which(get func(string) string) (i18n.Lang, review.Kind) {
	l, ok := i18n.Parse(get("lang"))
	if !ok {
		l = i18n.Korean
	}
	k := review.Kind(get("kind"))
	if k != review.Reminder {
		k = review.Request
	}
	return l, k
}

func (s *Store) template(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	l, k := which(q.Get)
	t, err := s.d.Reviews.Template(r.Context(), sh.ID, l, k)
	if err != nil {
		return err
	}
	return s.showTemplate(w, r, http.StatusOK, templateView{Template: t, Order: q.Get("order")}, nil)
}

func (s *Store) showTemplate(w http.ResponseWriter, r *http.Request, status int, v templateView, wrong map[string]string) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	v.Kinds, v.Langs = []review.Kind{review.Request, review.Reminder}, i18n.Langs
	lang := web.Of(r.Context()).Lang
	id, err := s.orderFor(r, sh.ID, v.Order)
	if err == nil {
		v.Letter, err = s.d.Reviews.Preview(r.Context(), sh.ID, id, v.Kind, &v.Template)
	}
	v.From = v.Letter.From
	if a, perr := mail.ParseAddress(v.From); perr == nil {
		v.From = a.Name + " <" + a.Address + ">"
	}
	if e := errs.As(err); e != nil && v.Fault == "" {
		v.Fault = i18n.T(lang, e.Key, e.Args...)
	} else if err != nil && e == nil {
		return err
	}
	return s.render(w, r, status, "mails", "mails", sh, wrong, v)
}

// orderFor is the ID of the order that a preview is about: by its id, its name,
// or empty for none.
func (s *Store) orderFor(r *http.Request, shopID, text string) (string, error) {
	if text = strings.TrimSpace(text); text == "" {
		return "", nil
	}
	o, err := s.d.Orders.Get(r.Context(), shopID, text)
	if err == nil {
		return o.ID, nil
	}
	all, _, lerr := s.d.Orders.List(r.Context(), shopID, order.Filter{Search: text}, "", 1)
	if lerr != nil {
		return "", lerr
	}
	if len(all) == 0 {
		return "", err
	}
	return all[0].ID, nil
}

// saveTemplate keeps, previews, tests or resets the words, as its button says.
func (s *Store) saveTemplate(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	f := r.PostForm
	l, k := which(f.Get)
	v := templateView{Template: review.Template{Lang: l, Kind: k, Mode: review.Mode(f.Get("mode")), Subject: f.Get("subject"), Body: f.Get("body"), Button: f.Get("button"), Own: true},
		Order: f.Get("order"), To: strings.TrimSpace(f.Get("to"))}
	here := "/shops/" + sh.ID + "/mails?lang=" + string(l) + "&kind=" + string(k)
	web.Subject(r.Context(), sh.ID, string(k)+" "+string(l))
	switch f.Get("do") {
	case "reset":
		if err := s.d.Reviews.ResetTemplate(r.Context(), sh.ID, l, k); err != nil {
			return err
		}
		return to(w, r, here, "template_reset")
	case "preview":
		return s.showTemplate(w, r, http.StatusOK, v, s.lint(r, sh.ID, v.Template))
	case "test":
		if wrong := s.lint(r, sh.ID, v.Template); len(wrong) > 0 {
			return s.showTemplate(w, r, http.StatusUnprocessableEntity, v, wrong)
		}
		id, err := s.orderFor(r, sh.ID, v.Order)
		if err == nil {
			err = s.d.Reviews.SendTest(r.Context(), sh.ID, id, k, &v.Template, v.To, db.NewID())
		}
		if e := errs.As(err); e != nil {
			v.Fault = i18n.T(web.Of(r.Context()).Lang, e.Key, e.Args...)
			return s.showTemplate(w, r, http.StatusUnprocessableEntity, v, words(r, err))
		}
		v.Sent = true
		return s.showTemplate(w, r, http.StatusOK, v, nil)
	}
	_, err = s.d.Reviews.SetTemplate(r.Context(), sh.ID, v.Template)
	if wrong := words(r, err); wrong != nil {
		return s.showTemplate(w, r, http.StatusUnprocessableEntity, v, wrong)
	}
	if err != nil {
		return err
	}
	return to(w, r, here, "template_saved")
}

func (s *Store) lint(r *http.Request, shopID string, t review.Template) map[string]string {
	set, err := s.d.Reviews.Settings(r.Context(), shopID)
	if err != nil {
		return nil // saving will say it
	}
	wrong := map[string]string{}
	for _, f := range review.Lint(t, set.SenderBlock) {
		wrong[f.Name] = i18n.T(web.Of(r.Context()).Lang, f.Key, f.Args...)
	}
	return wrong
}

// previewPolicy is for a mail shown in a frame of our own page: its inline
// styles are needed, and nothing in it runs.
const previewPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox"

// previewHTML is the HTML part of the stored template, for a frame.
func (s *Store) previewHTML(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	l, k := which(q.Get)
	t, err := s.d.Reviews.Template(r.Context(), sh.ID, l, k)
	if err != nil {
		return err
	}
	id, err := s.orderFor(r, sh.ID, q.Get("order"))
	if err != nil {
		return err
	}
	letter, err := s.d.Reviews.Preview(r.Context(), sh.ID, id, k, &t)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", previewPolicy)
	_, err = w.Write([]byte(letter.HTML))
	return err
}

type suppressionRow struct {
	review.Suppression
	Word string
	Lift bool
}

func (s *Store) suppressions(w http.ResponseWriter, r *http.Request) error {
	return s.showSuppressions(w, r, http.StatusOK, nil)
}

func (s *Store) showSuppressions(w http.ResponseWriter, r *http.Request, status int, wrong map[string]string) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	const size = 50
	all, err := s.d.Reviews.Suppressions(r.Context(), sh.ID, r.URL.Query().Get("after"), size+1)
	if err != nil {
		return err
	}
	next := ""
	if len(all) > size {
		all = all[:size]
		next = "/shops/" + sh.ID + "/suppressions?after=" + all[size-1].Hash
	}
	var rows []suppressionRow
	for _, v := range all {
		lift := v.Why == review.WhyBounced || v.Why == review.WhyManual || v.Why == review.WhySoft
		rows = append(rows, suppressionRow{v, i18n.T(web.Of(r.Context()).Lang, "review.suppressed."+v.Why), lift})
	}
	return s.render(w, r, status, "suppressions", "suppressions", sh, wrong, map[string]any{"Rows": rows, "Next": next})
}

func (s *Store) addSuppression(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	err = s.d.Reviews.SuppressByHand(r.Context(), sh.ID, r.PostForm.Get("email"), r.PostForm.Get("why"))
	if wrong := words(r, err); wrong != nil {
		return s.showSuppressions(w, r, http.StatusUnprocessableEntity, wrong)
	}
	if err != nil {
		return err
	}
	web.Subject(r.Context(), sh.ID, review.Mask(r.PostForm.Get("email")))
	return to(w, r, "/shops/"+sh.ID+"/suppressions", "suppressed")
}

func (s *Store) lift(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	if err := s.d.Reviews.Lift(r.Context(), sh.ID, r.PostForm.Get("id")); err != nil {
		return err
	}
	web.Subject(r.Context(), sh.ID, r.PostForm.Get("id"))
	return to(w, r, "/shops/"+sh.ID+"/suppressions", "lifted")
}

type privacyRow struct {
	order.PrivacyRequest
	Due time.Time
}

func (s *Store) privacy(w http.ResponseWriter, r *http.Request) error {
	return s.showPrivacy(w, r, http.StatusOK, nil, -1)
}

func (s *Store) showPrivacy(w http.ResponseWriter, r *http.Request, status int, wrong map[string]string, erased int) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	all, err := s.d.Orders.PrivacyRequests(r.Context(), sh.ID, "", 100)
	if err != nil {
		return err
	}
	var rows []privacyRow
	for _, p := range all {
		rows = append(rows, privacyRow{p, p.ReceivedAt.Add(order.PrivacyWithin)})
	}
	return s.render(w, r, status, "privacy", "privacy", sh, wrong, map[string]any{"Rows": rows, "Erased": erased})
}

func (s *Store) erase(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	ids, err := s.d.Orders.Erase(r.Context(), sh.ID, order.EraseRequest{Email: strings.TrimSpace(r.PostForm.Get("email"))}, s.site.Now())
	if wrong := words(r, err); wrong != nil {
		return s.showPrivacy(w, r, http.StatusUnprocessableEntity, wrong, -1)
	}
	if err != nil {
		return err
	}
	web.Subject(r.Context(), sh.ID, "")
	return s.showPrivacy(w, r, http.StatusOK, nil, len(ids))
}

func (s *Store) privacyDone(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	if err := s.d.Orders.EndPrivacyRequest(r.Context(), sh.ID, r.PathValue("id"), s.site.Now()); err != nil {
		return err
	}
	web.Subject(r.Context(), r.PathValue("id"), "")
	return to(w, r, "/shops/"+sh.ID+"/privacy", "privacy_done")
}
