package order

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/xuri/excelize/v2"

	"imreport/internal/errs"
)

// rows is a file as a stream of rows. next returns io.EOF after the last one;
// the cells are valid until the next call.
type rows interface {
	next() (cells []string, line int64, err error)
	close() error
}

// format says how a file is to be read; it is found out once, at the upload.
type format struct {
	Kind     string `json:"kind"` // "csv", "xlsx"
	Encoding string `json:"encoding,omitempty"`
	Comma    string `json:"comma,omitempty"`
	Lazy     bool   `json:"lazy,omitempty"` // quotes stand where they may not
	Sheet    string `json:"sheet,omitempty"`
	Header   int64  `json:"header"` // line of the header
}

// headerWithin is how many rows a header is looked for in.
const headerWithin = 20

// headerLeast is how many fields a row must name to be taken for the header.
const headerLeast = 3

const (
	zipMagic = "PK\x03\x04"
	oleMagic = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" // an encrypted workbook, or one of before 2007
)

// detect finds out the format and the columns of a file. Errors (Invalid):
// order.file_empty, order.encoding_unknown, order.password_needed,
// order.password_wrong, order.workbook_unreadable, order.header_missing,
// order.columns_missing.
func detect(name, encoding, password string, mapping map[string]string) (f format, l layout, err error) {
	file, err := os.Open(name)
	if err != nil {
		return f, l, err
	}
	defer func() { _ = file.Close() }()
	head := make([]byte, 8)
	n, _ := io.ReadFull(file, head)
	if n == 0 {
		return f, l, errs.E(errs.Invalid, "order.file_empty", nil)
	}
	if s := string(head[:n]); strings.HasPrefix(s, zipMagic) || s == oleMagic {
		return detectWorkbook(name, password, mapping)
	}
	f = format{Kind: "csv", Encoding: encoding}
	if _, ok := decoders[encoding]; !ok {
		if encoding != "" {
			return f, l, errs.InvalidField("encoding", "order.encoding.unknown", encoding)
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return f, l, err
		}
		if f.Encoding, err = detectEncoding(file); err != nil {
			return f, l, err
		}
	}
	best := 0
	for _, comma := range []string{",", ";", "\t", "|"} {
		for _, lazy := range []bool{false, true} {
			try := f
			try.Comma, try.Lazy = comma, lazy
			r, err := openRows(name, "", try)
			if err != nil {
				return f, l, err
			}
			got, score, line := findHeader(r, mapping)
			_ = r.close()
			if score > best {
				best, l, f = score, got, try
				f.Header = line
			}
			if score > 0 {
				break // strict reading found one
			}
		}
	}
	return f, l, checkHeader(l, best)
}

func checkHeader(l layout, score int) error {
	if score < headerLeast {
		return errs.E(errs.Invalid, "order.header_missing", nil, headerWithin)
	}
	if missing := l.missing(); len(missing) > 0 {
		names := strings.Join(missing, ", ")
		return errs.E(errs.Invalid, "order.columns_missing", nil, names).With("columns", l.header).With("missing", missing)
	}
	return nil
}

// findHeader is the row among the first ones that knows the most fields.
func findHeader(r rows, mapping map[string]string) (best layout, score int, line int64) {
	for range headerWithin {
		cells, at, err := r.next()
		if err != nil {
			break
		}
		if l, n := readHeader(cells, mapping); n > score && n >= headerLeast {
			best, score, line = l, n, at
			best.line = at
		}
	}
	return best, score, line
}

func detectWorkbook(name, password string, mapping map[string]string) (f format, l layout, err error) {
	b, err := openWorkbook(name, password)
	if err != nil {
		return f, l, err
	}
	defer func() { _ = b.Close() }()
	best := 0
	for _, sheet := range b.GetSheetList() {
		r, err := sheetRows(b, sheet)
		if err != nil {
			continue // a chart sheet
		}
		got, score, line := findHeader(r, mapping)
		_ = r.r.Close()
		if score > best {
			best, l = score, got
			f = format{Kind: "xlsx", Sheet: sheet, Header: line}
		}
	}
	return f, l, checkHeader(l, best)
}

// Bounds of a workbook, against zip bombs: unpacked in all, and what of one
// part stays in memory before it goes to a temporary file. Bytes.
const (
	unzipMost   = 1 << 30
	unzipMemory = 16 << 20
)

// openWorkbook opens an .xlsx, also an encrypted one.
func openWorkbook(name, password string) (b *excelize.File, err error) {
	defer func() {
		if p := recover(); p != nil { // files are made to be odd
			b, err = nil, errs.E(errs.Invalid, "order.workbook_unreadable", fmt.Errorf("panic: %v", p))
		}
	}()
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	encrypted := bytes.HasPrefix(raw, []byte(oleMagic))
	switch {
	case encrypted && !bytes.Contains(raw, utf16Name("EncryptionInfo")):
		return nil, errs.E(errs.Invalid, "order.workbook_old", nil) // .xls
	case encrypted && password == "":
		return nil, errs.E(errs.Invalid, "order.password_needed", nil)
	case !encrypted:
		password = "" // given for nothing; excelize would blame it for other faults
	}
	b, err = excelize.OpenReader(bytes.NewReader(raw), excelize.Options{Password: password, RawCellValue: true,
		UnzipSizeLimit: unzipMost, UnzipXMLSizeLimit: unzipMemory})
	switch {
	case err == nil:
		return b, nil
	case encrypted:
		return nil, errs.E(errs.Invalid, "order.password_wrong", err)
	}
	return nil, errs.E(errs.Invalid, "order.workbook_unreadable", err)
}

// utf16Name is a name as the folder of an OLE file has it.
func utf16Name(s string) []byte {
	out := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		out = append(out, s[i], 0)
	}
	return out
}

// openRows opens a file in a known format.
func openRows(name, password string, f format) (rows, error) {
	if f.Kind == "xlsx" {
		b, err := openWorkbook(name, password)
		if err != nil {
			return nil, err
		}
		r, err := sheetRows(b, f.Sheet)
		if err != nil {
			_ = b.Close()
			return nil, err
		}
		r.book = b
		return r, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	c := csv.NewReader(decoded(file, f.Encoding))
	c.Comma, c.FieldsPerRecord, c.LazyQuotes, c.ReuseRecord = rune(f.Comma[0]), -1, f.Lazy, true
	return &textRows{file: file, c: c}, nil
}

type textRows struct {
	file *os.File
	c    *csv.Reader
}

func (r *textRows) next() ([]string, int64, error) {
	cells, err := r.c.Read()
	if err != nil {
		return nil, 0, err
	}
	line, _ := r.c.FieldPos(0)
	return cells, int64(line), nil
}

func (r *textRows) close() error { return r.file.Close() }

type bookRows struct {
	book *excelize.File
	r    *excelize.Rows
	line int64
}

func sheetRows(b *excelize.File, sheet string) (*bookRows, error) {
	r, err := b.Rows(sheet)
	if err != nil {
		return nil, fmt.Errorf("sheet %s: %w", sheet, err)
	}
	return &bookRows{r: r}, nil
}

func (r *bookRows) next() ([]string, int64, error) {
	for r.r.Next() {
		r.line++
		cells, err := r.r.Columns(excelize.Options{RawCellValue: true})
		if err != nil {
			return nil, 0, err
		}
		if len(cells) > 0 {
			return cells, r.line, nil
		}
	}
	if err := r.r.Error(); err != nil {
		return nil, 0, err
	}
	return nil, 0, io.EOF
}

func (r *bookRows) close() error {
	err := r.r.Close()
	if r.book != nil {
		err = errors.Join(err, r.book.Close())
	}
	return err
}
