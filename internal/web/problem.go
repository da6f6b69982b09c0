package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"

	"imreport/internal/errs"
	"imreport/internal/i18n"
)

// ProblemType is the media type of a Problem (RFC 9457).
const ProblemType = "application/problem+json"

// fieldsMax bounds how many wrong fields are named: nobody reads more, and a
// body of a megabyte can have a hundred thousand.
const fieldsMax = 100

// Problem is what a caller is told about an error: an RFC 9457 document for
// programs, the content of an error page for people. It is made of an
// errs.Error in one place, ProblemOf, and nowhere else.
type Problem struct {
	Type      string         `json:"type"`   // urn:imreport:problem:CODE
	Title     string         `json:"title"`  // what happened, one line
	Status    int            `json:"status"` // the HTTP status
	Detail    string         `json:"detail,omitempty"`
	Code      string         `json:"code"`             // stable short name
	Action    string         `json:"action,omitempty"` // what to do
	Errors    []FieldProblem `json:"errors,omitempty"` // with status 422
	RequestID string         `json:"request_id"`
	// Extra are further members of the document, such as the state of a run.
	Extra map[string]any `json:"-"`
}

// FieldProblem is one wrong field of a request.
type FieldProblem struct {
	Field   string `json:"field"` // path as the client wrote it: "period.from"
	Code    string `json:"code"`
	Message string `json:"message"`
}

// MarshalJSON writes the document with its extra members at the end.
func (p Problem) MarshalJSON() ([]byte, error) {
	type plain Problem
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(plain(p)); err != nil {
		return nil, err
	}
	out := bytes.TrimSuffix(bytes.TrimSpace(b.Bytes()), []byte("}"))
	for _, name := range slices.Sorted(maps.Keys(p.Extra)) {
		v, err := json.Marshal(p.Extra[name])
		if err != nil {
			return nil, err
		}
		k, _ := json.Marshal(name) // a string always marshals
		out = append(append(append(append(out, ','), k...), ':'), v...)
	}
	return append(out, '}'), nil
}

// kinds says the status of each errs.Kind, and the sentence for an error whose
// own key has none.
var kinds = map[errs.Kind]struct {
	status int
	key    string
}{
	errs.Internal:        {http.StatusInternalServerError, "request.internal"},
	errs.Malformed:       {http.StatusBadRequest, "web.malformed"},
	errs.Unauthenticated: {http.StatusUnauthorized, "web.unauthenticated"},
	errs.Forbidden:       {http.StatusForbidden, "web.forbidden"},
	errs.NotFound:        {http.StatusNotFound, "web.not_found"},
	errs.Conflict:        {http.StatusConflict, "web.conflict"},
	errs.Gone:            {http.StatusGone, "web.gone"},
	errs.TooLarge:        {http.StatusRequestEntityTooLarge, "web.too_large"},
	errs.Invalid:         {http.StatusUnprocessableEntity, "request.invalid"},
	errs.TooMany:         {http.StatusTooManyRequests, "web.too_many"},
	errs.Unavailable:     {http.StatusServiceUnavailable, "web.unavailable"},
	errs.LeaseLost:       {http.StatusConflict, "run.lease_lost"},
}

// statuses are those that no errs.Kind has, by the error's key.
var statuses = map[string]int{
	methodNotAllowed: http.StatusMethodNotAllowed,
	unsupportedMedia: http.StatusUnsupportedMediaType,
}

const (
	methodNotAllowed = "web.method_not_allowed"
	unsupportedMedia = "web.unsupported_media_type"
)

// UnsupportedMedia is the error for a body of a kind that the call does not
// read; want says which it does: "application/json".
func UnsupportedMedia(got, want string) error {
	return errs.E(errs.Malformed, unsupportedMedia, nil, got, want)
}

// ProblemOf says err in language l. An error that is no errs.Error is an
// internal one: its text stays in the log.
func ProblemOf(err error, l i18n.Lang, requestID string) Problem {
	e := errs.As(err)
	var large *http.MaxBytesError
	switch {
	case e != nil && e.Kind != errs.Internal:
	case errors.As(err, &large):
		e = errs.E(errs.TooLarge, "web.too_large", err)
	case errors.Is(err, context.DeadlineExceeded):
		e = errs.E(errs.Unavailable, "web.unavailable", err)
	default:
		e = errs.E(errs.Internal, "request.internal", err, requestID)
	}
	k := kinds[e.Kind]
	key, args := e.Key, e.Args
	if !i18n.Has(key) {
		key, args = k.key, nil
	}
	p := Problem{
		Type: "urn:imreport:problem:" + e.Code(), Title: i18n.T(l, key, args...), Status: k.status,
		Code: e.Code(), RequestID: requestID, Extra: e.Extra,
	}
	if status, ok := statuses[e.Key]; ok {
		p.Status = status
	}
	// Every document says what and what to do: what an error does not say
	// itself, its kind does.
	say := func(part string) string {
		switch {
		case i18n.Has(key + part):
			return i18n.T(l, key+part, args...)
		case i18n.Has(k.key + part):
			return i18n.T(l, k.key+part)
		}
		return ""
	}
	p.Detail, p.Action = say(".detail"), say(".action")
	for _, f := range e.Fields[:min(len(e.Fields), fieldsMax)] {
		p.Errors = append(p.Errors, FieldProblem{Field: f.Name, Code: f.Code(), Message: i18n.T(l, f.Key, f.Args...)})
	}
	if e.Kind == errs.Invalid && p.Errors == nil {
		p.Errors = []FieldProblem{}
	}
	return p
}

// WriteProblem answers with a problem document.
func WriteProblem(w http.ResponseWriter, p Problem) {
	h := w.Header()
	h.Set("Content-Type", ProblemType)
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="imreport"`)
	}
	b, err := json.Marshal(p)
	if err != nil { // an extra member that cannot be written
		p.Extra = nil
		b, _ = json.Marshal(p)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(b, '\n'))
}

// WriteJSON answers with v as JSON.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}
