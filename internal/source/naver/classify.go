package naver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"imreport/internal/quota"
)

// problem is every member that Naver's error bodies have, in any of their
// dialects.
type problem struct {
	Type      text   `json:"type"`
	Title     text   `json:"title"`
	Detail    text   `json:"detail"`
	Message   text   `json:"message"`
	Code      number `json:"code"`
	Status    number `json:"status"`
	Exception text   `json:"exception"`
	Header    text   `json:"header"`
}

// said is what the body says, in the words that tell most.
func (p problem) said() string {
	parts := []string{}
	for _, s := range []text{p.Title, p.Detail, p.Message, p.Exception} {
		if v := strings.TrimSpace(string(s)); v != "" && (len(parts) == 0 || parts[len(parts)-1] != v) {
			parts = append(parts, v)
		}
	}
	return clip(printable(strings.Join(parts, ": ")), 300)
}

// printable is s as it may be logged, stored and shown: UTF-8 without control
// characters, which a foreign server may well send.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// shape is what a body is.
type shape int8

const (
	empty shape = iota
	jsonBody
	htmlBody
	other
)

func shapeOf(body []byte) shape {
	b := bytes.TrimSpace(bytes.TrimPrefix(body, []byte(bom)))
	switch {
	case len(b) == 0:
		return empty
	case b[0] == '{' || b[0] == '[':
		return jsonBody
	case b[0] == '<':
		return htmlBody
	}
	return other
}

// transactionOf is the id under which Naver knows a request; "" when its
// gateway answered.
func transactionOf(h http.Header) string { return clip(printable(h.Get("X-Transaction-ID")), 64) }

var perSecond = regexp.MustCompile(`(?i)over\s+\d+\s*rps`)

// limited reports whether an answer is a refusal because of too many requests,
// and which scope it names. Naver has four forms of it (docs/naver.md).
func limited(op string, status int, h http.Header, body []byte) (quota.Answer, bool) {
	var p problem
	s := shapeOf(body)
	if s == jsonBody {
		_ = json.Unmarshal(body, &p) // what cannot be read says nothing
	}
	if status != http.StatusTooManyRequests && (status < 400 || p.Code != http.StatusTooManyRequests) {
		return quota.Answer{}, false
	}
	a := quota.Answer{Refused: true}
	gateway := s != jsonBody && transactionOf(h) == ""
	switch {
	case perSecond.Match(body):
		a.Blames = quota.IP
	case gateway && strings.HasPrefix(op, "keywordstool"):
		a.Blames = quota.IPKwtool
	case gateway:
		a.Blames = quota.IP
	}
	if n, err := strconv.Atoi(h.Get("Retry-After")); err == nil && n > 0 && n <= 3600 {
		a.RetryAfter = time.Duration(n) * time.Second
	}
	return a, true
}

// classify says what an answer means that is neither good nor a refusal for
// the rate. op is the operation ("stat-reports.create").
func classify(op string, status int, h http.Header, body []byte) *fault {
	f := &fault{op: op, status: status, transaction: transactionOf(h)}
	var p problem
	s := shapeOf(body)
	if s == jsonBody {
		_ = json.Unmarshal(body, &p) // what cannot be read says nothing
	}
	f.code, f.title = int64(p.Code), p.said()
	if s == htmlBody || s == other {
		f.title = clip(strings.Join(strings.Fields(printable(tags.ReplaceAllString(string(body[:min(len(body), 1000)]), " "))), " "), 200)
	}
	f.class = classOf(op, status, s, p)
	switch f.class {
	case headerMissing:
		f.args = []any{clip(printable(string(p.Header)), 64), f.transaction}
	}
	return f
}

var tags = regexp.MustCompile(`<[^>]*>`)

func classOf(op string, status int, s shape, p problem) class {
	report := strings.HasPrefix(op, "stat-reports") || strings.HasPrefix(op, "master-reports") || strings.HasPrefix(op, "report-download")
	// Codes that mean the same under any status.
	switch p.Code {
	case 20007:
		return preparing
	case 20005, 20011:
		return jobLost
	case 10004:
		return periodGone
	case 11005:
		return contentType
	case 503:
		return closed
	case 1016, 1020:
		return serverFault
	}
	if kind := string(p.Type[strings.LastIndexByte(string(p.Type), ':')+1:]); status == http.StatusForbidden || status == http.StatusUnauthorized {
		switch {
		case kind == "missing-header":
			return headerMissing
		case kind == "invalid-apikey":
			return licenceUnknown
		case kind == "invalid-timestamp":
			return clockWrong
		case kind == "invalid-signature":
			return secretWrong
		case kind == "auth-failed":
			return forbidden
		case s == jsonBody:
			return notOwner
		}
		return unreadable // a gateway's page: nothing about the key
	}
	switch {
	case status == http.StatusServiceUnavailable:
		return closed
	case status >= 500:
		return serverFault
	case status == http.StatusRequestEntityTooLarge, status == http.StatusRequestURITooLong,
		status == http.StatusBadRequest && s == htmlBody:
		return tooLong
	case strings.Contains(string(p.Detail), "exceeded limit of"):
		return jobCap
	case status == http.StatusNotFound && report:
		return jobLost
	case p.Code == 1018 || p.Code == 1001:
		return gone
	case status == http.StatusNotFound && s == jsonBody:
		return gone
	case status == http.StatusBadRequest:
		return badRequest
	}
	return unreadable
}
