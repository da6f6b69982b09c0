package mail

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"strings"
	"testing"
	"time"
)

func document() Document {
	return Document{
		MessageID: "rr-1.0@reviews.example", From: "우리상점 <reviews@shop.example>", To: "jimin@example.com", Date: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC),
		Lang: "ko", Subject: "(광고) 우리상점 주문 #1001, 어떠셨나요? " + strings.Repeat("아주 긴 제목 ", 20), Text: "안녕하세요\n한 줄\n", HTML: "<p>안녕하세요</p>",
		Header: []Field{{"List-Unsubscribe", "<https://reviews.example/u/" + strings.Repeat("a", 43) + ">"}, {"List-Unsubscribe-Post", "List-Unsubscribe=One-Click"}},
	}
}

// The same document gives the same bytes, in the form that the strictest
// receivers want.
func TestCompose(t *testing.T) {
	raw, err := Compose(document())
	if err != nil {
		t.Fatal(err)
	}
	again, _ := Compose(document())
	if !bytes.Equal(raw, again) {
		t.Error("two renderings differ")
	}
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		if len(line) > 200 || bytes.ContainsAny(line, "\r\n") {
			t.Errorf("line %q", line)
		}
		for _, c := range line {
			if c >= 0x80 {
				t.Fatalf("an eight-bit byte in %q", line)
			}
		}
	}
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, "(광고) 우리상점 주문 #1001") || !strings.HasSuffix(subject, "제목") {
		t.Errorf("subject %q, %v", subject, err)
	}
	if from, err := m.Header.AddressList("From"); err != nil || from[0].Name != "우리상점" {
		t.Errorf("%v, %v", from, err)
	}
	_, p, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	r := multipart.NewReader(m.Body, p["boundary"])
	for _, want := range []string{"안녕하세요\r\n한 줄\r\n", "<p>안녕하세요</p>"} {
		part, err := r.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(part)
		if err != nil || string(b) != want {
			t.Errorf("%q, %v", b, err)
		}
	}
}

func TestComposeRefuses(t *testing.T) {
	for name, change := range map[string]func(*Document){
		"no HTML":      func(d *Document) { d.HTML = "" },
		"a bad sender": func(d *Document) { d.From = "nobody" },
		"a long field": func(d *Document) { d.ReplyTo = strings.Repeat("x", 1000) },
	} {
		d := document()
		if change(&d); true {
			if _, err := Compose(d); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	}
	d := document()
	d.Subject, d.ReplyTo = "a\r\nBcc: x@example.com", "r@example.com\r\nBcc: y@example.com"
	raw, err := Compose(d)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := netmail.ReadMessage(bytes.NewReader(raw)); err != nil || m.Header.Get("Bcc") != "" {
		t.Errorf("a header was smuggled in: %v %v", m.Header, err)
	}
}
