package shopapi

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"imreport/internal/i18n"
	"imreport/internal/web"
	"imreport/internal/web/rest"
)

// Every call of shops has its words: title, group, parameters, and each member
// of what it takes and answers.
func TestTheDocumentsHaveWords(t *testing.T) {
	site := web.New(web.Deps{})
	calls := rest.New(site)
	Mount(calls, Deps{Hooks: noHooks{}})
	for _, l := range i18n.Langs {
		r := httptest.NewRequest("GET", "/api/openapi.json", nil)
		r.Header.Set("Accept-Language", string(l))
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		var doc struct {
			Paths map[string]map[string]struct {
				Summary    string
				Parameters []struct{ Name, In, Description string }
			}
			Tags       []struct{ Name, Description string }
			Components struct {
				Schemas map[string]struct {
					Properties map[string]struct{ Description string }
				}
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || w.Code != 200 {
			t.Fatal(w.Code, err)
		}
		n := 0
		for path, ops := range doc.Paths {
			for method, o := range ops {
				n++
				if o.Summary == "" || strings.HasPrefix(o.Summary, "api.") {
					t.Errorf("%s %s has no title in %s", method, path, l)
				}
				for _, p := range o.Parameters {
					if p.In == "query" && p.Description == "" {
						t.Errorf("%s %s: %s has no words in %s", method, path, p.Name, l)
					}
				}
			}
		}
		if n != len(calls.Operations()) {
			t.Errorf("%d of %d calls", n, len(calls.Operations()))
		}
		for name, s := range doc.Components.Schemas {
			for member, p := range s.Properties {
				if p.Description == "" {
					t.Errorf("no words in %s for api.doc.%s.%s", l, name, member)
				}
			}
		}
		for _, tag := range doc.Tags {
			if strings.HasPrefix(tag.Description, "api.") {
				t.Errorf("%s has no words", tag.Name)
			}
		}
	}
}

// noHooks mounts the calls about webhooks.
type noHooks struct{ Hooks }
