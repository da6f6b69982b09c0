package xlsx

import (
	"io"
	"math"
	"strconv"

	"imreport/internal/table"
)

const (
	flushAt = 64 << 10 // bytes of XML that are handed to the compressor at a time
	// sampled rows of a tab are looked at before its first byte is written:
	// the widths of the columns stand before the rows.
	sampled = 400
)

// dateZero is the day that spreadsheets call 0, as a table.Day: 1899-12-30,
// 25,569 days before 1970-01-01. Days before 1900-03-01 differ between
// programs, so they are written as text.
const (
	dateZero  = -25569
	firstDate = 61
	lastDate  = 2958465 // 9999-12-31
)

// column is what the encoder knows of a column.
type column struct {
	table.Column
	open  []byte // `<c r="AB`: the row's number comes next
	tail  []byte // `" s="3"><v>`, for numbers
	money []byte // as tail, for money with decimals
	text  []byte // `" s="1" t="s"><v>`
	quote []byte // as text, for what looks like a formula
	in    []byte // `" s="1" t="inlineStr"><is>`
	inq   []byte

	last    string // the text of the cell above, and its number
	lastID  int32
	hasLast bool
	looked  int  // texts that were looked up in the shared table
	fresh   int  // those of them that were new
	inline  bool // most texts are new: sharing does not pay
	width   int  // widest value of the sample, in digits
}

// encoder turns the rows of one report type into the XML of sheets.
type encoder struct {
	w      io.Writer
	buf    []byte
	cols   []column
	shared *shared
	digits [20]byte

	row   int   // number of the last row in the current sheet, header included
	bytes int64 // of XML in the current sheet
	hold  bool  // sample: keep the bytes, measure widths

	cut   int64 // texts that were too long
	unfit int64 // numbers that are none
}

func newEncoder(schema table.Schema, st *styles, sh *shared) *encoder {
	e := &encoder{shared: sh, buf: make([]byte, 0, flushAt+16<<10)}
	for i, c := range schema {
		style := Style{Format: formatOf(c.Kind)}
		if c.Kind == table.Date {
			style.Align = "left" // what stands right of it is text
		}
		quoted := style
		quoted.Quote = true
		after := func(s Style, rest string) []byte { // what follows the row's number
			if id := st.id(s); id > 0 {
				return []byte(`" s="` + strconv.Itoa(id) + `"` + rest)
			}
			return []byte(`"` + rest)
		}
		col := column{Column: c, open: []byte(`<c r="` + columnName(i))}
		switch c.Kind {
		case table.Text, table.ID:
			if c.Kind == table.ID {
				quoted = style // "@" keeps what is entered again from becoming a formula
			}
			col.text, col.quote = after(style, ` t="s"><v>`), after(quoted, ` t="s"><v>`)
			col.in, col.inq = after(style, ` t="inlineStr"><is>`), after(quoted, ` t="inlineStr"><is>`)
		case table.Money:
			col.tail, col.money = after(style, `><v>`), after(Style{Format: TwoPlace}, `><v>`)
		case table.Date:
			col.tail, col.in = after(style, `><v>`), after(Style{}, ` t="inlineStr"><is>`)
		default:
			col.tail = after(style, `><v>`)
		}
		e.cols = append(e.cols, col)
	}
	return e
}

// columnName is the letters of the i-th column, from 0: A, B, … AA.
func columnName(i int) string {
	var b [8]byte
	at := len(b)
	for i++; i > 0; i = (i - 1) / 26 {
		at--
		b[at] = byte('A' + (i-1)%26)
	}
	return string(b[at:])
}

// add encodes one row.
func (e *encoder) add(r table.Row) error {
	e.row++
	row := strconv.AppendInt(e.digits[:0], int64(e.row), 10)
	b, before := e.buf, len(e.buf)
	b = append(b, `<row r="`...)
	b = append(b, row...)
	b = append(b, `">`...)
	for i := range e.cols {
		c := &e.cols[i]
		v := &r[i]
		if v.Null {
			continue
		}
		switch c.Kind {
		case table.Text, table.ID:
			if v.Str != "" {
				b = e.textCell(b, c, row, v.Str)
			}
		case table.Int:
			b = append(append(append(b, c.open...), row...), c.tail...)
			b = append(strconv.AppendInt(b, v.Num, 10), `</v></c>`...)
			if e.hold {
				c.width = max(c.width, wholeWidth(float64(v.Num)))
			}
		case table.Date:
			b = e.dateCell(b, c, row, v.Num)
		default:
			b = e.decimalCell(b, c, row, v.Dec)
		}
	}
	b = append(b, `</row>`...)
	e.bytes += int64(len(b) - before)
	e.buf = b
	if len(b) >= flushAt && !e.hold {
		return e.flush()
	}
	return nil
}

func (e *encoder) flush() error {
	_, err := e.w.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

func (e *encoder) textCell(b []byte, c *column, row []byte, s string) []byte {
	s, cut := fit(s)
	if cut {
		e.cut++
	}
	if e.hold {
		c.width = max(c.width, min(textWidth(s), 100))
	}
	shared, inline := c.text, c.in
	if formulaLike(s) {
		shared, inline = c.quote, c.inq
	}
	b = append(append(b, c.open...), row...)
	if id, ok := e.share(c, s); ok {
		b = append(b, shared...)
		return append(strconv.AppendInt(b, int64(id), 10), `</v></c>`...)
	}
	b = append(b, inline...)
	return append(appendT(b, s), `</is></c>`...)
}

// share is the number of s in the shared table. When the table gets crowded, a
// column most of whose texts are new no longer takes part: its texts are
// written in their cells.
func (e *encoder) share(c *column, s string) (int32, bool) {
	if c.inline {
		return 0, false
	}
	if !c.hasLast || s != c.last {
		id, kept, fresh, ok := e.shared.id(s)
		c.looked++
		if fresh {
			c.fresh++
		}
		if c.looked >= 4096 {
			c.inline = c.fresh > c.looked/2 && e.shared.crowded()
			c.looked, c.fresh = 0, 0
		}
		if !ok {
			c.hasLast = false
			return 0, false
		}
		c.last, c.lastID, c.hasLast = kept, id, true
	}
	e.shared.refs++
	return c.lastID, true
}

func (e *encoder) dateCell(b []byte, c *column, row []byte, day int64) []byte {
	b = append(append(b, c.open...), row...)
	serial := day - dateZero
	if serial < firstDate || serial > lastDate {
		b = append(b, c.in...)
		return append(appendT(b, table.Day(day).String()), `</is></c>`...)
	}
	b = append(b, c.tail...)
	return append(strconv.AppendInt(b, serial, 10), `</v></c>`...)
}

// decimalCell writes a number with its fewest digits. What is no number is
// left out and counted.
func (e *encoder) decimalCell(b []byte, c *column, row []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		e.unfit++
		return b
	}
	tail := c.tail
	if c.Kind == table.Money && f != math.Trunc(f) {
		tail = c.money
	}
	if e.hold {
		c.width = max(c.width, wholeWidth(f)+3)
	}
	b = append(append(append(b, c.open...), row...), tail...)
	return append(appendFloat(b, f), `</v></c>`...)
}

// appendFloat appends the shortest digits that read back as f. Most values
// have few decimals, and are written as whole numbers with a point put in.
func appendFloat(b []byte, f float64) []byte {
	const exact = 1 << 53
	if i := int64(f); float64(i) == f && i > -exact && i < exact {
		return strconv.AppendInt(b, i, 10)
	}
	if s := math.Round(f * 100); s > -exact && s < exact && s/100 == f {
		i := int64(s)
		if i < 0 {
			b = append(b, '-')
			i = -i
		}
		b = append(strconv.AppendInt(b, i/100, 10), '.', byte('0'+i/10%10))
		if d := i % 10; d > 0 {
			b = append(b, byte('0'+d))
		}
		return b
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

// wholeWidth is how many digits and separators the whole part of f takes.
func wholeWidth(f float64) int {
	n, w := math.Abs(f), 1
	if f < 0 {
		w++
	}
	for d := 1; n >= 10 && d < 20; d++ {
		n /= 10
		w++
		if d%3 == 0 {
			w++
		}
	}
	return w
}
