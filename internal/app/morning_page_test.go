package app

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"imreport/internal/account"
	"imreport/internal/config"
	"imreport/internal/db"
	"imreport/internal/workspace"
)

var csrf = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// The page of the morning says that a dead key keeps a raw data from being
// refreshed, and refuses a holiday in the past without losing what was typed.
func TestThePageOfTheMorning(t *testing.T) {
	each(t, func(t *testing.T, c config.Config) {
		a := open(t, c, Options{Migrate: true, Web: true})
		s := httptest.NewServer(a.site)
		defer s.Close()
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		jar, err := cookiejar.New(nil)
		ok(err)
		client := &http.Client{Jar: jar}
		read := func(r *http.Response, err error) (int, string) {
			t.Helper()
			ok(err)
			defer r.Body.Close()
			b, err := io.ReadAll(r.Body)
			ok(err)
			return r.StatusCode, string(b)
		}
		// post sends the form of a page with its token.
		post := func(page, to string, v url.Values) (int, string) {
			t.Helper()
			_, text := read(client.Get(page))
			token := csrf.FindStringSubmatch(text)
			if token == nil {
				t.Fatalf("no form on %s: %s", page, text)
			}
			v.Set("csrf", token[1])
			return read(client.PostForm(to, v))
		}
		first, err := a.people.EnsureFirst(bg)
		ok(err)
		in := s.URL + workspace.LinkPath + first.Link
		if status, text := post(in, in, url.Values{}); status != http.StatusOK {
			t.Fatalf("not signed in: %d %s", status, text)
		}
		k, err := a.keys.AddKey(bg, first.WorkspaceID, account.NewKey{Name: "k",
			License: "0100000000f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff00",
			Secret:  "AQAAAABTZWNyZXRLZXlGb3JUZXN0aW5nT25seTAwMDAwMQ=="}, time.Now())
		ok(err)
		acc, _, err := a.keys.AddAccount(bg, first.WorkspaceID, account.NewAccount{APIKeyID: k.ID, CustomerID: "1"}, time.Now())
		ok(err)
		_, err = a.d.Exec(bg, `INSERT INTO raw_data (id, workspace_id, ad_account_id, name, reports, period, destination, schedule, paused, paused_until_us,
			created_by, created_us, updated_us, opened_us, deleted_us) VALUES ('r', $1, $2, '아침', '["AD"]', '{"last_days":2}', '{"type":"xlsx"}',
			'{"daily_at":"07:30","mode":"ready_by","zone":"Asia/Seoul"}', $3, 0, '', 0, 0, 0, 0)`, first.WorkspaceID, acc.ID, false)
		ok(err)
		const cannot = "갱신할 수 없음"
		if _, text := read(client.Get(s.URL + "/morning")); !strings.Contains(text, "아침</a>") || strings.Contains(text, cannot) {
			t.Errorf("with a key that works: %s", text)
		}
		ok(a.d.InTx(bg, func(tx *db.Tx) error { return a.keys.MarkInvalid(bg, tx, k.ID, nil, time.Now()) }))
		if _, text := read(client.Get(s.URL + "/morning")); !strings.Contains(text, cannot) || !strings.Contains(text, "키를 고치거나") {
			t.Errorf("with a dead key: %s", text)
		}
		status, text := post(s.URL+"/morning", s.URL+"/morning", url.Values{"daily_at": {"07:30"}, "idle_days": {"0"}, "holidays": {"2020-12-25 지난 날"}})
		if status != http.StatusUnprocessableEntity || !strings.Contains(text, "이미 지났습니다") || !strings.Contains(text, "2020-12-25 지난 날") {
			t.Errorf("a past holiday: %d %s", status, text)
		}
	})
}
