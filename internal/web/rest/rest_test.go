package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"imreport/internal/errs"
	"imreport/internal/web"
)

type thingDoc struct {
	ID   string     `json:"id"`
	Kind string     `json:"kind" enum:"a,b"`
	Next *thingBody `json:"next"`
}

type thingBody struct {
	Name Optional[string] `json:"name"`
}

func TestDocumentsAreMadeOfTheOperations(t *testing.T) {
	site := web.New(web.Deps{})
	a := New(site)
	open := web.Access{Public: true}
	a.Add(Op("POST", "/status/{id}", "getStatus", "status", 201, open,
		func(context.Context, *Call, *thingBody) (thingDoc, error) { return thingDoc{ID: "x"}, nil }).With(Paging...).Fails(409, "busy"))
	get := func(path, lang string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Accept-Language", lang)
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		return w
	}
	w := get("/api/openapi.json", "en")
	var s map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || w.Code != 200 {
		t.Fatal(w.Code, err)
	}
	if s["openapi"] != "3.1.0" || s["paths"].(map[string]any)["/api/v1/status/{id}"] == nil {
		t.Errorf("no path in %s", w.Body)
	}
	if got := s["components"].(map[string]any)["schemas"].(map[string]any)["Thing"]; got == nil {
		t.Log(s["components"])
	}
	for _, lang := range []string{"ko", "en"} {
		if w := get("/api/docs?lang="+lang, ""); w.Code != 200 || !strings.Contains(w.Body.String(), `lang="`+lang+`"`) {
			t.Errorf("docs in %s: %d", lang, w.Code)
		}
	}
	if w := get("/api/docs/style.css", ""); w.Code != 200 {
		t.Error(w.Code)
	}
	if w := get("/api/v1/status/%00", "en"); w.Code != 405 {
		t.Error(w.Code)
	}
}

func TestBodiesThatAreNoJSONAreTurnedAway(t *testing.T) {
	for kind, want := range map[string]int{
		"application/json": 200, "application/json; charset=utf-8": 200, "application/merge-patch+json": 200, "": 200,
		"text/plain": 415, "application/x-www-form-urlencoded": 415,
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{}`))
		r.Header.Set("Content-Type", kind)
		var v sample
		got := 200
		if err := Decode(r, &v); err != nil {
			got = web.ProblemOf(err, "en", "id").Status
		}
		if got != want {
			t.Errorf("%q: %d, want %d", kind, got, want)
		}
	}
}

func TestLimits(t *testing.T) {
	for query, want := range map[string]int{"": 100, "limit=7": 7, "limit=9999": 500, "limit=99999999999999999999": 500,
		"limit=0": -1, "limit=-5": -1, "limit=x": -1, "limit=-99999999999999999999": -1} {
		c := &Call{R: httptest.NewRequest(http.MethodGet, "/?"+query, nil)}
		got, err := c.Limit()
		if err != nil {
			got = -1
			if errs.KindOf(err) != errs.Invalid {
				t.Error(err)
			}
		}
		if got != want {
			t.Errorf("%q: %d, want %d", query, got, want)
		}
	}
}
