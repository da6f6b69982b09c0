package schedule

import (
	"testing"

	"imreport/internal/errs"
)

func TestChannels(t *testing.T) {
	for url, want := range map[string]string{
		"https://example.kr/hook": "", "http://8.8.8.8:8080/x": "", "https://localhost.kr/": "",
		"ftp://example.kr": "schedule.webhook_url_invalid", "https://a:b@example.kr": "schedule.webhook_url_invalid", "https://:443/": "schedule.webhook_url_invalid",
		"http://127.0.0.1:9/x": "schedule.webhook_url_private", "http://[::1]/": "schedule.webhook_url_private", "http://LOCALHOST./": "schedule.webhook_url_private",
		"http://10.0.0.7/": "schedule.webhook_url_private", "http://[::ffff:192.168.0.1]/": "schedule.webhook_url_private", "http://169.254.169.254/": "schedule.webhook_url_private",
	} {
		got := ""
		if err := (Channels{WebhookURL: url, WebhookSecret: "0123456789abcdef"}).check(); err != nil {
			got = errs.As(err).Fields[0].Key
		}
		if got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
