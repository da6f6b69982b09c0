package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/order"
	"imreport/internal/shop"
)

// Mode says what a mail is in the eyes of Korean law (정보통신망법 제50조).
type Mode string

// The modes.
const (
	// Informational: about the purchase itself, without any benefit.
	Informational Mode = "informational"
	// Ad: advertising. It needs consent, "(광고)" before the subject, the
	// sender's block and words about refusing.
	Ad Mode = "ad"
)

// Template is the words of a mail. Places for words are {name}, {order},
// {shop} and {products}; {link} in the body is where the button stands.
type Template struct {
	Lang      i18n.Lang
	Kind      Kind
	Mode      Mode
	Subject   string
	Body      string // paragraphs, separated by empty lines
	Button    string
	Own       bool // the shop's; else ours
	UpdatedAt time.Time
}

const (
	subjectMax = 120 // characters
	bodyMax    = 5000
	buttonMax  = 40
)

var places = []string{"{name}", "{order}", "{shop}", "{products}", "{link}"}

// standard is the mail of a shop that has written none.
func standard(l i18n.Lang, k Kind) Template {
	key := "mail.review." + string(k)
	return Template{Lang: l, Kind: k, Mode: Informational, Subject: i18n.T(l, key+".subject"), Body: i18n.T(l, key+".body"), Button: i18n.T(l, key+".button")}
}

func template(ctx context.Context, q db.Queryer, sh shop.Shop, l i18n.Lang, k Kind) (Template, error) {
	t := Template{Lang: l, Kind: k, Own: true}
	var at int64
	err := q.QueryRow(ctx, `SELECT mode, subject, body, button, updated_us FROM mail_template WHERE shop_id = $1 AND lang = $2 AND kind = $3`,
		sh.ID, string(l), string(k)).Scan(&t.Mode, &t.Subject, &t.Body, &t.Button, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return standard(l, k), nil
	}
	if err != nil {
		return t, fmt.Errorf("template of shop %s: %w", sh.ID, err)
	}
	t.UpdatedAt = db.Time(at)
	return t, nil
}

// langOf is the language of a mail: the customer's, where we write it, else
// the shop's.
func langOf(sh shop.Shop, o order.Order) i18n.Lang {
	if l, ok := i18n.Parse(o.Locale); ok {
		return l
	}
	if o.Locale != "" && sh.Lang != i18n.English {
		return i18n.English // a locale that we do not write: English is the better guess
	}
	if sh.Lang == "" {
		return i18n.Korean
	}
	return sh.Lang
}

// Template is the words of a shop's mail.
func (s *Service) Template(ctx context.Context, shopID string, l i18n.Lang, k Kind) (Template, error) {
	sh, err := s.shops.ByID(ctx, nil, shopID)
	if err != nil {
		return Template{}, err
	}
	return template(ctx, s.d, sh, l, k)
}

// SetTemplate keeps the words of a shop's mail. What the law or the mail does
// not allow is refused by field.
func (s *Service) SetTemplate(ctx context.Context, shopID string, t Template) (Template, error) {
	t.Subject, t.Body, t.Button = strings.TrimSpace(t.Subject), strings.TrimSpace(strings.ReplaceAll(t.Body, "\r\n", "\n")), strings.TrimSpace(t.Button)
	if t.Mode == "" {
		t.Mode = Informational
	}
	v, err := s.Settings(ctx, shopID)
	if err != nil {
		return t, err
	}
	if wrong := Lint(t, v.SenderBlock); len(wrong) > 0 {
		return t, errs.InvalidFields(wrong...)
	}
	t.Own, t.UpdatedAt = true, s.now()
	_, err = s.d.Exec(ctx, `INSERT INTO mail_template (shop_id, lang, kind, mode, subject, body, button, updated_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (shop_id, lang, kind) DO UPDATE SET mode = excluded.mode, subject = excluded.subject, body = excluded.body,
			button = excluded.button, updated_us = excluded.updated_us`,
		shopID, string(t.Lang), string(t.Kind), string(t.Mode), t.Subject, t.Body, t.Button, db.US(t.UpdatedAt))
	if err != nil {
		return t, fmt.Errorf("write template of shop %s: %w", shopID, err)
	}
	return t, nil
}

// ResetTemplate goes back to our own words.
func (s *Service) ResetTemplate(ctx context.Context, shopID string, l i18n.Lang, k Kind) error {
	_, err := s.d.Exec(ctx, `DELETE FROM mail_template WHERE shop_id = $1 AND lang = $2 AND kind = $3`, shopID, string(l), string(k))
	return err
}

var (
	// benefits are words that make a whole mail advertising (docs/mail.md).
	benefits = regexp.MustCompile(`(?i)적립금|포인트|쿠폰|할인|무료|이벤트|혜택|사은품|경품|당첨|특가|세일|리워드|캐시백|%|coupon|discount|\bpoints?\b|\bfree\b|\bsale\b|reward|cash ?back|gift card|promo|giveaway`)
	// adMarks are "(광고)" and its look-alikes; the exact mark is ours to set.
	adMarks = regexp.MustCompile(`(?i)[(\[{<（［【〔]\s*(광\s*고|ad|advertisement)\s*[)\]}>）］】〕]`)
	unknown = regexp.MustCompile(`\{[^{}\n]*\}`)
)

// Lint says what is wrong with a template; senderBlock is what advertising
// mail says of its sender.
func Lint(t Template, senderBlock string) (wrong []errs.Field) {
	bad := func(field, key string, args ...any) {
		wrong = append(wrong, errs.Field{Name: field, Key: "review.template." + key, Args: args})
	}
	if t.Kind != Request && t.Kind != Reminder {
		bad("kind", "kind")
	}
	if !slices.Contains(i18n.Langs, t.Lang) {
		bad("lang", "lang")
	}
	for _, f := range []struct {
		name, text string
		most       int
	}{{"subject", t.Subject, subjectMax}, {"body", t.Body, bodyMax}, {"button", t.Button, buttonMax}} {
		switch n := utf8.RuneCountInString(f.text); {
		case n == 0:
			bad(f.name, "empty")
		case n > f.most:
			bad(f.name, "too_long", f.most)
		}
		for _, p := range unknown.FindAllString(f.text, -1) {
			if !slices.Contains(places, p) || p == "{link}" && f.name != "body" {
				bad(f.name, "unknown_place", p)
			}
		}
		if adMarks.MatchString(f.text) {
			bad(f.name, "ad_mark", adMarks.FindString(f.text))
		}
		if t.Mode == Informational {
			if w := benefits.FindString(f.text); w != "" {
				bad(f.name, "benefit", w)
			}
		}
	}
	if strings.ContainsAny(t.Subject+t.Button, "\r\n") {
		bad("subject", "one_line")
	}
	switch t.Mode {
	case Informational:
	case Ad:
		if senderBlock == "" {
			bad("mode", "sender_block")
		}
	default:
		bad("mode", "mode")
	}
	return wrong
}
