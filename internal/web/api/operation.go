package api

import (
	"context"
	"net/http"
	"reflect"
	"strconv"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/web"
	"imreport/internal/workspace"
)

// operation is one call of the API. The route, its checks and its part of the
// specification all come from this one value.
type operation struct {
	id     string // "createRawData"; its words are "api.op.ID" and "api.op.ID.detail"
	tag    string // group in the documents: "raw-data"
	method string
	path   string // "/api/v1/raw-data/{id}"
	access web.Access
	status int          // of success
	also   map[int]bool // further statuses of success
	in     reflect.Type // of the body; nil for none
	out    reflect.Type // of the answer; nil for none
	media  string       // of an answer that is not JSON
	query  []parameter
	codes  []string // problem codes beyond those that every call may answer
	handle web.Handler
}

// parameter is one of the query.
type parameter struct {
	name, kind string // kind: string, integer, boolean
}

var paging = []parameter{{"limit", "integer"}, {"cursor", "string"}}

// none is the body or answer of calls without one.
type none struct{}

// call is a request under way.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	actor  workspace.Actor
	lang   i18n.Lang
	status int // of the answer
}

// id is the {id} of the path.
func (c *call) id() string { return c.r.PathValue("id") }

// workspace is whose things the caller sees.
func (c *call) workspace() string { return c.actor.WorkspaceID }

// Limits of lists.
const (
	limitDefault = 100
	limitMax     = 500
	cursorMax    = 200 // bytes
)

// limit is ?limit=, cut to 500; 100 when it is absent.
func (c *call) limit() (int, error) {
	raw := c.r.URL.Query().Get("limit")
	if raw == "" {
		return limitDefault, nil
	}
	n, err := strconv.Atoi(raw)
	if err != nil || n < 1 {
		return 0, errs.InvalidField("limit", "api.limit_invalid")
	}
	return min(n, limitMax), nil
}

// op makes an operation of a typed handler.
func op[In, Out any](method, path, id, tag string, status int, a web.Access, f func(context.Context, *call, *In) (Out, error)) operation {
	o := operation{id: id, tag: tag, method: method, path: "/api/v1" + path, access: a, status: status}
	if t := reflect.TypeFor[In](); t != reflect.TypeFor[none]() {
		o.in = t
	}
	if t := reflect.TypeFor[Out](); t != reflect.TypeFor[none]() {
		o.out = t
	}
	o.handle = func(w http.ResponseWriter, r *http.Request) error {
		info := web.Of(r.Context())
		c := &call{w: w, r: r, actor: info.Actor, lang: info.Lang, status: status}
		in := new(In)
		if o.in != nil {
			if err := decode(r, in); err != nil {
				return err
			}
		}
		out, err := f(r.Context(), c, in)
		if err != nil {
			return err
		}
		if o.out == nil {
			w.WriteHeader(c.status)
			return nil
		}
		return web.WriteJSON(w, c.status, out)
	}
	return o
}

// raw makes an operation that writes its answer itself.
func raw(method, path, id, tag, media string, a web.Access, h web.Handler) operation {
	return operation{id: id, tag: tag, method: method, path: "/api/v1" + path, access: a, status: http.StatusOK, media: media, handle: h}
}

// with adds query parameters.
func (o operation) with(p ...parameter) operation {
	o.query = append(o.query, p...)
	return o
}

// or adds further statuses of success.
func (o operation) or(statuses ...int) operation {
	o.also = map[int]bool{}
	for _, s := range statuses {
		o.also[s] = true
	}
	return o
}

// fails adds problem codes that the documents name.
func (o operation) fails(codes ...string) operation {
	o.codes = append(o.codes, codes...)
	return o
}
