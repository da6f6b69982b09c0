package review

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	htmltemplate "html/template"
	"net/mail"
	"strconv"
	"strings"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/order"
)

//go:embed letter.html
var letterPage string

var letterHTML = htmltemplate.Must(htmltemplate.New("letter").Parse(letterPage))

// letter writes the mail of a message. The same message gives the same letter,
// whoever writes it and how often.
func (s *Service) letter(w world, m Message) (Letter, error) {
	from := s.sender(w)
	l := Letter{
		Token: m.ID, MessageID: "rr-" + m.ID + "." + strconv.Itoa(m.Seq) + "@" + s.host(from),
		From: from, To: w.order.Email, Date: m.FirstAt, Lang: w.template.Lang,
		Unsubscribe: s.UnsubscribeLink(m.ID), Feedback: string(m.Kind) + ":" + w.shop.ID + ":imreport",
	}
	return l, s.write(&l, w, s.ReviewLink(m.ID))
}

// sender is the shop's own sender, else the instance's, named as the shop.
func (s *Service) sender(w world) string {
	from := w.shop.MailFrom
	if from == "" {
		from = s.o.MailFrom
	}
	a, err := mail.ParseAddress(from)
	if err != nil || a.Name != "" && w.shop.MailFrom != "" {
		return from
	}
	a.Name = w.shop.Name
	return a.String()
}

// write fills in the words.
func (s *Service) write(l *Letter, w world, link string) error {
	t := w.template
	fill := placesOf(w)
	subject := fill.Replace(t.Subject)
	if t.Mode == Ad {
		subject = "(광고) " + subject // exactly so, and first: decree 61, annex
	}
	l.Subject = oneLine(subject)
	foot := i18n.T(l.Lang, "mail.review.foot", w.shop.Name, orderName(w.order))
	leave := i18n.T(l.Lang, "mail.review.unsubscribe")
	page := struct {
		Lang, Subject, Link, Button, Foot, Leave, LeaveLink, Sender, Refuse string
		Paragraphs                                                          []string
		Before                                                              int // paragraphs before the button
	}{Lang: string(l.Lang), Subject: l.Subject, Link: link, Button: fill.Replace(t.Button), Foot: foot, Leave: leave, LeaveLink: l.Unsubscribe}
	if t.Mode == Ad {
		page.Sender = w.set.SenderBlock
		// Both languages side by side are the safe form.
		page.Refuse = i18n.T(i18n.Korean, "mail.review.refuse") + "\n" + i18n.T(i18n.English, "mail.review.refuse")
	}
	page.Before = -1
	var text strings.Builder
	for para := range strings.SplitSeq(t.Body, "\n\n") {
		para = strings.TrimSpace(para)
		if strings.Contains(para, "{link}") {
			page.Before = len(page.Paragraphs)
			para = strings.TrimSpace(strings.ReplaceAll(para, "{link}", ""))
			if para != "" {
				page.Paragraphs = append(page.Paragraphs, fill.Replace(para))
				page.Before++
				text.WriteString(fill.Replace(para) + "\n\n")
			}
			text.WriteString(page.Button + ":\n" + link + "\n\n")
			continue
		}
		if para = fill.Replace(para); para != "" {
			page.Paragraphs = append(page.Paragraphs, para)
			text.WriteString(para + "\n\n")
		}
	}
	if page.Before < 0 {
		page.Before = len(page.Paragraphs)
		text.WriteString(page.Button + ":\n" + link + "\n\n")
	}
	text.WriteString("--\n" + foot + "\n")
	if page.Sender != "" {
		text.WriteString(page.Sender + "\n" + page.Refuse + "\n")
	}
	text.WriteString(leave + ": " + l.Unsubscribe + "\n")
	l.Text = text.String()
	var b bytes.Buffer
	if err := letterHTML.Execute(&b, page); err != nil {
		return fmt.Errorf("write letter: %w", err)
	}
	l.HTML = b.String()
	return nil
}

func placesOf(w world) *strings.Replacer {
	name := strings.TrimSpace(w.order.CustomerName)
	if name == "" {
		name = i18n.T(w.template.Lang, "mail.review.customer")
	}
	var products []string
	for _, line := range w.order.Reviewable() {
		products = append(products, line.Title)
	}
	all := strings.Join(products, ", ")
	if r := []rune(all); len(r) > 200 {
		all = string(r[:199]) + "…"
	}
	return strings.NewReplacer("{name}", name, "{order}", orderName(w.order), "{shop}", w.shop.Name, "{products}", all)
}

func orderName(o order.Order) string {
	if o.Name != "" {
		return o.Name
	}
	return o.ExternalID
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Preview writes the mail that an order's customer would get, with links that
// open nothing. t replaces the shop's template when it is not nil; an empty
// orderID shows an order made up.
func (s *Service) Preview(ctx context.Context, shopID, orderID string, k Kind, t *Template) (Letter, error) {
	o := sample()
	var err error
	if orderID != "" {
		if o, err = s.orders.ByID(ctx, nil, orderID); err != nil {
			return Letter{}, err
		}
		if o.ShopID != shopID {
			return Letter{}, errs.E(errs.NotFound, "order.not_found", nil)
		}
	}
	w, err := s.world(ctx, s.d, shopID, o, k)
	if err != nil {
		return Letter{}, err
	}
	if t != nil {
		w.template = *t
	}
	l := Letter{From: s.sender(w), To: o.Email, Date: s.now(), Lang: w.template.Lang, Unsubscribe: s.o.PublicURL + "/u/preview"}
	return l, s.write(&l, w, s.o.PublicURL+"/r/preview")
}

// sample is an order for previews of shops without one.
func sample() order.Order {
	return order.Order{Name: "#1001", CustomerName: "김지민", Locale: "", Email: "jimin.kim@example.com", Live: true,
		Lines: []order.Line{{ID: "1", Title: "머그컵 - 화이트", Quantity: 2, Left: 2}, {ID: "2", Title: "티셔츠 - 블랙 / M", Quantity: 1, Left: 1}}}
}

// SendTest sends a preview to an address of the shop's own people.
func (s *Service) SendTest(ctx context.Context, shopID, orderID string, k Kind, t *Template, to, token string) error {
	if s.o.Carrier == nil {
		return errs.E(errs.Unavailable, "review.no_mail_server", nil)
	}
	if to = normal(to); !validAddress(to) {
		return errs.InvalidField("to", "review.email_malformed")
	}
	l, err := s.Preview(ctx, shopID, orderID, k, t)
	if err != nil {
		return err
	}
	l.To, l.Token = to, "test-"+token
	l.MessageID = l.Token + "@" + s.host(l.From)
	l.Subject = i18n.T(l.Lang, "mail.review.test", l.Subject)
	out := s.o.Carrier.Carry(ctx, l, func(context.Context) error { return nil })
	if out.Fate != FateSent {
		return errs.E(errs.Unavailable, "review.test_not_sent", out.Err, out.Code, out.Reply)
	}
	return nil
}
