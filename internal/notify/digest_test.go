package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"imreport/internal/i18n"
	"imreport/internal/mail"
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

// Slack reads markup: what people typed must not call everybody.
func TestSlackText(t *testing.T) {
	var said struct{ Text string }
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&said); err != nil || r.Header.Get("X-Imreport-Signature") != "" {
			t.Errorf("%v %v", err, r.Header)
		}
	}))
	defer s.Close()
	d := sample()
	d.Done[0].Name = "<!channel> A & B"
	if sent, err := digests(schedule.Channels{SlackURL: s.URL}, true).Deliver(t.Context(), "slack", d); err != nil || !sent {
		t.Fatal(sent, err)
	}
	if !strings.Contains(said.Text, "&lt;!channel&gt; A &amp; B · 07:12") || strings.ContainsAny(said.Text, "<>") {
		t.Error(said.Text)
	}
}

// One address that is refused keeps nobody else from the digest.
func TestDigestMailOfSeveral(t *testing.T) {
	b := &box{refuse: map[string]error{"b": &mail.Refused{Err: errors.New("550 no such user")}}}
	n := digests(schedule.Channels{Mail: true}, true)
	n.mails = ByMail(people{lang: i18n.Korean, members: members("a", "b", "c")}, b, "", nil)
	sent, err := n.Deliver(t.Context(), "mail", sample())
	if err != nil || !sent || !slices.Equal(b.heard(), []string{"a", "c"}) {
		t.Errorf("sent %v, %v, heard %v", sent, err, b.heard())
	}
}

func TestPublicAddresses(t *testing.T) {
	for ip, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.0.1": false, "169.254.169.254": false, "0.0.0.0": false,
		"0.1.2.3": false, "100.100.100.200": false, "198.18.0.1": false, "224.0.0.1": false, "255.255.255.255": false,
		"::1": false, "::": false, "fe80::1%eth0": false, "fd00::1": false, "ff02::1": false, "::ffff:127.0.0.1": false,
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false,
	} {
		if err := publicOnly("tcp", net.JoinHostPort(ip, "443"), nil); (err == nil) != want {
			t.Errorf("%s: %v", ip, err)
		}
	}
}

// An incident is told of in all channels, and once: a channel that recovers
// soon is waited for, one that does not is left when another has told.
func TestIncidentInAllChannels(t *testing.T) {
	away := errors.New("connection refused")
	for name, c := range map[string]struct {
		slack, web   int // how many answers are 500
		refuse       error
		noMail       bool
		told, fails  bool
		slacks, webs int // that were taken
		mails        int
	}{
		"all":                         {told: true, slacks: 1, webs: 1, mails: 1},
		"no mail server":              {noMail: true, told: true, slacks: 1, webs: 1},
		"slack recovers":              {slack: 2, told: true, slacks: 1, webs: 1, mails: 1},
		"slack is away":               {slack: 100, told: true, webs: 1, mails: 1},
		"only slack hears":            {web: 100, refuse: away, told: true, slacks: 1},
		"nobody hears, and it passes": {slack: 100, web: 100, refuse: away, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			left := map[string]int{"/slack": c.slack, "/web": c.web}
			got := map[string][]string{}
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				if left[r.URL.Path]--; left[r.URL.Path] >= 0 {
					w.WriteHeader(http.StatusInternalServerError)
					return
				}
				body, _ := io.ReadAll(r.Body)
				got[r.URL.Path] = append(got[r.URL.Path], string(body))
				if r.URL.Path == "/web" && (r.Header.Get("X-Imreport-Event") != "incident.opened" || r.Header.Get("X-Imreport-Delivery") != "incident.0199" ||
					r.Header.Get("X-Imreport-Signature") != fmt.Sprintf("t=%d,v1=%s", 1_800_000_000, Sign("0123456789abcdef", 1_800_000_000, body))) {
					t.Errorf("%v", r.Header)
				}
			}))
			defer s.Close()
			n := digests(schedule.Channels{SlackURL: s.URL + "/slack", WebhookURL: s.URL + "/web", WebhookSecret: "0123456789abcdef"}, true)
			n.pause = time.Millisecond
			b := &box{refuse: map[string]error{"a": c.refuse}}
			n.mails = ByMail(people{lang: i18n.Korean, members: members("a")}, b, "https://reports.example.kr/", nil)
			if c.noMail {
				n.mails.sender = mail.Off{}
			}
			told, err := n.Incident(t.Context(), dead)
			if told != c.told || (err != nil) != c.fails {
				t.Errorf("told %v, %v", told, err)
			}
			if len(got["/slack"]) != c.slacks || len(got["/web"]) != c.webs || len(b.got) != c.mails {
				t.Errorf("slack %d, webhook %d, mail %d", len(got["/slack"]), len(got["/web"]), len(b.got))
			}
			if c.webs > 0 && !strings.Contains(got["/web"][0], `"kind":"key_invalid"`) {
				t.Error(got["/web"][0])
			}
			if c.slacks > 0 && !strings.Contains(got["/slack"][0], `https://reports.example.kr/api-keys/k`) {
				t.Error(got["/slack"][0])
			}
		})
	}
}

// The address is a secret, and errors are logged.
func TestErrorsKeepTheAddress(t *testing.T) {
	n := digests(schedule.Channels{SlackURL: "http://127.0.0.1:1/services/T0/B0/secret"}, true)
	if _, err := n.Deliver(t.Context(), "slack", sample()); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
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
	evening := schedule.Digest{Kind: schedule.EveningDigest, Late: []schedule.Line{{Name: "X", Why: schedule.WhyOpens}}}
	w.Lang = i18n.English
	dead := schedule.Digest{Kind: schedule.EveningDigest, Late: []schedule.Line{{Name: "X", Why: schedule.WhyKey, Due: sample().Done[0].At}}}
	if got := digests(schedule.Channels{}, true).words(dead, w).text(); !strings.Contains(got, "- X · due 07:12, cannot be refreshed") ||
		!strings.Contains(got, "Repair the key") || strings.Contains(got, "expected") || strings.Contains(got, "learned") {
		t.Error(got)
	}
	if got := digests(schedule.Channels{}, true).words(evening, w).text(); !strings.Contains(got, "will probably not be ready") ||
		!strings.Contains(got, "04:00 in Korea") || strings.Contains(got, "another API key") {
		t.Error(got)
	}
}
