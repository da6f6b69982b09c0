package xlsx

import (
	"io"
	"strconv"
	"strings"
)

// Bounds of the table of shared texts. It makes files smaller and quicker to
// open, but is the one thing that would grow with the rows; texts that find no
// place are written in their cells.
const (
	maxShared      = 100_000
	maxSharedBytes = 5 << 20
)

// shared is the table of texts that cells refer to by number.
type shared struct {
	index map[string]int32
	texts []string
	bytes int
	refs  int64
	arena strings.Builder
}

func newShared() *shared { return &shared{index: make(map[string]int32, 1024)} }

// id is the number of s; ok is false if the table has no room for it. fresh
// says that it was not there before.
func (t *shared) id(s string) (id int32, fresh, ok bool) {
	if id, ok := t.index[s]; ok {
		return id, false, true
	}
	if len(t.texts) >= maxShared || t.bytes+len(s) > maxSharedBytes {
		return 0, true, false
	}
	s = t.keep(s)
	id = int32(len(t.texts))
	t.index[s] = id
	t.texts = append(t.texts, s)
	return id, true, true
}

// crowded reports whether half of the room is taken.
func (t *shared) crowded() bool { return len(t.texts) > maxShared/2 || t.bytes > maxSharedBytes/2 }

// keep copies s: the row that it comes from may be part of a large buffer.
// Many copies share one piece of memory.
func (t *shared) keep(s string) string {
	t.bytes += len(s)
	if t.arena.Cap()-t.arena.Len() < len(s) {
		t.arena = strings.Builder{}
		t.arena.Grow(max(64<<10, len(s)))
	}
	at := t.arena.Len()
	t.arena.WriteString(s)
	return t.arena.String()[at:]
}

// write writes the part xl/sharedStrings.xml.
func (t *shared) write(w io.Writer) error {
	b := append([]byte(nil), xmlHeader+`<sst xmlns="`+nsMain+`" count="`...)
	b = strconv.AppendInt(b, t.refs, 10)
	b = append(b, `" uniqueCount="`...)
	b = strconv.AppendInt(b, int64(len(t.texts)), 10)
	b = append(b, `">`...)
	for _, s := range t.texts {
		b = append(appendT(append(b, `<si>`...), s), `</si>`...)
		if len(b) >= flushAt {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(append(b, `</sst>`...))
	return err
}
