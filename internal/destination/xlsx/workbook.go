package xlsx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"imreport/internal/archive"
	"imreport/internal/i18n"
	"imreport/internal/run"
	"imreport/internal/table"
)

// maxRows is how many rows a tab has (Excel's limit), the header included.
const maxRows = 1 << 20

// maxSheetBytes is where a tab ends if its rows are very long: a part of 4 GiB
// or more would need zip64, which Excel does not like.
const maxSheetBytes = 3 << 30

type bookOptions struct {
	work   run.Work
	layers []Layer
	now    time.Time
	object string // what run.File will say
	where  string // folder named in error messages
	out    archive.Object
	check  func(context.Context) error // after the file is complete; may be nil
	closed func()                      // when nothing more is written; may be nil
}

// book is a workbook in the making. Its parts are written as they come: raw
// tabs, the tabs of the layers, and at the end what lists them all.
type book struct {
	o      bookOptions
	c      *container
	styles *styles
	shared *shared
	names  tabNames
	sheets []sheetPart
	extra  []extraPart
	raw    []Raw
	done   bool

	maxRows int // of a tab; tests have small ones
}

// sheetPart is a tab as the workbook lists it.
type sheetPart struct {
	name   string
	filter string // range of the auto filter, absolute; empty: none
	show   bool   // the tab that is seen first
}

// extraPart is a part that only the list of content types has to know.
type extraPart struct{ name, contentType string }

var _ run.Workbook = (*book)(nil)

// newBook writes nothing yet: while a run collects, its workbook costs nothing.
func newBook(o bookOptions) *book {
	return &book{o: o, styles: newStyles(o.work.Lang), shared: newShared(), maxRows: maxRows, c: newContainer(o.out, o.now)}
}

// failed gives an error in writing the file its message. What went wrong in
// reading the rows comes back as it is.
func (b *book) failed(err error) error {
	var in readError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &in):
		return in.error
	}
	return unavailable(err, b.o.where)
}

// readError is an error of the rows' source, as opposed to one of the file.
type readError struct{ error }

func (e readError) Unwrap() error { return e.error }

// Insert writes one tab per report type, and further ones where the rows do
// not find room. rows hears how many were written more, some thousand times.
func (b *book) Insert(ctx context.Context, tabs []run.Tab, rows func(n int64)) error {
	if err := b.begin(); err != nil {
		return b.failed(err)
	}
	for _, t := range tabs {
		if err := b.insert(ctx, t, rows); err != nil {
			return b.failed(fmt.Errorf("write tab %s: %w", t.Name, err))
		}
	}
	return nil
}

func (b *book) insert(ctx context.Context, t run.Tab, rows func(n int64)) (err error) {
	r, err := t.Open(ctx)
	if err != nil {
		return readError{err}
	}
	defer func() {
		if cerr := r.Close(); err == nil && cerr != nil {
			err = readError{cerr}
		}
	}()
	s := &rawSheet{b: b, e: newEncoder(t.Schema, b.styles, b.shared), raw: Raw{Report: t.Report, Schema: t.Schema, Totals: newTotals(t.Schema)}}
	first := b.names.take(t.Name)
	const step = 1000 // rows between looks at ctx
	told := int64(0)
	tell := func(n int64) {
		if rows != nil && n > told {
			rows(n - told)
			told = n
		}
	}
	s.start(first)
	for n := int64(0); ; n++ {
		if n%step == 0 {
			tell(n)
			if err := context.Cause(ctx); err != nil {
				return readError{err}
			}
		}
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			tell(n)
			break
		}
		if err != nil {
			return readError{err}
		}
		if len(row) != len(t.Schema) {
			return readError{fmt.Errorf("row %d has %d values for %d columns", n+1, len(row), len(t.Schema))}
		}
		if s.full() {
			if err := s.end(); err != nil {
				return err
			}
			s.start(b.names.next(first, len(s.raw.Tabs)+1))
		}
		if err := s.add(row); err != nil {
			return err
		}
	}
	if err := s.end(); err != nil {
		return err
	}
	s.raw.Cut, s.raw.Unfit = s.e.cut, s.e.unfit
	b.raw = append(b.raw, s.raw)
	return nil
}

// Add lays the layers over the tabs.
func (b *book) Add(ctx context.Context, info run.Info) error {
	for _, l := range b.o.layers {
		if err := l.Lay(ctx, &Book{b: b, Work: b.o.work, Info: info, Raw: b.raw}); err != nil {
			return b.failed(err)
		}
	}
	return nil
}

// Finish writes what lists the parts, and makes the file durable.
func (b *book) Finish(ctx context.Context) (run.File, error) {
	f := run.File{Object: b.o.object}
	for _, r := range b.raw {
		f.Rows += r.Rows()
	}
	if err := b.finish(); err != nil {
		return run.File{}, b.failed(err)
	}
	if b.o.check != nil {
		if err := b.o.check(ctx); err != nil {
			return run.File{}, err
		}
	}
	f.Bytes = b.c.bytes()
	return f, nil
}

func (b *book) finish() error {
	if err := b.end(); err != nil {
		return err
	}
	if err := b.c.close(); err != nil {
		return err
	}
	if err := b.o.out.Commit(); err != nil {
		return err
	}
	b.close()
	return nil
}

// Abandon removes what was written; after Finish it does nothing.
func (b *book) Abandon() {
	if !b.done {
		b.o.out.Abort()
		b.close()
	}
}

func (b *book) close() {
	b.done = true
	b.c.release()
	if b.o.closed != nil {
		b.o.closed()
	}
}

// rawSheet writes the tabs of one report type, one after the other.
type rawSheet struct {
	b    *book
	e    *encoder
	raw  Raw
	open bool // the part has been begun
	name string
	rows int64
}

func (s *rawSheet) start(name string) {
	s.name, s.rows, s.open = name, 0, false
	s.e.row, s.e.bytes, s.e.hold = 0, 0, true
	s.e.header(s.b.o.work.Lang, s.b.styles)
}

func (s *rawSheet) full() bool {
	return s.e.row >= s.b.maxRows || s.e.bytes >= maxSheetBytes
}

func (s *rawSheet) add(r table.Row) error {
	if err := s.e.add(r); err != nil {
		return err
	}
	s.raw.Totals.add(r)
	s.rows++
	if s.e.hold && (s.e.row > sampled || len(s.e.buf) >= 4*flushAt) {
		return s.begin()
	}
	return nil
}

// begin writes what stands before the rows, and the rows held back.
func (s *rawSheet) begin() error {
	w, err := s.b.c.part(s.b.nextSheet())
	if err != nil {
		return err
	}
	s.open, s.e.w, s.e.hold = true, w, false
	head := []byte(xmlHeader + `<worksheet xmlns="` + nsMain + `">` + fitPage + `<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/><selection pane="bottomLeft" activeCell="A2" sqref="A2"/></sheetView></sheetViews>` +
		`<sheetFormatPr defaultRowHeight="16.5"/>`)
	if len(s.e.cols) > 0 {
		head = append(head, `<cols>`...)
		for i := range s.e.cols {
			head = appendCol(head, i, s.e.cols[i].displayWidth())
		}
		head = append(head, `</cols>`...)
	}
	if _, err := w.Write(append(head, `<sheetData>`...)); err != nil {
		return err
	}
	return s.e.flush()
}

// end writes what stands after the rows, and lists the tab.
func (s *rawSheet) end() error {
	if !s.open {
		if err := s.begin(); err != nil {
			return err
		}
	}
	s.e.buf = append(s.e.buf, `</sheetData>`...)
	part := sheetPart{name: s.name}
	if n := len(s.e.cols); n > 0 {
		last := columnName(n-1) + strconv.Itoa(s.e.row)
		s.e.buf = append(s.e.buf, `<autoFilter ref="A1:`+last+`"/>`...)
		part.filter = "$A$1:$" + columnName(n-1) + "$" + strconv.Itoa(s.e.row)
	}
	s.e.buf = append(s.e.buf, pageSetup...)
	s.e.buf = s.e.ignoredErrors(s.e.buf)
	s.e.buf = append(s.e.buf, `</worksheet>`...)
	s.b.sheets = append(s.b.sheets, part)
	s.raw.Tabs = append(s.raw.Tabs, RawTab{Name: s.name, Rows: s.rows})
	return s.e.flush()
}

// Printed on landscape A4, as wide as the paper.
const fitPage = `<sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>`

const pageSetup = `<pageMargins left="0.5" right="0.5" top="0.6" bottom="0.6" header="0.3" footer="0.3"/>` +
	`<pageSetup paperSize="9" orientation="landscape" fitToHeight="0"/>`

// header writes the first row. It is as long as the columns.
func (e *encoder) header(lang i18n.Lang, st *styles) {
	e.row = 1
	style := st.id(headerStyle)
	b, before := e.buf, len(e.buf)
	b = append(b, `<row r="1" ht="21" customHeight="1">`...)
	for i := range e.cols {
		c := &e.cols[i]
		title := columnTitle(lang, c.Name)
		c.width = textWidth(title) + 3 // the filter's button
		b = append(b, c.open...)
		b = append(b, `1" s="`...)
		b = strconv.AppendInt(b, int64(style), 10)
		b = append(b, `" t="inlineStr"><is>`...)
		b = append(appendT(b, title), `</is></c>`...)
	}
	b = append(b, `</row>`...)
	e.bytes += int64(len(b) - before)
	e.buf = b
}

// columnTitle is what people read above a column.
func columnTitle(lang i18n.Lang, name string) string {
	if key := "column." + name; i18n.Has(key) {
		return i18n.T(lang, key)
	}
	return name
}

// displayWidth is the width of the column on the screen, in digits.
func (c *column) displayWidth() float64 {
	w := c.width
	switch c.Kind {
	case table.Date:
		w = max(w, 10)
	case table.Percent:
		w = max(w, 7)
	}
	return math.Min(math.Max(float64(w)+1.5, 8), 48)
}

func appendCol(b []byte, i int, width float64) []byte {
	return fmt.Appendf(b, `<col min="%d" max="%d" width="%s" customWidth="1"/>`, i+1, i+1, num(width))
}

// ignoredErrors keeps Excel from marking each id that is all digits as "a
// number stored as text".
func (e *encoder) ignoredErrors(b []byte) []byte {
	refs := ""
	for i, c := range e.cols {
		if c.Kind == table.ID || c.Kind == table.Text {
			refs += fmt.Sprintf(" %s1:%s%d", columnName(i), columnName(i), e.row)
		}
	}
	if refs == "" {
		return b
	}
	return append(b, `<ignoredErrors><ignoredError sqref="`+refs[1:]+`" numberStoredAsText="1"/></ignoredErrors>`...)
}
