package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"imreport/internal/i18n"
	"imreport/internal/web"
	"imreport/internal/web/api"
	"imreport/internal/web/rest"
	"imreport/internal/web/shopapi"
)

// TestOneDocumentForAllCalls looks at what the program serves: the calls about
// reports and those about shops together.
func TestOneDocumentForAllCalls(t *testing.T) {
	site := web.New(web.Deps{})
	calls := rest.New(site)
	api.Mount(calls, api.Deps{})
	shopapi.Mount(calls, shopapi.Deps{})
	for _, l := range i18n.Langs {
		r := httptest.NewRequest("GET", "/api/openapi.json", nil)
		r.Header.Set("Accept-Language", string(l))
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		var doc map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || w.Code != 200 {
			t.Fatal(w.Code, err)
		}
		paths := doc["paths"].(map[string]any)
		for _, o := range calls.Operations() {
			item, _ := paths[o.Path()].(map[string]any)
			if op, _ := item[strings.ToLower(o.Method())].(map[string]any); op["operationId"] != o.ID() {
				t.Errorf("%s is not in the document", o.ID())
			}
		}
		schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
		var walk func(at string, v any)
		walk = func(at string, v any) {
			switch v := v.(type) {
			case map[string]any:
				for k, inner := range v {
					if ref, ok := inner.(string); ok && k == "$ref" && schemas[strings.TrimPrefix(ref, "#/components/schemas/")] == nil {
						t.Errorf("%s: there is no %s", at, ref)
					}
					walk(at+"/"+k, inner)
				}
			case []any:
				for i, inner := range v {
					walk(fmt.Sprintf("%s/%d", at, i), inner)
				}
			case string:
				if strings.HasPrefix(v, "api.") {
					t.Errorf("%s has no words in %s: %s", at, l, v)
				}
			}
		}
		walk("", doc)
		w = httptest.NewRecorder()
		site.ServeHTTP(w, httptest.NewRequest("GET", "/api/docs?lang="+string(l), nil))
		if w.Code != 200 {
			t.Errorf("docs: %d", w.Code)
		}
	}
}
