package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"imreport/internal/i18n"
	"imreport/internal/mail"
	"imreport/internal/schedule"
	"imreport/internal/workspace"
)

// Digests tells workspaces how their morning went: by mail, in Slack, and as
// a signed webhook.
type Digests struct {
	mails    *Mails
	channels func(ctx context.Context, workspaceID string) (schedule.Channels, error)
	client   *http.Client
	now      func() time.Time
}

// DigestOptions of a Digests.
type DigestOptions struct {
	Channels func(ctx context.Context, workspaceID string) (schedule.Channels, error)
	// Private lets webhooks go to addresses of this machine and of private
	// networks. Without it a member of a workspace cannot make the server
	// speak to its own neighbours.
	Private bool
}

// hookWithin bounds one delivery.
const hookWithin = 15 * time.Second

// ForDigests makes a Digests that mails as m does.
func ForDigests(m *Mails, o DigestOptions) *Digests {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if !o.Private {
		dialer.Control = publicOnly
	}
	return &Digests{mails: m, channels: o.Channels, now: time.Now, client: &http.Client{
		Timeout:   hookWithin,
		Transport: &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: 5 * time.Second, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the address that was configured, no other
		},
	}}
}

var errPrivate = errors.New("the address belongs to a private network")

// publicOnly refuses connections to this machine and its neighbours. It sees
// the address after the name was resolved, so that no name leads around it.
func publicOnly(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	ip := net.ParseIP(host)
	if ip == nil || ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsUnspecified() || ip.IsMulticast() {
		return errPrivate
	}
	return nil
}

// Deliver is a schedule.Deliver.
func (n *Digests) Deliver(ctx context.Context, channel string, d schedule.Digest) (sent bool, err error) {
	c, err := n.channels(ctx, d.WorkspaceID)
	if err != nil {
		return false, err
	}
	w, err := n.mails.people.Get(ctx, d.WorkspaceID)
	if err != nil {
		return false, err
	}
	switch {
	case channel == "mail" && c.Mail:
		return n.mail(ctx, d, w)
	case channel == "slack" && c.SlackURL != "":
		body, err := json.Marshal(map[string]string{"text": n.words(d, w).text()})
		if err != nil {
			return false, err
		}
		return n.post(ctx, c.SlackURL, "", d, body)
	case channel == "webhook" && c.WebhookURL != "":
		body, err := json.Marshal(struct {
			Event string `json:"event"`
			schedule.Digest
			Text string `json:"text"`
		}{"digest." + d.Kind, d, n.words(d, w).text()})
		if err != nil {
			return false, err
		}
		return n.post(ctx, c.WebhookURL, c.WebhookSecret, d, body)
	}
	return false, nil
}

// Sign is the signature of a webhook's body sent at the Unix second at:
// hex(HMAC-SHA256(secret, at + "." + body)). It stands in X-Imreport-Signature
// as "t=AT,v1=SIGNATURE"; a receiver refuses an AT that is minutes old.
func Sign(secret string, at int64, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(m, "%d.", at)
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

// post sends body. An answer of 4xx is final: the address is wrong, and
// asking again would not help; anything else that is not 2xx comes again.
func (n *Digests) post(ctx context.Context, url, secret string, d schedule.Digest, body []byte) (bool, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("digest webhook: %w", err)
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("User-Agent", "imreport")
	if secret != "" {
		at := n.now().Unix()
		r.Header.Set("X-Imreport-Event", "digest."+d.Kind)
		r.Header.Set("X-Imreport-Delivery", d.WorkspaceID+"."+d.Day.String()+"."+d.Kind)
		r.Header.Set("X-Imreport-Signature", "t="+strconv.FormatInt(at, 10)+",v1="+Sign(secret, at, body))
	}
	res, err := n.client.Do(r)
	if errors.Is(err, errPrivate) {
		n.mails.log.WarnContext(ctx, "digest webhook leads into a private network", "workspace", d.WorkspaceID)
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("digest webhook: %w", err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	_ = res.Body.Close()
	switch {
	case res.StatusCode < 300:
		return true, nil
	case res.StatusCode >= 400 && res.StatusCode < 500 && res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusRequestTimeout:
		n.mails.log.WarnContext(ctx, "digest webhook refused", "workspace", d.WorkspaceID, "status", res.StatusCode)
		return false, nil
	}
	return false, fmt.Errorf("digest webhook: status %d", res.StatusCode)
}

// mail sends the digest to the workspace's owners and admins.
func (n *Digests) mail(ctx context.Context, d schedule.Digest, w workspace.Workspace) (bool, error) {
	if !mail.Enabled(n.mails.sender) {
		return false, nil
	}
	members, err := n.mails.people.Told(ctx, d.WorkspaceID)
	if err != nil || len(members) == 0 {
		return false, err
	}
	words := n.words(d, w)
	var html bytes.Buffer
	if err := digestHTML.Execute(&html, words); err != nil {
		return false, fmt.Errorf("digest mail: %w", err)
	}
	m := mail.Message{ID: "digest-" + d.WorkspaceID + "-" + d.Day.String() + "-" + d.Kind,
		Subject: words.Title, Text: words.text(), HTML: html.String()}
	for _, p := range members {
		m.To = append(m.To, p.Email)
	}
	err = n.mails.sender.Send(ctx, m)
	if mail.Permanent(err) {
		n.mails.log.WarnContext(ctx, "digest mail refused", "workspace", d.WorkspaceID, "error", err)
		return false, nil
	}
	return err == nil, err
}

//go:embed digest.html
var digestPage string

var digestHTML = template.Must(template.New("digest").Parse(digestPage))

// words are a digest as people read it.
type words struct {
	Lang               i18n.Lang
	Title, Lead        string
	Sections           []section
	Notes              []string
	Open, Link, Footer string
}

type section struct {
	Head  string
	Lines []string
	More  string // "and 12 more"; empty when all are shown
}

// shown is how many raw data a section names.
const shown = 20

func (n *Digests) words(d schedule.Digest, w workspace.Workspace) words {
	l := w.Lang
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		zone = time.UTC
	}
	t := func(key string, args ...any) string { return i18n.T(l, "mail.digest."+key, args...) }
	v := words{Lang: l, Footer: t("foot"), Open: t("open")}
	if n.mails.public != "" {
		v.Link = n.mails.public + "/raw-data"
	}
	total := len(d.Done) + len(d.Late) + len(d.NeedsYou)
	section := func(head string, lines []schedule.Line, line func(schedule.Line) string) {
		if len(lines) == 0 {
			return
		}
		s := section{Head: head}
		for i, x := range lines {
			if i == shown {
				s.More = t("more", len(lines)-shown)
				break
			}
			s.Lines = append(s.Lines, line(x))
		}
		v.Sections = append(v.Sections, s)
	}
	why := func(x schedule.Line) string {
		if x.Code == "" {
			return x.Name
		}
		return x.Name + " · " + i18n.T(l, "reason."+string(x.Code), x.Args...)
	}
	clock := func(at time.Time) string { return at.In(zone).Format("15:04") }
	if d.Kind == schedule.EveningDigest {
		v.Title, v.Lead = t("evening.title", w.Name, len(d.Late)), t("evening.lead")
		section(t("evening.late", len(d.Late)), d.Late, func(x schedule.Line) string {
			return t("evening.line", x.Name, clock(x.Due), clock(x.At))
		})
		v.Notes = append(v.Notes, t("evening.help"))
		return v
	}
	if len(d.Late)+len(d.NeedsYou) == 0 {
		v.Title, v.Lead = t("good.title", w.Name, len(d.Done)), t("good.lead")
	} else {
		v.Title, v.Lead = t("title", w.Name, len(d.Done), total), t("lead")
	}
	section(t("needs_you", len(d.NeedsYou)), d.NeedsYou, why)
	section(t("late", len(d.Late)), d.Late, why)
	section(t("done", len(d.Done)), d.Done, func(x schedule.Line) string { return t("done.line", x.Name, clock(x.At)) })
	for _, note := range []struct {
		key string
		n   int
	}{{"incidents", d.Incidents}, {"skipped", d.Skipped}, {"later", d.Later}} {
		if note.n > 0 {
			v.Notes = append(v.Notes, t(note.key, note.n))
		}
	}
	return v
}

// text is the digest as plain text.
func (v words) text() string {
	var b strings.Builder
	b.WriteString(v.Title + "\n" + v.Lead + "\n\n")
	for _, s := range v.Sections {
		b.WriteString(s.Head + "\n")
		for _, line := range s.Lines {
			b.WriteString("- " + line + "\n")
		}
		if s.More != "" {
			b.WriteString(s.More + "\n")
		}
		b.WriteString("\n")
	}
	for _, note := range v.Notes {
		b.WriteString(note + "\n")
	}
	if v.Link != "" {
		b.WriteString(v.Open + ": " + v.Link + "\n")
	}
	b.WriteString("--\n" + v.Footer + "\n")
	return b.String()
}
