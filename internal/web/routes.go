package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"imreport/internal/errs"
	"imreport/internal/workspace"
)

// Access says who may use a route and what it does to the world.
type Access struct {
	// Public: anybody, also without signing in.
	Public bool
	// Needs is what the caller's role has to allow (docs/roles.md); empty: any
	// member may.
	Needs workspace.Action
	// Role is the least role that may, where no Action says it; empty: any.
	Role workspace.Role
	// Owner: only the owner of the whole instance.
	Owner bool
	// Authenticate finds out who asks, in place of token and session: it sets
	// Actor and Known of the request's Info, or says why it does not. It may
	// call Site.Authenticate. Only for calls of the API.
	Authenticate func(r *http.Request) error
	// Action names a changing request in the audit log: "raw_data.create".
	// Empty for requests that only read, also by POST (an estimate).
	Action string
	// Creates: the POST heeds an Idempotency-Key.
	Creates bool
	// MaxBody bounds the body, in bytes; 0: a megabyte.
	MaxBody int64
	// Secret: the answer holds something that is shown once. A repeated POST
	// with the same Idempotency-Key is told so instead of being shown it again.
	Secret bool
}

// API adds a call for programs: callers bring a token (or a session of this
// site), and errors are problem documents.
func (s *Site) API(pattern string, a Access, h Handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		info := Of(r.Context())
		info.Pattern = pattern
		who := s.Authenticate
		if a.Authenticate != nil {
			who = a.Authenticate
		}
		err := who(r)
		info.Lang = apiLang(r, info)
		w.Header().Set("Content-Language", string(info.Lang))
		w.Header().Add("Vary", "Accept-Language, Authorization, Cookie")
		w.Header().Set("Cache-Control", "no-store")
		if err == nil {
			err = s.allow(info, a)
		}
		if err == nil && info.Session != "" {
			err = s.checkCSRF(r)
		}
		if err == nil {
			err = s.run(w, r, a, h)
		}
		s.answerError(w, r, err)
	})
}

// Page adds a page for people: callers bring a session, forms a token, and
// errors are pages too.
func (s *Site) Page(pattern string, a Access, h Handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		info := Of(r.Context())
		info.Pattern = pattern
		err := s.authenticate(r, false)
		info.Lang = pageLang(r, info)
		w.Header().Add("Vary", "Accept-Language, Cookie")
		if err == nil {
			err = s.allow(info, a)
		}
		if errs.KindOf(err) == errs.Unauthenticated && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			http.Redirect(w, r, "/sign-in?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
			return
		}
		if err == nil {
			err = s.checkCSRF(r)
		}
		if err == nil {
			err = s.run(w, r, a, h)
		}
		s.answerError(w, r, err)
	})
}

// Plain adds a route without a caller: a static file, a webhook.
func (s *Site) Plain(pattern string, h Handler) {
	s.mux.HandleFunc(pattern, s.named(pattern, func(w http.ResponseWriter, r *http.Request) {
		s.answerError(w, r, h(w, r))
	}))
}

// plain is for the site's own routes; their pattern is what the mux matched.
func (s *Site) plain(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Pattern != "/" {
			Of(r.Context()).Pattern = r.Pattern
		}
		h(w, r)
	}
}

func (s *Site) named(pattern string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		Of(r.Context()).Pattern = pattern
		h(w, r)
	}
}

// run calls the handler, once per Idempotency-Key, and writes the audit log.
func (s *Site) run(w http.ResponseWriter, r *http.Request, a Access, h Handler) error {
	if a.MaxBody > 0 {
		MaxBody(w, r, a.MaxBody)
	}
	if a.Action != "" {
		h = s.audited(a, h)
	}
	if a.Creates && r.Header.Get(idempotencyHeader) != "" {
		return s.once(w, r, a, h)
	}
	return h(w, r)
}

// SessionCookie holds the session of somebody who has signed in on a page.
const SessionCookie = "session"

// Authenticate finds out who asks, by a token or a session of this site, and
// notes it in the request's Info. Nobody is no error.
func (s *Site) Authenticate(r *http.Request) error { return s.authenticate(r, true) }

// authenticate finds out who asks. Nobody is no error: allow decides.
func (s *Site) authenticate(r *http.Request, tokens bool) error {
	info := Of(r.Context())
	if h := r.Header.Get("Authorization"); tokens && h != "" {
		scheme, token, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(token) == "" {
			return errs.E(errs.Unauthenticated, "web.unauthenticated", nil)
		}
		actor, err := s.d.People.ByToken(r.Context(), strings.TrimSpace(token))
		if err != nil {
			return err
		}
		info.Actor, info.Known = actor, true
		return nil
	}
	c, err := r.Cookie(SessionCookie)
	if err != nil || c.Value == "" {
		return nil
	}
	actor, err := s.d.People.BySession(r.Context(), c.Value)
	if errs.KindOf(err) == errs.Unauthenticated {
		return nil // the session has ended
	}
	if err != nil {
		return err
	}
	info.Actor, info.Known, info.Session = actor, true, c.Value
	return nil
}

func (s *Site) allow(info *Info, a Access) error {
	switch {
	case a.Public:
		return nil
	case !info.Known:
		return errs.E(errs.Unauthenticated, "web.unauthenticated", nil)
	case a.Owner:
		return info.Actor.Need(workspace.WriteInstance)
	case a.Needs != "":
		return info.Actor.Need(a.Needs)
	case a.Role != "" && !info.Actor.Role.AtLeast(a.Role):
		return errs.E(errs.Forbidden, "web.forbidden", nil)
	}
	return nil
}

// SetErrorPage says how a Problem looks as a page.
func (s *Site) SetErrorPage(f func(w http.ResponseWriter, r *http.Request, p Problem)) {
	s.errorPage = f
}

// answerError shows err to the caller; nil does nothing. Programs get a
// problem document, people a page.
func (s *Site) answerError(w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		return
	}
	info := Of(r.Context())
	info.err = err
	if started(w) {
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the caller has gone
	}
	w.Header().Set("Content-Language", string(info.Lang))
	p := ProblemOf(err, info.Lang, info.ID)
	if s.errorPage != nil && isPage(r) {
		s.errorPage(w, r, p)
		return
	}
	WriteProblem(w, p)
}

// isPage reports whether a person looks at the answer in a browser.
func isPage(r *http.Request) bool {
	p := r.URL.Path
	for _, machine := range []string{"/api/v1/", "/api/openapi.json", "/hooks/", "/healthz", "/readyz", "/metrics", "/assets/"} {
		if strings.HasPrefix(p, machine) {
			return false
		}
	}
	return true
}

// NotFound is the error for an address without anything behind it.
func NotFound() error { return errs.E(errs.NotFound, "web.not_found", nil) }

var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// unmatched says why no route took the request: there is none, or not for this
// method.
func (s *Site) unmatched(w http.ResponseWriter, r *http.Request) error {
	info := Of(r.Context())
	if isPage(r) {
		_ = s.authenticate(r, false) // only for the frame around the page
		info.Lang = pageLang(r, info)
	} else {
		info.Lang = apiLang(r, info)
	}
	var others []string
	for _, m := range methods {
		if m == r.Method {
			continue
		}
		try := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(try); pattern != "/" && pattern != "" {
			others = append(others, m)
		}
	}
	if len(others) == 0 {
		return NotFound()
	}
	slices.Sort(others)
	allow := strings.Join(others, ", ")
	w.Header().Set("Allow", allow)
	return errs.E(errs.Conflict, methodNotAllowed, nil, r.Method, allow)
}
