package schedule

import "testing"

func TestChannels(t *testing.T) {
	for url, want := range map[string]string{
		"https://example.kr/hook": "", "http://8.8.8.8:8080/x": "", "https://localhost.kr/": "",
		"ftp://example.kr": "schedule.webhook_url_invalid", "https://a:b@example.kr": "schedule.webhook_url_invalid", "https://:443/": "schedule.webhook_url_invalid",
		"http://127.0.0.1:9/x": "schedule.webhook_url_private", "http://[::1]/": "schedule.webhook_url_private", "http://LOCALHOST./": "schedule.webhook_url_private",
		"http://10.0.0.7/": "schedule.webhook_url_private", "http://[::ffff:192.168.0.1]/": "schedule.webhook_url_private", "http://169.254.169.254/": "schedule.webhook_url_private",
	} {
		got := ""
		if wrong := (Channels{WebhookURL: url, WebhookSecret: "0123456789abcdef"}).mistakes(); len(wrong) > 0 {
			got = wrong[0].Key
		}
		if got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

func TestEverythingWrongIsSaidAtOnce(t *testing.T) {
	p := Preferences{Setting: Setting{DailyAt: "7:30", IdleDays: -1}, Channels: Channels{SlackURL: "x", WebhookURL: "x"}}
	said := map[string]bool{}
	for _, f := range p.Wrong() {
		said[f.Name] = true
	}
	for _, name := range []string{"daily_at", "idle_days", "slack_url", "webhook_url", "webhook_secret"} {
		if !said[name] {
			t.Errorf("nothing about %s", name)
		}
	}
}
