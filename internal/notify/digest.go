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
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/incident"
	"imreport/internal/mail"
	"imreport/internal/schedule"
	"imreport/internal/workspace"
)

// Digests tells workspaces how their morning went and what needs them: by
// mail, in Slack, and as a signed webhook.
type Digests struct {
	mails    *Mails
	channels func(ctx context.Context, workspaceID string) (schedule.Channels, error)
	client   *http.Client
	now      func() time.Time
	pause    time.Duration // between tries for an incident; doubles
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
	return &Digests{mails: m, channels: o.Channels, now: time.Now, pause: time.Second, client: &http.Client{
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
	ip, err := netip.ParseAddr(host)
	if err != nil || !schedule.Public(ip) {
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
		return n.slack(ctx, c.SlackURL, n.words(d, w).text())
	case channel == "webhook" && c.WebhookURL != "":
		body, err := json.Marshal(struct {
			Event string `json:"event"`
			schedule.Digest
			Text string `json:"text"`
		}{"digest." + d.Kind, d, n.words(d, w).text()})
		if err != nil {
			return false, err
		}
		return n.post(ctx, hook{c.WebhookURL, c.WebhookSecret, "digest." + d.Kind, d.WorkspaceID + "." + d.Day.String() + "." + d.Kind}, body)
	}
	return false, nil
}

// Incident tells of i by mail, in Slack and over the webhook; it is an
// incident.Notifier. It is an error when nobody was told and a channel failed
// in a way that passes; once somebody was, a failure is logged and left: nobody
// is told twice.
func (n *Digests) Incident(ctx context.Context, i incident.Incident) (told bool, err error) {
	told, err = n.mails.Incident(ctx, i)
	c, cerr := n.channels(ctx, i.WorkspaceID)
	if cerr == nil && (c.SlackURL != "" || c.WebhookURL != "") {
		var hooked bool
		hooked, cerr = n.hookIncident(ctx, i, c)
		told = told || hooked
	}
	err = errors.Join(err, cerr)
	if told && err != nil {
		n.mails.log.WarnContext(ctx, "not all channels of a workspace heard of an incident", "incident", i.ID, "error", err)
		err = nil
	}
	return told, err
}

func (n *Digests) hookIncident(ctx context.Context, i incident.Incident, c schedule.Channels) (told bool, err error) {
	w, err := n.mails.people.Get(ctx, i.WorkspaceID)
	if errs.KindOf(err) == errs.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	words, err := n.mails.incidentMail(i, w)
	if err != nil {
		return false, err
	}
	link := ""
	if n.mails.public != "" && i.Link != "" {
		link = n.mails.public + i.Link
	}
	body, err := json.Marshal(struct {
		Event       string    `json:"event"`
		WorkspaceID string    `json:"workspace_id"`
		ID          string    `json:"id"`
		Kind        string    `json:"kind"`
		Reason      string    `json:"reason,omitempty"`
		Subject     string    `json:"subject"`
		OpenedAt    time.Time `json:"opened_at"`
		Title       string    `json:"title"`
		Detail      string    `json:"detail"`
		Action      string    `json:"action"`
		Link        string    `json:"link,omitempty"`
		Text        string    `json:"text"`
	}{incidentOpened, i.WorkspaceID, i.ID, string(i.Kind), i.Reason, i.Subject, i.OpenedAt,
		i.Title(w.Lang), i.Detail(w.Lang), i.Action(w.Lang), link, words.Text})
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, incidentWithin)
	defer cancel()
	var wg sync.WaitGroup
	var slack, web bool
	var slackErr, webErr error
	if c.SlackURL != "" {
		wg.Go(func() {
			slack, slackErr = n.again(ctx, func() (bool, error) { return n.slack(ctx, c.SlackURL, words.Text) })
		})
	}
	if c.WebhookURL != "" {
		h := hook{c.WebhookURL, c.WebhookSecret, incidentOpened, "incident." + i.ID}
		wg.Go(func() { web, webErr = n.again(ctx, func() (bool, error) { return n.post(ctx, h, body) }) })
	}
	wg.Wait()
	return slack || web, errors.Join(slackErr, webErr)
}

// again tries a channel some times: what passes soon is waited for, because an
// incident is told of by all channels at once, or not at all.
func (n *Digests) again(ctx context.Context, send func() (bool, error)) (sent bool, err error) {
	for k := range hookTries {
		if k > 0 {
			select {
			case <-time.After(n.pause << k):
			case <-ctx.Done():
				return false, err
			}
		}
		if sent, err = send(); err == nil {
			break
		}
	}
	return sent, err
}

// incidentOpened is the event of a webhook that tells of an incident.
const incidentOpened = "incident.opened"

// hookTries is how often a channel is tried for an incident.
const hookTries = 3

// incidentWithin bounds that: the job that tells has a minute.
const incidentWithin = 40 * time.Second

// slack writes text into a channel of Slack. What people have typed is no
// markup there: a raw data named <!channel> must not call everybody.
func (n *Digests) slack(ctx context.Context, address, text string) (bool, error) {
	return n.post(ctx, hook{url: address}, slackBody(text))
}

func slackBody(text string) []byte {
	text = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
	body, _ := json.Marshal(map[string]string{"text": text}) // strings always can be
	return body
}

// hook is where something is posted to. With a secret it is signed.
type hook struct {
	url, secret string
	event       string
	delivery    string // recognises a repetition
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

// answered is an answer other than 2xx.
type answered struct{ status int }

func (a *answered) Error() string { return fmt.Sprintf("webhook: status %d", a.status) }

// final reports whether asking again would not help: the address is wrong.
func (a *answered) final() bool {
	return a.status >= 400 && a.status < 500 && a.status != http.StatusTooManyRequests && a.status != http.StatusRequestTimeout
}

// post sends body. A final answer and a private address are no error, but
// logged; anything else that is not 2xx comes again.
func (n *Digests) post(ctx context.Context, h hook, body []byte) (bool, error) {
	err := n.once(ctx, h, body)
	var a *answered
	switch {
	case errors.Is(err, errPrivate):
		n.mails.log.WarnContext(ctx, "a webhook leads into a private network", "delivery", h.delivery)
		return false, nil
	case errors.As(err, &a) && a.final():
		n.mails.log.WarnContext(ctx, "webhook refused", "delivery", h.delivery, "status", a.status)
		return false, nil
	}
	return err == nil, err
}

// once sends body; errPrivate, an *answered, or what keeps it from the server.
func (n *Digests) once(ctx context.Context, h hook, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("User-Agent", "imreport")
	if h.secret != "" {
		at := n.now().Unix()
		r.Header.Set("X-Imreport-Event", h.event)
		r.Header.Set("X-Imreport-Delivery", h.delivery)
		r.Header.Set("X-Imreport-Signature", "t="+strconv.FormatInt(at, 10)+",v1="+Sign(h.secret, at, body))
	}
	res, err := n.client.Do(r)
	if err != nil {
		return fmt.Errorf("webhook: %w", bare(err))
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	_ = res.Body.Close()
	if res.StatusCode >= 300 {
		return &answered{res.StatusCode}
	}
	return nil
}

// bare is err without the address: who knows it may write into the channel,
// and errors are logged.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
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
	return n.mails.send(ctx, m)
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
			if x.Why == schedule.WhyKey {
				return t("evening.line.key", x.Name, clock(x.Due))
			}
			return t("evening.line", x.Name, clock(x.Due), clock(x.At))
		})
		because := func(why schedule.Why) func(schedule.Line) bool {
			return func(x schedule.Line) bool { return x.Why == why }
		}
		if !slices.ContainsFunc(d.Late, func(x schedule.Line) bool { return x.Why != schedule.WhyKey }) {
			v.Lead = t("evening.lead.key") // nothing was calculated
		}
		for _, why := range []schedule.Why{schedule.WhyKey, schedule.WhyRate, schedule.WhyOpens} {
			if slices.ContainsFunc(d.Late, because(why)) {
				v.Notes = append(v.Notes, t("evening.help."+string(why)))
			}
		}
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
