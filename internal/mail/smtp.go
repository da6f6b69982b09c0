package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"imreport/internal/errs"
)

// SMTPOptions say by which server mails go.
type SMTPOptions struct {
	// URL is smtp://user:pass@host:port (STARTTLS; port 587) or
	// smtps://user:pass@host:port (TLS from the start; port 465). Over smtp a
	// password is only sent encrypted, except to this machine; ?tls=off says
	// that the server has no encryption, ?tls=required that it must.
	URL string
	// From is the sender of mails that name none: "Reports <a@example.kr>".
	// Empty: the URL's user when that is an address, else imreport@ the host
	// of PublicURL.
	From string
	// PublicURL is the address of this instance; its host names it to servers.
	PublicURL string
	// TLS overrides how servers are verified; nil: by the system's roots.
	TLS *tls.Config
	// CommandWithin and DotWithin bound the wait for the replies of Deliver; 0
	// means what RFC 5321 4.5.3.2 asks for: 5 and 10 minutes.
	CommandWithin, DotWithin time.Duration
}

// SMTP sends by an SMTP server, one connection per mail. It prints without its
// password.
type SMTP struct {
	host   string
	port   int
	user   string
	pass   string
	direct bool // TLS from the start
	policy gomail.TLSPolicy
	from   string
	name   string // how this host calls itself
	tls    *tls.Config

	commandWithin, dotWithin time.Duration
}

const sendWithin = 30 * time.Second

// Open is the Sender that o asks for: Off when o.URL is empty. The errors are
// mail.url_invalid and mail.from_invalid; neither holds the password.
func Open(o SMTPOptions) (Sender, error) {
	if strings.TrimSpace(o.URL) == "" {
		return Off{}, nil
	}
	return NewSMTP(o)
}

// NewSMTP makes an SMTP.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	// The cause of a bad URL would quote the password.
	bad := func() (*SMTP, error) { return nil, errs.E(errs.Invalid, "mail.url_invalid", nil) }
	u, err := url.Parse(strings.TrimSpace(o.URL))
	if err != nil || u.Hostname() == "" || u.Path != "" && u.Path != "/" {
		return bad()
	}
	s := &SMTP{host: u.Hostname(), tls: o.TLS, name: publicHost(o.PublicURL),
		commandWithin: cmp.Or(o.CommandWithin, commandWithin), dotWithin: cmp.Or(o.DotWithin, dotWithin)}
	switch u.Scheme {
	case "smtp":
		s.port = 587
	case "smtps":
		s.port, s.direct = 465, true
	default:
		return bad()
	}
	if p := u.Port(); p != "" {
		if s.port, err = strconv.Atoi(p); err != nil || s.port < 1 || s.port > 65535 {
			return bad()
		}
	}
	s.user = u.User.Username()
	s.pass, _ = u.User.Password()
	switch mode := u.Query().Get("tls"); {
	case mode == "required", mode == "" && s.user != "" && !loopback(s.host):
		s.policy = gomail.TLSMandatory
	case mode == "":
		s.policy = gomail.TLSOpportunistic
	case mode == "off":
		s.policy = gomail.NoTLS
	default:
		return bad()
	}
	s.from = o.From
	if s.from == "" {
		s.from = "imreport@" + s.name
		if strings.Contains(s.user, "@") {
			s.from = s.user
		}
	}
	if _, err := netmail.ParseAddress(s.from); err != nil {
		return nil, errs.E(errs.Invalid, "mail.from_invalid", err)
	}
	return s, nil
}

// String is the server's address.
func (s *SMTP) String() string { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// GoString is String, for %#v.
func (s *SMTP) GoString() string { return s.String() }

// From is the sender of mails that name none.
func (s *SMTP) From() string { return s.from }

// Send hands m to the server. It returns *Refused when the server will not
// take it however often it is asked.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	msg, err := s.message(m)
	if err != nil {
		return err
	}
	c, err := s.client()
	if err != nil {
		return fmt.Errorf("mail server %s: %w", s, err)
	}
	err = c.DialAndSendWithContext(ctx, msg)
	if err == nil || msg.IsDelivered() {
		return nil // what went wrong after the server took it is no matter
	}
	err = fmt.Errorf("mail server %s: %w", s, err)
	var send *gomail.SendError
	if errors.As(err, &send) && !send.IsTemp() && send.ErrorCode() >= 500 {
		return &Refused{err}
	}
	return err
}

func (s *SMTP) message(m Message) (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	from := m.From
	if from == "" {
		from = s.from
	}
	if err := msg.From(from); err != nil {
		return nil, &Refused{fmt.Errorf("sender: %w", err)}
	}
	if len(m.To) == 0 {
		return nil, &Refused{errors.New("no recipient")}
	}
	if err := msg.To(m.To...); err != nil {
		return nil, &Refused{fmt.Errorf("recipients: %w", err)}
	}
	msg.Subject(oneLine(m.Subject))
	msg.SetDate()
	msg.SetMessageIDWithValue(m.ID + "@" + s.name)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no absence notes
	msg.SetGenHeader("X-Imreport-Message", m.ID)
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return msg, nil
}

func (s *SMTP) client() (*gomail.Client, error) {
	o := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTimeout(sendWithin), gomail.WithHELO(s.name), gomail.WithTLSPolicy(s.policy), gomail.WithoutNoop(),
	}
	if s.direct {
		o = append(o, gomail.WithSSL())
	}
	if s.tls != nil {
		o = append(o, gomail.WithTLSConfig(s.tls))
	}
	if s.user != "" {
		plain, login := gomail.SMTPAuthPlain, gomail.SMTPAuthLogin
		if s.policy == gomail.NoTLS && !s.direct {
			plain, login = gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc
		}
		o = append(o, gomail.WithUsername(s.user), gomail.WithPassword(s.pass),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthCramMD5, plain, login))
	}
	return gomail.NewClient(s.host, o...)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// publicHost is how this instance calls itself to mail servers.
func publicHost(public string) string {
	u, err := url.Parse(public)
	if err != nil || u.Hostname() == "" || net.ParseIP(u.Hostname()) != nil {
		return "localhost"
	}
	return u.Hostname()
}
