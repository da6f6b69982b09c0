package api

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"imreport/internal/i18n"
	"imreport/internal/web"
)

func TestWhatCannotBeRead(t *testing.T) {
	each(t, func(h *house) {
		for _, lang := range []string{"ko", "en"} {
			c := h.admin()
			c.lang = lang
			readable(h.t, lang, c.do("POST", "/api-keys", `{"name":`).want(400, "body_unreadable"))
			readable(h.t, lang, c.do("POST", "/api-keys", `name=x`).want(400, "body_unreadable"))
			readable(h.t, lang, c.do("POST", "/api-keys", `[]`).want(422, "not_an_object"))
			readable(h.t, lang, c.with("Content-Type", "text/csv").do("POST", "/api-keys", `a,b`).want(415, "unsupported_media_type"))
			readable(h.t, lang, c.do("POST", "/api-keys", `{"name":"`+strings.Repeat("x", 1<<20)+`"}`).want(413, "too_large"))
			readable(h.t, lang, c.do("POST", "/api-keys", `{}`).want(422, "invalid"))
			a := c.do("PUT", "/api-keys", `{}`).want(405, "method_not_allowed")
			readable(h.t, lang, a)
			if a.header.Get("Allow") != "GET, POST" {
				t.Errorf("Allow: %q", a.header.Get("Allow"))
			}
			readable(h.t, lang, c.do("GET", "/nowhere", "").want(404, "not_found"))
			readable(h.t, lang, c.do("GET", "/raw-data/%00", "").want(404, "not_found"))
			readable(h.t, lang, c.do("GET", "/raw-data/"+url.PathEscape("' OR 1=1 --"), "").want(404, "not_found"))
			readable(h.t, lang, c.do("GET", "/raw-data/%ff%fe", "").want(404, "not_found"))
			a = h.as("").do("GET", "/status", "").want(401, "unauthenticated")
			if a.header.Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
			readable(h.t, lang, c.with("Authorization", "Basic eDp5").do("GET", "/status", "").want(401, "unauthenticated"))
		}
	})
}

func TestAPostIsDoneOncePerKey(t *testing.T) {
	each(t, func(h *house) {
		c := h.admin()
		_, acc := h.account(c, "1234567")
		body := rawDataJSON(acc)
		once := c.with("Idempotency-Key", "morning-1")
		first := once.do("POST", "/raw-data", body).want(201)
		again := once.do("POST", "/raw-data", body).want(201)
		if string(again.raw) != string(first.raw) || again.header.Get("Location") != first.header.Get("Location") ||
			again.header.Get("Content-Type") != "application/json" || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("another answer:\n%s\n%s", first.raw, again.raw)
		}
		if all := c.do("GET", "/raw-data", "").items(); len(all) != 1 {
			t.Errorf("%d raw data", len(all))
		}
		once.do("POST", "/raw-data", strings.Replace(body, "주간", "월간", 1)).want(422, "idempotency_other")
		once.do("POST", "/ad-accounts", body).want(422, "idempotency_other")
		h.pass(24*time.Hour + time.Second)
		if b := once.do("POST", "/raw-data", body).want(201); b.text("raw_data.id") == first.text("raw_data.id") {
			t.Error("after 24 hours the key is a new one")
		}

		// What was refused may be tried again, corrected.
		fix := c.with("Idempotency-Key", "fix")
		fix.do("POST", "/raw-data", strings.Replace(body, "AD", "SHOE", 1)).want(422)
		fix.do("POST", "/raw-data", body).want(201)
		c.with("Idempotency-Key", "a b").do("POST", "/raw-data", body).want(422, "idempotency_key_invalid")
		c.with("Idempotency-Key", strings.Repeat("x", 256)).do("POST", "/raw-data", body).want(422, "idempotency_key_invalid")

		// Each workspace has its own keys.
		other := h.stranger()
		_, theirs := h.account(other, "1234567")
		other.with("Idempotency-Key", "fix").do("POST", "/raw-data", rawDataJSON(theirs)).want(201)

		// A secret is shown once.
		tok := c.with("Idempotency-Key", "token")
		a := tok.do("POST", "/tokens", `{"name":"x"}`).want(201)
		b := tok.do("POST", "/tokens", `{"name":"x"}`).want(409, "shown_once")
		if strings.Contains(string(b.raw), a.text("token")) || b.at("location") != "/api/v1/tokens/"+a.text("id") {
			t.Errorf("shown twice: %s", b.raw)
		}
		var kept int
		h.ok(h.d.QueryRow(bg, `SELECT count(*) FROM idempotency WHERE key = 'token' AND body <> ''`).Scan(&kept))
		if kept != 0 {
			t.Error("the token is kept in the database")
		}
	})
}

// TestWhatWasDoneIsAnswered loses the database between the commit and the
// answer: an error would make the caller do it again.
func TestWhatWasDoneIsAnswered(t *testing.T) {
	one(t, func(h *house) {
		c := h.admin()
		_, acc := h.account(c, "1234567")
		h.unread.Store(true)
		a := c.do("POST", "/raw-data", rawDataJSON(acc)).want(201)
		if a.at("raw_data.name") != "주간 보고서" || a.at("run.state") != 3.0 || a.at("raw_data.customer_id") != "1234567" || a.at("raw_data.run.id") != a.at("run.id") {
			t.Errorf("answered from memory: %s", a.raw)
		}
		c.do("POST", "/raw-data/"+a.text("raw_data.id")+"/refresh", "").want(202)
		c.do("GET", "/raw-data/"+a.text("raw_data.id"), "").want(500, "internal")
		h.unread.Store(false)
		h.ended(c, a.text("run.id"), 7)
	})
}

func TestManyAtOnceWithOneKey(t *testing.T) {
	each(t, func(h *house) {
		c := h.admin()
		_, acc := h.account(c, "1234567")
		const n = 8
		codes := make(chan int, n)
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				r := httptest.NewRequest("POST", "/api/v1/raw-data", strings.NewReader(rawDataJSON(acc)))
				r.Header.Set("Authorization", "Bearer "+adminToken)
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Idempotency-Key", "at-once")
				w := httptest.NewRecorder()
				h.site.ServeHTTP(w, r)
				codes <- w.Code
			})
		}
		all.Wait()
		close(codes)
		made := 0
		for code := range codes {
			switch code {
			case http.StatusCreated:
				made++
			case http.StatusConflict:
			default:
				t.Errorf("status %d", code)
			}
		}
		if items := c.do("GET", "/raw-data", "").items(); len(items) != 1 || made == 0 {
			t.Errorf("%d raw data, %d answers of 201", len(items), made)
		}
	})
}

func TestARunningPostIsConflict(t *testing.T) {
	one(t, func(h *house) {
		c := h.admin()
		body := `{"name":"x"}`
		entered, leave := make(chan struct{}), make(chan struct{})
		h.site.API("POST /api/v1/slow", web.Access{Creates: true}, func(w http.ResponseWriter, r *http.Request) error {
			close(entered)
			<-leave
			return web.WriteJSON(w, 201, map[string]string{"id": "x"})
		})
		done := make(chan answer)
		go func() { done <- c.with("Idempotency-Key", "slow").do("POST", "/slow", body) }()
		<-entered
		for _, lang := range []string{"ko", "en"} {
			c.lang = lang
			readable(h.t, lang, c.with("Idempotency-Key", "slow").do("POST", "/slow", body).want(409, "idempotency_running"))
		}
		close(leave)
		(<-done).want(201)
		c.with("Idempotency-Key", "slow").do("POST", "/slow", body).want(201)
	})
}

func TestTheFileIsSentWholeAndInParts(t *testing.T) {
	one(t, func(h *house) {
		c := h.admin()
		_, acc := h.account(c, "1234567")
		a := c.do("POST", "/raw-data", strings.Replace(rawDataJSON(acc), "주간 보고서", `주간/보고서 \"A\" 100%`, 1)).want(201)
		raw := a.text("raw_data.id")
		h.ended(c, a.text("run.id"), 7)
		path := "/raw-data/" + raw + "/file"
		f := c.do("GET", path, "").want(200)
		tag := f.header.Get("ETag")
		if !strings.HasPrefix(string(f.raw), "PK") || f.header.Get("Content-Type") != xlsxType || tag == "" || f.header.Get("Accept-Ranges") != "bytes" {
			t.Errorf("file: %v %q", f.header, f.raw)
		}
		want := `attachment; filename="______ _A_ 100_.xlsx"; filename*=UTF-8''%EC%A3%BC%EA%B0%84_%EB%B3%B4%EA%B3%A0%EC%84%9C%20_A_%20100%25.xlsx`
		if got := f.header.Get("Content-Disposition"); got != want {
			t.Errorf("name:\n%s\n%s", got, want)
		}
		if part := c.with("Range", "bytes=0-1").do("GET", path, "").want(206); string(part.raw) != "PK" {
			t.Errorf("part: %q", part.raw)
		}
		c.with("If-None-Match", tag).do("GET", path, "").want(304)
		c.with("Range", "bytes=999999-").do("GET", path, "").want(416)
		if head := c.do("HEAD", path, "").want(200); len(head.raw) != 0 || head.header.Get("Content-Length") == "" {
			t.Errorf("head: %v", head.header)
		}

		// After another filling a part of the old file is not mixed with it.
		run := c.do("POST", "/raw-data/"+raw+"/refresh", "").want(202).text("run.id")
		h.ended(c, run, 7)
		whole := c.with("Range", "bytes=0-1").with("If-Range", tag).do("GET", path, "").want(200)
		if whole.header.Get("ETag") == tag {
			t.Error("two fillings have one ETag")
		}
	})
}

func TestNamesOfFiles(t *testing.T) {
	for name, want := range map[string]string{
		"a":          `attachment; filename="a.xlsx"; filename*=UTF-8''a.xlsx`,
		"":           `attachment; filename="raw-data.xlsx"; filename*=UTF-8''raw-data.xlsx`,
		"../..":      `attachment; filename="raw-data.xlsx"; filename*=UTF-8''raw-data.xlsx`,
		"a\r\nb":     `attachment; filename="a__b.xlsx"; filename*=UTF-8''a__b.xlsx`,
		"a+b c;d'e":  `attachment; filename="a+b c;d'e.xlsx"; filename*=UTF-8''a%2Bb%20c%3Bd%27e.xlsx`,
		" . ":        `attachment; filename="raw-data.xlsx"; filename*=UTF-8''raw-data.xlsx`,
		"보고서\u202e가": `attachment; filename="___" `,
	} {
		got := attachment(name)
		if !strings.HasSuffix(want, " ") && got != want {
			t.Errorf("%q:\n%s\n%s", name, got, want)
		}
		if strings.ContainsAny(got, "\r\n\x00") || strings.Count(got, `"`) != 2 {
			t.Errorf("%q breaks out: %s", name, got)
		}
	}
}

func TestTheDocumentsAreServed(t *testing.T) {
	calls, _ := document(t, i18n.Korean)
	site := calls.Site()
	for lang, word := range map[string]string{"ko": "로우데이터 만들기", "en": "Create a raw data"} {
		r := httptest.NewRequest("GET", "/api/docs", nil)
		r.Header.Set("Accept-Language", lang)
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		if w.Code != 200 || !strings.Contains(w.Body.String(), word) || strings.Contains(w.Body.String(), "<script") {
			t.Errorf("docs in %s: %d", lang, w.Code)
		}
	}
}
