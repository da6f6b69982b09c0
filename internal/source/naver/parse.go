package naver

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"imreport/internal/table"
)

const (
	lineMax   = 1 << 20 // bytes of a line; what is longer is no row
	peekLines = 50      // looked at to see how many columns Naver has added
	peekBytes = 256 << 10
	internMax = 1 << 16 // texts that are kept once, though they stand in many rows
	oddKept   = 100     // rows that could not be read and are kept as they came
	oddText   = 2000    // bytes of each
)

// oddRow is a line of a report that could not be read as a row.
type oddRow struct {
	Line int64  // from 1
	Why  string // columns, form, other_day, too_long
	Text string
}

// parsed is what a parser saw.
type parsed struct {
	Rows     int64
	Odd      int64 // lines that are no row: kept aside, in no sum
	Repaired int64 // rows with a tab in a text, put right
	Replaced int64 // rows with bytes that are no UTF-8, replaced by U+FFFD
	Unknown  int   // columns that Naver has added
	OddRows  []oddRow
}

// errEmptyFile says that a report has not one byte. A day without data is NONE
// at Naver: that a report was built means that it has rows.
var errEmptyFile = errors.New("an empty file")

// errCut says that a file broke off in its last line.
var errCut = errors.New("the report ends in the middle of a line")

// parser reads a report file as a stream of rows. The file has no header, no
// quotes and no escapes: lines end in \n or \r\n, fields in tabs.
type parser struct {
	t        reportType
	layout   *layout
	day      table.Day
	customer string
	in       *bufio.Reader
	// cuts: the end of the stream is no proof that the file is whole.
	cuts bool

	parsed
	line   int64
	ended  bool
	buf    []byte
	split  [][]byte
	row    table.Row
	intern map[string]string
}

// newParser makes a parser for the customer's report of the day. It looks at
// the first lines to learn how many columns the file has.
func newParser(in io.Reader, t reportType, day table.Day, customer string, cuts bool) (*parser, error) {
	p := &parser{t: t, layout: &layout{fields: t.fields}, day: day, customer: customer, in: bufio.NewReaderSize(in, peekBytes), cuts: cuts, intern: map[string]string{}}
	if head, _ := p.in.Peek(len(bom)); string(head) == bom {
		_, _ = p.in.Discard(len(bom))
	}
	head, err := p.in.Peek(peekBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch shapeOf(head) {
	case empty:
		return nil, &fault{class: unreadable, op: "report-download", customer: customer, cause: errEmptyFile}
	case htmlBody, jsonBody:
		return nil, &fault{class: unreadable, op: "report-download", customer: customer, title: clip(string(bytes.ToValidUTF8(head[:min(len(head), 200)], nil)), 200)}
	}
	p.Unknown = p.surplus(head)
	p.row = make(table.Row, len(t.fields)+p.Unknown)
	return p, nil
}

// surplus is how many columns most of the first lines have at their end beyond
// those that are known.
func (p *parser) surplus(head []byte) int {
	votes := map[int]int{}
	for range peekLines {
		line, rest, whole := bytes.Cut(head, []byte{'\n'})
		if !whole {
			if len(head) < peekBytes && len(line) > 0 { // a last line without \n
				p.vote(votes, line)
			}
			break
		}
		p.vote(votes, line)
		head = rest
	}
	best := 0
	for n, v := range votes {
		if v > votes[best] || v == votes[best] && n < best {
			best = n
		}
	}
	return best
}

func (p *parser) vote(votes map[int]int, line []byte) {
	p.fields(bytes.TrimSuffix(line, []byte{'\r'}))
	if k := len(p.split) - len(p.t.fields); k >= 0 && k <= 16 {
		if _, appended, ok := p.layout.align(p.split, k, -1); ok {
			votes[appended]++
		}
	}
}

// Schema is the columns of the rows.
func (p *parser) Schema() table.Schema { return p.t.schema(p.Unknown) }

// Next is the next row. At the end of a file in which hardly a line could be
// read it returns a fault instead of io.EOF.
func (p *parser) Next() (table.Row, error) {
	for {
		line, err := p.next()
		if errors.Is(err, io.EOF) {
			return nil, p.end()
		}
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			continue
		}
		if why := p.read(line); why != "" {
			p.odd(why, line)
			continue
		}
		p.Rows++
		return p.row, nil
	}
}

// Close does nothing: the stream belongs to the caller.
func (p *parser) Close() error { return nil }

// next is the next line without its end; nil for one that is too long.
func (p *parser) next() ([]byte, error) {
	if p.ended {
		return nil, io.EOF
	}
	p.buf = p.buf[:0]
	p.line++
	long := false
	for {
		part, err := p.in.ReadSlice('\n')
		if !long && len(p.buf)+len(part) > lineMax {
			long = true
			p.odd("too_long", p.buf)
		}
		if !long {
			p.buf = append(p.buf, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			p.ended = true
			if len(p.buf) == 0 || long {
				return nil, io.EOF
			}
			p.fields(p.buf)
			if p.cuts && len(p.split) < len(p.t.fields) {
				return nil, &fault{class: unreachable, op: "report-download", customer: p.customer, cause: errCut}
			}
			return bytes.TrimSuffix(p.buf, []byte{'\r'}), nil
		case err != nil:
			return nil, err
		case long:
			return nil, nil
		}
		return bytes.TrimSuffix(p.buf[:len(p.buf)-1], []byte{'\r'}), nil
	}
}

func (p *parser) end() error {
	if p.Odd > 10 && p.Odd > p.Rows || p.Odd > 0 && p.Rows == 0 {
		f := &fault{class: columnsChanged, op: "report-download", customer: p.customer}
		f.args = []any{p.t.name, p.day.String(), p.Odd, p.Odd + p.Rows}
		if len(p.OddRows) > 0 {
			f.title = clip(p.OddRows[0].Why+": "+p.OddRows[0].Text, 200)
		}
		return f
	}
	return io.EOF
}

func (p *parser) odd(why string, line []byte) {
	p.Odd++
	if len(p.OddRows) < oddKept {
		p.OddRows = append(p.OddRows, oddRow{p.line, why, clip(string(bytes.ToValidUTF8(line, []byte("\uFFFD"))), oddText)})
	}
}

// fields cuts a line at its tabs.
func (p *parser) fields(line []byte) {
	p.split = p.split[:0]
	for {
		i := bytes.IndexByte(line, '\t')
		if i < 0 {
			p.split = append(p.split, line)
			return
		}
		p.split = append(p.split, line[:i])
		line = line[i+1:]
	}
}

// read makes p.row of a line, or says why not.
func (p *parser) read(line []byte) string {
	if !utf8.Valid(line) {
		line = bytes.ToValidUTF8(line, []byte("\uFFFD"))
		p.Replaced++
	}
	p.fields(line)
	n := len(p.t.fields)
	k := len(p.split) - n
	if k < 0 {
		return "columns"
	}
	values, appended := p.split, k
	if k > 0 {
		var ok bool
		if values, appended, ok = p.layout.align(p.split, k, p.Unknown); !ok || appended > p.Unknown {
			return "columns"
		}
		if appended < k {
			p.Repaired++
		}
	}
	for i, f := range p.t.fields {
		v, ok := p.value(f.form, values[i])
		if !ok {
			return "form"
		}
		p.row[i] = v
	}
	if p.row[0].Null || table.Day(p.row[0].Num) != p.day || p.row[1].Str != p.customer {
		return "other_day"
	}
	for i := range p.Unknown {
		v := table.Null
		if i < appended {
			v, _ = p.value(formText, values[n+i])
		}
		p.row[n+i] = v
	}
	return ""
}

// value reads a field. Ids are taken as they come: when the number of columns
// is right, a new kind of id is no reason to refuse the row.
func (p *parser) value(f form, b []byte) (table.Value, bool) {
	if len(b) == 0 || len(b) == 1 && b[0] == '-' {
		return table.Null, f != formDate && f != formCustomer
	}
	switch f {
	case formDate:
		if len(b) != 8 || !digits(b) {
			return table.Null, false
		}
		d, err := table.ParseDay(string(b))
		return table.D(d), err == nil
	case formCustomer:
		return p.text(b), digits(b)
	case formHour, formInt:
		n, ok := integer(b)
		if !ok { // "3.0"
			if f, err := strconv.ParseFloat(string(b), 64); err == nil && f == float64(int64(f)) {
				return table.I(int64(f)), true
			}
		}
		return table.I(n), ok
	case formCost:
		v, err := strconv.ParseFloat(string(b), 64)
		return table.F(v), err == nil && v-v == 0 // neither infinite nor NaN
	}
	return p.text(b), true
}

// text is a cell of b; texts that come again share their bytes.
func (p *parser) text(b []byte) table.Value {
	if s, ok := p.intern[string(b)]; ok {
		return table.S(s)
	}
	if len(p.intern) >= internMax {
		clear(p.intern)
	}
	s := string(b)
	p.intern[s] = s
	return table.S(s)
}

// unknownName is the name of the i-th column that Naver has added, from 0.
func unknownName(i int) string { return "unknown_" + strconv.Itoa(i+1) }
