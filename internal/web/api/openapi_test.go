package api

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"imreport/internal/i18n"
	"imreport/internal/web"
	"imreport/internal/web/rest"
)

// document mounts the calls on a site without anything behind it.
func document(t *testing.T, l i18n.Lang) (calls *rest.API, doc map[string]any) {
	t.Helper()
	site := web.New(web.Deps{})
	calls = rest.New(site)
	Mount(calls, Deps{})
	r := httptest.NewRequest("GET", "/api/openapi.json", nil)
	r.Header.Set("Accept-Language", string(l))
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || w.Code != 200 {
		t.Fatal(w.Code, err, w.Body)
	}
	return calls, doc
}

func TestTheDocumentKnowsEveryCall(t *testing.T) {
	for _, l := range i18n.Langs {
		calls, doc := document(t, l)
		paths := doc["paths"].(map[string]any)
		n := 0
		for _, o := range calls.Operations() {
			item, _ := paths[o.Path()].(map[string]any)
			op, _ := item[strings.ToLower(o.Method())].(map[string]any)
			if op == nil || op["operationId"] != o.ID() {
				t.Errorf("%s %s is not in the document", o.Method(), o.Path())
				continue
			}
			n++
			if s := fmt.Sprint(op["summary"]); s == "" || strings.HasPrefix(s, "api.") {
				t.Errorf("%s has no title in %s", o.ID(), l)
			}
		}
		for _, item := range paths {
			n -= len(item.(map[string]any))
		}
		if n != 0 {
			t.Errorf("the document has %d calls too many", -n)
		}
	}
}

func TestTheDocumentIsWhole(t *testing.T) {
	for _, l := range i18n.Langs {
		_, doc := document(t, l)
		schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
		used := map[string]bool{}
		var walk func(at string, v any)
		walk = func(at string, v any) {
			switch v := v.(type) {
			case map[string]any:
				for k, inner := range v {
					if ref, ok := inner.(string); ok && k == "$ref" {
						name, local := strings.CutPrefix(ref, "#/components/schemas/")
						if !local || schemas[name] == nil {
							t.Errorf("%s refers to %s, which is not there", at, ref)
						}
						used[name] = true
					}
					walk(at+"/"+k, inner)
				}
			case []any:
				for i, inner := range v {
					walk(fmt.Sprintf("%s/%d", at, i), inner)
				}
			case string:
				if strings.HasPrefix(v, "api.") || strings.HasPrefix(v, "role.") {
					t.Errorf("%s is a message without words: %s", at, v)
				}
			}
		}
		walk("", doc)
		for name, s := range schemas {
			if !used[name] {
				t.Errorf("component %s is used nowhere", name)
			}
			props, _ := s.(map[string]any)["properties"].(map[string]any)
			if len(props) == 0 {
				t.Errorf("component %s is empty", name)
			}
			for member, p := range props {
				if d, _ := p.(map[string]any)["description"].(string); d == "" {
					t.Errorf("%s: no description in %s: api.doc.%s.%s", name, l, name, member)
				}
			}
		}
	}
}

// TestTheDocumentFollowsThePaths finds parameters of a path that the document
// forgets, and the other way round.
func TestTheDocumentFollowsThePaths(t *testing.T) {
	_, doc := document(t, i18n.English)
	var ids []string
	for path, item := range doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			o := op.(map[string]any)
			id := o["operationId"].(string)
			if slices.Contains(ids, id) {
				t.Errorf("two calls are %s", id)
			}
			ids = append(ids, id)
			params, _ := o["parameters"].([]any)
			for _, p := range params {
				m := p.(map[string]any)
				if m["in"] == "path" && !strings.Contains(path, "{"+m["name"].(string)+"}") {
					t.Errorf("%s %s: no %s in the path", method, path, m["name"])
				}
			}
			responses := o["responses"].(map[string]any)
			good := false
			for status, r := range responses {
				good = good || strings.HasPrefix(status, "2")
				if r.(map[string]any)["description"] == "" {
					t.Errorf("%s %s: %s is not described", method, path, status)
				}
			}
			if !good {
				t.Errorf("%s %s never succeeds", method, path)
			}
		}
	}
	if len(ids) < 40 {
		t.Errorf("only %d calls", len(ids))
	}
}
