package rest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imreport/internal/errs"
	"imreport/internal/table"
)

type sample struct {
	Name    string                `json:"name"`
	ID      Text                  `json:"id"`
	List    []string              `json:"list"`
	N       int                   `json:"n"`
	F       float64               `json:"f"`
	On      *bool                 `json:"on"`
	At      *time.Time            `json:"at"`
	In      sampleIn              `json:"in"`
	Maybe   Optional[sampleIn]    `json:"maybe"`
	MaybeAt Optional[[]time.Time] `json:"maybe_at"`
}

type sampleIn struct {
	Day table.Day `json:"day"`
}

func TestDecodeIsLenientAboutTypes(t *testing.T) {
	var v sample
	err := decodeBytes([]byte(`{"name":"n","id":12345678901234567890,"list":"AD","n":"7","f":0.5,"on":true,
		"at":"2026-11-24T07:30:00+09:00","in":{"day":"2026-11-23"},"maybe":null,"unknown":1}`), &v)
	if err != nil {
		t.Fatal(err)
	}
	at, on := time.Date(2026, 11, 23, 22, 30, 0, 0, time.UTC), true
	day, _ := table.ParseDay("2026-11-23")
	want := sample{Name: "n", ID: "12345678901234567890", List: []string{"AD"}, N: 7, F: 0.5, On: &on, At: &at,
		In: sampleIn{Day: day}, Maybe: Optional[sampleIn]{Set: true, Null: true}}
	if d := cmp.Diff(want, v); d != "" {
		t.Error(d)
	}
}

func TestDecodeNamesEveryWrongField(t *testing.T) {
	var v sample
	err := decodeBytes([]byte(`{"name":1,"id":1.5,"list":["a",2],"n":1.5,"f":"x","on":1,"at":"yesterday","in":{"day":"2026-13-01"},"maybe":7}`), &v)
	e := errs.As(err)
	if e == nil || e.Kind != errs.Invalid {
		t.Fatalf("got %v, want Invalid", err)
	}
	got := map[string]string{}
	for _, f := range e.Fields {
		got[f.Name] = f.Code()
	}
	want := map[string]string{"name": "not_text", "id": "not_text", "list[1]": "not_text", "n": "not_a_whole_number",
		"f": "not_a_number", "on": "not_a_boolean", "at": "not_a_time", "in.day": "not_a_day", "maybe": "not_an_object"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDecodeUnreadable(t *testing.T) {
	for name, body := range map[string]string{
		"cut": `{"name":`, "garbage": `name=x`, "two values": `{} {}`, "trailing comma": `{"name":"x",}`, "binary": "\x00\x01",
	} {
		t.Run(name, func(t *testing.T) {
			var v sample
			if k := errs.KindOf(decodeBytes([]byte(body), &v)); k != errs.Malformed {
				t.Errorf("kind %v, want Malformed", k)
			}
		})
	}
	t.Run("a list is readable but wrong", func(t *testing.T) {
		var v sample
		if k := errs.KindOf(decodeBytes([]byte(`[]`), &v)); k != errs.Invalid {
			t.Errorf("kind %v, want Invalid", k)
		}
	})
	t.Run("a byte order mark is no garbage", func(t *testing.T) {
		var v sample
		if err := decodeBytes([]byte("\xef\xbb\xbf{\"n\":1}"), &v); err != nil || v.N != 1 {
			t.Error(err)
		}
	})
	t.Run("empty is an empty object", func(t *testing.T) {
		var v sample
		if err := decodeBytes(nil, &v); err != nil {
			t.Error(err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"n","id":1,"list":["a"],"maybe":{"day":"2026-01-01"}}`))
	f.Add([]byte(`{"in":[{}],"at":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v sample
		err := decodeBytes(b, &v)
		var e *errs.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%q: %v is no errs.Error", b, err)
		}
	})
}
