package rest

import (
	"reflect"
	"strings"

	"imreport/internal/i18n"
)

// object is a JSON object of the specification.
type object = map[string]any

// schemas makes JSON schemas (draft 2020-12, as in OpenAPI 3.1) of Go types.
// Named structs become components; what a member means is the sentence
// "api.doc.TYPE.member", or "api.doc.member" where it means the same everywhere.
type schemas struct {
	lang  i18n.Lang
	named object                  // by component name
	types map[string]reflect.Type // behind the names
}

// of is the schema of t, or a reference to it.
func (s *schemas) of(t reflect.Type) object {
	switch {
	case t == timeType:
		return object{"type": "string", "format": "date-time"}
	case t == dayType:
		return object{"type": "string", "format": "date", "examples": []any{"2026-11-23"}}
	case t == textType:
		return object{"type": []any{"string", "integer"}, "examples": []any{"1234567"}}
	case reflect.PointerTo(t).Implements(textReaderType):
		return object{"type": "string"}
	case reflect.PointerTo(t).Implements(optionalType):
		return nullable(s.of(t.Field(t.NumField() - 1).Type))
	}
	switch t.Kind() {
	case reflect.Pointer:
		return nullable(s.of(t.Elem()))
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Int8, reflect.Int32:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Interface:
		return object{}
	case reflect.Struct:
		name := s.name(t)
		if _, known := s.named[name]; !known {
			s.types[name] = t
			s.named[name] = nil // a type may hold itself
			s.named[name] = s.structure(componentName(t), t)
		}
		return object{"$ref": "#/components/schemas/" + name}
	}
	panic("rest: no schema for " + t.String())
}

// componentName makes "RawData" of rawDataDoc and "PageOfRawData" of
// Page[rawDataDoc].
func componentName(t reflect.Type) string {
	name := strings.TrimSuffix(t.Name(), "Doc")
	if base, of, ok := strings.Cut(name, "["); ok {
		of = strings.TrimSuffix(of, "]")
		of = of[strings.LastIndexByte(of, '.')+1:]
		return capital(base) + "Of" + capital(strings.TrimSuffix(of, "Doc"))
	}
	return capital(name)
}

// name is the component that t is: where two packages have a type of the same
// name, the second carries its package's.
func (s *schemas) name(t reflect.Type) string {
	name := componentName(t)
	if other, known := s.types[name]; !known || other == t {
		return name
	}
	from := t.PkgPath()
	if _, of, ok := strings.Cut(t.Name(), "["); ok {
		from = of[:max(0, strings.LastIndexByte(of, '.'))]
	}
	return capital(from[strings.LastIndexByte(from, '/')+1:]) + name
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (s *schemas) structure(name string, t reflect.Type) object {
	props, required := object{}, []any{}
	s.members(name, t, props, &required)
	out := object{"type": "object", "properties": props}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func (s *schemas) members(name string, t reflect.Type, props object, required *[]any) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && jsonName(f) == "" {
			s.members(name, f.Type, props, required)
			continue
		}
		member := jsonName(f)
		if member == "" {
			continue
		}
		p := s.of(f.Type)
		if list := f.Tag.Get("enum"); list != "" {
			var values []any
			for _, v := range strings.Split(list, ",") {
				values = append(values, v)
			}
			leaf := p
			if items, ok := p["items"].(object); ok {
				leaf = items
			}
			leaf["enum"] = values
			if many, ok := leaf["type"].([]any); ok && many[len(many)-1] == "null" {
				leaf["enum"] = append(values, nil)
			}
		}
		if v := f.Tag.Get("default"); v != "" {
			p["default"] = v
		}
		for _, key := range []string{"api.doc." + name + "." + member, "api.doc." + member} {
			if i18n.Has(key) {
				p["description"] = i18n.T(s.lang, key) // beside $ref too: 3.1 allows it
				break
			}
		}
		props[member] = p
		_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Tag.Get("required") == "true" || f.Tag.Get("required") == "" && !strings.Contains(options, "omitempty") && t.NumField() > 0 && isAnswer(name) {
			*required = append(*required, member)
		}
	}
}

// isAnswer reports whether a component is something that we send: its members
// are always there. Requests are called …Body.
func isAnswer(name string) bool { return !strings.HasSuffix(name, "Body") }

func nullable(s object) object {
	if t, ok := s["type"].(string); ok {
		s["type"] = []any{t, "null"}
		return s
	}
	if many, ok := s["type"].([]any); ok {
		s["type"] = append(many, "null")
		return s
	}
	return object{"anyOf": []any{s, object{"type": "null"}}}
}
