package smtp

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// sentMail is a mail as our product would have sent it.
func sentMail() (Mail, []byte) {
	raw := []byte(letter("t1"))
	m := Mail{ID: "x-000001", At: time.Date(2026, 11, 2, 1, 0, 0, 0, time.UTC), From: "b+TOKEN@bounce.example", To: []string{"jimin@example.com"}, EnvID: "E1"}
	m.read(raw)
	return m, raw
}

// parts takes a multipart/report apart: content types and bodies.
func parts(t *testing.T, raw []byte, kind string) (h mail.Header, types, bodies []string) {
	t.Helper()
	if bytes.Contains(bytes.ReplaceAll(raw, []byte("\r\n"), nil), []byte("\n")) {
		t.Error("bare LF in the report")
	}
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	media, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || media != "multipart/report" || params["report-type"] != kind {
		t.Fatalf("content type %q %v, %v", media, params, err)
	}
	r := multipart.NewReader(msg.Body, params["boundary"])
	for {
		p, err := r.NextPart()
		if err == io.EOF {
			return msg.Header, types, bodies
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		types, bodies = append(types, p.Header.Get("Content-Type")), append(bodies, string(b))
	}
}

// fields reads the header blocks of a machine part.
func fields(t *testing.T, body string) []textproto.MIMEHeader {
	t.Helper()
	var out []textproto.MIMEHeader
	for block := range strings.SplitSeq(strings.TrimSpace(body), "\r\n\r\n") {
		h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(block + "\r\n\r\n"))).ReadMIMEHeader()
		if err != nil {
			t.Fatalf("%v in %q", err, block)
		}
		out = append(out, h)
	}
	return out
}

func TestDSN(t *testing.T) {
	m, raw := sentMail()
	for _, tc := range []struct {
		name           string
		b              Bounce
		action, status string
	}{
		{"hard", Bounce{}, "failed", "5.1.1"},
		{"in Korean, whole", Bounce{Status: "5.2.2", Korean: true, Full: true}, "failed", "5.2.2"},
		{"delayed", Bounce{Status: "4.4.1"}, "delayed", "4.4.1"},
		{"delivered", Bounce{Status: "2.0.0"}, "delivered", "2.0.0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dsn := DSN(m, raw, tc.b)
			if !bytes.Equal(dsn, DSN(m, raw, tc.b)) {
				t.Error("not the same twice")
			}
			h, types, bodies := parts(t, dsn, "delivery-status")
			if h.Get("Return-Path") != "<>" || h.Get("To") != m.From || h.Get("Auto-Submitted") != "auto-generated" {
				t.Errorf("header %v", h)
			}
			want := "text/rfc822-headers"
			if tc.b.Full {
				want = "message/rfc822"
			}
			if len(types) != 3 || types[1] != "message/delivery-status" || types[2] != want {
				t.Fatalf("parts %q", types)
			}
			f := fields(t, bodies[1])
			if len(f) != 2 || f[0].Get("Original-Envelope-Id") != "E1" || f[1].Get("Final-Recipient") != "rfc822; jimin@example.com" ||
				f[1].Get("Action") != tc.action || f[1].Get("Status") != tc.status {
				t.Errorf("status %v", f)
			}
			if !strings.Contains(bodies[2], TokenHeader+": t1") {
				t.Errorf("original lost: %q", bodies[2])
			}
		})
	}
	free := FreeTextBounce(m, raw, Bounce{})
	if msg, err := mail.ReadMessage(bytes.NewReader(free)); err != nil || msg.Header.Get("To") != m.From || !bytes.Contains(free, []byte("<t1@shop.example>")) {
		t.Errorf("free text: %v\n%s", err, free)
	}
	auto := AutoReply(m, m.At)
	if msg, err := mail.ReadMessage(bytes.NewReader(auto)); err != nil || msg.Header.Get("Auto-Submitted") != "auto-replied" || msg.Header.Get("In-Reply-To") != "<t1@shop.example>" ||
		!strings.Contains(ReadContent(auto).Text, "자리를 비워") {
		t.Errorf("auto reply: %v\n%s", err, auto)
	}
}

func TestARF(t *testing.T) {
	m, raw := sentMail()
	h, types, bodies := parts(t, ARF(m, raw, Complaint{}), "feedback-report")
	if h.Get("To") != "abuse@bounce.example" || len(types) != 3 || types[1] != "message/feedback-report" || types[2] != "message/rfc822" {
		t.Fatalf("header %v parts %q", h, types)
	}
	f := fields(t, bodies[1])[0]
	if f.Get("Feedback-Type") != "abuse" || f.Get("Version") != "1" || f.Get("User-Agent") == "" || f.Get("Original-Rcpt-To") != "<jimin@example.com>" {
		t.Errorf("report %v", f)
	}
	if bodies[2] != string(raw) {
		t.Errorf("original changed: %q", bodies[2])
	}
	if red := ARF(m, raw, Complaint{Redact: true}); bytes.Contains(red, []byte("jimin@")) || !bytes.Contains(red, []byte("t1@shop.example")) {
		t.Errorf("redacted:\n%s", red)
	}
}
