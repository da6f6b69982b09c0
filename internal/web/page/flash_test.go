package page

import (
	"net/http/httptest"
	"testing"
)

// What an action has to say is said once, and not as good news when it is not.
func TestFlash(t *testing.T) {
	for code, want := range map[string]struct{ said, warn bool }{
		"saved":                {true, false},
		"warn.account_refused": {true, true},
		"no such sentence":     {false, false},
	} {
		w := httptest.NewRecorder()
		Flash(w, code)
		r := httptest.NewRequest("GET", "/", nil)
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
		w = httptest.NewRecorder()
		n := takeFlash(w, r)
		if (n.Text != "") != want.said || n.Warn != want.warn {
			t.Errorf("%s: %+v", code, n)
		}
		if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
			t.Errorf("%s: it would be said again: %v", code, c)
		}
	}
}
