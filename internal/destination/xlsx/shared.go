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
// with open addressing, smaller than a map and with fewer places to look at.
type shared struct {
	seed   maphash.Seed
	slots  []slot // a power of two of them
	texts  []place
	chunks []*strings.Builder
	bytes  int
	refs   int64 // cells that refer to a text
}

// slot is free while next is 0. What a look-up needs stands in one place:
// texts lie all over the memory, and each further look at it costs.
type slot struct {
	hash uint32
	next int32 // number of the text, plus one
	place
}

// place is where a text stands.
type place struct{ chunk, at, size uint16 }

func newShared() *shared {
	return &shared{seed: maphash.MakeSeed(), slots: make([]slot, 2048)}
}

// text is the text at a place.
func (t *shared) text(p place) string {
	return t.chunks[p.chunk].String()[p.at : int(p.at)+int(p.size)]
}

// id is the number of s and the table's own copy of it; ok is false if the
// table has no room for it. fresh says that it was not there before.
func (t *shared) id(s string) (id int32, kept string, fresh, ok bool) {
	if len(s) > maxSharedText {
		return 0, "", true, false
	}
	hash := uint32(maphash.String(t.seed, s))
	i := int(hash) & (len(t.slots) - 1)
	for ; t.slots[i].next > 0; i = (i + 1) & (len(t.slots) - 1) {
		at := &t.slots[i]
		if at.hash != hash || int(at.size) != len(s) {
			continue
		}
		if kept := t.text(at.place); kept == s {
			return at.next - 1, kept, false, true
		}
	}
	if len(t.texts) >= maxShared || t.bytes+len(s) > maxSharedBytes {
		return 0, "", true, false
	}
	p := t.keep(s)
	t.texts = append(t.texts, p)
	id = int32(len(t.texts))
	t.slots[i] = slot{hash, id, p}
	if 4*len(t.texts) > 3*len(t.slots) {
		t.grow()
	}
	return id - 1, t.text(p), true, true
}

func (t *shared) grow() {
	old := t.slots
	t.slots = make([]slot, 2*len(old))
	for _, s := range old {
		if s.next == 0 {
			continue
		}
		i := int(s.hash) & (len(t.slots) - 1)
		for t.slots[i].next > 0 {
			i = (i + 1) & (len(t.slots) - 1)
		}
		t.slots[i] = s
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
	for _, p := range t.texts {
		b = append(appendT(append(b, `<si>`...), t.text(p)), `</si>`...)
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
