package web

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"imreport/internal/i18n"
	"imreport/internal/workspace"
)

// Info is what the middleware knows of a request. There is one per request,
// shared by all copies of it, so that the log sees what a handler found out.
type Info struct {
	ID      string // in X-Request-Id and every problem
	Lang    i18n.Lang
	Pattern string // the route: "GET /api/v1/runs/{id}"; never the path itself
	Actor   workspace.Actor
	Session string // the session cookie's value; empty when a token was used
	Known   bool   // Actor is set
	// subject and detail are what the audit log says of a changing request.
	subject, detail string
	body            io.ReadCloser // as it came, before limits
	err             error         // what the handler returned, for the log
	looked          bool          // see OnlyLooked
}

type infoKey struct{}

// Of is the request's Info; never nil.
func Of(ctx context.Context) *Info {
	if i, ok := ctx.Value(infoKey{}).(*Info); ok {
		return i
	}
	return &Info{Lang: i18n.Korean}
}

// WithInfo puts i into the request; for tests and the server itself.
func WithInfo(r *http.Request, i *Info) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), infoKey{}, i))
}

// newRequestID is 16 letters and digits: short enough to be read out on the
// phone, 80 bits so that it is never met twice.
func newRequestID() string {
	b := make([]byte, 10)
	_, _ = rand.Read(b) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(b))
}

// requestID takes the caller's X-Request-Id when it is harmless.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if len(id) < 8 || len(id) > 64 {
		return newRequestID()
	}
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return newRequestID()
		}
	}
	return id
}

// LangCookie remembers the language that somebody chose on a page.
const LangCookie = "lang"

// apiLang is the language of an answer to a program: what it asks for, else
// the person's own.
func apiLang(r *http.Request, i *Info) i18n.Lang {
	if h := r.Header.Get("Accept-Language"); h != "" {
		return i18n.Accept(h)
	}
	if i.Known && i.Actor.Lang != "" {
		return i.Actor.Lang
	}
	return i18n.Korean
}

// pageLang is the language of a page: what was chosen in this browser, else
// the person's own, else what the browser asks for.
func pageLang(r *http.Request, i *Info) i18n.Lang {
	if c, err := r.Cookie(LangCookie); err == nil {
		if l, ok := i18n.Parse(c.Value); ok {
			return l
		}
	}
	if i.Known && i.Actor.Lang != "" {
		return i.Actor.Lang
	}
	return i18n.Accept(r.Header.Get("Accept-Language"))
}

// secure reports whether cookies may be marked Secure: the public address is
// https, or this connection is.
func (s *Site) secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(s.d.PublicURL, "https://")
}

// remoteIP is the address of the connection, without its port.
func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// LocalPath is raw when it is a path of this site, so that it is safe to
// redirect to; "/" otherwise.
func LocalPath(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") || strings.Contains(raw, `\`) {
		return "/"
	}
	return raw
}
