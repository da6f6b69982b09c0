package i18n

import (
	"regexp"
	"slices"
	"testing"
	"testing/fstest"
)

var placeholder = regexp.MustCompile(`\{\d+\}`)

func args(s string) []string {
	a := placeholder.FindAllString(s, -1)
	slices.Sort(a)
	return slices.Compact(a)
}

func TestBothLanguagesHaveTheSameKeysAndArguments(t *testing.T) {
	for key, ko := range catalogue[Korean] {
		en, ok := catalogue[English][key]
		if !ok {
			t.Errorf("%s: no English", key)
			continue
		}
		if !slices.Equal(args(ko), args(en)) {
			t.Errorf("%s: arguments differ: ko %v, en %v", key, args(ko), args(en))
		}
	}
	for key := range catalogue[English] {
		if !Has(key) {
			t.Errorf("%s: no Korean", key)
		}
	}
}

func TestAccept(t *testing.T) {
	for header, want := range map[string]Lang{
		"":                        Korean,
		"en-US,en;q=0.9":          English,
		"ko-KR,ko;q=0.9,en;q=0.8": Korean,
		"fr":                      Korean,
		"fr, en;q=0.5":            English,
		"not a header;;;":         Korean,
	} {
		if got := Accept(header); got != want {
			t.Errorf("Accept(%q) = %s, want %s", header, got, want)
		}
	}
}

func TestArgumentsAreNotReplacedTwice(t *testing.T) {
	catalogue[English]["test.two"] = "{0} and {1}"
	defer delete(catalogue[English], "test.two")
	if got, want := T(English, "test.two", "{1}", "x"), "{1} and x"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAKeyThatStandsTwiceIsRefused(t *testing.T) {
	_, err := load(fstest.MapFS{
		"messages/a.ko.json": {Data: []byte(`{"x.y":"1"}`)},
		"messages/b.ko.json": {Data: []byte(`{"x.y":"2"}`)},
	})
	if err == nil {
		t.Fatal("want an error")
	}
}
