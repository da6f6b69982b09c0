package shop

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/seal"
)

var bg = context.Background()

func each(t *testing.T, fn func(t *testing.T, s *Service)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Exec(bg, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'W', 'Asia/Seoul', 'ko', 1)`); err != nil {
			t.Fatal(err)
		}
		fn(t, New(d, box, Options{}))
	})
}

func p[T any](v T) *T { return &v }

func TestSettings(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		sh, code, err := s.Create(bg, "w", Input{Name: p(" 우리 가게 "), Domain: p("https://Shop.myshopify.com/admin"), WebhookSecret: p(" one "), AdminToken: p("shpat_1")})
		if err != nil {
			t.Fatal(err)
		}
		if sh.Name != "우리 가게" || sh.Domain != "shop.myshopify.com" || sh.Zone != "Asia/Seoul" || sh.ReviewDelay != 14*24*time.Hour ||
			sh.Cooldown != 30*24*time.Hour || sh.MaxOrderAge != 60*24*time.Hour || sh.MailRatePerSecond != 5 || sh.MailRetryAfter != time.Minute ||
			sh.QuietHours != nil || sh.WebhookSecrets != 1 || !sh.HasAdminToken {
			t.Errorf("%+v", sh)
		}
		sh, err = s.Update(bg, "w", sh.ID, Input{ReviewDelay: p("2s"), Cooldown: p("0s"), QuietHours: p(&Hours{"21:00", "08:00"}), WebhookSecret: p("two")})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(bg, "w", sh.ID)
		if err != nil || got.ReviewDelay != 2*time.Second || got.Cooldown != 0 || *got.QuietHours != (QuietHours{21 * 60, 8 * 60}) || got.WebhookSecrets != 2 || got.Name != "우리 가게" {
			t.Errorf("%+v, %v", got, err)
		}
		h, err := s.ByHook(bg, code)
		if err != nil || strings.Join(h.Secrets, " ") != "two one" {
			t.Errorf("%+v, %v", h.Secrets, err)
		}
		if got, err = s.Update(bg, "w", sh.ID, Input{QuietHours: p[*Hours](nil), AdminToken: p("")}); err != nil || got.QuietHours != nil || got.HasAdminToken {
			t.Errorf("%+v, %v", got, err)
		}
		if tok, err := s.AdminToken(bg, sh.ID); tok != "" || err != nil {
			t.Errorf("%q, %v", tok, err)
		}
		if _, err := s.Get(bg, "another", sh.ID); errs.KindOf(err) != errs.NotFound {
			t.Errorf("another workspace's: %v", err)
		}
		var stored string
		rows, err := s.d.Query(bg, `SELECT secrets FROM shop UNION ALL SELECT hash FROM shop_code`)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var v string
			if err := rows.Scan(&v); err != nil {
				t.Fatal(err)
			}
			stored += v + " "
		}
		rows.Close()
		if strings.Contains(stored, "two") || strings.Contains(stored, code) {
			t.Errorf("kept in clear: %s", stored)
		}
	})
}

func TestWrongSettings(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		_, _, err := s.Create(bg, "w", Input{Domain: p("not a host"), Zone: p("Mars/Base"), Lang: p("fr"), ReviewDelay: p("soon"), Cooldown: p("-1s"),
			QuietHours: p(&Hours{"9pm", ""}), MailRatePerSecond: p(0.0), MailFrom: p("nobody"), WebhookSecret: p(""), AdminToken: p("a b")})
		e := errs.As(err)
		if e == nil || e.Kind != errs.Invalid {
			t.Fatal(err)
		}
		var names []string
		for _, f := range e.Fields {
			names = append(names, f.Name)
		}
		if got := fmt.Sprint(names); got != "[name domain zone lang review_delay cooldown quiet_hours mail_rate_per_second mail_from webhook_secret admin_api_token]" {
			t.Error(got)
		}
	})
}

func TestUninstalledAndInstalledAgain(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		sh, _, err := s.Create(bg, "w", Input{Name: p("a"), AdminToken: p("shpat_1")})
		if err != nil {
			t.Fatal(err)
		}
		gone := func(at time.Time) Shop {
			t.Helper()
			if err := s.d.InTx(bg, func(tx *db.Tx) error { return s.Uninstalled(bg, tx, sh.ID, at) }); err != nil {
				t.Fatal(err)
			}
			got, err := s.Get(bg, "w", sh.ID)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if got := gone(sh.CreatedAt.Add(time.Second)); got.UninstalledAt.IsZero() || got.HasAdminToken {
			t.Errorf("%+v", got)
		}
		if err := s.Installed(bg, "w", sh.ID); err != nil {
			t.Fatal(err)
		}
		if got := gone(sh.CreatedAt.Add(-time.Second)); !got.UninstalledAt.IsZero() {
			t.Errorf("a late word of before: %+v", got)
		}
	})
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"0s": 0, "2s": 2 * time.Second, "14d": 14 * 24 * time.Hour, "1d12h": 36 * time.Hour, "36h": 36 * time.Hour, "90m": 90 * time.Minute} {
		d, err := ParseDuration(text)
		if err != nil || d != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
		if back, err := ParseDuration(FormatDuration(d)); err != nil || back != d {
			t.Errorf("%s: %s", text, FormatDuration(d))
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", 36 * time.Hour: "36h", 24 * time.Hour: "1d", time.Minute: "1m", 90 * time.Second: "1m30s", 100 * time.Minute: "1h40m"} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	for _, text := range []string{"", "d", "xd", "1", "1e9d"} {
		if _, err := ParseDuration(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestQuietHours(t *testing.T) {
	at := func(h, m int) time.Time { return time.Date(2026, 1, 1, h, m, 0, 0, time.UTC) }
	night, noon := &QuietHours{21 * 60, 8 * 60}, &QuietHours{12 * 60, 13 * 60}
	for _, c := range []struct {
		q    *QuietHours
		at   time.Time
		want bool
	}{{night, at(21, 0), true}, {night, at(3, 0), true}, {night, at(8, 0), false}, {night, at(20, 59), false}, {noon, at(12, 30), true}, {noon, at(13, 0), false}, {nil, at(3, 0), false}} {
		if got := c.q.Covers(c.at); got != c.want {
			t.Errorf("%v at %v: %v", c.q, c.at, got)
		}
	}
}
