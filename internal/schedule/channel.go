package schedule

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"imreport/internal/errs"
)

// Channels are where a workspace wants its digests beside the page. The
// addresses and the secret are sealed at rest: who knows a Slack address may
// write there.
type Channels struct {
	Mail          bool   // to owners and admins, where a mail server is set; default true
	SlackURL      string // an incoming webhook of Slack; empty: none
	WebhookURL    string // gets the digest as signed JSON; empty: none
	WebhookSecret string // signs it, see package notify
}

// Trial is how a test message to a channel went.
type Trial struct {
	Channel string // "slack" or "webhook"
	Sent    bool
	Why     WhyNot // when it was not
	Status  int    // of the answer, for NotTaken
}

// WhyNot is why a channel did not take a message.
type WhyNot string

// The reasons.
const (
	NotTaken    WhyNot = "refused" // an answer other than 2xx
	NotPublic   WhyNot = "private" // the address leads into a private network
	Unreachable WhyNot = "unreachable"
)

// mistakes is what is wrong with c.
func (c Channels) mistakes() (wrong []errs.Field) {
	if c.SlackURL != "" && !strings.HasPrefix(c.SlackURL, "https://hooks.slack.com/") {
		wrong = append(wrong, errs.Field{Name: "slack_url", Key: "schedule.slack_url_invalid"})
	}
	if c.WebhookURL != "" {
		u, err := url.Parse(c.WebhookURL)
		switch {
		case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil:
			wrong = append(wrong, errs.Field{Name: "webhook_url", Key: "schedule.webhook_url_invalid"})
		case private(u.Hostname()):
			wrong = append(wrong, errs.Field{Name: "webhook_url", Key: "schedule.webhook_url_private"})
		}
		if len(c.WebhookSecret) < 16 {
			wrong = append(wrong, errs.Field{Name: "webhook_secret", Key: "schedule.webhook_secret_short", Args: []any{16}})
		}
	}
	return wrong
}

// private reports whether a host is plainly of this machine or a private
// network. A name that leads there is only seen when something is sent
// (package notify).
func private(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host == "localhost" || strings.HasSuffix(host, ".localhost")
	}
	return !Public(ip)
}

// notPublic are the networks beside those that netip knows which lead to
// neighbours: of carriers and clouds (metadata services stand there), of tests
// and benchmarks, and those that carry an IPv4 address within.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("fec0::/10"),
}

// Public reports whether a webhook may be sent to ip: nothing on this machine
// or in a private network may be reached by what somebody types.
func Public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// subject binds a sealed value to its place.
func subject(workspaceID, what string) string { return "schedule " + what + " " + workspaceID }

// Channels are a workspace's.
func (s *Service) Channels(ctx context.Context, workspaceID string) (Channels, error) {
	c := Channels{Mail: true}
	var slack, hook, secret string
	err := s.d.QueryRow(ctx, `SELECT digest_mail, slack_url, webhook_url, webhook_secret FROM schedule_setting WHERE workspace_id = $1`,
		workspaceID).Scan(&c.Mail, &slack, &hook, &secret)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil
	}
	for what, v := range map[string]struct {
		sealed string
		into   *string
	}{"slack": {slack, &c.SlackURL}, "webhook": {hook, &c.WebhookURL}, "secret": {secret, &c.WebhookSecret}} {
		if err == nil && v.sealed != "" {
			*v.into, err = s.o.Box.Open(v.sealed, subject(workspaceID, what))
		}
	}
	if err != nil {
		return c, fmt.Errorf("channels of workspace %s: %w", workspaceID, err)
	}
	return c, nil
}
