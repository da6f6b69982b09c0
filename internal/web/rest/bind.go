package rest

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"imreport/internal/errs"
	"imreport/internal/table"
	"imreport/internal/web"
)

// Text is an identifier that callers may write as text or as a whole number;
// it is answered as text, so that no digit is lost.
type Text string

// Optional is a member of a PATCH: absent (leave it), null (remove it) or a
// value.
type Optional[T any] struct {
	Set  bool // the member was there
	Null bool // it was null
	V    T
}

// optional lets bind reach into any Optional.
type optional interface {
	parts() (set, null *bool, v any)
}

func (o *Optional[T]) parts() (set, null *bool, v any) { return &o.Set, &o.Null, &o.V }

// Pointer is nil unless a value was given.
func (o Optional[T]) Pointer() *T {
	if !o.Set || o.Null {
		return nil
	}
	return &o.V
}

// Decode reads the JSON body of r into v, a pointer to a struct. What cannot
// be read at all is Malformed; what can be read but does not fit is Invalid
// and names every field, not only the first. Unknown members are ignored, so
// that a client of a later version is understood. An empty body is {}.
func Decode(r *http.Request, v any) error {
	if kind := r.Header.Get("Content-Type"); kind != "" && !isJSON(kind) {
		if r.ContentLength != 0 {
			return web.UnsupportedMedia(kind, "application/json")
		}
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return err
		}
		return errs.E(errs.Malformed, "api.body_cut", err)
	}
	return decodeBytes(b, v)
}

// isJSON reports whether a Content-Type says JSON: application/json, or
// anything that ends in +json.
func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json"))
}

func decodeBytes(b []byte, v any) error {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) // the mark that Windows tools put first
	if len(bytes.TrimSpace(b)) == 0 {
		b = []byte("{}")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return errs.E(errs.Malformed, "api.body_unreadable", err, position(b, dec, err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errs.E(errs.Malformed, "api.body_unreadable", errors.New("more than one value"), int(dec.InputOffset()))
	}
	var wrong []errs.Field
	bind("", tree, reflect.ValueOf(v).Elem(), &wrong)
	if len(wrong) > 0 {
		return errs.InvalidFields(wrong...)
	}
	return nil
}

// position is the offset in bytes at which reading stopped.
func position(b []byte, dec *json.Decoder, err error) int {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return int(syntax.Offset)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return len(b)
	}
	return int(dec.InputOffset())
}

var (
	timeType = reflect.TypeFor[time.Time]()
	dayType  = reflect.TypeFor[table.Day]()
	textType = reflect.TypeFor[Text]()
	// optionalType is what pointers to every Optional implement.
	optionalType = reflect.TypeFor[optional]()
	// textReaderType is what types implement that read their own text.
	textReaderType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// bind puts the JSON value tree into dst and notes what does not fit. A type
// may read its own text as an encoding.TextUnmarshaler; the message of an
// errs.Error that it returns is the field's.
func bind(path string, tree any, dst reflect.Value, wrong *[]errs.Field) {
	text, isText := tree.(string)
	bad := func(key string, args ...any) {
		*wrong = append(*wrong, errs.Field{Name: path, Key: key, Args: args})
	}
	if isText && !clean(text) {
		bad("api.not_text")
		return
	}
	if dst.CanAddr() && dst.Addr().Type().Implements(optionalType) {
		set, null, v := dst.Addr().Interface().(optional).parts()
		*set, *null = true, tree == nil
		if tree != nil {
			bind(path, tree, reflect.ValueOf(v).Elem(), wrong)
		}
		return
	}
	if tree == nil {
		return // null reads as absent
	}
	switch dst.Type() {
	case textType:
		n, isNumber := tree.(json.Number)
		switch {
		case isText:
			dst.SetString(text)
		case isNumber && !strings.ContainsAny(n.String(), ".eE"):
			dst.SetString(n.String())
		default:
			bad("api.not_text")
		}
		return
	case timeType:
		t, err := time.Parse(time.RFC3339, text)
		if !isText || err != nil {
			bad("api.not_a_time")
			return
		}
		dst.Set(reflect.ValueOf(t))
		return
	case dayType:
		d, err := table.ParseDay(text)
		if !isText || err != nil {
			bad("api.not_a_day")
			return
		}
		dst.Set(reflect.ValueOf(d))
		return
	}
	if dst.CanAddr() {
		if own, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); ok {
			if !isText {
				bad("api.not_text")
			} else if err := own.UnmarshalText([]byte(text)); err != nil {
				if e := errs.As(err); e != nil {
					bad(e.Key, e.Args...)
				} else {
					bad("api.not_understood", text)
				}
			}
			return
		}
	}
	switch dst.Kind() {
	case reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		bind(path, tree, dst.Elem(), wrong)
	case reflect.Struct:
		object, ok := tree.(map[string]any)
		if !ok {
			bad("api.not_an_object")
			return
		}
		for i := range dst.NumField() {
			f := dst.Type().Field(i)
			name := jsonName(f)
			if f.Anonymous && name == "" {
				bind(path, tree, dst.Field(i), wrong)
			}
			if name == "" {
				continue
			}
			if v, ok := object[name]; ok {
				bind(join(path, name), v, dst.Field(i), wrong)
			}
		}
	case reflect.Slice:
		list, ok := tree.([]any)
		if !ok {
			list = []any{tree} // one value is a list of one
		}
		dst.Set(reflect.MakeSlice(dst.Type(), len(list), len(list)))
		for i, v := range list {
			bind(fmt.Sprintf("%s[%d]", path, i), v, dst.Index(i), wrong)
		}
	case reflect.String:
		if !isText {
			bad("api.not_text")
			return
		}
		dst.SetString(text)
	case reflect.Bool:
		b, ok := tree.(bool)
		if !ok {
			bad("api.not_a_boolean")
			return
		}
		dst.SetBool(b)
	case reflect.Int, reflect.Int64:
		if number, ok := tree.(json.Number); ok {
			text = number.String()
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			bad("api.not_a_whole_number")
			return
		}
		dst.SetInt(n)
	case reflect.Float64:
		if number, ok := tree.(json.Number); ok {
			text = number.String()
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			bad("api.not_a_number")
			return
		}
		dst.SetFloat(f)
	default:
		panic("rest: a request type has a member of kind " + dst.Kind().String())
	}
}

// jsonName is the member's name in JSON; empty for none.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
