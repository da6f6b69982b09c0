package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"

	"imreport/internal/errs"
)

// A form carries a token that is derived from the caller's cookie: who does
// not know the cookie cannot make one, and nothing is stored. Each rendering
// masks it with fresh bytes, so that compression gives nothing away (BREACH).

const (
	// CSRFField is the name of the hidden field of every form.
	CSRFField = "csrf"
	// csrfHeader carries the token where a script sends a request.
	csrfHeader = "X-CSRF-Token"
	// visitorCookie is what forms hang on before anybody has signed in.
	visitorCookie = "visitor"
	csrfBytes     = sha256.Size
)

func csrfMAC(cookie string) []byte {
	m := hmac.New(sha256.New, []byte(cookie))
	m.Write([]byte("imreport form"))
	return m.Sum(nil)
}

// CSRFToken makes the token of a form for the request's cookie. Before
// somebody has signed in it gives the browser a cookie of its own.
func (s *Site) CSRFToken(w http.ResponseWriter, r *http.Request) string {
	cookie := s.csrfCookie(r)
	if cookie == "" {
		cookie = newRequestID() + newRequestID()
		http.SetCookie(w, &http.Cookie{Name: visitorCookie, Value: cookie, Path: "/", HttpOnly: true,
			Secure: s.secure(r), SameSite: http.SameSiteLaxMode})
		r.AddCookie(&http.Cookie{Name: visitorCookie, Value: cookie}) // a second form of the page shares it
	}
	mac := csrfMAC(cookie)
	pad := make([]byte, csrfBytes, 2*csrfBytes)
	_, _ = rand.Read(pad) // never fails
	out := pad
	for i := range mac {
		out = append(out, mac[i]^pad[i])
	}
	return base64.RawURLEncoding.EncodeToString(out)
}

func (s *Site) csrfCookie(r *http.Request) string {
	if i := Of(r.Context()); i.Session != "" {
		return i.Session
	}
	if c, err := r.Cookie(visitorCookie); err == nil {
		return c.Value
	}
	return ""
}

// checkCSRF refuses a changing request that another site may have caused. It
// is asked only where the caller is known by a cookie: a token that was sent
// on purpose needs no such proof.
func (s *Site) checkCSRF(r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if err := s.origin.Check(r); err != nil {
		return errs.E(errs.Forbidden, "web.cross_site", err)
	}
	token := r.Header.Get(csrfHeader)
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); token == "" && kind == "multipart/form-data" {
		// A form with a file says it in its address: the file is streamed and
		// must not be read here. Addresses are not logged, and the token is
		// masked and of no use without the cookie.
		token = r.URL.Query().Get(CSRFField)
	}
	if token == "" {
		if err := r.ParseForm(); err != nil {
			return errs.E(errs.Malformed, "web.malformed", err)
		}
		token = r.PostForm.Get(CSRFField)
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	cookie := s.csrfCookie(r)
	if err != nil || len(b) != 2*csrfBytes || cookie == "" {
		return errs.E(errs.Forbidden, "web.form_expired", err)
	}
	for i := range csrfBytes {
		b[csrfBytes+i] ^= b[i]
	}
	if subtle.ConstantTimeCompare(b[csrfBytes:], csrfMAC(cookie)) != 1 {
		return errs.E(errs.Forbidden, "web.form_expired", nil)
	}
	return nil
}
