package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"time"
)

// Document is a mail to be composed. Unlike Message it fixes everything that a
// rendering depends on: the same Document gives the same bytes, so that what
// is tried again is the same mail.
type Document struct {
	MessageID string // without the angle brackets
	From      string // "Name <a@example.kr>"
	To        string // a bare address
	ReplyTo   string // may be empty
	Date      time.Time
	Lang      string // "ko"
	Subject   string
	Text      string
	HTML      string
	// Header is further fields, in this order.
	Header []Field
}

// Field is one header field.
type Field struct{ Name, Value string }

// lineMax is the longest line of a header that is not folded: RFC 5322 allows
// 998, and folding a List-Unsubscribe breaks DKIM at some servers (reference
// C1).
const lineMax = 900

// Compose writes d as RFC 5322 wants it: text and HTML as alternatives, in
// UTF-8, quoted-printable, lines ended by CR LF.
func Compose(d Document) ([]byte, error) {
	from, err := netmail.ParseAddress(d.From)
	if err != nil {
		return nil, fmt.Errorf("sender: %w", err)
	}
	var b bytes.Buffer
	field := func(name, value string) error {
		if value = oneLine(value); len(value) > lineMax {
			return fmt.Errorf("header %s is too long", name)
		}
		b.WriteString(name + ": " + value + "\r\n")
		return nil
	}
	all := []Field{
		{"Date", d.Date.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700")},
		{"From", from.String()},
		{"To", "<" + d.To + ">"},
	}
	if d.ReplyTo != "" {
		all = append(all, Field{"Reply-To", d.ReplyTo})
	}
	all = append(all, Field{"Message-ID", "<" + d.MessageID + ">"})
	for _, f := range append(all, d.Header...) {
		if err := field(f.Name, f.Value); err != nil {
			return nil, err
		}
	}
	// Encoded words are at most 75 characters each; they are folded between.
	b.WriteString("Subject: " + strings.ReplaceAll(mime.BEncoding.Encode("utf-8", strings.TrimSpace(oneLine(d.Subject))), "?= =?", "?=\r\n =?") + "\r\n")
	if d.Lang != "" {
		b.WriteString("Content-Language: " + d.Lang + "\r\n")
	}
	b.WriteString("MIME-Version: 1.0\r\n")
	sum := sha256.Sum256([]byte(d.MessageID))
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary("=_" + hex.EncodeToString(sum[:16])); err != nil {
		return nil, err
	}
	b.WriteString(`Content-Type: multipart/alternative; boundary="` + w.Boundary() + "\"\r\n\r\n")
	for _, p := range []struct{ kind, body string }{{"text/plain", d.Text}, {"text/html", d.HTML}} {
		if p.body == "" {
			return nil, errors.New("a mail has both text and HTML")
		}
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Type": {p.kind + "; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"}})
		if err != nil {
			return nil, err
		}
		q := quotedprintable.NewWriter(part)
		if _, err := q.Write([]byte(strings.ReplaceAll(p.body, "\n", "\r\n"))); err != nil {
			return nil, err
		}
		if err := q.Close(); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
