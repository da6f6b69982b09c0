package api

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"imreport/internal/web"
)

// session signs the first owner in and is a client that calls with the cookie,
// as a script of a page does.
func (h *house) session() *client {
	h.t.Helper()
	f, err := h.people.EnsureFirst(bg)
	h.ok(err)
	s, err := h.people.UseSignInLink(bg, f.Link)
	h.ok(err)
	c := h.as("").with("Cookie", web.SessionCookie+"="+s.Token)
	var token string
	h.site.Page("GET /a-form-of-this-test", web.Access{}, func(w http.ResponseWriter, r *http.Request) error {
		token = h.site.CSRFToken(w, r)
		return nil
	})
	r := httptest.NewRequest("GET", "/a-form-of-this-test", nil)
	r.AddCookie(&http.Cookie{Name: web.SessionCookie, Value: s.Token})
	h.site.ServeHTTP(httptest.NewRecorder(), r)
	return c.with("X-CSRF-Token", token)
}

func TestOneselfInASession(t *testing.T) {
	one(t, func(h *house) {
		c := h.session()
		a := c.do("PATCH", "/profile", `{"name":"김대표","email":"boss@example.kr","lang":"en"}`).want(200)
		if a.at("name") != "김대표" || a.at("email") != "boss@example.kr" || a.at("lang") != "en" || a.at("has_password") != false {
			t.Errorf("profile: %s", a.raw)
		}
		c.do("POST", "/profile/password", `{"new":"short"}`).want(422, "too_short")
		c.do("POST", "/profile/password", `{"new":"correct horse battery"}`).want(204)
		c.do("POST", "/profile/password", `{"old":"wrong","new":"another fine password"}`).want(422, "wrong")
		c.do("GET", "/profile", "").want(200)
		c.do("PATCH", "/profile", `{"email":"not an address"}`).want(422)
		c.with("X-CSRF-Token", "").do("PATCH", "/profile", `{"name":"x"}`).want(403, "form_expired")
		c.with("Sec-Fetch-Site", "cross-site").do("PATCH", "/profile", `{"name":"x"}`).want(403, "cross_site")

		// A session sees all workspaces of its person.
		second := c.do("POST", "/workspaces", `{"name":"둘째"}`).want(201).text("id")
		all := c.do("GET", "/workspaces", "").want(200).items()
		if len(all) != 2 {
			t.Errorf("workspaces: %v", all)
		}
		if w := c.do("GET", "/workspaces/"+second, "").want(200); w.at("current") != false || w.at("role") != "owner" {
			t.Errorf("the other one: %s", w.raw)
		}
		c.do("PATCH", "/workspaces/"+second, `{"name":"x"}`).want(404) // one changes where one is
	})
}
