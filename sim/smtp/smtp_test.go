package smtp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	client "github.com/emersion/go-smtp"
)

// start serves a fresh mailbox on a TCP port.
func start(t *testing.T, c Config) (*Server, string) {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	s := New(c)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("Serve = %v", err)
		}
	})
	return s, l.Addr().String()
}

// letter is a mail with a Message-ID and a token.
func letter(token string) string {
	return "From: Shop <reviews@shop.example>\r\nTo: jimin@example.com\r\nSubject: =?utf-8?b?7ZuE6riw?=\r\n" +
		"Date: Mon, 02 Nov 2026 10:00:00 +0900\r\nMessage-ID: <" + token + "@shop.example>\r\n" + TokenHeader + ": " + token + "\r\n\r\nhello\r\n..two dots\r\n"
}

// send drives one mail to the final reply and says which step failed.
func send(c *client.Client, to, body string) (step string, err error) {
	if err := c.Noop(); err != nil { // says EHLO first
		return "hello", err
	}
	if err := c.Mail("b+1@bounce.example", nil); err != nil {
		return "mail", err
	}
	if err := c.Rcpt(to, nil); err != nil {
		return "rcpt", err
	}
	w, err := c.Data()
	if err != nil {
		return "data", err
	}
	if _, err := io.WriteString(w, body); err != nil {
		return "body", err
	}
	if _, err := w.CloseWithResponse(); err != nil {
		return "dot", err
	}
	return "", nil
}

func dial(t *testing.T, addr string) *client.Client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return client.NewClient(conn)
}

func TestMailIsKeptAsItCame(t *testing.T) {
	s, addr := start(t, Config{})
	c := dial(t, addr)
	// "..two" goes out stuffed as "...two" and must come back as it was.
	if step, err := send(c, "jimin@example.com", letter("t1")); err != nil {
		t.Fatal(step, err)
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
	mails, err := ReadDir(s.cfg.Dir)
	if err != nil || len(mails) != 1 {
		t.Fatalf("ReadDir = %v, %v", mails, err)
	}
	m := mails[0]
	if m.From != "b+1@bounce.example" || m.To[0] != "jimin@example.com" || m.Token != "t1" || m.MessageID != "<t1@shop.example>" || m.Subject != "후기" {
		t.Errorf("envelope = %+v", m)
	}
	raw, err := s.Raw(m.ID)
	if err != nil || string(raw) != letter("t1") {
		t.Errorf("raw = %q, %v", raw, err)
	}
	if _, err := s.Raw("nope"); !errors.Is(err, ErrNoMail) {
		t.Errorf("Raw(nope) = %v", err)
	}

	// A second server over the folder finds it; a torn file is noticed.
	again := New(Config{Dir: s.cfg.Dir})
	if got := again.Mails(); len(got) != 1 || got[0].ID != m.ID {
		t.Errorf("after restart: %v", got)
	}
	name := filepath.Join(s.cfg.Dir, m.ID+suffix)
	b, _ := os.ReadFile(name)
	if err := os.WriteFile(name, b[:len(b)-1], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadDir(s.cfg.Dir); err == nil {
		t.Error("a torn mail was not noticed")
	}
}

func TestFaults(t *testing.T) {
	const before, after = false, true // is the mail stored?
	for _, tc := range []struct {
		name   string
		fault  Fault
		step   string // where the client notices
		code   int    // its code, 0 for a lost connection
		stored bool
	}{
		{"dropped at connect", Fault{At: AtConnect, Do: Drop}, "hello", 0, before},
		{"421 at connect", Fault{At: AtConnect, Do: Reply, Code: 421}, "hello", 421, before},
		{"EHLO refused", Fault{At: AtHello, Do: Reply, Code: 450}, "hello", 450, before},
		{"dropped after MAIL", Fault{At: AtMail, Do: Drop}, "mail", 0, before},
		{"dropped after RCPT", Fault{At: AtRcpt, Do: Drop}, "rcpt", 0, before},
		{"dropped after DATA", Fault{At: AtData, Do: Drop}, "data", 0, before},
		{"450 at RCPT", Fault{At: AtRcpt, Do: Reply, Code: 450}, "rcpt", 450, before},
		{"550 at RCPT", Fault{At: AtRcpt, Do: Reply, Code: 550}, "rcpt", 550, before},
		{"reset in the body", Fault{At: AtBody, Do: Reset, After: 100}, "body or dot", 0, before},
		{"reset in a short body", Fault{At: AtBody, Do: Reset, After: 1 << 20}, "dot", 0, before},
		{"454 after the dot", Fault{At: AtDot, Do: Reply, Code: 454}, "dot", 454, before},
		{"421 after the dot", Fault{At: AtDot, Do: Reply, Code: 421}, "dot", 421, before},
		{"554 after the dot", Fault{At: AtDot, Do: Reply, Code: 554}, "dot", 554, before},
		{"lost with its reply", Fault{At: AtDot, Do: Drop}, "dot", 0, before},
		{"reply lost after the dot", Fault{At: AtStored, Do: Drop}, "dot", 0, after},
		{"reply reset after the dot", Fault{At: AtStored, Do: Reset}, "dot", 0, after},
		{"stored, but 451", Fault{At: AtStored, Do: Reply, Code: 451}, "dot", 451, after},
		{"250, then dropped", Fault{At: AtDone, Do: Drop}, "rset", 0, after},
		{"RSET dropped", Fault{At: AtRset, Do: Drop}, "rset", 0, after},
		{"RSET refused", Fault{At: AtRset, Do: Reply, Code: 502}, "rset", 502, after},
		{"QUIT dropped", Fault{At: AtQuit, Do: Drop}, "quit", 0, after},
		{"QUIT refused", Fault{At: AtQuit, Do: Reply, Code: 421}, "quit", 421, after},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, addr := start(t, Config{})
			tc.fault.Next = 1
			id := s.MustFault(tc.fault)
			c := dial(t, addr)
			step, err := send(c, "jimin@example.com", letter("t"))
			if err == nil {
				step, err = "rset", c.Reset()
			}
			if err == nil {
				step, err = "quit", c.Quit()
			}
			if err == nil || !strings.Contains(tc.step, step) {
				t.Fatalf("failed at %q with %v, want at %q", step, err, tc.step)
			}
			var se *client.SMTPError
			code := 0
			if errors.As(err, &se) {
				code = se.Code
			}
			if code != tc.code {
				t.Errorf("code %d (%v), want %d", code, err, tc.code)
			}
			if got := len(s.Mails()) == 1; got != tc.stored {
				t.Errorf("stored = %v, want %v", got, tc.stored)
			}
			if f := s.Faults()[0]; f.ID != id || f.Hits != 1 {
				t.Errorf("fault = %+v", f)
			}
			// Next: 1 is spent; the same goes well now.
			if step, err := send(dial(t, addr), "jimin@example.com", letter("t")); err != nil {
				t.Errorf("second try: %s: %v", step, err)
			}
		})
	}
}

// pipes is a listener whose connections are net.Pipe, for virtual time.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
func (p pipes) dial() *client.Client {
	a, b := net.Pipe()
	p <- b
	return client.NewClient(a)
}

// inBubble runs f with a server on pipes in virtual time.
func inBubble(t *testing.T, c Config, f func(s *Server, p pipes)) {
	c.Dir = t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, p := New(c), make(pipes)
		done := make(chan error)
		go func() { done <- s.Serve(p) }()
		f(s, p)
		s.Close()
		close(p)
		<-done
	})
}

func TestHangOfElevenMinutes(t *testing.T) {
	t.Run("the patient get their 250", func(t *testing.T) {
		inBubble(t, Config{}, func(s *Server, p pipes) {
			s.MustFault(Fault{At: AtStored, Do: Hang, For: 11 * time.Minute, Next: 1})
			c, began := p.dial(), time.Now()
			c.SubmissionTimeout = 12 * time.Minute
			if step, err := send(c, "a@b.example", letter("t")); err != nil {
				t.Fatal(step, err)
			}
			if got := time.Since(began); got != 11*time.Minute {
				t.Errorf("took %v", got)
			}
		})
	})
	t.Run("those who wait ten minutes do not know", func(t *testing.T) {
		inBubble(t, Config{}, func(s *Server, p pipes) {
			s.MustFault(Fault{At: AtStored, Do: Hang, For: 11 * time.Minute})
			c := p.dial()
			c.SubmissionTimeout = 10 * time.Minute
			step, err := send(c, "a@b.example", letter("t"))
			if step != "dot" || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v, want a timeout at the dot", step, err)
			}
			if n := len(s.Mails()); n != 1 {
				t.Errorf("%d mails stored, want 1", n)
			}
			c.Close()
		})
	})
	t.Run("scaled", func(t *testing.T) {
		inBubble(t, Config{Scale: .001}, func(s *Server, p pipes) {
			s.MustFault(Fault{At: AtStored, Do: Hang, For: 11 * time.Minute})
			c, began := p.dial(), time.Now()
			if step, err := send(c, "a@b.example", letter("t")); err != nil {
				t.Fatal(step, err)
			}
			if got := time.Since(began); got != 660*time.Millisecond {
				t.Errorf("took %v", got)
			}
		})
	})
}

// The file is there before the reply: look while the server hangs between.
func TestStoredBeforeTheReply(t *testing.T) {
	s, addr := start(t, Config{})
	s.MustFault(Fault{At: AtStored, Do: Hang})
	errc := make(chan error)
	go func() {
		_, err := send(dial(t, addr), "a@b.example", letter("t"))
		errc <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Wait(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if mails, err := ReadDir(s.cfg.Dir); err != nil || len(mails) != 1 {
		t.Errorf("ReadDir = %v, %v", mails, err)
	}
	for s.Stats().Hanging == 0 {
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-errc:
		t.Fatalf("answered before Release: %v", err)
	default:
	}
	if st := s.Stats(); st.InData != 1 || st.Open != 1 {
		t.Errorf("stats = %+v", st)
	}
	s.Release()
	if err := <-errc; err != nil {
		t.Error(err)
	}
}

func TestFaultChoosesItsOccasions(t *testing.T) {
	s, addr := start(t, Config{Seed: 7})
	s.MustFault(Fault{At: AtRcpt, Do: Reply, Code: 550, Recipient: "gone@example.com"})
	s.MustFault(Fault{At: AtRcpt, Do: Reply, Code: 452, Recipient: "@full.example"})
	s.MustFault(Fault{At: AtDot, Do: Reply, Code: 451, Recipient: "slow*", Skip: 1, Next: 1})
	c := dial(t, addr)
	for _, tc := range []struct {
		to   string
		code int
	}{{"GONE@example.com", 550}, {"a@full.example", 452}, {"ok@example.com", 0},
		{"slow1@x.example", 0}, {"slow2@x.example", 451}, {"slow3@x.example", 0}} {
		_, err := send(c, tc.to, letter("t"))
		var se *client.SMTPError
		if errors.As(err, &se); tc.code == 0 && err != nil || tc.code != 0 && (se == nil || se.Code != tc.code) {
			t.Errorf("%s: %v, want %d", tc.to, err, tc.code)
		}
		if err := c.Reset(); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("by probability, the same from the same seed", func(t *testing.T) {
		fates := func(seed uint64) string {
			f, b := Fault{ID: 3, Probability: .25}, strings.Builder{}
			for range 4000 {
				fmt.Fprintf(&b, "%t", f.strike(seed))
			}
			if f.Hits < 900 || f.Hits > 1100 {
				t.Errorf("seed %d: %d of 4,000 struck, want about 1,000", seed, f.Hits)
			}
			return b.String()
		}
		if first, again := fates(1), fates(1); first != again || first == fates(2) {
			t.Error("the seed does not decide")
		}
	})

	for _, bad := range []Fault{{At: "noon", Do: Drop}, {At: AtMail, Do: "sigh"}, {At: AtMail, Do: Reply, Code: 250},
		{At: AtDone, Do: Reply, Code: 450}, {At: AtMail, Do: Drop, Recipient: "a@b"}, {At: AtMail, Do: Drop, Probability: 2},
		{At: AtMail, Do: Hang, For: -1}, {At: AtRcpt, Do: Reply, Code: 450, Text: "a\r\nb"}} {
		if _, err := s.AddFault(bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

func TestLimits(t *testing.T) {
	code := func(err error) int {
		var se *client.SMTPError
		if errors.As(err, &se) {
			return se.Code
		}
		return 0
	}
	t.Run("454 above a rate", func(t *testing.T) {
		inBubble(t, Config{}, func(s *Server, p pipes) {
			s.SetLimits(Limits{PerSecond: 2, PerDay: 4})
			c := p.dial()
			var got []int
			for i := range 7 {
				_, err := send(c, "a@b.example", letter("t"))
				got = append(got, code(err))
				if i == 2 || i == 4 { // after the refusals a second passes
					time.Sleep(time.Second)
				}
			}
			if want := []int{0, 0, 454, 0, 0, 454, 454}; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("codes = %v, want %v", got, want)
			}
			if n := len(s.Mails()); n != 4 {
				t.Errorf("%d mails, want 4", n)
			}
			c.Close()
		})
	})
	t.Run("so many on a connection", func(t *testing.T) {
		s, addr := start(t, Config{})
		s.SetLimits(Limits{PerConnection: 2, Recipients: 1})
		c := dial(t, addr)
		for range 2 {
			if step, err := send(c, "a@b.example", letter("t")); err != nil {
				t.Fatal(step, err)
			}
		}
		if step, err := send(c, "a@b.example", letter("t")); step != "mail" || code(err) != 421 {
			t.Errorf("third mail: %s: %v, want 421 at MAIL", step, err)
		}
		c = dial(t, addr)
		if err := errors.Join(c.Mail("", nil), c.Rcpt("a@b.example", nil)); err != nil {
			t.Fatal(err)
		}
		if err := c.Rcpt("c@b.example", nil); code(err) != 452 {
			t.Errorf("second recipient: %v, want 452", err)
		}
	})
	t.Run("so many connections", func(t *testing.T) {
		s, addr := start(t, Config{})
		s.SetLimits(Limits{Connections: 1})
		if err := dial(t, addr).Hello("a"); err != nil {
			t.Fatal(err)
		}
		if err := dial(t, addr).Hello("b"); code(err) != 421 {
			t.Errorf("second connection: %v, want 421", err)
		}
	})
}

// Each script is what a client says; the last reply must begin with want.
func TestStrictness(t *testing.T) {
	const begin = "EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
	for _, tc := range []struct{ name, say, want string }{
		{"MAIL before EHLO", "MAIL FROM:<a@b.example>\r\n", "503"},
		{"RCPT before MAIL", "EHLO a\r\nRCPT TO:<a@b.example>\r\n", "503"},
		{"DATA without a recipient", "EHLO a\r\nMAIL FROM:<>\r\nDATA\r\n", "554"},
		{"nested MAIL", "EHLO a\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\n", "503"},
		{"blank after the colon", "EHLO a\r\nMAIL FROM: <a@b.example>\r\n", "501"},
		{"no brackets", "EHLO a\r\nMAIL FROM:a@b.example\r\n", "501"},
		{"address without a domain", "EHLO a\r\nMAIL FROM:<a>\r\n", "553"},
		{"two dots", "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a..b@c.example>\r\n", "553"},
		{"Hangul address without SMTPUTF8", "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<김@c.example>\r\n", "553"},
		{"Hangul address with SMTPUTF8", "EHLO a\r\nMAIL FROM:<> SMTPUTF8\r\nRCPT TO:<김@c.example>\r\n", "250"},
		{"unknown parameter", "EHLO a\r\nMAIL FROM:<> COLOR=blue\r\n", "555"},
		{"parameter after HELO", "HELO a\r\nMAIL FROM:<> SIZE=1\r\n", "555"},
		{"SIZE too large", "EHLO a\r\nMAIL FROM:<> SIZE=99999999\r\n", "552"},
		{"BDAT", "EHLO a\r\nBDAT 1 LAST\r\n", "502"},
		{"nonsense", "HALLO\r\n", "500"},
		{"bare LF in a command", "EHLO a\n", "500"},
		{"endless command", "EHLO " + strings.Repeat("a", 40000) + "\r\n", "500"},
		{"good mail", begin + "Subject: x\r\n\r\nbody\r\n.\r\n", "250"},
		{"bare LF in the body", begin + "Subject: x\r\n\r\nbody\n\r\n.\r\n", "550 5.5.2"},
		{"smuggled end", begin + "Subject: x\r\n\r\nbody\n.\nMAIL FROM:<>\r\n.\r\n", "550 5.5.2"},
		{"bare CR in the body", begin + "Subject: x\r\n\r\nbo\rdy\r\n.\r\n", "550 5.5.2"},
		{"line of 1,001 octets", begin + "\r\n" + strings.Repeat("a", 999) + "\r\n.\r\n", "554 5.6.0"},
		{"line of 1,000 octets", begin + "\r\n" + strings.Repeat("a", 998) + "\r\n.\r\n", "250"},
		{"line above the buffer", begin + "\r\n" + strings.Repeat("a", 40000) + "\r\n.\r\n", "554 5.6.0"},
		{"eight bits unannounced", begin + "\r\n한\r\n.\r\n", "554 5.6.1"},
		{"eight bits in the header", begin + "Subject: 한\r\n\r\n.\r\n", "554 5.6.7"},
		{"mail above the size", begin + "\r\n" + strings.Repeat(strings.Repeat("a", 98)+"\r\n", 6000) + ".\r\n", "552"},
		{"STARTTLS not offered", "EHLO a\r\nSTARTTLS\r\n", "502"},
		{"AUTH of an unknown kind", "EHLO a\r\nAUTH CRAM-MD5\r\n", "504"},
		{"AUTH that is no base64", "EHLO a\r\nAUTH PLAIN !!!\r\n", "501"},
		{"twenty errors", strings.Repeat("X\r\n", 20), "421"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, addr := start(t, Config{MaxBytes: 500_000})
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			go func() { // pipelined, as a strict server must allow
				_, _ = io.WriteString(conn, tc.say)
				_ = conn.(*net.TCPConn).CloseWrite()
			}()
			last := ""
			for r := bufio.NewScanner(conn); r.Scan(); {
				last = r.Text()
			}
			if !strings.HasPrefix(last, tc.want) {
				t.Errorf("last reply %q, want %q", last, tc.want)
			}
			if got := len(s.Mails()); got > 0 && tc.want[0] != '2' {
				t.Errorf("%d mails stored", got)
			}
		})
	}
}
