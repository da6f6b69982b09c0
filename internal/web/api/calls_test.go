package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"imreport/internal/account"
	"imreport/internal/errs"
	"imreport/internal/quota"
)

func TestAPIKeys(t *testing.T) {
	each(t, func(h *house) {
		c := h.admin()
		a := c.do("POST", "/api-keys", `{"name":" 대행사 ","platform":"naver_searchad","license":"\u200b`+license+` ","secret":"`+secretA+`","owner_customer_id":1234567}`).want(201)
		id := a.text("id")
		if a.header.Get("Location") != "/api/v1/api-keys/"+id {
			t.Errorf("Location %q", a.header.Get("Location"))
		}
		if a.at("license") != license || a.at("name") != "대행사" || a.at("owner_customer_id") != "1234567" || a.at("valid") != true {
			t.Errorf("not as sent: %s", a.raw)
		}
		for _, path := range []string{"/api-keys", "/api-keys/" + id} {
			if strings.Contains(string(c.do("GET", path, "").want(200).raw), secretA) {
				t.Errorf("%s shows the secret", path)
			}
		}
		a = c.do("PATCH", "/api-keys/"+id, `{"secret":"`+secretB+`","name":"새 이름","owner_customer_id":null,"head_room_percent":20}`).want(200)
		if a.at("name") != "새 이름" || a.at("owner_customer_id") != nil || a.at("head_room_percent") != 20.0 || strings.Contains(string(a.raw), secretB) {
			t.Errorf("not as changed: %s", a.raw)
		}
		// The mistake is at the field that was sent; the page looks for it there too.
		if a := c.do("PATCH", "/api-keys/"+id, `{"head_room_percent":150}`).want(422); !strings.Contains(string(a.raw), `"field":"head_room_percent"`) {
			t.Errorf("head room of 150 %%: %s", a.raw)
		}
		h.source.found = []account.Found{{CustomerID: "1234567", Name: "광고주", Role: "OWNER"}, {CustomerID: "7654321"}}
		if a := c.do("POST", "/api-keys/"+id+"/sync", "").want(200); a.at("found") != 2.0 || a.at("added") != 2.0 {
			t.Errorf("sync: %s", a.raw)
		}
		a = c.do("GET", "/api-keys/"+id+"/usage", "").want(200)
		if a.at("queue.bulk") != 3.0 || a.at("queue.interactive") != 0.0 || len(a.body["scopes"].([]any)) != 2 {
			t.Errorf("usage shows what it should not, or misses something: %s", a.raw)
		}
		if _, ok := a.body["expected_end"]; !ok {
			t.Errorf("no expected_end: %s", a.raw)
		}
		parts := `"workspaces":[{"own":true,"queue":{"interactive":0,"bulk":2,"backfill":0},"slots":7},{"own":false,"queue":{"interactive":0,"bulk":1,"backfill":0},"slots":15}]`
		if !strings.Contains(string(a.raw), parts) || strings.Contains(string(a.raw), "other") {
			t.Errorf("whose requests they are: %s", a.raw)
		}
		a = c.do("DELETE", "/api-keys/"+id, "").want(409, "key_in_use")
		if d := fmt.Sprint(a.body["dependents"]); !strings.Contains(d, "ad_account") || a.text("action") == "" {
			t.Errorf("what hangs on it: %s", a.raw)
		}
		c.do("DELETE", "/api-keys/"+id+"?with_accounts=maybe", "").want(422, "not_a_boolean")
		c.do("DELETE", "/api-keys/"+id+"?with_accounts=true", "").want(204)
		c.do("GET", "/api-keys/"+id, "").want(404, "key_not_found")
	})
}

func TestADeadKeySaysWhich(t *testing.T) {
	one(t, func(h *house) {
		c := h.admin()
		id, _ := h.account(c, "1234567")
		h.source.refused = &account.Refused{Reason: account.ReasonSecret, Revision: 1}
		c.do("POST", "/api-keys/"+id+"/sync", "").want(422, "secret_refused")
		a := c.do("GET", "/api-keys/"+id, "").want(200)
		if a.at("valid") != false || a.at("reason.code") != "secret_invalid" || a.at("invalid_since") == nil {
			t.Errorf("key: %s", a.raw)
		}
		all := c.do("GET", "/incidents", "").want(200).items()
		if len(all) != 1 || all[0]["kind"] != "key_invalid" || all[0]["state"] != "open" || all[0]["subject"] != id {
			t.Fatalf("incidents: %v", all)
		}
		inc := all[0]["id"].(string)
		c.do("GET", "/incidents/"+inc, "").want(200)
		if a := c.do("POST", "/incidents/"+inc+"/resolve", "").want(200); a.at("state") != "resolved" || a.at("resolved_at") == nil {
			t.Errorf("resolved: %s", a.raw)
		}
		if all := c.do("GET", "/incidents", "").items(); len(all) != 0 {
			t.Errorf("still open: %v", all)
		}
		if all := c.do("GET", "/incidents?state=all", "").items(); len(all) != 1 {
			t.Errorf("all: %v", all)
		}
		c.do("GET", "/incidents?state=closed", "").want(422, "incident_state_unknown")
		h.source.refused = nil
		if a := c.do("PATCH", "/api-keys/"+id, `{"secret":"`+secretB+`"}`).want(200); a.at("valid") != true || a.at("reason") != nil {
			t.Errorf("after the repair: %s", a.raw)
		}
	})
}

// proving is a platform that is asked whether a key reaches a customer.
type proving struct {
	*fakeSource
	says error
}

func (p proving) Prove(context.Context, account.Credential, string) error { return p.says }

// TestAddingTellsWhetherTheKeyReaches: the account is added in any case.
func TestAddingTellsWhetherTheKeyReaches(t *testing.T) {
	one(t, func(h *house) {
		c := h.admin()
		key, _ := h.account(c, "1")
		for i, says := range []struct {
			err         error
			state, text string
		}{
			{nil, "reached", ""},
			{errs.E(errs.Invalid, "naver.forbidden", nil, "3", "0100…", "t"), "refused", "must grant"},
			{errs.E(errs.Unavailable, "naver.unreachable", nil, "a", "b", "c"), "not_checked", "not checked yet"},
		} {
			h.keys.Discover(account.NaverSearchAd, proving{h.source, says.err})
			a := c.do("POST", "/ad-accounts", fmt.Sprintf(`{"api_key_id":"%s","customer_id":"%d"}`, key, i+2)).want(201)
			if a.text("access.state") != says.state || !strings.Contains(a.text("access.text"), says.text) || (a.at("proved_at") != nil) != (says.err == nil) {
				t.Errorf("%s: %s", says.state, a.raw)
			}
		}
	})
}

func TestAdAccounts(t *testing.T) {
	each(t, func(h *house) {
		c := h.admin()
		key, id := h.account(c, "1234567")
		// Numbers, dashes and what a paste brings along are the same customer.
		for _, customer := range []string{`1234567`, `"\u200b123-4567\u00a0"`, `" 1234567\n"`} {
			a := c.do("POST", "/ad-accounts", `{"api_key_id":"`+key+`","customer_id":`+customer+`,"name":"x"}`).want(200)
			if a.text("id") != id || a.at("customer_id") != "1234567" || a.at("name") != "광고주" {
				t.Errorf("%s: %s", customer, a.raw)
			}
		}
		made := 0
		for _, line := range c.do("GET", "/audit", "").want(200).items() {
			if line["action"] == "ad_account.create" {
				made++
			}
		}
		if made != 1 {
			t.Errorf("%d accounts made, says the audit log", made)
		}
		c.do("POST", "/ad-accounts", `{"api_key_id":"`+key+`","customer_id":"abc"}`).want(422, "malformed")
		c.do("POST", "/ad-accounts", `{"api_key_id":"nothing","customer_id":"1"}`).want(422, "unknown")
		a := c.do("POST", "/ad-accounts", `{}`).want(422)
		if n := len(a.body["errors"].([]any)); n != 2 {
			t.Errorf("%d wrong fields: %s", n, a.raw)
		}
		if all := c.do("GET", "/ad-accounts?api_key_id="+key, "").want(200).items(); len(all) != 1 {
			t.Errorf("list: %v", all)
		}
		if all := c.do("GET", "/ad-accounts?api_key_id=other", "").want(200).items(); len(all) != 0 {
			t.Errorf("list of another key: %v", all)
		}
		if a := c.do("PATCH", "/ad-accounts/"+id, `{"name":"새 이름"}`).want(200); a.at("name") != "새 이름" {
			t.Errorf("named: %s", a.raw)
		}
		c.do("GET", "/ad-accounts/"+id, "").want(200)
		raw, run := h.rawData(c, id)
		h.ended(c, run, 7)
		a = c.do("DELETE", "/ad-accounts/"+id, "").want(409, "in_use")
		if d, _ := json.Marshal(a.body["dependents"]); string(d) != `[{"count":1,"kind":"raw_data"}]` {
			t.Errorf("dependents: %s", d)
		}
		c.do("DELETE", "/raw-data/"+raw, "").want(204)
		c.do("DELETE", "/ad-accounts/"+id, "").want(204)
		c.do("GET", "/ad-accounts/"+id, "").want(404, "not_found")
	})
}

func TestRawDataFromRequestToFile(t *testing.T) {
	each(t, func(h *house) {
		c := h.admin()
		_, acc := h.account(c, "1234567")
		release := h.source.hold()
		defer release()
		h.expected = &quota.Range{From: h.clock(), To: h.clock().Add(time.Minute)}
		a := c.do("POST", "/raw-data", `{"name":"주간 보고서","ad_account_id":"`+acc+`","reports":["AD"],"period":{"from":"2026-11-01","to":"2026-11-10"},
			"destination":{"type":"xlsx"},"schedule":{"daily_at":"07:30"},"priority":"bulk"}`).want(201)
		raw, run := a.text("raw_data.id"), a.text("run.id")
		if a.at("accepted") != true || a.at("raw_data.schedule.mode") != "ready_by" || a.at("raw_data.schedule.zone") != "Asia/Seoul" ||
			a.at("run.priority") != "bulk" || a.at("run.kind") != "create" || a.at("raw_data.customer_id") != "1234567" ||
			a.at("raw_data.has_file") != false || a.at("raw_data.next_refresh_at") == nil || a.at("raw_data.period.from") != "2026-11-01" {
			t.Errorf("created: %s", a.raw)
		}
		if s := a.at("run.state").(float64); s < 3 || s > 4 {
			t.Errorf("state %v: the lane was free", s)
		}
		c.do("GET", "/raw-data/"+raw+"/file", "").want(409, "file_not_ready")
		h.await("the run to collect", func() bool { return c.do("GET", "/runs/"+run, "").want(200).at("state") == 4.0 })

		// A second one of the same account waits in line.
		b := c.do("POST", "/raw-data", rawDataJSON(acc)).want(201)
		if b.at("run.state") != 1.0 || b.at("run.state_name") != "CREATE_WAITING" || b.at("run.reason.code") != "lane_busy" || b.at("run.position") != 1.0 {
			t.Errorf("second: %s", b.raw)
		}
		s := c.do("GET", "/status", "").want(200)
		items := s.items()
		if len(items) != 2 || s.at("poll_after_s") != 10.0 || items[0]["run_id"] != run || items[0]["raw_data_id"] != raw || items[1]["position"] != 1.0 {
			t.Errorf("status: %s", s.raw)
		}
		for _, member := range []string{"state", "state_name", "reason", "position", "progress", "expected"} {
			if _, ok := items[0][member]; !ok {
				t.Errorf("an item of status has no %s: %s", member, s.raw)
			}
		}
		if items[0]["expected"].(map[string]any)["to"] == nil {
			t.Errorf("expected: %s", s.raw)
		}
		c.with("If-None-Match", s.header.Get("ETag")).do("GET", "/status", "").want(304)

		release()
		h.source.set(nil)
		end := h.ended(c, run, 7)
		if end.at("progress.done") != end.at("progress.total") || end.at("finished_at") == nil || end.at("state_name") != "SUCCESS" {
			t.Errorf("ended: %s", end.raw)
		}
		h.ended(c, b.text("run.id"), 7)
		a = c.do("GET", "/raw-data/"+raw, "").want(200)
		if a.at("state") != 7.0 || a.at("has_file") != true || a.at("data_through") != "2026-11-10" || a.at("run") != nil || a.at("file.url") != "/api/v1/raw-data/"+raw+"/file" {
			t.Errorf("filled: %s", a.raw)
		}
		last := 0.0
		for _, row := range c.do("GET", "/raw-data/"+raw+"/log", "").want(200).items() {
			if row["seq"].(float64) <= last || row["run_id"] != run || row["at"] == nil {
				t.Errorf("log row: %v", row)
			}
			last = row["seq"].(float64)
		}
		if all := c.do("GET", "/raw-data", "").want(200).items(); len(all) != 2 || all[1]["id"] != raw || all[0]["ad_account_name"] != "광고주" {
			t.Errorf("list: %v", all)
		}
		if s := c.do("GET", "/status", "").want(200); len(s.items()) != 0 || s.at("poll_after_s") != 60.0 {
			t.Errorf("status at rest: %s", s.raw)
		}
		up := c.do("POST", "/raw-data/"+raw+"/refresh", `{"force":true}`).want(202)
		if up.at("accepted") != true || up.at("run.kind") != "update" || up.at("run.force") != true || up.at("run.priority") != "interactive" {
			t.Errorf("refresh: %s", up.raw)
		}
		h.ended(c, up.text("run.id"), 7)
		if all := c.do("GET", "/raw-data/"+raw+"/runs", "").want(200).items(); len(all) != 2 || all[0]["id"] != up.text("run.id") {
			t.Errorf("runs: %v", all)
		}
		c.do("DELETE", "/raw-data/"+raw, "").want(204)
		c.do("GET", "/raw-data/"+raw, "").want(404, "not_found")
	})
}

func TestRawDataIsChanged(t *testing.T) {
	each(t, func(h *house) {
		c := h.admin()
		_, acc := h.account(c, "1234567")
		raw, run := h.rawData(c, acc)
		h.ended(c, run, 7)
		path := "/raw-data/" + raw
		a := c.do("PATCH", path, `{"name":"월간","period":{"last_days":7},"schedule":{"daily_at":"06:00","mode":"start_at","zone":"Asia/Tokyo"}}`).want(200)
		if a.at("name") != "월간" || a.at("period.last_days") != 7.0 || a.at("schedule.daily_at") != "06:00" || len(a.body["reports"].([]any)) != 1 {
			t.Errorf("changed: %s", a.raw)
		}
		if a := c.do("PATCH", path, `{"schedule":null}`).want(200); a.at("schedule") != nil || a.at("name") != "월간" {
			t.Errorf("schedule removed: %s", a.raw)
		}
		c.do("PATCH", path, `{"ad_account_id":"other"}`).want(422, "fixed")
		c.do("PATCH", path, `{"template_id":"t"}`).want(422, "not_available")
		c.do("PATCH", path, `{"period":{"last_days":0}}`).want(422, "last_days_zero")
		c.do("PATCH", path, `{"schedule":{"daily_at":"25:00"}}`).want(422, "time_invalid")

		a = c.do("POST", path+"/pause", `{}`).want(200)
		if a.at("paused") != true || a.at("paused_until") != nil {
			t.Errorf("paused: %s", a.raw)
		}
		wait := c.do("POST", path+"/refresh", "").want(202)
		if wait.at("run.state") != 2.0 || wait.at("run.reason.code") != "paused" {
			t.Errorf("refresh while paused: %s", wait.raw)
		}
		c.do("POST", path+"/pause", `{"until":"2020-01-01T00:00:00Z"}`).want(422, "until_past")
		if a := c.do("POST", path+"/pause", `{"until":"2027-01-01T00:00:00+09:00"}`).want(200); a.at("paused_until") != "2026-12-31T15:00:00Z" {
			t.Errorf("paused until: %s", a.raw)
		}
		if a := c.do("POST", path+"/resume", "").want(200); a.at("paused") != false {
			t.Errorf("resumed: %s", a.raw)
		}
		h.ended(c, wait.text("run.id"), 7)
	})
}

func TestRunsAreCancelledAndRetried(t *testing.T) {
	each(t, func(h *house) {
		c := h.admin()
		_, acc := h.account(c, "1234567")
		release := h.source.hold()
		defer release()
		_, first := h.rawData(c, acc)
		second, waiting := h.rawData(c, acc)
		c.do("POST", "/runs/"+waiting+"/retry", "").want(409, "open")
		a := c.do("POST", "/runs/"+waiting+"/cancel", "").want(200)
		if a.at("run.state") != 0.0 || a.at("run.reason.code") != "cancelled" {
			t.Errorf("cancelled in line: %s", a.raw)
		}
		if a := c.do("POST", "/runs/"+waiting+"/cancel", "").want(409, "ended"); a.at("state") != 0.0 {
			t.Errorf("cancelled twice: %s", a.raw)
		}
		h.await("the run to collect", func() bool { return c.do("GET", "/runs/"+first, "").want(200).at("state") == 4.0 })
		c.do("POST", "/runs/"+first+"/cancel", "").want(202)
		if a := h.ended(c, first, 0); a.at("reason.code") != "cancelled" {
			t.Errorf("cancelled at work: %s", a.raw)
		}
		release()
		h.source.set(nil)
		again := c.do("POST", "/runs/"+waiting+"/retry", "").want(202)
		if again.at("run.raw_data_id") != second {
			t.Errorf("retry: %s", again.raw)
		}
		h.ended(c, again.text("run.id"), 7)
		c.do("POST", "/runs/"+again.text("run.id")+"/retry", "").want(409, "succeeded")
	})
}

func TestWhatIsWrongWithARawData(t *testing.T) {
	each(t, func(h *house) {
		c := h.admin()
		_, acc := h.account(c, "1234567")
		_, other := h.account(h.stranger(), "1234567")
		body := func(change string) string {
			var v map[string]any
			h.ok(json.Unmarshal([]byte(rawDataJSON(acc)), &v))
			h.ok(json.Unmarshal([]byte(change), &v))
			b, err := json.Marshal(v)
			h.ok(err)
			return string(b)
		}
		for change, want := range map[string]string{
			`{"reports":["SHOE"]}`: "reports unknown_report_type",
			`{"reports":[]}`:       "reports required",
			`{"period":{"from":"2026-11-10","to":"2026-11-01"}}`:    "period backwards",
			`{"period":{"from":"2026-11-10","to":"2026-11-20"}}`:    "period.to period_unavailable", // today
			`{"period":{"from":"2026-11-10","to":"2026-12-20"}}`:    "period.to period_unavailable",
			`{"period":{"from":"2025-01-01","to":"2026-11-10"}}`:    "period.from period_unavailable",
			`{"period":{"last_days":60},"reports":["ADEXTENSION"]}`: "period.last_days period_unavailable",
			`{"period":{"last_days":-1}}`:                           "period.last_days out_of_range",
			`{"period":{"last_days":0}}`:                            "period.last_days last_days_zero",
			`{"period":{"last_days":3,"from":"2026-11-10"}}`:        "period ambiguous",
			`{"period":{}}`: "period required",
			`{"period":{"from":"11/01","to":"2026-11-10"}}`:                "period.from not_a_day",
			`{"destination":{"type":"google_sheets"}}`:                     "destination.type not_available",
			`{"destination":{"type":"pdf"}}`:                               "destination.type unknown_destination",
			`{"template_id":"t1"}`:                                         "template_id not_available",
			`{"ad_account_id":"nothing"}`:                                  "ad_account_id not_found",
			`{"ad_account_id":"` + other + `"}`:                            "ad_account_id not_found",
			`{"ad_account_id":"` + other + `","period":{"last_days":700}}`: "ad_account_id not_found",
			`{"ad_account_id":""}`:                                         "ad_account_id required",
			`{"name":""}`:                                                  "name required",
			`{"name":5}`:                                                   "name not_text",
			`{"name":"a\u0000b"}`:                                          "name not_text",
			`{"priority":"urgent"}`:                                        "priority priority_unknown",
			`{"schedule":{"mode":"whenever"}}`:                             "schedule.mode mode_invalid",
			`{"schedule":{"zone":"Mars/Base"}}`:                            "schedule.zone zone_invalid",
			`{"schedule":"daily"}`:                                         "schedule not_an_object",
		} {
			for _, path := range []string{"/raw-data", "/raw-data/estimate"} {
				for _, lang := range []string{"ko", "en"} {
					c.lang = lang
					a := c.do("POST", path, body(change)).want(422)
					f := a.body["errors"].([]any)[0].(map[string]any)
					if got := fmt.Sprint(f["field"], " ", f["code"]); got != want {
						t.Errorf("%s: %s, want %s", change, got, want)
					}
					readable(h.t, lang, a)
				}
			}
		}
		c.lang = "en"
		if all := c.do("GET", "/raw-data", "").items(); len(all) != 0 {
			t.Errorf("something was made of it: %v", all)
		}
		a := c.do("POST", "/raw-data/estimate", rawDataJSON(acc)).want(200)
		if a.at("requests") != 9.0 || a.at("seconds") != 2.0 || a.at("ready_at") == nil || a.at("pieces") != 3.0 || a.at("stored") != 1.0 {
			t.Errorf("estimate: %s", a.raw)
		}
	})
}

// readable checks that a problem document says all that it should, in the
// language that was asked for.
func readable(t testing.TB, lang string, a answer) {
	t.Helper()
	if a.header.Get("Content-Type") != "application/problem+json" || a.header.Get("Content-Language") != lang {
		t.Errorf("headers: %v", a.header)
	}
	for _, member := range []string{"code", "title", "detail", "action", "type", "request_id"} {
		if s, _ := a.body[member].(string); s == "" {
			t.Errorf("no %s in %s", member, a.raw)
		}
	}
	korean := strings.ContainsFunc(a.body["title"].(string)+a.body["detail"].(string)+a.body["action"].(string), func(r rune) bool { return r >= '가' && r <= '힣' })
	if korean != (lang == "ko") {
		t.Errorf("asked for %s: %s", lang, a.raw)
	}
}

func TestListsAreReadPageByPage(t *testing.T) {
	each(t, func(h *house) {
		c := h.admin()
		key, _ := h.account(c, "1000000")
		for n := range 6 {
			c.do("POST", "/ad-accounts", fmt.Sprintf(`{"api_key_id":"%s","customer_id":%d}`, key, 1000001+n)).want(201)
		}
		seen := map[any]bool{}
		path := "/ad-accounts?limit=3"
		for pages := 1; ; pages++ {
			a := c.do("GET", path, "").want(200)
			for _, it := range a.items() {
				if seen[it["id"]] {
					t.Errorf("%v comes twice", it["id"])
				}
				seen[it["id"]] = true
			}
			next, more := a.body["next_cursor"].(string)
			if !more {
				if pages != 3 {
					t.Errorf("%d pages", pages)
				}
				break
			}
			path = "/ad-accounts?limit=3&cursor=" + next
		}
		if len(seen) != 7 {
			t.Errorf("%d of 7", len(seen))
		}
		c.do("GET", "/ad-accounts?limit=100000", "").want(200)
		for _, query := range []string{"limit=0", "limit=-1", "limit=x", "cursor=!!!", "cursor=MTo", "cursor=%00"} {
			c.do("GET", "/ad-accounts?"+query, "").want(422)
		}
	})
}

func TestPeopleTokensAndWorkspaces(t *testing.T) {
	one(t, func(h *house) {
		c := h.admin()
		me := c.do("GET", "/profile", "").want(200)
		if me.at("role") != "owner" || me.at("instance") != true || me.at("workspace.id") == nil {
			t.Errorf("profile: %s", me.raw)
		}
		c.do("PATCH", "/profile", `{"name":"x"}`).want(403, "needs_session")
		c.do("POST", "/profile/password", `{"new":"a new good password"}`).want(403, "needs_session")

		a := c.do("POST", "/workspaces", `{"name":"둘째","zone":"Asia/Tokyo"}`).want(201)
		second := h.as(a.text("token"))
		if a.at("name") != "둘째" || a.at("zone") != "Asia/Tokyo" {
			t.Errorf("workspace: %s", a.raw)
		}
		if p := second.do("GET", "/profile", "").want(200); p.at("workspace.id") != a.at("id") || p.at("instance") != false {
			t.Errorf("profile there: %s", p.raw)
		}
		second.do("POST", "/workspaces", `{"name":"x"}`).want(403, "instance_forbidden")
		c.do("POST", "/workspaces", `{"name":"","zone":"Nowhere"}`).want(422)
		if all := second.do("GET", "/workspaces", "").want(200).items(); len(all) != 1 || all[0]["current"] != true {
			t.Errorf("a token sees %v", all)
		}
		c.do("GET", "/workspaces/"+a.text("id"), "").want(404) // a token of the first one
		second.do("GET", "/workspaces/"+a.text("id"), "").want(200)
		if w := second.do("PATCH", "/workspaces/"+a.text("id"), `{"name":"셋째","lang":"en"}`).want(200); w.at("name") != "셋째" || w.at("lang") != "en" {
			t.Errorf("changed: %s", w.raw)
		}
		second.do("PATCH", "/workspaces/"+me.text("workspace.id"), `{"name":"x"}`).want(404)

		inv := c.do("POST", "/invitations", `{"email":"kim@example.kr","role":"editor"}`).want(201)
		if !strings.HasPrefix(inv.text("url"), "https://reports.example.kr/invitations/") || inv.at("role") != "editor" {
			t.Errorf("invitation: %s", inv.raw)
		}
		c.do("POST", "/invitations", `{"email":"nobody","role":"king"}`).want(422)
		c.do("POST", "/invitations", `{"email":"nobody","role":"editor"}`).want(422, "invalid")
		if all := c.do("GET", "/invitations", "").want(200).items(); len(all) != 1 || all[0]["url"] != nil {
			t.Errorf("invitations: %v", all)
		}
		c.do("DELETE", "/invitations/"+inv.text("id"), "").want(204)
		c.do("DELETE", "/invitations/"+inv.text("id"), "").want(404)

		members := c.do("GET", "/members", "").want(200).items()
		if len(members) != 1 || members[0]["role"] != "owner" {
			t.Fatalf("members: %v", members)
		}
		owner := members[0]["id"].(string)
		c.do("PATCH", "/members/"+owner, `{"role":"viewer"}`).want(409, "last_owner")
		c.do("PATCH", "/members/"+owner, `{"role":"king"}`).want(422, "unknown")
		c.do("PATCH", "/members/"+owner, `{"role":"owner"}`).want(200)
		c.do("DELETE", "/members/"+owner, "").want(409, "last_owner")
		c.do("DELETE", "/members/nobody", "").want(404)
		c.do("POST", "/members/nobody/password-link", "").want(404)

		tok := c.do("POST", "/tokens", `{"name":"엑셀 매크로","role":"viewer"}`).want(201)
		reader := h.as(tok.text("token"))
		reader.do("GET", "/raw-data", "").want(200)
		if all := c.do("GET", "/tokens", "").want(200).items(); len(all) < 2 || all[0]["token"] != nil {
			t.Errorf("tokens: %v", all)
		}
		c.do("POST", "/tokens", `{"name":"","role":"king"}`).want(422)
		c.do("DELETE", "/tokens/"+tok.text("id"), "").want(204)
		reader.do("GET", "/raw-data", "").want(401, "token_unknown")

		log := c.do("GET", "/audit?limit=500", "").want(200).items()
		if len(log) == 0 || log[0]["action"] != "token.revoke" || log[0]["subject"] != tok.text("id") || log[0]["via"] != "token" {
			t.Errorf("audit: %v", log)
		}
		said := fmt.Sprint(log)
		for _, secret := range []string{tok.text("token"), second.token, "invitations/"} {
			if strings.Contains(said, secret) {
				t.Errorf("the audit log holds a secret: %s", said)
			}
		}
	})
}

func TestReportTypes(t *testing.T) {
	one(t, func(h *house) {
		all := h.admin().do("GET", "/report-types", "").want(200).items()
		if len(all) != 2 || all[0]["name"] != "AD" || all[0]["days_back"] != 365.0 {
			t.Errorf("types: %v", all)
		}
	})
}
