// Package i18n holds every sentence that a person reads, in Korean and
// English.
//
// The sentences stand in messages/AREA.LANG.json, one flat object per file:
// "area.code" is a title or label, "area.code.detail" says what and where, and
// "area.code.action" says what to do. {0}, {1}, … are arguments. A test keeps
// both languages at the same keys and arguments.
package i18n

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/text/language"
)

//go:embed messages/*.json
var files embed.FS

// Lang is a language of the product: "ko" or "en".
type Lang string

// The languages.
const (
	Korean  Lang = "ko"
	English Lang = "en"
)

// Langs are all languages, the default first.
var Langs = []Lang{Korean, English}

var catalogue = mustLoad(files)

var matcher = language.NewMatcher([]language.Tag{language.Korean, language.English})

// Parse reads a language name ("ko", "en-US"); ok is false for any other.
func Parse(s string) (l Lang, ok bool) {
	base, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(s)), "-")
	for _, l := range Langs {
		if base == string(l) {
			return l, true
		}
	}
	return "", false
}

// Accept chooses the language for an Accept-Language header. Korean is the
// answer when the header is empty or names neither language.
func Accept(header string) Lang {
	tags, _, err := language.ParseAcceptLanguage(header)
	if err != nil || len(tags) == 0 {
		return Korean
	}
	_, i, conf := matcher.Match(tags...)
	if conf == language.No {
		return Korean
	}
	return Langs[i]
}

// Has reports whether key has a sentence.
func Has(key string) bool {
	_, ok := catalogue[Korean][key]
	return ok
}

// T is the sentence key in language l, with args in place of {0}, {1}, …
// A key without a sentence comes back as it is.
func T(l Lang, key string, args ...any) string {
	s, ok := catalogue[l][key]
	if !ok {
		return key
	}
	if len(args) == 0 {
		return s
	}
	pairs := make([]string, 0, 2*len(args))
	for i, a := range args {
		pairs = append(pairs, fmt.Sprintf("{%d}", i), text(l, a))
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// Text is implemented by arguments that read differently in each language.
type Text interface{ In(Lang) string }

// Ref is an argument that is itself a sentence of the catalogue.
type Ref string

// In is the sentence in l.
func (r Ref) In(l Lang) string { return T(l, string(r)) }

func text(l Lang, a any) string {
	if t, ok := a.(Text); ok {
		return t.In(l)
	}
	return fmt.Sprint(a)
}

// Keys returns every key of l; for tests and for the page scripts.
func Keys(l Lang) []string {
	keys := make([]string, 0, len(catalogue[l]))
	for k := range catalogue[l] {
		keys = append(keys, k)
	}
	return keys
}

func mustLoad(f fs.FS) map[Lang]map[string]string {
	c, err := load(f)
	if err != nil {
		panic("i18n: " + err.Error()) // the files are part of the binary
	}
	return c
}

func load(f fs.FS) (map[Lang]map[string]string, error) {
	c := map[Lang]map[string]string{}
	for _, l := range Langs {
		c[l] = map[string]string{}
	}
	names, err := fs.Glob(f, "messages/*.json")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		parts := strings.Split(strings.TrimPrefix(name, "messages/"), ".")
		if len(parts) != 3 {
			return nil, fmt.Errorf("%s: want AREA.LANG.json", name)
		}
		l, ok := Parse(parts[1])
		if !ok {
			return nil, fmt.Errorf("%s: unknown language", name)
		}
		b, err := fs.ReadFile(f, name)
		if err != nil {
			return nil, err
		}
		var m map[string]string
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for k, v := range m {
			if _, twice := c[l][k]; twice {
				return nil, fmt.Errorf("%s: key %s stands twice", name, k)
			}
			c[l][k] = v
		}
	}
	return c, nil
}
