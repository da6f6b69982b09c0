package mail

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"net/textproto"
	"regexp"
	"strings"
)

// Report is one bounce (DSN, RFC 3464) or complaint (ARF, RFC 5965): what it
// says of one recipient of one mail.
type Report struct {
	Complaint bool
	// Token is what X-Imreport-Message of the mail that came back says, or
	// what can be read out of its Message-ID or envelope id; may be empty.
	Token   string
	Address string // of the final recipient; may be empty
	Action  string // "failed", "delayed", "delivered", "relayed", "expanded"
	Status  string // enhanced status: "5.1.1"
	Words   string // the receiver's diagnosis, one line
}

// ReportMax bounds a mail that ParseReports reads.
const ReportMax = 2 << 20 // bytes

const (
	recipientsMax = 100 // reports of one mail
	partsMax      = 20
	depthMax      = 5
	reportWords   = 400 // bytes of a diagnosis
)

// ErrNoReport is the error for a mail that is neither bounce nor complaint.
var ErrNoReport = errors.New("the mail is neither a delivery report nor a complaint")

// ParseReports reads a mail as it came and returns what it reports, one Report
// per recipient. It errors with ErrNoReport for any other mail.
func ParseReports(raw []byte) ([]Report, error) {
	if len(raw) > ReportMax {
		return nil, fmt.Errorf("%d bytes: %w", len(raw), ErrNoReport)
	}
	m, err := netmail.ReadMessage(bytes.NewReader(envelope(raw)))
	if err != nil {
		return nil, errors.Join(ErrNoReport, err)
	}
	var f findings
	f.part(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body, 0)
	return f.reports()
}

// envelope drops the "From " line that mailboxes and pipes put before a mail.
func envelope(raw []byte) []byte {
	if bytes.HasPrefix(raw, []byte("From ")) {
		if i := bytes.IndexByte(raw, '\n'); i >= 0 {
			return raw[i+1:]
		}
	}
	return raw
}

// findings are what was seen in the parts of a mail.
type findings struct {
	parts      int
	message    textproto.MIMEHeader   // of a delivery status: about the mail
	recipients []textproto.MIMEHeader // about each recipient
	feedback   textproto.MIMEHeader   // of a complaint
	original   textproto.MIMEHeader   // header of the mail that came back
}

func (f *findings) part(contentType, encoding string, body io.Reader, depth int) {
	if f.parts++; f.parts > partsMax || depth > depthMax {
		return
	}
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return
	}
	if strings.EqualFold(strings.TrimSpace(encoding), "base64") {
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	switch {
	case strings.HasPrefix(kind, "multipart/") && params["boundary"] != "":
		for r := multipart.NewReader(body, params["boundary"]); ; {
			p, err := r.NextPart()
			if err != nil {
				return
			}
			f.part(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p, depth+1)
		}
	case kind == "message/delivery-status" || kind == "message/global-delivery-status":
		groups := groupsOf(body)
		if len(groups) > 0 && f.message == nil {
			f.message, f.recipients = groups[0], groups[1:]
		}
	case kind == "message/feedback-report":
		if groups := groupsOf(body); len(groups) > 0 && f.feedback == nil {
			f.feedback = groups[0]
		}
	case kind == "message/rfc822" || kind == "text/rfc822-headers" || kind == "message/rfc822-headers" || kind == "message/global" || kind == "message/global-headers":
		if groups := groupsOf(body); len(groups) > 0 && f.original == nil {
			f.original = groups[0]
		}
	}
}

// groupsOf reads groups of header fields, separated by empty lines. Lines that
// are no fields are passed over: receivers write all sorts of things.
func groupsOf(r io.Reader) []textproto.MIMEHeader {
	var all []textproto.MIMEHeader
	group, last := textproto.MIMEHeader{}, ""
	end := func() {
		if len(group) > 0 {
			all = append(all, group)
		}
		group, last = textproto.MIMEHeader{}, ""
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, ReportMax)
	for lines.Scan() && len(all) <= recipientsMax {
		line := strings.TrimRight(lines.Text(), "\r")
		switch {
		case strings.TrimSpace(line) == "":
			end()
		case line[0] == ' ' || line[0] == '\t':
			if v := group[last]; last != "" && len(v) > 0 {
				v[len(v)-1] += " " + strings.TrimSpace(line)
			}
		default:
			name, value, ok := strings.Cut(line, ":")
			if last = ""; ok && !strings.ContainsAny(name, " \t") {
				last = textproto.CanonicalMIMEHeaderKey(name)
				group[last] = append(group[last], strings.TrimSpace(value))
			}
		}
	}
	end()
	return all
}

func (f *findings) reports() ([]Report, error) {
	token := f.token()
	if f.feedback != nil {
		r := Report{Complaint: true, Token: token, Address: typed(f.feedback.Get("Original-Rcpt-To")), Words: short(f.feedback.Get("Feedback-Type"))}
		switch strings.ToLower(f.feedback.Get("Feedback-Type")) {
		case "not-spam":
			return nil, ErrNoReport // the opposite of a complaint
		case "":
			return nil, ErrNoReport
		}
		if r.Address == "" && f.original != nil {
			if to, err := netmail.ParseAddressList(f.original.Get("To")); err == nil && len(to) == 1 {
				r.Address = to[0].Address
			}
		}
		return []Report{r}, nil
	}
	var all []Report
	for _, g := range f.recipients {
		r := Report{Token: token, Action: strings.ToLower(firstWord(g.Get("Action"))), Status: enhanced.FindString(g.Get("Status")),
			Address: typed(g.Get("Original-Recipient")), Words: short(typed(g.Get("Diagnostic-Code")))}
		if final := typed(g.Get("Final-Recipient")); r.Address == "" {
			r.Address = final
		}
		if r.Action == "" {
			continue
		}
		if r.Status == "" {
			r.Status = enhanced.FindString(r.Words)
		}
		all = append(all, r)
	}
	if len(all) == 0 {
		return nil, ErrNoReport
	}
	return all, nil
}

// ours is how our Message-IDs begin: rr-ID.SEQ@host.
var ours = regexp.MustCompile(`<rr-([0-9a-fA-F-]{36})\.\d+@`)

var tokenForm = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)

func (f *findings) token() string {
	if f.original != nil {
		if t := strings.TrimSpace(f.original.Get("X-Imreport-Message")); tokenForm.MatchString(t) {
			return t
		}
		if m := ours.FindStringSubmatch(f.original.Get("Message-Id")); m != nil {
			return strings.ToLower(m[1])
		}
	}
	if f.message != nil {
		if t := strings.TrimSpace(f.message.Get("Original-Envelope-Id")); tokenForm.MatchString(t) && len(t) == 36 {
			return t
		}
	}
	return ""
}

// typed is the value of "rfc822;a@example.kr".
func typed(v string) string {
	if _, after, ok := strings.Cut(v, ";"); ok {
		v = after
	}
	return strings.Trim(strings.TrimSpace(v), "<>")
}

func firstWord(v string) string {
	if w := strings.Fields(v); len(w) > 0 {
		return w[0]
	}
	return ""
}

func short(v string) string {
	if v = oneLine(v); len(v) > reportWords {
		v = strings.ToValidUTF8(v[:reportWords], "")
	}
	return v
}
