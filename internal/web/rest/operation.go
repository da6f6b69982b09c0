package rest

import (
	"context"
	"net/http"
	"reflect"
	"slices"

	"imreport/internal/web"
)

// Operation is one call of the API. The route, its checks and its part of the
// specification all come from this one value.
type Operation struct {
	id      string // "createRawData"
	tag     string // group in the documents: "raw-data"
	method  string
	path    string // "/api/v1/raw-data/{id}"
	access  web.Access
	status  int          // of success
	also    []int        // further statuses of success
	in      reflect.Type // of the body; nil for none
	reads   []string     // media types of a body that is not JSON
	out     reflect.Type // of the answer; nil for none
	media   string       // of an answer that is not JSON
	params  []Param
	fails   []failure
	schemes []string // who may call; empty: whoever the site knows
	handle  web.Handler
}

type failure struct {
	status int
	codes  []string
}

// Param is a parameter of the query, or of a header. Its meaning is the
// message "api.param.NAME".
type Param struct {
	Name   string
	Type   string   // "string", "integer", "boolean"
	Enum   []string // of a string; may be empty
	Header bool     // in a header instead of the query
	Must   bool     // it may not be missing
}

// Paging are the parameters of lists.
var Paging = []Param{{Name: "limit", Type: "integer"}, {Name: "cursor", Type: "string"}}

// Ways in which callers show who they are, for Secured.
const (
	ByToken    = "token"    // Authorization: Bearer
	BySession  = "session"  // the cookie of a page of this site
	ByShopCode = "shopCode" // X-Shop-Access-Code
)

// None is the body or answer of calls without one.
type None struct{}

// Op makes an operation of a typed handler: its body is read into an In, and
// what it returns is answered as JSON with the status. Paths are relative to
// Prefix.
//
// A handler that changes something calls Call.Subject before it returns, for
// the audit log, when access names an Action.
func Op[In, Out any](method, path, id, tag string, status int, access web.Access, f func(context.Context, *Call, *In) (Out, error)) Operation {
	o := Operation{id: id, tag: tag, method: method, path: Prefix + path, access: access, status: status}
	if t := reflect.TypeFor[In](); t != reflect.TypeFor[None]() {
		o.in = t
	}
	if t := reflect.TypeFor[Out](); t != reflect.TypeFor[None]() {
		o.out = t
	}
	hasIn, hasOut := o.in != nil, o.out != nil
	o.handle = func(w http.ResponseWriter, r *http.Request) error {
		info := web.Of(r.Context())
		c := &Call{W: w, R: r, Actor: info.Actor, Lang: info.Lang, Status: status}
		in := new(In)
		if hasIn {
			if err := Decode(r, in); err != nil {
				return err
			}
		}
		out, err := f(r.Context(), c, in)
		if err != nil {
			return err
		}
		if !hasOut || c.Status == http.StatusNotModified {
			w.WriteHeader(c.Status)
			return nil
		}
		return web.WriteJSON(w, c.Status, out)
	}
	return o
}

// Raw makes an operation that writes its answer, of the given media type,
// itself.
func Raw(method, path, id, tag, media string, access web.Access, h web.Handler) Operation {
	return Operation{id: id, tag: tag, method: method, path: Prefix + path, access: access, status: http.StatusOK, media: media, handle: h}
}

// With adds parameters.
func (o Operation) With(p ...Param) Operation {
	o.params = append(slices.Clone(o.params), p...)
	return o
}

// Or adds further statuses of success; the handler sets Call.Status.
func (o Operation) Or(statuses ...int) Operation {
	o.also = append(slices.Clone(o.also), statuses...)
	return o
}

// Fails adds problem codes, with their status, that the documents name.
func (o Operation) Fails(status int, codes ...string) Operation {
	o.fails = append(slices.Clone(o.fails), failure{status, codes})
	return o
}

// Reads names the media types of a body that the handler reads itself, from
// Call.R.Body; the operation's In is None then.
func (o Operation) Reads(media ...string) Operation {
	o.reads = media
	return o
}

// Secured says by which of the ways above callers show who they are, when
// access has an authenticator of its own.
func (o Operation) Secured(schemes ...string) Operation {
	o.schemes = schemes
	return o
}

// ID is the operation's name: "createRawData".
func (o Operation) ID() string { return o.id }

// Method is the HTTP method.
func (o Operation) Method() string { return o.method }

// Path is the whole path, with its parameters in braces.
func (o Operation) Path() string { return o.path }

// Access says who may call.
func (o Operation) Access() web.Access { return o.access }
