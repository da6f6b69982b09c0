package smtp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	netsmtp "net/smtp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
)

// selfSigned is a certificate for the server and the roots that trust it.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"mx.sim.example"}}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func TestAuthAndTLS(t *testing.T) {
	cert, roots := selfSigned(t)
	s, addr := start(t, Config{Username: "shop", Password: "s3cret", TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})

	if step, err := send(dial(t, addr), "a@b.example", letter("t")); step != "mail" || !strings.Contains(err.Error(), "Authentication required") {
		t.Errorf("without AUTH: %s: %v", step, err)
	}
	if err := dial(t, addr).Auth(sasl.NewPlainClient("", "shop", "wrong")); err == nil {
		t.Error("wrong password accepted")
	}
	for name, mech := range map[string]sasl.Client{"PLAIN": sasl.NewPlainClient("", "shop", "s3cret"), "LOGIN": sasl.NewLoginClient("shop", "s3cret")} {
		c := dial(t, addr)
		if err := c.Auth(mech); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if step, err := send(c, "a@b.example", letter("t")); err != nil {
			t.Errorf("%s: %s: %v", name, step, err)
		}
	}
	// The standard library's client: STARTTLS, then AUTH PLAIN.
	c, err := netsmtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{ServerName: "mx.sim.example", RootCAs: roots}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Auth(netsmtp.PlainAuth("", "shop", "s3cret", "127.0.0.1")), c.Mail("a@b.example"), c.Rcpt("c@d.example")); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, letter("tls")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	mails := s.Mails()
	if m := mails[len(mails)-1]; !m.TLS || m.User != "shop" {
		t.Errorf("mail = %+v", m)
	}
}

// Commands that a third party slips in before the handshake are not obeyed.
func TestNoInjectionBeforeTLS(t *testing.T) {
	cert, _ := selfSigned(t)
	_, addr := start(t, Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "EHLO a\r\nSTARTTLS\r\nMAIL FROM:<evil@b.example>\r\n"); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(said), "\r\n421 ") {
		t.Errorf("%q, %v", said, err)
	}
}

func TestProfiles(t *testing.T) {
	t.Run("ses renames", func(t *testing.T) {
		s, addr := start(t, Config{Profile: "ses"})
		if step, err := send(dial(t, addr), "a@b.example", letter("t9")); err != nil {
			t.Fatal(step, err)
		}
		m := s.Mails()[0]
		raw, _ := s.Raw(m.ID)
		if !strings.HasSuffix(m.MessageID, "amazonses.com>") || m.Token != "t9" || strings.Contains(string(raw), "<t9@") || !strings.Contains(string(raw), "..two dots") {
			t.Errorf("mail %+v\n%s", m, raw)
		}
		if n := s.Counts()["t9"]; n != 1 {
			t.Errorf("counts = %v", s.Counts())
		}
	})
	t.Run("strict wants one-click", func(t *testing.T) {
		_, addr := start(t, Config{Profile: "strict"})
		c := dial(t, addr)
		if step, err := send(c, "a@b.example", letter("t")); step != "dot" || !strings.Contains(err.Error(), "List-Unsubscribe") {
			t.Errorf("%s: %v", step, err)
		}
		good := "List-Unsubscribe: <https://shop.example/u/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" + letter("t")
		if step, err := send(c, "a@b.example", good); err != nil {
			t.Errorf("%s: %v", step, err)
		}
	})
	for _, name := range Profiles() {
		if s := New(Config{Dir: t.TempDir(), Profile: name}); s.openErr != nil {
			t.Errorf("%s: %v", name, s.openErr)
		}
	}
	if err := New(Config{Profile: "nope"}).Serve(make(pipes)); err == nil {
		t.Error("a profile that does not exist serves")
	}
}

func TestManyAtOnce(t *testing.T) {
	s, addr := start(t, Config{})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			c := dial(t, addr)
			for j := range 10 {
				if step, err := send(c, "a@b.example", letter(fmt.Sprintf("%d-%d", i, j))); err != nil {
					t.Error(step, err)
				}
			}
		})
	}
	wg.Wait()
	mails, err := ReadDir(s.cfg.Dir)
	if err != nil || len(mails) != 160 || len(Counts(mails)) != 160 {
		t.Errorf("%d mails, %d tokens, %v", len(mails), len(Counts(mails)), err)
	}
	if st := s.Stats(); st.Mails != 160 || st.Dots != 160 {
		t.Errorf("stats = %+v", st)
	}
}

// BenchmarkMail is one mail, synced, over one of four connections.
func BenchmarkMail(b *testing.B) {
	s := New(Config{Dir: b.TempDir()})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	b.SetParallelism(2)
	b.RunParallel(func(pb *testing.PB) {
		c, err := netsmtp.Dial(l.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		for pb.Next() {
			if err := errors.Join(c.Mail("a@b.example"), c.Rcpt("c@d.example")); err != nil {
				b.Error(err)
				return
			}
			w, err := c.Data()
			if err == nil {
				_, err = io.WriteString(w, letter("t"))
				err = errors.Join(err, w.Close())
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}
