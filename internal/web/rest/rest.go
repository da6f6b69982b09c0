// Package rest is what all JSON calls have in common: an Operation says a
// call's route, checks, body, answer and words in one value, and from the same
// value come the handler and its part of /api/openapi.json and /api/docs.
//
// Package api adds the calls about reports, package shopapi those about shops:
//
//	calls := rest.New(site)
//	calls.Add(rest.Op("GET", "/things/{id}", "getThing", "things", 200, access, getThing))
//
// The words of an operation are the messages "api.op.ID" (a title) and
// "api.op.ID.detail" (may be missing), of its group "api.tag.TAG", and of a
// member "api.doc.TYPE.member" or, where it means the same everywhere,
// "api.doc.member". They may stand in any message file.
package rest

import (
	"net/http"
	"strings"
	"sync"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/web"
)

// Prefix is what the path of every operation begins with.
const Prefix = "/api/v1"

// API is all operations of a Site.
type API struct {
	site *web.Site

	mu   sync.Mutex
	ops  []Operation
	docs map[i18n.Lang]*documents // made when first asked for
}

// New makes an API without operations and adds its documents to the site.
func New(site *web.Site) *API {
	a := &API{site: site, docs: map[i18n.Lang]*documents{}}
	a.serveDocuments()
	return a
}

// Site is where the operations are mounted.
func (a *API) Site() *web.Site { return a.site }

// Add mounts operations. It panics on an operation without words, or on one
// that is there already: both are faults of the binary.
func (a *API) Add(ops ...Operation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range ops {
		for _, old := range a.ops {
			if old.id == o.id {
				panic("rest: two operations are called " + o.id)
			}
		}
		if !i18n.Has("api.op." + o.id) {
			panic("rest: operation " + o.id + " has no words: api.op." + o.id)
		}
		a.ops = append(a.ops, o)
		a.site.API(o.method+" "+o.path, o.access, readable(o.handle))
	}
	clear(a.docs)
}

// Operations lists what was added, for tests.
func (a *API) Operations() []Operation {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Operation(nil), a.ops...)
}

// readable turns away addresses with text that no database takes.
func readable(h web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !clean(r.URL.Path) {
			return web.NotFound()
		}
		for name, values := range r.URL.Query() {
			if !clean(name) || !clean(strings.Join(values, "")) {
				return errs.InvalidField(strings.ToValidUTF8(strings.ReplaceAll(name, "\x00", ""), ""), "api.not_text")
			}
		}
		return h(w, r)
	}
}
