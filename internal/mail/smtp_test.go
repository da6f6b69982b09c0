package mail

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"imreport/internal/errs"
	sim "imreport/sim/smtp"
)

var bg = context.Background()

// server starts a simulated mail server and returns its address.
func server(t *testing.T, c sim.Config, direct *tls.Config) (*sim.Server, string) {
	t.Helper()
	c.Dir, c.NoSync = t.TempDir(), true
	s := sim.New(c)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if direct != nil {
		l = tls.NewListener(l, direct)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; !errors.Is(err, sim.ErrClosed) {
			t.Error(err)
		}
	})
	return s, addr
}

// certificate is a server's, and the configuration of a client that trusts it.
func certificate(t *testing.T) (srv, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
}

func opened(t *testing.T, o SMTPOptions) Sender {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var letter = Message{
	ID: "incident-1", To: []string{"a@example.kr", "b@example.kr"}, Subject: "확인이 필요합니다\r\nBcc: x@example.kr",
	Text: "안녕하세요\n.\n한 줄\n", HTML: "<p>안녕하세요</p>",
}

func TestSend(t *testing.T) {
	srv, addr := server(t, sim.Config{}, nil)
	s := opened(t, SMTPOptions{URL: "smtp://" + addr, From: "보고서 <report@example.kr>", PublicURL: "https://reports.example.kr"})
	if err := s.Send(bg, letter); err != nil {
		t.Fatal(err)
	}
	mails := srv.Mails()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	m := mails[0]
	if m.From != "report@example.kr" || strings.Join(m.To, " ") != "a@example.kr b@example.kr" || m.MessageID != "<incident-1@reports.example.kr>" ||
		m.Hello != "reports.example.kr" || m.Subject != "확인이 필요합니다 Bcc: x@example.kr" || m.TLS {
		t.Errorf("mail %+v", m)
	}
	raw, err := srv.Raw(m.ID)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := netmail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if msg.Header.Get("Bcc") != "" || msg.Header.Get("Auto-Submitted") != "auto-generated" || msg.Header.Get("Date") == "" {
		t.Errorf("header %v", msg.Header)
	}
	_, p, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for r := multipart.NewReader(msg.Body, p["boundary"]); ; {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, strings.ReplaceAll(string(b), "\r\n", "\n"))
	}
	if len(parts) != 2 || parts[0] != letter.Text || parts[1] != letter.HTML {
		t.Errorf("parts %q", parts)
	}
}

func TestEncryptionAndPasswords(t *testing.T) {
	cert, trust := certificate(t)
	for name, c := range map[string]struct {
		srv    sim.Config
		direct *tls.Config
		url    string // %s is the server's address
		trust  *tls.Config
		tls    bool
		fails  bool
	}{
		"plain, no password":              {url: "smtp://%s"},
		"STARTTLS when it is offered":     {srv: sim.Config{TLS: cert}, url: "smtp://%s", trust: trust, tls: true},
		"a certificate nobody knows":      {srv: sim.Config{TLS: cert}, url: "smtp://%s", fails: true},
		"password over STARTTLS":          {srv: sim.Config{TLS: cert, Username: "u", Password: "p@ss"}, url: "smtp://u:p%%40ss@%s", trust: trust, tls: true},
		"password to this machine":        {srv: sim.Config{Username: "u", Password: "p"}, url: "smtp://u:p@%s"},
		"password, encryption must be":    {srv: sim.Config{Username: "u", Password: "p"}, url: "smtp://u:p@%s?tls=required", fails: true},
		"password, no encryption allowed": {srv: sim.Config{TLS: cert, Username: "u", Password: "p"}, url: "smtp://u:p@%s?tls=off"},
		"wrong password":                  {srv: sim.Config{Username: "u", Password: "p"}, url: "smtp://u:secret-word@%s", fails: true},
		"smtps":                           {direct: cert, url: "smtps://%s", trust: trust, tls: true},
		"smtps with a password":           {direct: cert, srv: sim.Config{Username: "u", Password: "p"}, url: "smtps://u:p@%s", trust: trust, tls: true},
	} {
		t.Run(name, func(t *testing.T) {
			srv, addr := server(t, c.srv, c.direct)
			s := opened(t, SMTPOptions{URL: fmt.Sprintf(c.url, addr), From: "a@example.kr", TLS: c.trust})
			err := s.Send(bg, letter)
			if (err != nil) != c.fails {
				t.Fatalf("send: %v", err)
			}
			if err != nil {
				if strings.Contains(err.Error(), "secret-word") {
					t.Errorf("the error quotes the password: %v", err)
				}
				return
			}
			m := srv.Mails()
			if len(m) != 1 || m[0].TLS != c.tls || m[0].User != c.srv.Username {
				t.Errorf("mails %+v", m)
			}
		})
	}
}

// A password never leaves in the open for a machine that is not this one,
// unless the address says so.
func TestPasswordsNeedEncryptionElsewhere(t *testing.T) {
	for url, want := range map[string]string{
		"smtp://u:p@mail.example.kr":              "TLSMandatory",
		"smtp://mail.example.kr":                  "TLSOpportunistic",
		"smtp://u:p@localhost:1025":               "TLSOpportunistic",
		"smtp://u:p@[::1]:1025":                   "TLSOpportunistic",
		"smtp://u:p@mailpit:1025?tls=off":         "NoTLS",
		"smtp://mail.example.kr:2525?tls=require": "",
	} {
		s, err := NewSMTP(SMTPOptions{URL: url})
		got := ""
		if err == nil {
			got = s.policy.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		fault     sim.Fault
		sent      bool
		permanent bool
	}{
		"no such mailbox":         {fault: sim.Fault{At: sim.AtRcpt, Do: sim.Reply, Code: 550}, permanent: true},
		"mailbox is full":         {fault: sim.Fault{At: sim.AtRcpt, Do: sim.Reply, Code: 452}},
		"sender is not allowed":   {fault: sim.Fault{At: sim.AtMail, Do: sim.Reply, Code: 553}, permanent: true},
		"refused after the dot":   {fault: sim.Fault{At: sim.AtDot, Do: sim.Reply, Code: 554}, permanent: true},
		"later":                   {fault: sim.Fault{At: sim.AtDot, Do: sim.Reply, Code: 451}},
		"dropped at connect":      {fault: sim.Fault{At: sim.AtConnect, Do: sim.Drop}},
		"dropped before the dot":  {fault: sim.Fault{At: sim.AtBody, Do: sim.Reset}},
		"taken, then dropped":     {fault: sim.Fault{At: sim.AtDone, Do: sim.Drop}, sent: true},
		"taken, RSET fails":       {fault: sim.Fault{At: sim.AtRset, Do: sim.Drop}, sent: true},
		"taken, QUIT fails":       {fault: sim.Fault{At: sim.AtQuit, Do: sim.Drop}, sent: true},
		"temporary at connection": {fault: sim.Fault{At: sim.AtConnect, Do: sim.Reply, Code: 421}},
	} {
		t.Run(name, func(t *testing.T) {
			srv, addr := server(t, sim.Config{}, nil)
			srv.MustFault(c.fault)
			s := opened(t, SMTPOptions{URL: "smtp://" + addr, From: "a@example.kr"})
			err := s.Send(bg, letter)
			if (err == nil) != c.sent || Permanent(err) != c.permanent {
				t.Errorf("%v; permanent %v", err, Permanent(err))
			}
			if n := len(srv.Mails()); (n == 1) != c.sent {
				t.Errorf("%d mails are kept", n)
			}
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	s := opened(t, SMTPOptions{URL: "smtp://u:secret-word@" + l.Addr().String(), From: "a@example.kr"})
	if err := s.Send(bg, letter); err == nil || Permanent(err) || strings.Contains(err.Error(), "secret-word") {
		t.Errorf("nobody listens: %v", err)
	}
	for name, m := range map[string]Message{
		"nobody to send to": {ID: "x", Subject: "x"},
		"a broken address":  {ID: "x", To: []string{"x"}},
		"a broken sender":   {ID: "x", From: "x", To: []string{"a@example.kr"}},
	} {
		if err := s.Send(bg, m); !Permanent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for url, want := range map[string]string{
		"smtp://mail.example.kr":                "mail.example.kr:587",
		"smtps://mail.example.kr":               "mail.example.kr:465",
		"smtp://mail.example.kr:25/":            "mail.example.kr:25",
		" smtp://u:secret-word@[2001:db8::1] ":  "[2001:db8::1]:587",
		"smtp://u:secret-word@mail.example.kr":  "mail.example.kr:587",
		"http://u:secret-word@mail.example.kr":  "",
		"mail.example.kr:25":                    "",
		"smtp://":                               "",
		"smtp://u:secret-word@x:99999":          "",
		"smtp://u:secret-word@x/path":           "",
		"smtp://u:secret-word#x@mail.example":   "",
		"smtp://u:secret-word%zz@mail.example/": "",
	} {
		s, err := NewSMTP(SMTPOptions{URL: url})
		got := ""
		if err == nil {
			got = s.String()
			if text := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(text, "secret-word") {
				t.Errorf("%s prints as %s", url, text)
			}
		} else if !errs.Is(err, "mail.url_invalid") || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%s: %v", url, err)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
	for _, c := range []struct{ url, from, public, want string }{
		{"smtp://x", "R <a@b.kr>", "", "R <a@b.kr>"},
		{"smtp://me%40b.kr:p@x", "", "https://r.example.kr", "me@b.kr"},
		{"smtp://me:p@x", "", "https://r.example.kr:8443/", "imreport@r.example.kr"},
		{"smtp://x", "", "http://127.0.0.1:8080", "imreport@localhost"},
		{"smtp://x", "not an address", "", ""},
	} {
		s, err := NewSMTP(SMTPOptions{URL: c.url, From: c.from, PublicURL: c.public})
		if err == nil && s.From() != c.want || err != nil && (c.want != "" || !errs.Is(err, "mail.from_invalid")) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestOff(t *testing.T) {
	s := opened(t, SMTPOptions{URL: " "})
	if Enabled(s) || Enabled(nil) || s.Send(bg, letter) != nil {
		t.Errorf("off is %v", s)
	}
	if !Enabled(opened(t, SMTPOptions{URL: "smtp://x"})) {
		t.Error("an SMTP server is off")
	}
}
