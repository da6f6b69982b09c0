package naver

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"time"

	"imreport/internal/table"
)

// names is what is known of one customer's ids. An id keeps its name for ever,
// also after it was deleted at Naver, because old rows still speak of it.
type names struct {
	of    map[string]entry // by id; one with an empty name was asked for in vain
	lists map[string]listState
}

// listState is how far a list has been read.
type listState struct {
	since time.Time // everything up to then is known; zero: never read
	read  table.Day // when it was last read; 0: never
	deep  bool      // deleted entities of the last two years were asked for
}

func newNames() *names { return &names{of: map[string]entry{}, lists: map[string]listState{}} }

// learn takes what Naver says of an id. An empty name never hides a known one:
// during maintenance lists have come with empty columns.
func (n *names) learn(e entry) {
	if e.id == "" {
		return
	}
	old := n.of[e.id]
	if e.name == "" {
		e.name = old.name
	}
	if e.parent == "" {
		e.parent = old.parent
	}
	n.of[e.id] = e
}

// name is an id's name, "" when it is not known.
func (n *names) name(id string) string { return n.of[id].name }

// merge takes over what another reader of the same customer has stored
// meanwhile: names it has and n has not, and lists it has read further.
func (n *names) merge(o *names) {
	for id, e := range o.of {
		mine, ok := n.of[id]
		if !ok {
			n.of[id] = e
			continue
		}
		if mine.name == "" {
			mine.name = e.name
		}
		if mine.parent == "" {
			mine.parent = e.parent
		}
		n.of[id] = mine
	}
	for item, l := range o.lists {
		mine := n.lists[item]
		mine.deep = mine.deep || l.deep
		if l.since.After(mine.since) {
			mine.since = l.since
		}
		mine.read = max(mine.read, l.read)
		n.lists[item] = mine
	}
}

const (
	kindID    = "id"
	kindSince = "@since"
	kindRead  = "@read"
	kindDeep  = "@deep"
)

// rows are the names as they are kept, in order of their ids.
func (n *names) rows() table.Reader {
	ids := make([]string, 0, len(n.of))
	for id := range n.of {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var marks []table.Row
	mark := func(kind, item, value string) {
		marks = append(marks, table.Row{table.S(kind), table.S(item), table.S(value), table.S(""), table.I(0)})
	}
	for item, l := range n.lists {
		if !l.since.IsZero() {
			mark(kindSince, item, l.since.UTC().Format(time.RFC3339Nano))
		}
		if l.read != 0 {
			mark(kindRead, item, l.read.String())
		}
		if l.deep {
			mark(kindDeep, item, "")
		}
	}
	slices.SortFunc(marks, func(a, b table.Row) int {
		return cmp.Or(cmp.Compare(a[0].Str, b[0].Str), cmp.Compare(a[1].Str, b[1].Str))
	})
	return &namesReader{n: n, ids: ids, marks: marks, row: make(table.Row, len(namesSchema))}
}

type namesReader struct {
	n     *names
	ids   []string
	marks []table.Row
	row   table.Row
}

func (r *namesReader) Next() (table.Row, error) {
	if len(r.marks) > 0 {
		m := r.marks[0]
		r.marks = r.marks[1:]
		return m, nil
	}
	if len(r.ids) == 0 {
		return nil, io.EOF
	}
	e := r.n.of[r.ids[0]]
	r.ids = r.ids[1:]
	gone := int64(0)
	if e.gone {
		gone = 1
	}
	r.row[0], r.row[1], r.row[2], r.row[3], r.row[4] = table.S(kindID), table.S(e.id), table.S(e.name), table.S(e.parent), table.I(gone)
	return r.row, nil
}

func (r *namesReader) Close() error { return nil }

// readNames reads what rows wrote. Only ids for which want is true are taken;
// a nil want takes all.
func readNames(r table.Reader, want func(id string) bool) (*names, error) {
	n := newNames()
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return nil, err
		}
		id, name := row[1].Str, row[2].Str
		l := n.lists[id]
		switch row[0].Str {
		case kindSince:
			l.since = parseTime(name)
		case kindRead:
			l.read, _ = table.ParseDay(name)
		case kindDeep:
			l.deep = true
		default:
			if want == nil || want(id) {
				n.of[id] = entry{id: id, name: name, parent: row[3].Str, gone: row[4].Num == 1}
			}
			continue
		}
		n.lists[id] = l
	}
}
