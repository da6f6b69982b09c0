package naver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// obj is a JSON object whose field order does not matter ("field order varies").
type obj = map[string]any

// json answers v with a status.
func (c *call) json(status int, v any) {
	h := c.w.Header()
	h.Set("Content-Type", "application/json;charset=UTF-8")
	h.Set("Cache-Control", "no-store, must-revalidate")
	c.w.WriteHeader(status)
	enc := json.NewEncoder(c.w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client went away: nothing left to say
}

// ncc is an error in the form of the /ncc calls.
func (c *call) ncc(status, code int, title string) {
	c.json(status, obj{"code": code, "status": status, "title": title})
}

// noPermission answers for entities that are foreign or do not exist.
func (c *call) noPermission() { c.ncc(404, 1018, "No permission to access the resource.") }

// report is an error in the form of stat reports and /stats.
func (c *call) report(status, code int, message string) {
	c.json(status, obj{"code": code, "message": message})
}

// badParam is code 11001.
func (c *call) badParam() { c.report(400, 11001, "잘못된 파라미터 형식입니다.") }

// masterErr is an error in the form of the master reports.
func (c *call) masterErr(status int, name, title, detail string) {
	c.json(status, obj{"name": name, "status": status, "title": title, "detail": detail})
}

// internalError is the vendor's usual 500.
func (c *call) internalError() {
	c.masterErr(500, "InternalServerError", "Internal Server Error",
		"A failure of processing the request message due to the internal execution error of the NAVER Search Ads system")
}

// html answers as the gateway does, without transaction id.
func html(w http.ResponseWriter, status int, body string) {
	h := w.Header()
	delete(h, txHeader)
	h.Set("Content-Type", "text/html")
	h.Set("Connection", "close")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// jsonBody reads a POST's body into v, having checked its Content-Type; what
// it answers false for is answered already. extra tells of unknown fields.
func (c *call) jsonBody(v any) (extra, ok bool) {
	ct := c.r.Header.Values("Content-Type")
	if len(ct) != 1 || !jsonType(ct[0]) {
		c.report(400, 11005, "지원하지 않는 Content-Type입니다. Content-Type을 확인해 주세요.")
		return false, false
	}
	raw, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, 1<<16))
	if err != nil || json.Unmarshal(raw, v) != nil {
		return false, true // v is empty: the caller's own check refuses it
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	return dec.Decode(v) != nil, true
}

func jsonType(ct string) bool {
	kind, param, _ := strings.Cut(ct, ";")
	p := strings.ToLower(strings.TrimSpace(param))
	return strings.EqualFold(strings.TrimSpace(kind), "application/json") && (p == "" || p == "charset=utf-8")
}

// txHeader carries the transaction id; the vendor spells it in lower case.
const txHeader = "x-transaction-id"

// nextTx is the transaction id of an answer: 16 lower-case hex digits.
func (s *Server) nextTx() string {
	s.tx++
	return fmt.Sprintf("%016x", mix(s.o.Seed^0x7478, s.tx))
}

// class cuts the ids off a path, for metrics and limits.
func class(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if i > 1 && strings.ContainsAny(p, "0123456789") && !strings.HasPrefix(p, "v") {
			parts[i] = "{id}"
		}
	}
	if len(parts) > 5 {
		return "other"
	}
	return strings.Join(parts, "/")
}
