package smtp

import (
	"bytes"
	"fmt"
	"net/mail"
	"strings"
	"time"
)

// bulkRules checks what Gmail and Yahoo ask of bulk senders and what can be
// seen in the bytes (support.google.com/a/answer/14229414, RFC 5322 3.6, RFC
// 8058); it returns the refusal or "".
func bulkRules(raw []byte) string {
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return "550 5.6.0 Message is not RFC 5322 compliant: " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	h := msg.Header
	for _, name := range []string{"From", "Date", "Message-Id", "Subject", "To", "List-Unsubscribe", "List-Unsubscribe-Post"} {
		if n := len(h[name]); n != 1 {
			return fmt.Sprintf("550 5.7.1 Messages need the header %s once, this one has it %d times", name, n)
		}
	}
	if from, err := h.AddressList("From"); err != nil || len(from) != 1 {
		return "550 5.7.1 Messages missing a valid address in From: header"
	}
	if _, err := h.Date(); err != nil {
		return "550 5.6.0 Invalid Date: header"
	}
	if id := h.Get("Message-Id"); !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, ">") || strings.Count(id, "@") != 1 {
		return "550 5.6.0 Invalid Message-ID: header"
	}
	if !strings.Contains(h.Get("List-Unsubscribe"), "<https://") {
		return "550 5.7.1 List-Unsubscribe without an https address"
	}
	if h.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		return "550 5.7.1 List-Unsubscribe-Post is not List-Unsubscribe=One-Click"
	}
	return ""
}

// rename replaces Message-ID and Date in the header, as Amazon SES does.
func rename(raw []byte, id string, at time.Time) []byte {
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	var out bytes.Buffer
	fmt.Fprintf(&out, "Message-ID: <%s@ap-northeast-2.amazonses.com>\r\nDate: %s\r\n", id, at.Format(time.RFC1123Z))
	drop := false
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if len(line) > 0 && line[0] != ' ' && line[0] != '\t' {
			name, _, _ := bytes.Cut(line, []byte(":"))
			drop = strings.EqualFold(string(name), "Message-ID") || strings.EqualFold(string(name), "Date")
		}
		if !drop {
			out.Write(line)
			out.WriteString("\r\n")
		}
	}
	out.WriteString("\r\n")
	out.Write(body)
	return out.Bytes()
}
