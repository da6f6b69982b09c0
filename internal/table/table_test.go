package table

import (
	"errors"
	"io"
	"testing"
	"time"
)

func TestDay(t *testing.T) {
	for s, want := range map[string]string{"2026-11-25": "2026-11-25", "20260228": "2026-02-28", "2024-02-29": "2024-02-29"} {
		d, err := ParseDay(s)
		if err != nil || d.String() != want {
			t.Errorf("%s: %v, %v", s, d, err)
		}
		if got := DayOf(d.Start()); got != d {
			t.Errorf("%v begins on %v", d, got)
		}
		if got := DayOf(d.Start().Add(-time.Nanosecond)); got != d-1 {
			t.Errorf("before the beginning of %v it is %v", d, got)
		}
		var back Day
		text, err := d.MarshalText()
		if err != nil || back.UnmarshalText(text) != nil || back != d {
			t.Errorf("%v becomes %v", d, back)
		}
		if c, err := ParseDay(d.Compact()); err != nil || c != d {
			t.Errorf("%v, %v", c, err)
		}
	}
	for _, s := range []string{"", "2026-13-01", "20261301", "25.11.2026", "2026-02-30"} {
		if d, err := ParseDay(s); err == nil {
			t.Errorf("%q is %v", s, d)
		}
	}
	// 23:30 in London is the next day in Seoul.
	if got := DayOf(time.Date(2026, 11, 24, 23, 30, 0, 0, time.UTC)).String(); got != "2026-11-25" {
		t.Error(got)
	}
	if got := DayOf(time.Date(2026, 11, 24, 14, 59, 59, 0, time.UTC)).String(); got != "2026-11-24" {
		t.Error(got)
	}
}

type closing struct {
	Reader
	closed *int
}

func (c closing) Close() error { *c.closed++; return c.Reader.Close() }

func TestConcat(t *testing.T) {
	opened, closed := 0, 0
	open := func(rows ...Row) func() (Reader, error) {
		return func() (Reader, error) {
			if opened != closed {
				t.Error("two are open at once")
			}
			opened++
			return closing{Rows(rows...), &closed}, nil
		}
	}
	broken := errors.New("broken")
	r := Concat(open(Row{I(1)}, Row{I(2)}), open(), open(Row{I(3)}), func() (Reader, error) { return nil, broken })
	sum := int64(0)
	var err error
	for err == nil {
		var row Row
		if row, err = r.Next(); err == nil {
			sum += row[0].Num
		}
	}
	if sum != 6 || !errors.Is(err, broken) || opened != 3 || closed != 3 {
		t.Errorf("sum %d, %v, %d opened, %d closed", sum, err, opened, closed)
	}
	r = Concat(open(Row{I(1)}))
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil || closed != 4 {
		t.Error(err, closed)
	}
	if _, err := Concat().Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
