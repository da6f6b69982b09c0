package naver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"imreport/internal/table"
)

// Naver's JSON changes its mind about types: a number comes as text, an id as
// a number, a list as null. These types take both, and what they cannot read
// is empty rather than an error: one odd member must not cost the answer.

// text is a string, also when it comes as a number or a boolean.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0, bytes.Equal(b, []byte("null")), b[0] == '{', b[0] == '[':
		return nil
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*t = text(s)
		return nil
	}
	*t = text(b)
	return nil
}

// number is an integer, also when it comes as text ("12") or with a fraction.
type number int64

func (n *number) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	*n = 0
	s := strings.TrimSpace(string(t))
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		*n = number(v)
	} else if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) < 1<<62 {
		*n = number(f)
	}
	return nil
}

// flag is a boolean, also as text or as 1 and 0.
type flag bool

func (f *flag) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	switch strings.ToLower(string(t)) {
	case "true", "1", "y", "yes":
		*f = true
	default:
		*f = false
	}
	return nil
}

// instant is a time: RFC 3339 with or without a zone (then UTC), or
// milliseconds since 1970.
type instant struct{ time.Time }

func (i *instant) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	i.Time = parseTime(string(t))
	return nil
}

func parseTime(s string) time.Time {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil && ms > 1e11 && ms < 1e14 {
		return time.UnixMilli(ms).UTC()
	}
	return time.Time{}
}

// statDay is the Korean day of a job: Naver writes its beginning in UTC
// ("2023-02-26T15:00:00Z" is the 27th), people write the day itself.
type statDay struct{ table.Day }

func (d *statDay) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	d.Day = 0
	s := strings.TrimSpace(string(t))
	if day, err := table.ParseDay(s); err == nil {
		d.Day = day
	} else if at := parseTime(s); !at.IsZero() {
		d.Day = table.DayOf(at)
	}
	return nil
}

// decodeList reads a JSON array, or the array in one of the members of an
// object that are named. Elements that do not fit are left out; skipped counts
// them. null and an empty body are an empty list.
func decodeList[T any](body []byte, members ...string) (list []T, skipped int, err error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte(bom)))
	if len(body) == 0 {
		return nil, 0, io.ErrUnexpectedEOF
	}
	if bytes.Equal(body, []byte("null")) {
		return nil, 0, nil
	}
	raw := []json.RawMessage{}
	if body[0] == '{' && len(members) > 0 {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(body, &object); err != nil {
			return nil, 0, err
		}
		found := false
		for _, m := range members {
			if v, ok := object[m]; ok {
				body, found = v, true
				break
			}
		}
		if !found {
			return nil, 0, fmt.Errorf("none of %q in the answer", members)
		}
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, 0, err
	}
	for _, r := range raw {
		var v T
		if err := json.Unmarshal(r, &v); err != nil || bytes.Equal(bytes.TrimSpace(r), []byte("null")) {
			skipped++
			continue
		}
		list = append(list, v)
	}
	return list, skipped, nil
}

// bom is UTF-8's byte order mark.
const bom = "\xef\xbb\xbf"
