package db

import (
	"strconv"
	"strings"
)

// Bind collects the arguments of a statement of many rows, the one thing that
// the two databases want told differently.
//
// SQLite takes "$1" for a name and looks it up among all the others, which
// makes a statement of thousands of arguments quadratic (measured: 6,000
// arguments take a third of a second); there Bind writes "?", which has no
// name. PostgreSQL plans thousands of arguments at length each time; there
// Bind sends whole columns as arrays.
//
// Every argument has to be added in the sequence of the text, and once for
// each place.
type Bind struct {
	Args []any
	lite bool
}

// Bind begins to collect for this database.
func (d *DB) Bind() *Bind { return &Bind{lite: d.dialect == SQLite} }

// Add takes an argument and returns what stands for it.
func (b *Bind) Add(v any) string {
	b.Args = append(b.Args, v)
	if b.lite {
		return "?"
	}
	return "$" + strconv.Itoa(len(b.Args))
}

// In is the condition behind a column that it is one of values: "IN (…)".
// There must be one at least.
func (b *Bind) In(values []string) string {
	if !b.lite {
		return "= ANY(" + b.Add(values) + ")"
	}
	for _, v := range values {
		b.Args = append(b.Args, v)
	}
	return "IN (?" + strings.Repeat(",?", len(values)-1) + ")"
}

// Rows is the source of an INSERT of one row or many. Columns are slices of one
// length: []string, []int64, []bool; the first is of strings.
func (b *Bind) Rows(columns ...any) string {
	if b.lite {
		return b.values(columns)
	}
	var out strings.Builder
	out.WriteString("SELECT * FROM unnest(")
	for i, c := range columns {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(b.Add(c))
		switch c.(type) {
		case []string:
			out.WriteString("::text[]")
		case []int64:
			out.WriteString("::bigint[]")
		case []bool:
			out.WriteString("::boolean[]")
		}
	}
	out.WriteByte(')')
	return out.String()
}

func (b *Bind) values(columns []any) string {
	row := "(?" + strings.Repeat(",?", len(columns)-1) + ")"
	n := len(columns[0].([]string))
	for i := range n {
		for _, c := range columns {
			switch c := c.(type) {
			case []string:
				b.Args = append(b.Args, c[i])
			case []int64:
				b.Args = append(b.Args, c[i])
			case []bool:
				b.Args = append(b.Args, c[i])
			}
		}
	}
	return "VALUES " + row + strings.Repeat(","+row, n-1)
}
