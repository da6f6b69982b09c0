package web

import (
	"net/http"
	"time"

	"imreport/internal/i18n"
)

// SetSession signs a browser in: it keeps the session's token until expires.
func (s *Site) SetSession(w http.ResponseWriter, r *http.Request, token string, expires time.Time) {
	s.cookie(w, r, SessionCookie, token, expires)
}

// EndSession makes the browser forget its session.
func (s *Site) EndSession(w http.ResponseWriter, r *http.Request) {
	s.cookie(w, r, SessionCookie, "", time.Unix(1, 0))
}

// SetLang keeps the language that somebody chose in this browser for a year.
func (s *Site) SetLang(w http.ResponseWriter, r *http.Request, l i18n.Lang) {
	s.cookie(w, r, LangCookie, string(l), s.d.Now().AddDate(1, 0, 0))
}

// cookie sets a cookie that no script reads and no other site's form sends.
func (s *Site) cookie(w http.ResponseWriter, r *http.Request, name, value string, expires time.Time) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", Expires: expires, HttpOnly: true,
		Secure: s.secure(r), SameSite: http.SameSiteLaxMode})
}
