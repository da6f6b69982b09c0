// Package mail sends mails: Sender is the door, SMTP and Off are behind it.
//
// A Sender tries once. Who calls it decides what a failure means; Permanent
// tells a refusal for good from a passing fault.
package mail

import (
	"context"
	"errors"
	"strings"
)

// Message is one mail to one or several people who may see each other.
type Message struct {
	// ID is stable: a mail that is sent again after a crash carries the same
	// Message-ID, so that mailboxes can tell. Letters, digits, "-", "." and "_".
	ID      string
	From    string   // empty: the sender's default
	To      []string // addresses, at least one
	Subject string   // one line
	Text    string   // plain text, lines end with "\n"
	HTML    string   // the same as a page; may be empty
}

// Sender hands a mail to a mail server. A nil error means that the server has
// taken responsibility for it.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// Off is the Sender of an instance without a mail server: it drops the mail.
type Off struct{}

// Send does nothing.
func (Off) Send(context.Context, Message) error { return nil }

// Enabled reports whether s sends anything.
func Enabled(s Sender) bool {
	_, off := s.(Off)
	return s != nil && !off
}

// Refused is an error of a mail server that will not change by trying again:
// an address that does not exist, a sender that is not allowed.
type Refused struct{ Err error }

func (r *Refused) Error() string { return "refused by the mail server: " + r.Err.Error() }

func (r *Refused) Unwrap() error { return r.Err }

// Permanent reports whether err is a refusal for good.
func Permanent(err error) bool {
	var r *Refused
	return errors.As(err, &r)
}

// oneLine keeps a header in its line.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
}
