package notify

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"imreport/internal/schedule"
)

// TestTry: a test message says of each channel how it went, and is signed.
func TestTry(t *testing.T) {
	status, signature, body := 200, "", ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body, signature = string(b), r.Header.Get("X-Imreport-Signature")
		w.WriteHeader(status)
	}))
	defer s.Close()
	hooked := schedule.Channels{WebhookURL: s.URL, WebhookSecret: "0123456789abcdef"}
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, c := range []struct {
		name     string
		status   int
		private  bool
		channels schedule.Channels
		want     []schedule.Trial
	}{
		{"none is set", 200, true, schedule.Channels{Mail: true}, nil},
		{"taken", 204, true, hooked, []schedule.Trial{{Channel: "webhook", Sent: true}}},
		{"gone", 404, true, hooked, []schedule.Trial{{Channel: "webhook", Why: schedule.NotTaken, Status: 404}}},
		{"broken", 500, true, hooked, []schedule.Trial{{Channel: "webhook", Why: schedule.NotTaken, Status: 500}}},
		{"led elsewhere", 302, true, hooked, []schedule.Trial{{Channel: "webhook", Why: schedule.NotTaken, Status: 302}}},
		{"a neighbour of ours", 200, false, hooked, []schedule.Trial{{Channel: "webhook", Why: schedule.NotPublic}}},
		{"both, one without a server", 200, true, schedule.Channels{SlackURL: s.URL, WebhookURL: closed.URL},
			[]schedule.Trial{{Channel: "slack", Sent: true}, {Channel: "webhook", Why: schedule.Unreachable}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, signature, body = c.status, "", ""
			got, err := digests(c.channels, c.private).Try(t.Context(), "w")
			if err != nil || len(got) != len(c.want) {
				t.Fatalf("%+v %v", got, err)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("%+v, want %+v", got[i], c.want[i])
				}
			}
			if c.name == "taken" && (!strings.HasPrefix(signature, "t=") || !strings.Contains(body, `"event":"test"`)) {
				t.Errorf("%s %s", signature, body)
			}
		})
	}
}
