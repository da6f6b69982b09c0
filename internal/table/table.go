// Package table is what flows from a platform to a spreadsheet: typed columns
// and a stream of rows. Sources know nothing of spreadsheets and destinations
// nothing of platforms; both know this.
package table

import (
	"errors"
	"io"
	"time"
)

// Kind is the type of a column.
type Kind int8

// The kinds of columns.
const (
	Text    Kind = iota // any text
	ID                  // an identifier: text, never a number, so no digit is lost
	Int                 // int64
	Decimal             // float64, shown with up to two decimals
	Money               // KRW, float64; whole or with two decimals
	Percent             // float64, 0.0123 is shown as 1.23 %
	Date                // a KST calendar day, days since 1970-01-01
)

// Numeric reports whether values of k are numbers that may be summed.
func (k Kind) Numeric() bool { return k == Int || k == Decimal || k == Money }

// Column is one column of a table.
type Column struct {
	// Name is the stable name: snake_case, "campaign_id". The header that
	// people read is the sentence "column.NAME" of package i18n.
	Name string
	Kind Kind
}

// Schema is the columns of a table, in order.
type Schema []Column

// Index is the position of the column called name, or -1.
func (s Schema) Index(name string) int {
	for i, c := range s {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// Value is one cell. Which member counts is said by the Kind of its column:
// Str for Text and ID, Num for Int and Date, Dec for Decimal, Money and
// Percent. Null is an empty cell.
type Value struct {
	Str  string
	Num  int64
	Dec  float64
	Null bool
}

// S is a Text or ID cell.
func S(s string) Value { return Value{Str: s} }

// I is an Int cell.
func I(n int64) Value { return Value{Num: n} }

// F is a Decimal, Money or Percent cell.
func F(f float64) Value { return Value{Dec: f} }

// D is a Date cell.
func D(d Day) Value { return Value{Num: int64(d)} }

// Null is an empty cell.
var Null = Value{Null: true}

// Row is one row; as long as its Schema.
type Row []Value

// Reader is a stream of rows. Next returns io.EOF after the last row. The row
// is valid until the next call; whoever keeps it copies it.
type Reader interface {
	Next() (Row, error)
	Close() error
}

// Day is a calendar day in Korea: days since 1970-01-01.
type Day int32

// KST is Korean time: UTC+9, no daylight saving.
var KST = time.FixedZone("KST", 9*60*60)

// DayOf is the Korean calendar day in which t lies.
func DayOf(t time.Time) Day {
	return Day((t.Unix() + 9*60*60) / 86400)
}

// ParseDay reads 2006-01-02 or 20060102.
func ParseDay(s string) (Day, error) {
	layout := time.DateOnly
	if len(s) == 8 {
		layout = "20060102"
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return 0, err
	}
	return Day(t.Unix() / 86400), nil
}

// Start is the instant at which the day begins in Korea.
func (d Day) Start() time.Time { return time.Unix(int64(d)*86400-9*60*60, 0).In(KST) }

// String is the day as 2006-01-02.
func (d Day) String() string { return time.Unix(int64(d)*86400, 0).UTC().Format(time.DateOnly) }

// Compact is the day as 20060102.
func (d Day) Compact() string { return time.Unix(int64(d)*86400, 0).UTC().Format("20060102") }

// MarshalText is the day as 2006-01-02.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 2006-01-02.
func (d *Day) UnmarshalText(b []byte) error {
	v, err := ParseDay(string(b))
	*d = v
	return err
}

// Rows is a Reader over rows in memory.
func Rows(rows ...Row) Reader { return &memory{rows: rows} }

type memory struct{ rows []Row }

func (m *memory) Next() (Row, error) {
	if len(m.rows) == 0 {
		return nil, io.EOF
	}
	r := m.rows[0]
	m.rows = m.rows[1:]
	return r, nil
}

func (m *memory) Close() error { return nil }

// Concat reads one reader after the other. open is called for each when its
// turn comes, so that only one is open at a time.
func Concat(open ...func() (Reader, error)) Reader { return &concat{open: open} }

type concat struct {
	open []func() (Reader, error)
	cur  Reader
}

func (c *concat) Next() (Row, error) {
	for {
		if c.cur == nil {
			if len(c.open) == 0 {
				return nil, io.EOF
			}
			r, err := c.open[0]()
			if err != nil {
				return nil, err
			}
			c.cur, c.open = r, c.open[1:]
		}
		row, err := c.cur.Next()
		if !errors.Is(err, io.EOF) {
			return row, err
		}
		if err := c.cur.Close(); err != nil {
			return nil, err
		}
		c.cur = nil
	}
}

func (c *concat) Close() error {
	if c.cur == nil {
		return nil
	}
	return c.cur.Close()
}
