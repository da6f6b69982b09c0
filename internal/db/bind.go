package db

import "strconv"

// Bind collects the arguments of a statement of many rows. SQLite takes "$1"
// for a name and looks it up among all the others, which makes a statement of
// thousands of arguments quadratic (measured: 6,000 arguments take a third of
// a second); there Bind writes "?", which has no name. So every argument has
// to be added in the sequence of the text, and once for each place.
type Bind struct {
	Args []any
	lite bool
}

// Bind begins to collect for this database.
func (d *DB) Bind(capacity int) *Bind {
	return &Bind{lite: d.dialect == SQLite, Args: make([]any, 0, capacity)}
}

// Add takes an argument and returns what stands for it.
func (b *Bind) Add(v any) string {
	b.Args = append(b.Args, v)
	if b.lite {
		return "?"
	}
	return "$" + strconv.Itoa(len(b.Args))
}

// Row takes the arguments of one row: "(?, ?, …)".
func (b *Bind) Row(values ...any) string {
	out := make([]byte, 0, 8*len(values))
	for i, v := range values {
		out = append(out, "(,"[min(i, 1)])
		out = append(out, b.Add(v)...)
	}
	return string(append(out, ')'))
}
