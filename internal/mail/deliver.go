package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"regexp"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// A mail that must not go twice is handed over in two phases: everything up to
// the last byte of the body, then a committed mark, then the final dot. Only
// what is lost between the mark and the server's reply has an unknown fate.
// docs/mail.md has the table of faults and what each one means.
//
// net/smtp does the dialogue up to DATA; the body, the dot and its reply are
// written here on the connection's own text protocol, because net/smtp throws
// the reply's text away and has no time limits.

// Parcel is a finished mail for one recipient.
type Parcel struct {
	From string // return path, a bare address
	To   string // a bare address
	Body []byte // header and body, as RFC 5322 wants them
	// EnvelopeID comes back in bounces of servers that know DSN (RFC 3461):
	// letters, digits, "-" and ".". Empty: none.
	EnvelopeID string
}

// Verdict is what became of a parcel.
type Verdict int8

// The verdicts.
const (
	// Later: the server has not taken it; it may go again after a while.
	Later Verdict = iota
	// Sent: the server has taken responsibility for it.
	Sent
	// Denied: the server will not take it, however often it is asked.
	Denied
	// Unknown: the dot may have reached the server and no reply came back.
	Unknown
	// Stopped: beforeDot said no; nothing was handed over.
	Stopped
)

// Phase is how far a delivery came.
type Phase string

// The phases, in order.
const (
	PhaseConnect Phase = "connect"
	PhaseHello   Phase = "hello" // greeting, EHLO, STARTTLS
	PhaseAuth    Phase = "auth"
	PhaseMail    Phase = "mail"
	PhaseRcpt    Phase = "rcpt"
	PhaseData    Phase = "data"
	PhaseBody    Phase = "body"
	PhaseMark    Phase = "mark" // beforeDot
	PhaseDot     Phase = "dot"
	PhaseDone    Phase = "done"
)

// Delivery is how a parcel fared.
type Delivery struct {
	Verdict Verdict
	Phase   Phase
	Code    int    // the server's reply code; 0 when it said nothing
	Status  string // its enhanced status, "5.1.1"; may be empty
	Reply   string // its words, one line
	Err     error  // for the log; nil when Sent
}

// Throttled reports whether the server refused because of its rate: 454 in the
// words of Amazon SES, or 421 and 45x that name a rate.
func (d Delivery) Throttled() bool {
	return d.Verdict == Later && d.Code/100 == 4 && throttled.MatchString(d.Reply)
}

var throttled = regexp.MustCompile(`(?i)throttl|sending rate|rate limit|too many (messages|connections)|quota exceeded`)

// Times of a dialogue: RFC 5321 4.5.3.2 asks clients to wait five minutes for
// replies and ten for the one to the final dot.
const (
	dialWithin    = 30 * time.Second
	commandWithin = 5 * time.Minute
	dotWithin     = 10 * time.Minute
	quitWithin    = 5 * time.Second
)

// Deliver hands p to the server over a connection of its own. When the body is
// over and before the final dot goes out it calls beforeDot, which commits the
// mark; its error stops the delivery with nothing handed over. After the mark
// the wait for the reply is bounded by time, not by ctx: a reply that somebody
// walks away from is a mail of unknown fate.
func (s *SMTP) Deliver(ctx context.Context, p Parcel, beforeDot func(context.Context) error) Delivery {
	d := &dialogue{Delivery: Delivery{Phase: PhaseConnect}, s: s}
	if err := d.run(ctx, p, beforeDot); err != nil {
		d.judge(err)
	}
	return d.Delivery
}

// dialogue is one delivery under way.
type dialogue struct {
	Delivery
	s    *SMTP
	conn net.Conn
	c    *smtp.Client
}

func (d *dialogue) run(ctx context.Context, p Parcel, beforeDot func(context.Context) error) error {
	if err := d.connect(ctx); err != nil {
		return err
	}
	defer func() { _ = d.conn.Close() }()
	// Until the mark, ctx ends the connection; from then on only time does.
	unhook := context.AfterFunc(ctx, func() { _ = d.conn.Close() })
	defer unhook()
	if err := d.open(p); err != nil {
		return err
	}
	d.Phase = PhaseBody
	d.within(d.s.commandWithin)
	w := d.c.Text.DotWriter()
	if _, err := w.Write(p.Body); err != nil {
		return err
	}
	if err := d.c.Text.W.Flush(); err != nil {
		return err
	}
	d.Phase = PhaseMark
	if !unhook() {
		return ctx.Err()
	}
	if err := beforeDot(ctx); err != nil {
		return err
	}
	d.Phase = PhaseDot
	d.within(d.s.dotWithin)
	if err := w.Close(); err != nil {
		return err
	}
	_, text, err := d.c.Text.ReadResponse(250)
	if err != nil {
		return err
	}
	d.Phase, d.Verdict, d.Code, d.Reply = PhaseDone, Sent, 250, oneLine(text)
	// The mail is the server's. Whatever QUIT says is no matter.
	d.within(quitWithin)
	_ = d.c.Quit()
	return nil
}

func (d *dialogue) within(t time.Duration) { _ = d.conn.SetDeadline(time.Now().Add(t)) }

func (d *dialogue) connect(ctx context.Context) error {
	dialer := &net.Dialer{Timeout: dialWithin}
	conn, err := dialer.DialContext(ctx, "tcp", d.s.String())
	if err != nil {
		return err
	}
	if d.s.direct {
		conn = tls.Client(conn, d.s.tlsConfig())
	}
	d.conn = conn
	return nil
}

// open talks until the server waits for the body.
func (d *dialogue) open(p Parcel) error {
	d.within(d.s.commandWithin)
	c, err := smtp.NewClient(d.conn, d.s.host)
	if err != nil {
		return err
	}
	d.c = c
	d.Phase = PhaseHello
	if err := c.Hello(d.s.name); err != nil {
		return err
	}
	if err := d.encrypt(); err != nil {
		return err
	}
	d.Phase = PhaseAuth
	if err := d.auth(); err != nil {
		return err
	}
	d.Phase = PhaseMail
	if err := d.mail(p); err != nil {
		return err
	}
	d.Phase = PhaseRcpt
	d.within(d.s.commandWithin)
	if err := c.Rcpt(p.To); err != nil {
		return err
	}
	d.Phase = PhaseData
	d.within(d.s.commandWithin)
	return d.command(354, "DATA")
}

func (d *dialogue) encrypt() error {
	if d.s.direct || d.s.policy == gomail.NoTLS {
		return nil
	}
	if ok, _ := d.c.Extension("STARTTLS"); !ok {
		if d.s.policy == gomail.TLSMandatory {
			return errors.New("the server offers no encryption")
		}
		return nil
	}
	return d.c.StartTLS(d.s.tlsConfig())
}

func (d *dialogue) auth() error {
	if d.s.user == "" {
		return nil
	}
	ok, mechanisms := d.c.Extension("AUTH")
	if !ok {
		return errors.New("the server asks nobody to sign in")
	}
	offered := strings.Fields(strings.ToUpper(mechanisms))
	has := func(name string) bool {
		for _, m := range offered {
			if m == name {
				return true
			}
		}
		return false
	}
	switch {
	case has("CRAM-MD5") && !d.encrypted():
		return d.c.Auth(smtp.CRAMMD5Auth(d.s.user, d.s.pass))
	case has("PLAIN") || !has("LOGIN"):
		return d.c.Auth(plainAuth{d.s.user, d.s.pass})
	default:
		return d.c.Auth(&loginAuth{user: d.s.user, pass: d.s.pass})
	}
}

func (d *dialogue) encrypted() bool {
	_, ok := d.c.TLSConnectionState()
	return ok || d.s.direct
}

// plainAuth is AUTH PLAIN without net/smtp's own refusal of plain
// connections: SMTP.policy has decided about those.
type plainAuth struct{ user, pass string }

func (a plainAuth) Start(*smtp.ServerInfo) (string, []byte, error) {
	return "PLAIN", []byte("\x00" + a.user + "\x00" + a.pass), nil
}

func (a plainAuth) Next(_ []byte, more bool) ([]byte, error) {
	if more {
		return nil, errors.New("the server asks too much")
	}
	return nil, nil
}

// loginAuth is AUTH LOGIN: the name, then the password.
type loginAuth struct {
	user, pass string
	step       int
}

func (a *loginAuth) Start(*smtp.ServerInfo) (string, []byte, error) { return "LOGIN", nil, nil }

func (a *loginAuth) Next(_ []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	a.step++
	switch a.step {
	case 1:
		return []byte(a.user), nil
	case 2:
		return []byte(a.pass), nil
	}
	return nil, errors.New("the server asks too much")
}

// mail sends MAIL with what the server offers.
func (d *dialogue) mail(p Parcel) error {
	d.within(d.s.commandWithin)
	for _, a := range []string{p.From, p.To} {
		if a == "" || strings.ContainsAny(a, "\r\n<> ") {
			return &Refused{fmt.Errorf("the address %q cannot be written", mask(a))}
		}
	}
	var args strings.Builder
	if ok, _ := d.c.Extension("8BITMIME"); ok {
		args.WriteString(" BODY=8BITMIME")
	}
	if ok, _ := d.c.Extension("SMTPUTF8"); ok && !ascii(p.From+p.To) {
		args.WriteString(" SMTPUTF8")
	}
	if ok, _ := d.c.Extension("DSN"); ok && p.EnvelopeID != "" {
		args.WriteString(" RET=HDRS ENVID=" + p.EnvelopeID)
	}
	return d.command(250, "MAIL FROM:<%s>%s", p.From, args.String())
}

func (d *dialogue) command(want int, format string, args ...any) error {
	id, err := d.c.Text.Cmd(format, args...)
	if err != nil {
		return err
	}
	d.c.Text.StartResponse(id)
	defer d.c.Text.EndResponse(id)
	_, _, err = d.c.Text.ReadResponse(want)
	return err
}

// judge says what err means at the phase that was reached.
func (d *dialogue) judge(err error) {
	d.Err = fmt.Errorf("mail server %s: %s: %w", d.s, d.Phase, err)
	var said *textproto.Error
	if errors.As(err, &said) {
		d.Code, d.Reply = said.Code, oneLine(said.Msg)
		d.Status = enhanced.FindString(said.Msg)
	}
	switch {
	case d.Phase == PhaseMark:
		d.Verdict = Stopped
	case d.Phase == PhaseDot && d.Code == 0:
		d.Verdict = Unknown
	case d.Phase == PhaseDot && d.Code/100 != 4 && d.Code/100 != 5:
		d.Verdict = Unknown // a reply that is none: 2xx but not 250, or 3xx
	case Permanent(err):
		d.Verdict = Denied
	case d.Code/100 == 5 && d.Phase != PhaseHello && d.Phase != PhaseConnect && d.Phase != PhaseAuth:
		d.Verdict = Denied
	default:
		// A server that is misconfigured or turns our password down is ours to
		// repair: the mail waits.
		d.Verdict = Later
	}
}

var enhanced = regexp.MustCompile(`\b[245]\.\d{1,3}\.\d{1,3}\b`)

func (s *SMTP) tlsConfig() *tls.Config {
	if s.tls != nil {
		return s.tls.Clone()
	}
	return &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// mask hides most of an address in the log: j***@example.com.
func mask(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		return "***"
	}
	return address[:1] + "***" + address[at:]
}
