package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	sim "imreport/sim/smtp"
)

var parcel = Parcel{From: "shop@example.kr", To: "jimin@example.com", EnvelopeID: "rr-1.0",
	Body: []byte("Message-ID: <rr-1.0@example.kr>\r\nSubject: x\r\n\r\n" + strings.Repeat("안녕하세요\r\n.점으로 시작\r\n", 300))}

func smtpTo(t *testing.T, o SMTPOptions) *SMTP {
	t.Helper()
	s, err := NewSMTP(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The fault table of docs/mail.md: what goes wrong, whether the server has the
// mail, and what we say became of it.
func TestFaultTable(t *testing.T) {
	never := 0 // beforeDot is not reached
	for name, c := range map[string]struct {
		fault sim.Fault
		has   int
		want  Verdict
		phase Phase
		marks int
	}{
		"dropped at connect":              {sim.Fault{At: sim.AtConnect, Do: sim.Drop}, 0, Later, PhaseConnect, never},
		"421 at connect":                  {sim.Fault{At: sim.AtConnect, Do: sim.Reply, Code: 421}, 0, Later, PhaseConnect, never},
		"554 at connect":                  {sim.Fault{At: sim.AtConnect, Do: sim.Reply, Code: 554}, 0, Later, PhaseConnect, never},
		"dropped after EHLO":              {sim.Fault{At: sim.AtHello, Do: sim.Drop}, 0, Later, PhaseHello, never},
		"dropped after MAIL":              {sim.Fault{At: sim.AtMail, Do: sim.Drop}, 0, Later, PhaseMail, never},
		"451 at MAIL":                     {sim.Fault{At: sim.AtMail, Do: sim.Reply, Code: 451}, 0, Later, PhaseMail, never},
		"553 at MAIL":                     {sim.Fault{At: sim.AtMail, Do: sim.Reply, Code: 553}, 0, Denied, PhaseMail, never},
		"dropped after RCPT":              {sim.Fault{At: sim.AtRcpt, Do: sim.Drop}, 0, Later, PhaseRcpt, never},
		"450 at RCPT":                     {sim.Fault{At: sim.AtRcpt, Do: sim.Reply, Code: 450}, 0, Later, PhaseRcpt, never},
		"550 at RCPT":                     {sim.Fault{At: sim.AtRcpt, Do: sim.Reply, Code: 550}, 0, Denied, PhaseRcpt, never},
		"dropped after DATA":              {sim.Fault{At: sim.AtData, Do: sim.Drop}, 0, Later, PhaseData, never},
		"452 at DATA":                     {sim.Fault{At: sim.AtData, Do: sim.Reply, Code: 452}, 0, Later, PhaseData, never},
		"hang at RCPT":                    {sim.Fault{At: sim.AtRcpt, Do: sim.Hang}, 0, Later, PhaseRcpt, never},
		"lost with the reply":             {sim.Fault{At: sim.AtDot, Do: sim.Drop}, 0, Unknown, PhaseDot, 1},
		"451 after the dot":               {sim.Fault{At: sim.AtDot, Do: sim.Reply, Code: 451}, 0, Later, PhaseDot, 1},
		"421 after the dot":               {sim.Fault{At: sim.AtDot, Do: sim.Reply, Code: 421}, 0, Later, PhaseDot, 1},
		"454 after the dot":               {sim.Fault{At: sim.AtDot, Do: sim.Reply, Code: 454}, 0, Later, PhaseDot, 1},
		"554 after the dot":               {sim.Fault{At: sim.AtDot, Do: sim.Reply, Code: 554}, 0, Denied, PhaseDot, 1},
		"reply lost after the dot":        {sim.Fault{At: sim.AtStored, Do: sim.Drop}, 1, Unknown, PhaseDot, 1},
		"reset after the dot":             {sim.Fault{At: sim.AtStored, Do: sim.Reset}, 1, Unknown, PhaseDot, 1},
		"hang after the dot":              {sim.Fault{At: sim.AtStored, Do: sim.Hang}, 1, Unknown, PhaseDot, 1},
		"250, then dropped":               {sim.Fault{At: sim.AtDone, Do: sim.Drop}, 1, Sent, PhaseDone, 1},
		"250, RSET fails":                 {sim.Fault{At: sim.AtRset, Do: sim.Drop}, 1, Sent, PhaseDone, 1},
		"250, QUIT fails":                 {sim.Fault{At: sim.AtQuit, Do: sim.Drop}, 1, Sent, PhaseDone, 1},
		"250, QUIT is refused":            {sim.Fault{At: sim.AtQuit, Do: sim.Reply, Code: 502}, 1, Sent, PhaseDone, 1},
		"a fault of somebody else's":      {sim.Fault{At: sim.AtRcpt, Do: sim.Reply, Code: 550, Recipient: "x@example.com"}, 1, Sent, PhaseDone, 1},
		"slow, but within the time":       {sim.Fault{At: sim.AtStored, Do: sim.Hang, For: 20 * time.Millisecond}, 1, Sent, PhaseDone, 1},
		"454 at RCPT, in words of a rate": {sim.Fault{At: sim.AtRcpt, Do: sim.Reply, Code: 454}, 0, Later, PhaseRcpt, never},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, addr := server(t, sim.Config{}, nil)
			srv.MustFault(c.fault)
			s := smtpTo(t, SMTPOptions{URL: "smtp://" + addr, CommandWithin: 2 * time.Second, DotWithin: 2 * time.Second})
			marks := 0
			d := s.Deliver(bg, parcel, func(context.Context) error { marks++; return nil })
			if d.Verdict != c.want || d.Phase != c.phase || (d.Err == nil) != (c.want == Sent) {
				t.Errorf("verdict %d at %s (%v), want %d at %s", d.Verdict, d.Phase, d.Err, c.want, c.phase)
			}
			if marks != c.marks {
				t.Errorf("%d marks, want %d", marks, c.marks)
			}
			if n := len(srv.Mails()); n != c.has {
				t.Errorf("the server has %d mails, want %d", n, c.has)
			}
			if (c.fault.Code == 454) != d.Throttled() {
				t.Errorf("throttled %v: %s", d.Throttled(), d.Reply)
			}
		})
	}
	t.Run("reset in mid-body", func(t *testing.T) {
		// The reset may be seen while the body is written or only when the dot
		// is: then it is of unknown fate to us, which is the careful side.
		srv, addr := server(t, sim.Config{}, nil)
		srv.MustFault(sim.Fault{At: sim.AtBody, Do: sim.Reset, After: 100})
		p := parcel
		p.Body = append(append([]byte{}, parcel.Body...), []byte(strings.Repeat("x\r\n", 2<<20))...)
		d := smtpTo(t, SMTPOptions{URL: "smtp://" + addr}).Deliver(bg, p, func(context.Context) error { return nil })
		if d.Verdict != Later || d.Phase != PhaseBody || len(srv.Mails()) != 0 {
			t.Errorf("verdict %d at %s: %v", d.Verdict, d.Phase, d.Err)
		}
	})
}

// What the mark refuses is not handed over, and nothing was before it.
func TestNothingIsHandedOverBeforeTheMark(t *testing.T) {
	srv, addr := server(t, sim.Config{}, nil)
	s := smtpTo(t, SMTPOptions{URL: "smtp://" + addr})
	no := errors.New("unsubscribed meanwhile")
	d := s.Deliver(bg, parcel, func(context.Context) error {
		time.Sleep(20 * time.Millisecond)
		if n := len(srv.Mails()); n != 0 {
			t.Errorf("%d mails before the dot", n)
		}
		return no
	})
	if d.Verdict != Stopped || !errors.Is(d.Err, no) || len(srv.Mails()) != 0 {
		t.Errorf("%+v; %d mails", d, len(srv.Mails()))
	}
	ctx, cancel := context.WithCancel(bg)
	d = s.Deliver(ctx, parcel, func(context.Context) error { cancel(); return nil })
	if d.Verdict != Sent || len(srv.Mails()) != 1 {
		t.Errorf("a delivery past its mark was given up: %+v", d)
	}
	if d = s.Deliver(ctx, parcel, func(context.Context) error { t.Error("marked"); return nil }); d.Verdict != Later {
		t.Errorf("cancelled before: %+v", d)
	}
}

// The server gets the very bytes, dots and all.
func TestBodyArrivesAsItIs(t *testing.T) {
	srv, addr := server(t, sim.Config{}, nil)
	if d := smtpTo(t, SMTPOptions{URL: "smtp://" + addr}).Deliver(bg, parcel, func(context.Context) error { return nil }); d.Verdict != Sent {
		t.Fatal(d.Err)
	}
	m := srv.Mails()[0]
	raw, err := srv.Raw(m.ID)
	if err != nil || string(raw) != string(parcel.Body) {
		t.Errorf("%d bytes arrived of %d, %v", len(raw), len(parcel.Body), err)
	}
	if m.From != parcel.From || m.To[0] != parcel.To || m.EnvID != parcel.EnvelopeID {
		t.Errorf("envelope %+v", m)
	}
}

func TestDeliverEncryptedAndSignedIn(t *testing.T) {
	cert, trust := certificate(t)
	for name, c := range map[string]struct {
		srv    sim.Config
		direct *tls.Config
		url    string
		sent   bool
		tls    bool
	}{
		"STARTTLS":          {srv: sim.Config{TLS: cert, Username: "u", Password: "p"}, url: "smtp://u:p@%s", sent: true, tls: true},
		"smtps":             {srv: sim.Config{Username: "u", Password: "p"}, direct: cert, url: "smtps://u:p@%s", sent: true, tls: true},
		"in the open":       {srv: sim.Config{Username: "u", Password: "p"}, url: "smtp://u:p@%s", sent: true},
		"wrong password":    {srv: sim.Config{Username: "u", Password: "p"}, url: "smtp://u:secret-word@%s"},
		"encryption wanted": {url: "smtp://%s?tls=required"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, addr := server(t, c.srv, c.direct)
			s := smtpTo(t, SMTPOptions{URL: fmt.Sprintf(c.url, addr), TLS: trust})
			d := s.Deliver(bg, parcel, func(context.Context) error { return nil })
			if (d.Verdict == Sent) != c.sent {
				t.Fatalf("%+v", d)
			}
			if !c.sent {
				if d.Verdict != Later || strings.Contains(d.Err.Error(), "secret-word") {
					t.Errorf("%+v", d)
				}
				return
			}
			if m := srv.Mails()[0]; m.TLS != c.tls || m.User != c.srv.Username {
				t.Errorf("%+v", m)
			}
		})
	}
}

func TestAddressesThatCannotBeWritten(t *testing.T) {
	srv, addr := server(t, sim.Config{}, nil)
	s := smtpTo(t, SMTPOptions{URL: "smtp://" + addr})
	for _, to := range []string{"", "a@b.kr>\r\nRCPT TO:<x@y.kr", "a b@c.kr"} {
		p := parcel
		p.To = to
		if d := s.Deliver(bg, p, func(context.Context) error { return nil }); d.Verdict != Denied {
			t.Errorf("%q: %+v", to, d)
		}
	}
	if len(srv.Mails()) != 0 {
		t.Error("something was sent")
	}
}
