// Package post carries review letters to a mail server: it is the
// review.Carrier over mail.SMTP.
package post

import (
	"context"
	netmail "net/mail"
	"strings"

	"imreport/internal/mail"
	"imreport/internal/review"
)

// Carrier hands letters to one mail server.
type Carrier struct{ smtp *mail.SMTP }

// New makes a Carrier over s. A nil s is no mail server: New returns nil, as
// review.Options wants it.
func New(s *mail.SMTP) review.Carrier {
	if s == nil {
		return nil
	}
	return &Carrier{s}
}

// Of is the Carrier of a Sender: nil when it is not an SMTP server.
func Of(s mail.Sender) review.Carrier {
	smtp, _ := s.(*mail.SMTP)
	return New(smtp)
}

// From is the server's own sender, for shops that name none.
func (c *Carrier) From() string { return c.smtp.From() }

// Carry composes l and hands it over in two phases.
func (c *Carrier) Carry(ctx context.Context, l review.Letter, beforeDot func(context.Context) error) review.Outcome {
	body, err := mail.Compose(document(l))
	from, ferr := netmail.ParseAddress(l.From)
	if err == nil {
		err = ferr
	}
	if err != nil {
		return review.Outcome{Fate: review.FateDenied, Phase: "write", Err: err}
	}
	d := c.smtp.Deliver(ctx, mail.Parcel{From: from.Address, To: l.To, Body: body, EnvelopeID: l.Token}, beforeDot)
	return review.Outcome{
		Fate: fates[d.Verdict], Address: d.Verdict == mail.Denied && aboutAddress(d), Throttled: d.Throttled(),
		Code: d.Code, Status: d.Status, Reply: hide(d.Reply, l.To), Phase: string(d.Phase), Err: d.Err,
	}
}

var fates = map[mail.Verdict]review.Fate{
	mail.Later: review.FateLater, mail.Sent: review.FateSent, mail.Denied: review.FateDenied,
	mail.Unknown: review.FateUnknown, mail.Stopped: review.FateStopped,
}

// aboutAddress reports whether a refusal says that the address is no good:
// what was refused at RCPT with a mailbox status, or without any.
func aboutAddress(d mail.Delivery) bool {
	switch d.Status {
	case "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1":
		return true
	case "":
		return d.Phase == mail.PhaseRcpt && d.Code == 550
	}
	return false
}

// hide masks the recipient where a server quotes it: replies go into logs.
func hide(reply, address string) string {
	return strings.ReplaceAll(reply, address, review.Mask(address))
}

func document(l review.Letter) mail.Document {
	d := mail.Document{
		MessageID: l.MessageID, From: l.From, To: l.To, ReplyTo: l.ReplyTo, Date: l.Date, Lang: string(l.Lang),
		Subject: l.Subject, Text: l.Text, HTML: l.HTML,
		Header: []mail.Field{
			{Name: "X-Imreport-Message", Value: l.Token},
			{Name: "Auto-Submitted", Value: "auto-generated"}, // RFC 3834: no absence notes
		},
	}
	if l.Unsubscribe != "" {
		d.Header = append(d.Header, mail.Field{Name: "List-Unsubscribe", Value: "<" + l.Unsubscribe + ">"},
			mail.Field{Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"})
	}
	if l.Feedback != "" {
		d.Header = append(d.Header, mail.Field{Name: "Feedback-ID", Value: l.Feedback})
	}
	return d
}
