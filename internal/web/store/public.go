package store

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/web"
)

//go:embed public/*.html
var publicFiles embed.FS

//go:embed public/review.css
var publicCSS []byte

//go:embed public/review.js
var publicJS []byte

// publicSet is customers' pages in one language.
type publicSet struct{ t *template.Template }

// hashOf names a version of a file, so that browsers may keep it for ever.
func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

func newPublic() map[i18n.Lang]*publicSet {
	out := map[i18n.Lang]*publicSet{}
	for _, l := range i18n.Langs {
		out[l] = &publicSet{template.Must(template.New("").Funcs(template.FuncMap{
			"t":   func(key string, args ...any) string { return i18n.T(l, key, args...) },
			"day": func(t time.Time) string { return t.Format("2006. 1. 2.") },
			"css": func() string { return "/assets/review/review.css?v=" + hashOf(publicCSS) },
			"js":  func() string { return "/assets/review/review.js?v=" + hashOf(publicJS) },
			"upto": func(n int) []int {
				all := make([]int, n)
				for i := range all {
					all[i] = i + 1
				}
				return all
			},
			"full":    func(n int) string { return strings.Repeat("★", n) + strings.Repeat("☆", max(0, 5-n)) },
			"decimal": func(f float64) string { return fmt.Sprintf("%.1f", f) },
		}).ParseFS(publicFiles, "public/*.html"))}
	}
	return out
}

// publicPage is what a template of a customer's page sees.
type publicPage struct {
	Lang  i18n.Lang
	Title string
	Shop  string // the shop's name, at the top
	Data  any
}

// show answers with a customer's page. These pages are nobody's but the
// customer's: no cache keeps them, no search engine lists them, and their
// address, which is a secret, goes to no other site.
func (s *Store) show(w http.ResponseWriter, status int, name string, p publicPage) error {
	var b bytes.Buffer
	if err := s.public[p.Lang].t.ExecuteTemplate(&b, name, p); err != nil {
		return fmt.Errorf("render page %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(p.Lang))
	h.Add("Vary", "Accept-Language")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
		h.Set("X-Robots-Tag", "noindex, nofollow")
		h.Set("Referrer-Policy", "no-referrer")
	}
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

// langFor is the language of a customer's page: what the browser asks for,
// else that of the mail.
func langFor(r *http.Request, mail i18n.Lang) i18n.Lang {
	header := r.Header.Get("Accept-Language")
	for part := range strings.SplitSeq(header, ",") {
		tag, _, _ := strings.Cut(part, ";")
		if l, ok := i18n.Parse(tag); ok {
			return l
		}
	}
	if mail == "" {
		return i18n.Accept(header)
	}
	return mail
}

// plain adds a route for customers: whoever has the link may use it, so there
// is no session and no form token, and errors are kind pages.
func (s *Store) plain(pattern string, h web.Handler) {
	s.site.Plain(pattern, func(w http.ResponseWriter, r *http.Request) error {
		l := langFor(r, "")
		web.Of(r.Context()).Lang = l
		err := h(w, r)
		if err == nil {
			return nil
		}
		p := web.ProblemOf(err, l, web.Of(r.Context()).ID)
		if p.Status >= http.StatusInternalServerError || errs.As(err) == nil {
			s.site.Log().ErrorContext(r.Context(), "customer's page", "error", err)
		}
		return s.show(w, p.Status, "problem", publicPage{Lang: l, Title: p.Title, Data: p})
	})
}

func (s *Store) mountPublic() {
	for name, f := range map[string]struct {
		kind string
		body []byte
	}{"review.css": {"text/css; charset=utf-8", publicCSS}, "review.js": {"text/javascript; charset=utf-8", publicJS}} {
		s.site.Plain("GET /assets/review/"+name, func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Type", f.kind)
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
			_, err := w.Write(f.body)
			return err
		})
	}
	s.plain("GET /r/{token}", s.reviewPage)
	s.plain("POST /r/{token}", s.reviewForm)
	s.plain("GET /u/{token}", s.leavePage)
	s.plain("POST /u/{token}", s.leave)
	s.plain("GET /review-photos/{id}", s.photo)
	s.plain("GET /widget/{shop}", s.widget)
}

// leavePage asks whether mails should end; it ends nothing.
func (s *Store) leavePage(w http.ResponseWriter, r *http.Request) error {
	v, err := s.d.Reviews.Leave(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	l := langFor(r, i18n.Lang(v.Lang))
	return s.show(w, http.StatusOK, "leave", publicPage{Lang: l, Title: i18n.T(l, "shopui.leave.title"), Shop: v.Shop, Data: v})
}

// leave ends the mails: by the button of the page, or by one click in a mail
// program (RFC 8058), which sends neither cookie nor anything to follow.
func (s *Store) leave(w http.ResponseWriter, r *http.Request) error {
	token := r.PathValue("token")
	if err := s.d.Reviews.Unsubscribe(r.Context(), token); err != nil {
		return err
	}
	v, err := s.d.Reviews.Leave(r.Context(), token)
	if err != nil {
		return err
	}
	l := langFor(r, i18n.Lang(v.Lang))
	return s.show(w, http.StatusOK, "left", publicPage{Lang: l, Title: i18n.T(l, "shopui.left.title"), Shop: v.Shop, Data: v})
}
