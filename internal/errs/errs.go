// Package errs is the one error type that people may read.
//
// An Error has a Kind (what the caller does), a Key with arguments (what the
// person reads, from package i18n) and a cause (for the log only). Anything
// that is not an Error reads "internal error" plus a request id.
package errs

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what a caller does about an error. Package web maps it to a
// status; no other place does.
type Kind int8

// The kinds. The comment names the status that web answers with.
const (
	Internal        Kind = iota // 500: our fault; the text stays in the log
	Malformed                   // 400: the bytes could not be read at all
	Unauthenticated             // 401: who are you
	Forbidden                   // 403: known, but not allowed
	NotFound                    // 404
	Conflict                    // 409: the state of things forbids it now
	Gone                        // 410: it was here and has expired
	TooLarge                    // 413
	Invalid                     // 422: understood, but wrong
	TooMany                     // 429: our own limits, never a platform's
	Unavailable                 // 503: try again; nothing was done
	LeaseLost                   // a run passed to another epoch: stop, write nothing
)

// Field is one wrong field of a request, for Kind Invalid.
type Field struct {
	Name string // path as the client wrote it: "period.from"
	Key  string // message key, as in Error
	Args []any
}

// Code is the stable short name of the field's fault: the last part of its key.
func (f Field) Code() string { return lastPart(f.Key) }

// Error is an error with a message for a person.
type Error struct {
	Kind   Kind
	Key    string // "area.code"; code is what clients see
	Args   []any  // fill {0}, {1}, … of the message
	Fields []Field
	Extra  map[string]any // further members of the problem document
	Cause  error          // for the log; may be nil
}

// E makes an Error. Args fill {0}, {1}, … of the message named by key.
func E(kind Kind, key string, cause error, args ...any) *Error {
	return &Error{Kind: kind, Key: key, Cause: cause, Args: args}
}

// InvalidField makes an Error of Kind Invalid about one field.
func InvalidField(field, key string, args ...any) *Error {
	return InvalidFields(Field{Name: field, Key: key, Args: args})
}

// InvalidFields makes an Error of Kind Invalid about several fields. Its own
// key and arguments are those of the first field when there is only one.
func InvalidFields(fields ...Field) *Error {
	e := &Error{Kind: Invalid, Key: "request.invalid", Fields: fields}
	if len(fields) == 1 {
		e.Key, e.Args = fields[0].Key, fields[0].Args
	}
	return e
}

// With adds a member to the problem document that web makes of e, and returns e.
func (e *Error) With(name string, value any) *Error {
	if e.Extra == nil {
		e.Extra = map[string]any{}
	}
	e.Extra[name] = value
	return e
}

// Error is the text for the log: key, arguments and cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Key)
	for i, a := range e.Args {
		if i == 0 {
			b.WriteString(":")
		}
		fmt.Fprintf(&b, " %v", a)
	}
	for _, f := range e.Fields {
		if len(e.Fields) > 1 || f.Key != e.Key {
			fmt.Fprintf(&b, "; %s: %s", f.Name, f.Key)
		}
	}
	if e.Cause != nil {
		b.WriteString(": ")
		b.WriteString(e.Cause.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Code is the stable short name that clients see: the last part of the key.
func (e *Error) Code() string { return lastPart(e.Key) }

// As finds the Error in err's chain; nil when there is none.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// KindOf is the Kind of the Error in err's chain, Internal when there is none.
func KindOf(err error) Kind {
	if e := As(err); e != nil {
		return e.Kind
	}
	return Internal
}

// Is reports whether err's chain holds an Error with this key.
func Is(err error, key string) bool {
	e := As(err)
	return e != nil && e.Key == key
}

func lastPart(key string) string {
	return key[strings.LastIndexByte(key, '.')+1:]
}
