package rest

import (
	"encoding/base64"
	"strconv"
	"strings"

	"imreport/internal/errs"
)

// A cursor is opaque to clients: "1:" and the last id of the page, in base64.
// What is not one of ours is refused, so that a wrong one never reads as an
// empty list.
const cursorMark = "1:"

func encodeCursor(last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorMark + last))
}

// Cursor is ?cursor=: the id that the page follows, empty for the first page.
func (c *Call) Cursor() (string, error) {
	text := c.Query("cursor")
	if text == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	last, ok := strings.CutPrefix(string(b), cursorMark)
	if err != nil || !ok || last == "" || len(text) > cursorMax || !clean(last) || strings.Contains(last, "~") {
		return "", errs.InvalidField("cursor", "api.cursor_invalid")
	}
	return last, nil
}

// Page is one page of a list.
type Page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"` // null on the last page
}

// List answers a page: fetch is asked for one more than the limit, which tells
// whether another page follows.
func List[D, T any](c *Call, fetch func(cursor string, limit int) ([]D, error), id func(D) string, show func(D) T) (Page[T], error) {
	limit, err := c.Limit()
	if err != nil {
		return Page[T]{}, err
	}
	cursor, err := c.Cursor()
	if err != nil {
		return Page[T]{}, err
	}
	all, err := fetch(cursor, limit+1)
	if err != nil {
		return Page[T]{}, err
	}
	p := Page[T]{Items: make([]T, 0, min(len(all), limit))}
	for i, d := range all {
		if i == limit {
			next := encodeCursor(id(all[limit-1]))
			p.NextCursor = &next
			break
		}
		p.Items = append(p.Items, show(d))
	}
	return p, nil
}

// After cuts a whole list that is kept in memory to what follows cursor; for
// lists that are never long.
func After[D any](all []D, id func(D) string, cursor string, limit int) []D {
	if cursor != "" {
		for i, d := range all {
			if id(d) == cursor {
				all = all[i+1:]
				break
			}
		}
	}
	return all[:min(len(all), limit)]
}

// AfterSeq reads a cursor that holds a number.
func AfterSeq(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || n < 0 {
		return 0, errs.InvalidField("cursor", "api.cursor_invalid")
	}
	return n, nil
}

// Seq is a number as the id that a cursor holds; AfterSeq reads it.
func Seq(n int64) string { return strconv.FormatInt(n, 10) }
