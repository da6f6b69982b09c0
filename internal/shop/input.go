package shop

import (
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"imreport/internal/errs"
	"imreport/internal/i18n"
)

// Input is what Create and Update take; nil fields keep what is there, or the
// default. Durations are text as the API has them: "0s", "36h", "14d".
type Input struct {
	Name              *string
	Domain            *string
	Zone              *string
	Lang              *string
	ReviewDelay       *string
	Cooldown          *string
	QuietHours        **Hours // a nil *Hours ends quiet hours
	MaxOrderAge       *string
	MailRatePerSecond *float64
	MailRetryAfter    *string
	MailFrom          *string
	// WebhookSecret is put before those that are there; WebhookSecrets
	// replaces them all.
	WebhookSecret  *string
	WebhookSecrets *[]string
	AdminToken     *string // empty removes it
}

// Hours are quiet hours as the API has them: "21:00", "08:00".
type Hours struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Clock is q as the API shows it; nil for nil.
func (q *QuietHours) Clock() *Hours {
	if q == nil {
		return nil
	}
	return &Hours{From: clock(q.From), To: clock(q.To)}
}

func clock(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

const (
	nameMax     = 100 // characters
	durationMax = 400 * 24 * time.Hour
	mailRateMax = 1000.0 // per second
)

// apply checks and cleans in, and puts its settings into sh.
func (in *Input) apply(sh *Shop) error {
	var wrong []errs.Field
	bad := func(name, key string, args ...any) {
		wrong = append(wrong, errs.Field{Name: name, Key: key, Args: args})
	}
	if in.Name != nil {
		sh.Name = strings.TrimSpace(*in.Name)
		switch {
		case sh.Name == "":
			bad("name", "shop.name.required")
		case len([]rune(sh.Name)) > nameMax:
			bad("name", "shop.name.too_long", nameMax)
		}
	}
	if in.Domain != nil {
		d, ok := cleanDomain(*in.Domain)
		if sh.Domain = d; !ok {
			bad("domain", "shop.domain.malformed")
		}
	}
	if in.Zone != nil {
		sh.Zone = *in.Zone
		if _, err := time.LoadLocation(sh.Zone); err != nil || sh.Zone == "" || sh.Zone == "Local" {
			bad("zone", "shop.zone.unknown", sh.Zone)
		}
	}
	if in.Lang != nil {
		l, ok := i18n.Parse(*in.Lang)
		if sh.Lang = l; !ok {
			bad("lang", "shop.lang.unknown", *in.Lang)
		}
	}
	for _, f := range []struct {
		name string
		from *string
		to   *time.Duration
		min  time.Duration
	}{
		{"review_delay", in.ReviewDelay, &sh.ReviewDelay, 0},
		{"cooldown", in.Cooldown, &sh.Cooldown, 0},
		{"max_order_age", in.MaxOrderAge, &sh.MaxOrderAge, 0},
		{"mail_retry_after", in.MailRetryAfter, &sh.MailRetryAfter, time.Second},
	} {
		if f.from == nil {
			continue
		}
		d, err := ParseDuration(*f.from)
		switch {
		case err != nil:
			bad(f.name, "shop.duration.malformed", *f.from)
		case d < f.min || d > durationMax:
			bad(f.name, "shop.duration.out_of_range", FormatDuration(f.min), FormatDuration(durationMax))
		}
		*f.to = d
	}
	if in.QuietHours != nil {
		sh.QuietHours = nil
		if h := *in.QuietHours; h != nil {
			from, ok1 := parseClock(h.From)
			to, ok2 := parseClock(h.To)
			if !ok1 || !ok2 {
				bad("quiet_hours", "shop.quiet_hours.malformed")
			}
			sh.QuietHours = &QuietHours{From: from, To: to}
		}
	}
	if in.MailRatePerSecond != nil {
		sh.MailRatePerSecond = *in.MailRatePerSecond
		if r := sh.MailRatePerSecond; !(r >= 0.001 && r <= mailRateMax) {
			bad("mail_rate_per_second", "shop.mail_rate.out_of_range", mailRateMax)
		}
	}
	if in.MailFrom != nil {
		sh.MailFrom = strings.TrimSpace(*in.MailFrom)
		if sh.MailFrom != "" {
			if _, err := mail.ParseAddress(sh.MailFrom); err != nil || strings.ContainsAny(sh.MailFrom, "\r\n") {
				bad("mail_from", "shop.mail_from.malformed")
			}
		}
	}
	wrong = append(wrong, in.checkSecrets()...)
	if len(wrong) > 0 {
		return errs.InvalidFields(wrong...)
	}
	return nil
}

func (in *Input) checkSecrets() (wrong []errs.Field) {
	clean := func(field string, v *string) {
		if *v = strings.TrimSpace(*v); *v == "" || len(*v) > 500 {
			wrong = append(wrong, errs.Field{Name: field, Key: "shop.webhook_secret.malformed"})
		}
	}
	if in.WebhookSecret != nil {
		v := *in.WebhookSecret
		clean("webhook_secret", &v)
		in.WebhookSecret = &v
	}
	if in.WebhookSecrets != nil {
		all := slices.Clone(*in.WebhookSecrets)
		if len(all) > secretsKept {
			wrong = append(wrong, errs.Field{Name: "webhook_secrets", Key: "shop.webhook_secret.too_many", Args: []any{secretsKept}})
		}
		for i := range all {
			clean(fmt.Sprintf("webhook_secrets.%d", i), &all[i])
		}
		in.WebhookSecrets = &all
	}
	if in.AdminToken != nil {
		v := strings.TrimSpace(*in.AdminToken)
		if strings.ContainsAny(v, " \r\n\t") || len(v) > 500 {
			wrong = append(wrong, errs.Field{Name: "admin_api_token", Key: "shop.admin_token.malformed"})
		}
		in.AdminToken = &v
	}
	return wrong
}

// cleanDomain takes what people paste ("https://name.myshopify.com/admin") to
// the bare lower-case host.
func cleanDomain(v string) (string, bool) {
	v = strings.ToLower(strings.TrimSpace(v))
	v = strings.TrimPrefix(strings.TrimPrefix(v, "https://"), "http://")
	v, _, _ = strings.Cut(v, "/")
	if v == "" {
		return "", true
	}
	host, port, _ := strings.Cut(v, ":")
	if port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return v, false
		}
	}
	for _, c := range host {
		if c != '-' && c != '.' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return v, false
		}
	}
	return v, len(v) <= 253
}

func parseClock(s string) (minute int, ok bool) {
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, s == "24:00"
	}
	return t.Hour()*60 + t.Minute(), true
}

// ParseDuration reads "0s", "2s", "90m", "36h", "14d", and sums ("1d12h").
func ParseDuration(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseFloat(days, 64)
	if err != nil || n != n || n < -1e5 || n > 1e5 {
		return 0, fmt.Errorf("duration %q", s)
	}
	d := time.Duration(n * float64(24*time.Hour))
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	return d + more, err
}

// FormatDuration is the shortest text that ParseDuration reads as d.
func FormatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d != 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	for _, tail := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, tail) {
			s = strings.TrimSuffix(s, tail[1:])
		}
	}
	return s
}
