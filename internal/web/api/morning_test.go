package api

import (
	"strings"
	"testing"

	"imreport/internal/db"
)

func TestMornings(t *testing.T) {
	each(t, func(h *house) {
		c := h.admin()
		key, acc := h.account(c, "1234567")
		raw := c.do("POST", "/raw-data", `{"name":"아침","ad_account_id":"`+acc+`","reports":["AD"],"period":{"last_days":2},
			"destination":{"type":"xlsx"},"schedule":{"daily_at":"07:30"}}`).want(201).text("raw_data.id")
		a := c.do("GET", "/morning", "").want(200)
		if !strings.Contains(string(a.raw), raw) || !strings.Contains(string(a.raw), `"coming":[{`) || !strings.Contains(string(a.raw), `"late":false,"why":null`) ||
			!strings.Contains(string(a.raw), `"saved_calls":40`) || !strings.Contains(string(a.raw), `{"why":"kept","text":"Days already stored","requests":30}`) {
			t.Errorf("the raw data does not come: %s", a.raw)
		}
		c.do("GET", "/morning/settings", "").want(200)
		a = c.do("PUT", "/morning/settings", `{"daily_at":"08:00","skip_weekends":true,"idle_days":14,"holidays":[{"day":"2030-12-25","name":"성탄절"}],
			"slack_url":"https://hooks.slack.com/services/x","webhook_url":"https://example.kr/hook","webhook_secret":"0123456789abcdef"}`).want(200)
		for _, want := range []string{`"daily_at":"08:00"`, `"idle_days":14`, `"slack":true`, `"webhook":true`, "2030-12-25"} {
			if !strings.Contains(string(a.raw), want) {
				t.Errorf("no %s in %s", want, a.raw)
			}
		}
		if strings.Contains(string(a.raw), "hooks.slack.com") || strings.Contains(string(a.raw), "0123456789abcdef") {
			t.Errorf("a secret was returned: %s", a.raw)
		}
		a = c.do("PUT", "/morning/settings", `{"slack_url":""}`).want(200)
		if !strings.Contains(string(a.raw), `"slack":false`) || !strings.Contains(string(a.raw), `"webhook":true`) || !strings.Contains(string(a.raw), `"daily_at":"08:00"`) {
			t.Errorf("what was absent has changed: %s", a.raw)
		}
		a = c.do("PUT", "/morning/settings", `{"daily_at":"8","idle_days":999}`).want(422)
		if !strings.Contains(string(a.raw), "daily_at") || !strings.Contains(string(a.raw), "idle_days") {
			t.Errorf("not all fields are named: %s", a.raw)
		}
		a = c.do("PUT", "/morning/settings", `{"holidays":[{"day":"2020-12-25","name":"지난 날"}]}`).want(422)
		if !strings.Contains(string(a.raw), `"holidays"`) || !strings.Contains(string(a.raw), "2020-12-25") {
			t.Errorf("the past day is not named: %s", a.raw)
		}
		if a = c.do("GET", "/morning/settings", "").want(200); !strings.Contains(string(a.raw), "2030-12-25") {
			t.Errorf("a coming holiday was lost: %s", a.raw)
		}
		a = c.do("POST", "/morning/settings/test", "").want(200)
		for _, want := range []string{`"channel":"slack","sent":true`, `"channel":"webhook","sent":false`, "404"} {
			if !strings.Contains(string(a.raw), want) {
				t.Errorf("no %s in %s", want, a.raw)
			}
		}
		h.ok(h.d.InTx(bg, func(tx *db.Tx) error { return h.keys.MarkInvalid(bg, tx, key, nil, h.clock()) }))
		a = c.do("GET", "/morning", "").want(200)
		for _, want := range []string{`"ready_at":null,"late":true,"why":"key"`, "Repair the key"} {
			if !strings.Contains(string(a.raw), want) {
				t.Errorf("no %s in %s", want, a.raw)
			}
		}
		other := h.stranger().do("GET", "/morning", "").want(200)
		if strings.Contains(string(other.raw), raw) {
			t.Errorf("another workspace's: %s", other.raw)
		}
	})
}
