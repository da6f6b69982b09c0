package smtp

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"mime"
	"net/mail"
	"strings"
	"time"
)

// Bounce describes the report of a failed delivery. Empty fields get usual
// values: the first recipient, 5.1.1, "failed", words that fit the status.
type Bounce struct {
	// Recipient is the address that failed.
	Recipient string
	// Status is an enhanced status code (RFC 3463), such as "5.1.1".
	Status string
	// Action is "failed", "delayed", "delivered", "relayed" or "expanded".
	Action string
	// Diagnostic is the remote server's reply, such as "550 5.1.1 …".
	Diagnostic string
	// ReportingMTA is the host that gives up; "mx.sim.example" if empty.
	ReportingMTA string
	// At is when; the time of the mail plus two seconds if zero.
	At time.Time
	// Full returns the whole mail, not just its header.
	Full bool
	// Korean writes the part for people in Korean (base64, UTF-8).
	Korean bool
}

// diagnostics are usual replies by status (RFC 3463 for the meanings).
var diagnostics = map[string]string{
	"5.1.1":  "550 5.1.1 The email account that you tried to reach does not exist",
	"5.1.2":  "550 5.1.2 Bad destination system address",
	"5.1.6":  "550 5.1.6 Mailbox has moved",
	"5.1.10": "550 5.1.10 Recipient domain accepts no mail (null MX)",
	"5.2.1":  "550 5.2.1 The email account that you tried to reach is disabled",
	"5.2.2":  "552 5.2.2 The recipient's mailbox is full",
	"5.4.1":  "550 5.4.1 No answer from host",
	"5.7.1":  "550 5.7.1 Message blocked by policy",
	"5.7.26": "550 5.7.26 This mail has been blocked because the sender is unauthenticated",
	"4.2.2":  "452 4.2.2 The recipient's mailbox is full",
	"4.4.1":  "421 4.4.1 Connection timed out",
	"4.7.0":  "421 4.7.0 Try again later",
}

func (b Bounce) filled(sent Mail) Bounce {
	if b.Recipient == "" && len(sent.To) > 0 {
		b.Recipient = sent.To[0]
	}
	if b.Status == "" {
		b.Status = "5.1.1"
	}
	if b.Action == "" {
		b.Action = map[byte]string{'2': "delivered", '4': "delayed"}[b.Status[0]]
		if b.Action == "" {
			b.Action = "failed"
		}
	}
	if b.Diagnostic == "" {
		if b.Diagnostic = diagnostics[b.Status]; b.Diagnostic == "" {
			b.Diagnostic = fmt.Sprintf("%c50 %s Delivery %s", b.Status[0], b.Status, b.Action)
		}
	}
	if b.ReportingMTA == "" {
		b.ReportingMTA = "mx.sim.example"
	}
	if b.At.IsZero() {
		b.At = sent.At.Add(2 * time.Second)
	}
	return b
}

// DSN builds a delivery status notification (RFC 3464, multipart/report) for a
// mail that was sent, in the form of Postfix. It goes to the return path, from
// the empty one. Equal arguments give equal bytes.
func DSN(sent Mail, raw []byte, b Bounce) []byte {
	b = b.filled(sent)
	subject, words := "Undelivered Mail Returned to Sender", fmt.Sprintf(
		"This is the mail system at host %s.\n\nI'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients. It's attached below.\n\n<%s>: host mx.%s said: %s\n(in reply to RCPT TO command)\n",
		b.ReportingMTA, b.Recipient, domainOf(b.Recipient), b.Diagnostic)
	switch {
	case b.Korean && b.Action == "failed":
		subject = "메일 발송 실패 안내"
		words = fmt.Sprintf("보내신 메일이 아래 사유로 전달되지 못했습니다.\n\n받는 사람: %s\n사유: %s\n", b.Recipient, b.Diagnostic)
	case b.Action == "delayed":
		subject = "Delayed Mail (still being retried)"
		words = fmt.Sprintf("This is the mail system at host %s.\n\n####################################################################\n# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE. #\n####################################################################\n\nYour message could not be delivered for more than 4 hours.\nIt will be retried until it is 5 days old.\n\n<%s>: %s\n", b.ReportingMTA, b.Recipient, b.Diagnostic)
	case b.Action != "failed":
		subject = "Successful Mail Delivery Report"
		words = fmt.Sprintf("Your message was successfully delivered to the destination(s)\nlisted below.\n\n<%s>: %s\n", b.Recipient, b.Diagnostic)
	}
	var status strings.Builder
	fmt.Fprintf(&status, "Reporting-MTA: dns; %s\n", b.ReportingMTA)
	if sent.EnvID != "" {
		fmt.Fprintf(&status, "Original-Envelope-Id: %s\n", sent.EnvID)
	}
	fmt.Fprintf(&status, "Arrival-Date: %s\n\nFinal-Recipient: rfc822; %s\nOriginal-Recipient: rfc822;%s\nAction: %s\nStatus: %s\nRemote-MTA: dns; mx.%s\nDiagnostic-Code: smtp; %s\n",
		sent.At.Format(time.RFC1123Z), b.Recipient, b.Recipient, b.Action, b.Status, domainOf(b.Recipient), b.Diagnostic)
	w := report{kind: "delivery-status", from: "MAILER-DAEMON@" + b.ReportingMTA, to: sent.From, subject: subject, at: b.At, seed: sent.ID + b.Status}
	w.begin()
	w.text(words, "Notification")
	w.part("message/delivery-status", "Delivery report", status.String())
	if b.Full {
		w.part("message/rfc822", "Undelivered Message", string(raw))
	} else {
		w.part("text/rfc822-headers", "Undelivered Message Headers", header(raw))
	}
	return w.end()
}

// FreeTextBounce builds a bounce in plain words without any report part, as
// qmail sends it: only the return path and the quoted header tell what it is.
func FreeTextBounce(sent Mail, raw []byte, b Bounce) []byte {
	b = b.filled(sent)
	w := report{from: "MAILER-DAEMON@" + b.ReportingMTA, to: sent.From, subject: "failure notice", at: b.At, seed: sent.ID + b.Status}
	w.begin()
	w.plain(fmt.Sprintf("Hi. This is the qmail-send program at %s.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<%s>:\nRemote host said: %s\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <%s>\n%s", b.ReportingMTA, b.Recipient, b.Diagnostic, sent.From, header(raw)))
	return w.buf.Bytes()
}

// AutoReply builds an out-of-office answer (RFC 3834): it comes from the
// recipient to the return path and is not a bounce.
func AutoReply(sent Mail, at time.Time) []byte {
	to := ""
	if len(sent.To) > 0 {
		to = sent.To[0]
	}
	w := report{from: to, to: sent.From, subject: "[부재중] " + sent.Subject, at: at, seed: sent.ID + "auto", auto: true, inReplyTo: sent.MessageID}
	w.begin()
	w.plain("지금은 자리를 비워 메일을 확인할 수 없습니다. 돌아오는 대로 답장 드리겠습니다.\nI am out of the office and will answer when I am back.\n")
	return w.buf.Bytes()
}

// Complaint describes a spam report of a recipient.
type Complaint struct {
	// Type is the Feedback-Type: "abuse" if empty, or "fraud", "virus",
	// "other", "not-spam", "opt-out".
	Type string
	// Reporter is the provider's address; "complaints@mailbox.sim.example".
	Reporter string
	// At is when; the time of the mail plus an hour if zero.
	At time.Time
	// Redact hides the recipient, as several providers do: only the
	// Message-ID, the return path and our own headers identify the mail.
	Redact bool
}

// ARF builds an abuse report (RFC 5965, multipart/report of type
// feedback-report) for a mail that was sent.
func ARF(sent Mail, raw []byte, c Complaint) []byte {
	if c.Type == "" {
		c.Type = "abuse"
	}
	if c.Reporter == "" {
		c.Reporter = "complaints@mailbox.sim.example"
	}
	if c.At.IsZero() {
		c.At = sent.At.Add(time.Hour)
	}
	to := ""
	if len(sent.To) > 0 {
		to = sent.To[0]
	}
	original := string(raw)
	if c.Redact {
		original = strings.ReplaceAll(original, to, "redacted@"+domainOf(to))
	}
	var fb strings.Builder
	fmt.Fprintf(&fb, "Feedback-Type: %s\nUser-Agent: SimFBL/1.0\nVersion: 1\nOriginal-Mail-From: <%s>\n", c.Type, sent.From)
	if !c.Redact {
		fmt.Fprintf(&fb, "Original-Rcpt-To: <%s>\nRemovalRecipient: %s\n", to, to)
	}
	fmt.Fprintf(&fb, "Arrival-Date: %s\nReported-Domain: %s\nSource-IP: 192.0.2.1\n", sent.At.Format(time.RFC1123Z), domainOf(sent.From))
	w := report{kind: "feedback-report", from: c.Reporter, to: "abuse@" + domainOf(sent.From), subject: "FW: " + sent.Subject, at: c.At, seed: sent.ID + c.Type}
	w.begin()
	w.text(fmt.Sprintf("This is an email abuse report for an email message received from 192.0.2.1 on %s.\nFor more information about this format please see RFC 5965.\n", sent.At.Format(time.RFC1123Z)), "")
	w.part("message/feedback-report", "", fb.String())
	w.part("message/rfc822", "", original)
	return w.end()
}

// report writes a mail of a machine, in parts when kind is set.
type report struct {
	kind, from, to, subject, seed string
	inReplyTo                     string
	at                            time.Time
	auto                          bool
	buf                           bytes.Buffer
	mark                          string
}

func (w *report) begin() {
	h := fnv.New64a()
	h.Write([]byte(w.seed))
	w.mark = fmt.Sprintf("=_%016x", h.Sum64())
	auto := "auto-generated"
	if w.auto {
		auto = "auto-replied"
	}
	w.lines(fmt.Sprintf("Return-Path: <>\nFrom: %s\nTo: %s\nSubject: %s\nDate: %s\nMessage-ID: <%s@%s>\nAuto-Submitted: %s\nMIME-Version: 1.0\n",
		w.from, w.to, mime.BEncoding.Encode("utf-8", w.subject), w.at.Format(time.RFC1123Z), w.mark[2:], domainOf(w.from), auto))
	if w.inReplyTo != "" {
		w.lines("In-Reply-To: " + w.inReplyTo + "\n")
	}
	if w.kind != "" {
		w.lines(fmt.Sprintf("Content-Type: multipart/report; report-type=%s;\n\tboundary=%q\n\nThis is a MIME-encapsulated message.\n", w.kind, w.mark))
	}
}

// lines writes text with CR LF line ends.
func (w *report) lines(text string) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	w.buf.WriteString(strings.ReplaceAll(text, "\n", "\r\n"))
}

// text writes the part for people.
func (w *report) text(words, about string) {
	w.lines("\n--" + w.mark + "\n")
	if about != "" {
		w.lines("Content-Description: " + about + "\n")
	}
	w.plain(words)
}

// plain writes a text body, in base64 when it is not ASCII.
func (w *report) plain(words string) {
	if strings.IndexFunc(words, func(r rune) bool { return r > 126 }) < 0 {
		w.lines("Content-Type: text/plain; charset=us-ascii\n\n" + words)
		return
	}
	w.lines("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n")
	for b := []byte(words); len(b) > 0; {
		n := min(57, len(b))
		w.lines(base64.StdEncoding.EncodeToString(b[:n]) + "\n")
		b = b[n:]
	}
}

func (w *report) part(kind, about, content string) {
	w.lines("\n--" + w.mark + "\n")
	if about != "" {
		w.lines("Content-Description: " + about + "\n")
	}
	w.lines("Content-Type: " + kind + "\n\n" + content)
}

func (w *report) end() []byte {
	w.lines("\n--" + w.mark + "--\n")
	return w.buf.Bytes()
}

// header is the part of a mail above the empty line.
func header(raw []byte) string {
	h, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	return string(h) + "\r\n"
}

func domainOf(addr string) string {
	if a, err := mail.ParseAddress(addr); err == nil {
		addr = a.Address
	}
	if _, d, ok := strings.Cut(addr, "@"); ok {
		return d
	}
	return "invalid"
}
