package xlsx

import (
	"hash/maphash"
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
	maxSharedText  = 1 << 10 // bytes of one text; longer ones rarely come twice
	chunkBytes     = 64 << 10
)

// shared is the table of texts that cells refer to by number: a hash table
// with open addressing, a third of the size of a map.
type shared struct {
	seed   maphash.Seed
	slots  []int32 // number of a text, plus one; a power of two of them
	texts  []place
	chunks []*strings.Builder
	bytes  int
	refs   int64 // cells that refer to a text
}

// place is where a text stands.
type place struct{ chunk, at, size uint16 }

func newShared() *shared {
	return &shared{seed: maphash.MakeSeed(), slots: make([]int32, 2048)}
}

// text is the text with a number.
func (t *shared) text(id int32) string {
	p := t.texts[id]
	return t.chunks[p.chunk].String()[p.at : int(p.at)+int(p.size)]
}

// id is the number of s; ok is false if the table has no room for it. fresh
// says that it was not there before.
func (t *shared) id(s string) (id int32, fresh, ok bool) {
	if len(s) > maxSharedText {
		return 0, true, false
	}
	i := t.find(s)
	if id := t.slots[i]; id > 0 {
		return id - 1, false, true
	}
	if len(t.texts) >= maxShared || t.bytes+len(s) > maxSharedBytes {
		return 0, true, false
	}
	t.texts = append(t.texts, t.keep(s))
	id = int32(len(t.texts))
	t.slots[i] = id
	if 2*len(t.texts) > len(t.slots) {
		t.grow()
	}
	return id - 1, true, true
}

// find is the slot of s, or the free one where it belongs.
func (t *shared) find(s string) int {
	mask := len(t.slots) - 1
	i := int(maphash.String(t.seed, s)) & mask
	for t.slots[i] > 0 && t.text(t.slots[i]-1) != s {
		i = (i + 1) & mask
	}
	return i
}

func (t *shared) grow() {
	t.slots = make([]int32, 2*len(t.slots))
	for id := range t.texts {
		t.slots[t.find(t.text(int32(id)))] = int32(id) + 1
	}
}

// keep copies s: the row that it comes from may be part of a large buffer.
// Many copies share one piece of memory.
func (t *shared) keep(s string) place {
	t.bytes += len(s)
	n := len(t.chunks)
	if n == 0 || t.chunks[n-1].Len()+len(s) > chunkBytes {
		c := new(strings.Builder)
		c.Grow(chunkBytes)
		t.chunks = append(t.chunks, c)
		n++
	}
	c := t.chunks[n-1]
	p := place{uint16(n - 1), uint16(c.Len()), uint16(len(s))}
	c.WriteString(s)
	return p
}

// crowded reports whether half of the room is taken.
func (t *shared) crowded() bool { return len(t.texts) > maxShared/2 || t.bytes > maxSharedBytes/2 }

// write writes the part xl/sharedStrings.xml.
func (t *shared) write(w io.Writer) error {
	b := append([]byte(nil), xmlHeader+`<sst xmlns="`+nsMain+`" count="`...)
	b = strconv.AppendInt(b, t.refs, 10)
	b = append(b, `" uniqueCount="`...)
	b = strconv.AppendInt(b, int64(len(t.texts)), 10)
	b = append(b, `">`...)
	for id := range t.texts {
		b = append(appendT(append(b, `<si>`...), t.text(int32(id))), `</si>`...)
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
