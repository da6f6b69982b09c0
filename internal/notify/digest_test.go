package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"imreport/internal/i18n"
	"imreport/internal/run"
	"imreport/internal/schedule"
	"imreport/internal/table"
	"imreport/internal/workspace"
)

func sample() schedule.Digest {
	at := time.Date(2026, 11, 24, 7, 12, 0, 0, table.KST)
	return schedule.Digest{
		WorkspaceID: "w", Kind: schedule.MorningDigest, Day: table.DayOf(at), Incidents: 1, Skipped: 2, Later: 3,
		Done:     []schedule.Line{{Name: "A 브랜드", At: at}},
		Late:     []schedule.Line{{Name: "B <브랜드>", Code: run.CodePlatformPreparing}},
		NeedsYou: []schedule.Line{{Name: "C 브랜드", Code: run.CodeKeyInvalid}},
	}
}

func digests(c schedule.Channels, private bool) *Digests {
	p := people{lang: i18n.Korean}
	n := ForDigests(ByMail(p, &box{}, "https://reports.example.kr/", nil), DigestOptions{
		Private:  private,
		Channels: func(context.Context, string) (schedule.Channels, error) { return c, nil },
	})
	n.now = func() time.Time { return time.Unix(1_800_000_000, 0) }
	return n
}

func TestWebhook(t *testing.T) {
	const secret = "0123456789abcdef"
	var got *http.Request
	var body []byte
	status := http.StatusNoContent
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(status)
	}))
	defer s.Close()
	n := digests(schedule.Channels{WebhookURL: s.URL, WebhookSecret: secret}, true)
	sent, err := n.Deliver(t.Context(), "webhook", sample())
	if err != nil || !sent {
		t.Fatal(sent, err)
	}
	if want := fmt.Sprintf("t=%d,v1=%s", 1_800_000_000, Sign(secret, 1_800_000_000, body)); got.Header.Get("X-Imreport-Signature") != want {
		t.Errorf("signature %q, want %q", got.Header.Get("X-Imreport-Signature"), want)
	}
	var said struct {
		Event string
		Done  []struct{ Name string }
		Text  string
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Event != "digest.morning" || len(said.Done) != 1 {
		t.Errorf("%s %v", body, err)
	}
	for code, final := range map[int]bool{http.StatusNotFound: true, http.StatusInternalServerError: false, http.StatusTooManyRequests: false, http.StatusFound: false} {
		status = code
		sent, err := n.Deliver(t.Context(), "webhook", sample())
		if sent || (err == nil) != final {
			t.Errorf("%d: sent %v, error %v", code, sent, err)
		}
	}
	// A server of ours is not to be reached from a workspace's settings.
	got = nil
	if sent, err := digests(schedule.Channels{WebhookURL: s.URL, WebhookSecret: secret}, false).Deliver(t.Context(), "webhook", sample()); sent || err != nil || got != nil {
		t.Errorf("reached a private address: %v %v", sent, err)
	}
}

func TestNoChannel(t *testing.T) {
	n := digests(schedule.Channels{}, true)
	for _, c := range []string{"mail", "slack", "webhook", "pigeon"} {
		if sent, err := n.Deliver(t.Context(), c, sample()); sent || err != nil {
			t.Errorf("%s: %v %v", c, sent, err)
		}
	}
}

func TestDigestWords(t *testing.T) {
	w := workspace.Workspace{Name: "에이전시", Zone: "Asia/Seoul", Lang: i18n.Korean}
	v := digests(schedule.Channels{}, true).words(sample(), w)
	text := v.text()
	for _, want := range []string{"3건 중 1건", "A 브랜드 · 07:12", "확인이 필요한 것 1건", "https://reports.example.kr/raw-data"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	var html strings.Builder
	if err := digestHTML.Execute(&html, v); err != nil || !strings.Contains(html.String(), "B &lt;브랜드&gt;") {
		t.Errorf("%v\n%s", err, html.String())
	}
	long := sample()
	for i := range 30 {
		long.Late = append(long.Late, schedule.Line{Name: fmt.Sprint("더", i)})
	}
	if s := digests(schedule.Channels{}, true).words(long, w).Sections[1]; len(s.Lines) != shown || s.More != "외 11건" {
		t.Errorf("%d lines, %q", len(s.Lines), s.More)
	}
	evening := schedule.Digest{Kind: schedule.EveningDigest, Late: long.Done}
	w.Lang = i18n.English
	if got := digests(schedule.Channels{}, true).words(evening, w).text(); !strings.Contains(got, "will probably not be ready") {
		t.Error(got)
	}
}
