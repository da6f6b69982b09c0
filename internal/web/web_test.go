package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/seal"
	"imreport/internal/workspace"
)

const adminToken = "the-admin-token-of-this-test-0123456789"

// fixture is a site with people.
type fixture struct {
	*Site
	t      testing.TB
	log    *bytes.Buffer
	people *workspace.Service
	first  workspace.First
	now    time.Time
}

func newFixture(t testing.TB, d *db.DB) *fixture {
	t.Helper()
	f := &fixture{t: t, log: &bytes.Buffer{}, now: time.Date(2026, 11, 24, 7, 30, 0, 0, time.UTC)}
	box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	f.ok(err)
	f.people = workspace.New(d, box, workspace.Options{Now: func() time.Time { return f.now }})
	f.first, err = f.people.EnsureFirst(context.Background())
	f.ok(err)
	f.ok(f.people.Bootstrap(context.Background(), adminToken))
	f.Site = New(Deps{People: f.people, Log: slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	return f
}

func (f *fixture) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

func request(method, path, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+adminToken)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func (f *fixture) audit() (lines []string) {
	f.t.Helper()
	owner, err := f.people.ByToken(context.Background(), adminToken)
	f.ok(err)
	all, err := f.people.Audit(context.Background(), owner, "", 100)
	f.ok(err)
	for _, e := range all {
		lines = append(lines, e.Action+" "+e.Subject+" "+e.Detail)
	}
	return lines
}

func TestEveryErrorSaysWhatAndWhatToDo(t *testing.T) {
	for kind := range kinds {
		for _, l := range i18n.Langs {
			// A key without sentences, as a package may have forgotten them.
			p := ProblemOf(errs.E(kind, "nobody.wrote_this", errors.New("secret cause")), l, "r1")
			if kind == errs.LeaseLost {
				continue // between workers, never shown
			}
			b, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			if p.Title == "" || p.Detail == "" || p.Action == "" || strings.Contains(string(b), "secret cause") || p.Status < 400 {
				t.Errorf("kind %d in %s: %s", kind, l, b)
			}
			if strings.HasPrefix(p.Title, "web.") || strings.HasPrefix(p.Title, "request.") {
				t.Errorf("kind %d in %s has no words: %s", kind, l, p.Title)
			}
		}
	}
	for name, c := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"a plain error":  {errors.New("sql: no rows"), 500, "internal"},
		"too late":       {fmt.Errorf("read: %w", context.DeadlineExceeded), 503, "unavailable"},
		"a large body":   {fmt.Errorf("read: %w", &http.MaxBytesError{Limit: 1}), 413, "too_large"},
		"another method": {errs.E(errs.Conflict, methodNotAllowed, nil, "PUT", "GET"), 405, "method_not_allowed"},
		"another kind":   {UnsupportedMedia("text/csv", "application/json"), 415, "unsupported_media_type"},
		"wrapped":        {fmt.Errorf("raw data: %w", errs.E(errs.NotFound, "report.not_found", nil)), 404, "not_found"},
	} {
		if p := ProblemOf(c.err, i18n.English, "r1"); p.Status != c.status || p.Code != c.code {
			t.Errorf("%s: %d %s", name, p.Status, p.Code)
		}
	}
}

func TestExtraMembersOfAProblem(t *testing.T) {
	p := ProblemOf(errs.E(errs.Conflict, "run.ended", nil).With("state", 7).With("a", []string{"<x>"}), i18n.English, "r1")
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil || m["state"] != 7.0 || m["code"] != "ended" {
		t.Errorf("%v in %s", err, b)
	}
	w := httptest.NewRecorder()
	p.Extra["bad"] = func() {}
	WriteProblem(w, p)
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Errorf("a member that cannot be written: %v", err)
	}
}

func TestChangesAreAudited(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := newFixture(t, d)
		seen := -1
		f.API("POST /api/v1/things", Access{Action: "thing.create"}, func(w http.ResponseWriter, r *http.Request) error {
			Subject(r.Context(), "t1", "a thing")
			err := WriteJSON(w, 201, 1)
			seen = len(f.audit())
			return err
		})
		f.API("POST /api/v1/refused", Access{Action: "thing.create"}, func(http.ResponseWriter, *http.Request) error {
			return errs.E(errs.Conflict, "run.ended", nil)
		})
		f.API("DELETE /api/v1/things", Access{Action: "thing.delete"}, func(http.ResponseWriter, *http.Request) error { return nil })
		if w := f.do(request("POST", "/api/v1/things", "")); w.Code != 201 {
			t.Fatal(w.Code)
		}
		if seen != 1 {
			t.Error("the line comes after the answer")
		}
		f.do(request("POST", "/api/v1/refused", ""))
		f.now = f.now.Add(time.Second)
		f.do(request("DELETE", "/api/v1/things", ""))
		if got := strings.Join(f.audit(), "|"); got != "thing.delete  |thing.create t1 a thing" {
			t.Errorf("audit log: %s", got)
		}
	})
}

func TestOnceKeepsLargeBodiesAside(t *testing.T) {
	f := newFixture(t, dbtest.SQLite(t))
	t.Setenv("TMPDIR", t.TempDir())
	n := 0
	f.API("POST /api/v1/files", Access{Creates: true, MaxBody: 8 << 20}, func(w http.ResponseWriter, r *http.Request) error {
		n++
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		return WriteJSON(w, 201, len(b))
	})
	large := strings.Repeat("0123456789abcdef", 3<<16) // 3 MiB
	for range 2 {
		w := f.do(request("POST", "/api/v1/files", large, "Idempotency-Key", "k"))
		if w.Code != 201 || strings.TrimSpace(w.Body.String()) != fmt.Sprint(len(large)) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if n != 1 {
		t.Errorf("done %d times", n)
	}
	if w := f.do(request("POST", "/api/v1/files", large[1:]+"x", "Idempotency-Key", "k")); w.Code != 422 {
		t.Errorf("another body: %d", w.Code)
	}
	if w := f.do(request("POST", "/api/v1/files", strings.Repeat("x", 9<<20), "Idempotency-Key", "k2")); w.Code != 413 {
		t.Errorf("too large: %d", w.Code)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestAKeyIsFreeAfterAFailure(t *testing.T) {
	f := newFixture(t, dbtest.SQLite(t))
	n := 0
	f.API("POST /api/v1/things", Access{Creates: true}, func(w http.ResponseWriter, r *http.Request) error {
		n++
		switch n {
		case 1:
			return errors.New("broken")
		case 2:
			panic("worse")
		}
		if r.Context().Err() != nil {
			t.Error("the work ends when the caller leaves")
		}
		return WriteJSON(w, 201, n)
	})
	for _, want := range []int{500, 500} {
		if w := f.do(request("POST", "/api/v1/things", "{}", "Idempotency-Key", "k")); w.Code != want {
			t.Errorf("%d, want %d", w.Code, want)
		}
	}
	gone, leave := context.WithCancel(context.Background())
	leave()
	f.ok(func() error { // whoever left comes back for the answer
		r := request("POST", "/api/v1/things", "{}", "Idempotency-Key", "k")
		actor, err := f.people.ByToken(context.Background(), adminToken)
		if err != nil {
			return err
		}
		i := &Info{Actor: actor, Known: true}
		r = WithInfo(r.WithContext(gone), i)
		return f.once(httptest.NewRecorder(), r, Access{Creates: true}, func(w http.ResponseWriter, r *http.Request) error {
			n++
			return WriteJSON(w, 201, n)
		})
	}())
	if w := f.do(request("POST", "/api/v1/things", "{}", "Idempotency-Key", "k")); w.Code != 201 || n != 3 {
		t.Errorf("%d after %d tries", w.Code, n)
	}
	if strings.Contains(f.log.String(), "broken") == false {
		t.Error("the cause is not in the log")
	}
}

func TestAnAuthenticatorOfItsOwn(t *testing.T) {
	f := newFixture(t, dbtest.SQLite(t))
	shop := Access{Authenticate: func(r *http.Request) error {
		switch r.Header.Get("X-Shop-Access-Code") {
		case "":
			return f.Authenticate(r)
		case "right":
			i := Of(r.Context())
			i.Actor, i.Known = workspace.Actor{WorkspaceID: f.first.WorkspaceID, Role: workspace.Editor}, true
			return nil
		}
		return errs.E(errs.Forbidden, "web.forbidden", nil)
	}, Needs: workspace.WriteRawData, Creates: true, Action: "order.import"}
	f.API("POST /api/v1/shop/orders", shop, func(w http.ResponseWriter, r *http.Request) error { return WriteJSON(w, 201, 1) })
	for name, c := range map[string]struct {
		headers []string
		want    int
	}{
		"code":       {[]string{"X-Shop-Access-Code", "right", "Authorization", ""}, 201},
		"token":      {nil, 201},
		"wrong code": {[]string{"X-Shop-Access-Code", "wrong"}, 403},
		"nobody":     {[]string{"Authorization", ""}, 401},
		"with key":   {[]string{"X-Shop-Access-Code", "right", "Authorization", "", "Idempotency-Key", "k"}, 201},
	} {
		if w := f.do(request("POST", "/api/v1/shop/orders", "", c.headers...)); w.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", name, w.Code, c.want, w.Body)
		}
	}
	if got := len(f.audit()); got != 3 {
		t.Errorf("%d lines in the audit log", got)
	}
}

// signIn begins a session of the first owner.
func (f *fixture) signIn() *http.Cookie {
	f.t.Helper()
	s, err := f.people.UseSignInLink(context.Background(), f.first.Link)
	f.ok(err)
	return &http.Cookie{Name: SessionCookie, Value: s.Token}
}

func TestFormsNeedTheirToken(t *testing.T) {
	f := newFixture(t, dbtest.SQLite(t))
	cookie := f.signIn()
	var token string
	f.Page("GET /form", Access{}, func(w http.ResponseWriter, r *http.Request) error {
		token = f.CSRFToken(w, r)
		return nil
	})
	f.Page("POST /form", Access{}, func(w http.ResponseWriter, r *http.Request) error { return WriteJSON(w, 200, 1) })
	f.API("POST /api/v1/form", Access{}, func(w http.ResponseWriter, r *http.Request) error { return WriteJSON(w, 200, 1) })
	r := httptest.NewRequest("GET", "/form", nil)
	r.AddCookie(cookie)
	if w := f.do(r); w.Code != 200 || token == "" {
		t.Fatal(w.Code)
	}
	first := token
	f.do(func() *http.Request { r := httptest.NewRequest("GET", "/form", nil); r.AddCookie(cookie); return r }())
	if first == token {
		t.Error("two renderings have the same token")
	}
	for name, c := range map[string]struct {
		path, token string
		headers     []string
		cookie      bool
		want        int
	}{
		"a form":                      {"/form", token, nil, true, 200},
		"without its token":           {"/form", "", nil, true, 403},
		"with a wrong one":            {"/form", token[1:] + "A", nil, true, 403},
		"without a session":           {"/form", token, nil, false, 401},
		"from another site":           {"/form", token, []string{"Sec-Fetch-Site", "cross-site"}, true, 403},
		"the API in a session":        {"/api/v1/form", "", []string{"X-CSRF-Token", token}, true, 200},
		"the API without the token":   {"/api/v1/form", "", nil, true, 403},
		"the API with its own token":  {"/api/v1/form", "", []string{"Authorization", "Bearer " + adminToken}, true, 200},
		"a bad token beside a cookie": {"/api/v1/form", "", []string{"Authorization", "Bearer x"}, true, 401},
	} {
		r := httptest.NewRequest("POST", c.path, strings.NewReader(url.Values{CSRFField: {c.token}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i+1 < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		if c.cookie {
			r.AddCookie(cookie)
		}
		if w := f.do(r); w.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", name, w.Code, c.want, w.Body)
		}
	}
}

func TestPagesAskToSignIn(t *testing.T) {
	f := newFixture(t, dbtest.SQLite(t))
	f.Page("GET /raw-data", Access{}, func(w http.ResponseWriter, r *http.Request) error { return nil })
	w := f.do(httptest.NewRequest("GET", "/raw-data?x=1", nil))
	if w.Code != 303 || w.Header().Get("Location") != "/sign-in?next=%2Fraw-data%3Fx%3D1" {
		t.Errorf("%d %s", w.Code, w.Header().Get("Location"))
	}
	for raw, want := range map[string]string{"/raw-data": "/raw-data", "//evil.example": "/", "https://evil.example": "/",
		`/\evil.example`: "/", "": "/", "raw-data": "/"} {
		if got := LocalPath(raw); got != want {
			t.Errorf("LocalPath(%q) = %q", raw, got)
		}
	}
}

func TestTheLogShowsRoutesNotPaths(t *testing.T) {
	f := newFixture(t, dbtest.SQLite(t))
	f.Plain("GET /sign-in/{token}", func(w http.ResponseWriter, r *http.Request) error { return nil })
	f.do(httptest.NewRequest("GET", "/sign-in/very-secret", nil))
	f.do(httptest.NewRequest("GET", "/hooks/shopify/very-secret", nil))
	if s := f.log.String(); strings.Contains(s, "very-secret") || !strings.Contains(s, "GET /sign-in/{token}") {
		t.Errorf("log: %s", s)
	}
}

func TestAnswersAreCompressed(t *testing.T) {
	f := newFixture(t, dbtest.SQLite(t))
	long := strings.Repeat("보고서 ", 2000)
	f.API("GET /api/v1/long", Access{}, func(w http.ResponseWriter, r *http.Request) error { return WriteJSON(w, 200, long) })
	f.API("GET /api/v1/short", Access{}, func(w http.ResponseWriter, r *http.Request) error { return WriteJSON(w, 200, "x") })
	f.API("GET /api/v1/half", Access{}, func(w http.ResponseWriter, r *http.Request) error {
		_, _ = w.Write([]byte("half"))
		return errors.New("broken in the middle")
	})
	w := f.do(request("GET", "/api/v1/long", "", "Accept-Encoding", "gzip"))
	z, err := gzip.NewReader(w.Body)
	f.ok(err)
	b, err := io.ReadAll(z)
	f.ok(err)
	var got string
	f.ok(json.Unmarshal(b, &got))
	if got != long || w.Header().Get("Content-Encoding") != "gzip" {
		t.Error("another text")
	}
	if w := f.do(request("GET", "/api/v1/short", "", "Accept-Encoding", "gzip")); w.Header().Get("Content-Encoding") != "" || w.Body.String() != "\"x\"\n" {
		t.Errorf("short: %v %q", w.Header(), w.Body)
	}
	// Half an answer is cut off, not ended with an error document.
	for _, encoding := range []string{"", "gzip"} {
		func() {
			defer func() {
				if p := recover(); p != http.ErrAbortHandler {
					t.Errorf("half an answer looks whole: %v", p)
				}
			}()
			f.do(request("GET", "/api/v1/half", "", "Accept-Encoding", encoding))
		}()
	}
}

func TestMachinesAreAnswered(t *testing.T) {
	var broken error
	s := New(Deps{Ready: func(context.Context) error { return broken }})
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	broken = errors.New("no database")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	if w.Code != 503 || strings.Contains(w.Body.String(), "no database") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestEveryAnswerCarriesItsHeaders(t *testing.T) {
	s := New(Deps{PublicURL: "https://reports.example.kr"})
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/nowhere", nil)
	r.Header.Set("X-Request-Id", "from-the-proxy-1")
	s.ServeHTTP(w, r)
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Request-Id": "from-the-proxy-1",
		"Strict-Transport-Security": "max-age=31536000", "Content-Security-Policy": policy} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	r.Header.Set("X-Request-Id", "x\" onload=")
	w = httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Header().Get("X-Request-Id") == r.Header.Get("X-Request-Id") {
		t.Error("a harmful request id is kept")
	}
}
