package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"imreport/internal/errs"
	"imreport/internal/table"
)

// Rows reads a version as a stream of constant memory, in the columns of want:
// they are matched by name, one that the version lacks is Null, and a kind
// that differs is converted where that makes sense. A nil want reads the
// version's own columns. An object that is missing or cannot be read is
// archive.damaged, here or at Next.
func (a *Archive) Rows(ctx context.Context, p Piece, want table.Schema) (table.Reader, error) {
	if want == nil {
		want = p.Schema
	}
	if p.Rows == 0 {
		return table.Rows(), nil
	}
	blob, err := a.store.Open(ctx, p.object)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, damaged(p, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", p.Key, err)
	}
	r := &reader{ctx: ctx, piece: p, want: want, blob: blob, row: make(table.Row, len(want))}
	if err := r.open(); err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// Stream reads versions one after the other, one file open at a time.
func (a *Archive) Stream(ctx context.Context, pieces []Piece, want table.Schema) table.Reader {
	open := make([]func() (table.Reader, error), 0, len(pieces))
	for _, p := range pieces {
		if p.Rows > 0 {
			open = append(open, func() (table.Reader, error) { return a.Rows(ctx, p, want) })
		}
	}
	return table.Concat(open...)
}

func damaged(p Piece, cause error) error {
	return errs.E(errs.Internal, "archive.damaged", fmt.Errorf("%s, version %s: %w", p.Key, p.ID, cause),
		p.CustomerID, p.Report, p.Day.String())
}

// target is where the values of a file's column go.
type target struct {
	to         int // position in the row; -1: nowhere
	have, want table.Kind
	text       interner
}

type reader struct {
	ctx     context.Context
	piece   Piece
	want    table.Schema
	blob    Blob
	targets []target
	groups  []parquet.RowGroup
	rows    parquet.Rows
	buf     []parquet.Row
	n, i    int // rows in buf, next of them
	read    int64
	row     table.Row
	err     error
}

// open reads the footer and matches the columns.
func (r *reader) open() (err error) {
	defer r.catch(&err)
	if r.blob.Size() != r.piece.Bytes {
		return damaged(r.piece, fmt.Errorf("%d bytes, want %d", r.blob.Size(), r.piece.Bytes))
	}
	f, err := parquet.OpenFile(r.blob, r.blob.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true),
		parquet.ReadBufferSize(pageBytes))
	if err != nil {
		return damaged(r.piece, err)
	}
	for _, col := range f.Root().Columns() {
		t := target{to: -1}
		i, j := r.piece.Schema.Index(col.Name()), r.want.Index(col.Name())
		if i >= 0 && j >= 0 {
			t = target{to: j, have: r.piece.Schema[i].Kind, want: r.want[j].Kind}
		}
		r.targets = append(r.targets, t)
	}
	r.groups, r.buf = f.RowGroups(), make([]parquet.Row, batch)
	return nil
}

// catch makes an error of a panic: parquet-go panics on some damaged files.
func (r *reader) catch(err *error) {
	if v := recover(); v != nil {
		*err = damaged(r.piece, fmt.Errorf("panic: %v", v))
	}
}

// Next is the next row.
func (r *reader) Next() (table.Row, error) {
	if r.err == nil && r.i == r.n {
		r.err = r.fill()
	}
	if r.err != nil {
		return nil, r.err
	}
	for i := range r.row {
		r.row[i] = table.Null
	}
	for _, v := range r.buf[r.i] {
		if t := &r.targets[v.Column()]; t.to >= 0 && !v.IsNull() {
			r.row[t.to] = t.value(v)
		}
	}
	r.i++
	return r.row, nil
}

// fill reads the next rows into buf.
func (r *reader) fill() (err error) {
	defer r.catch(&err)
	if err := r.ctx.Err(); err != nil {
		return context.Cause(r.ctx)
	}
	for {
		if r.rows == nil {
			if len(r.groups) == 0 {
				if r.read != r.piece.Rows {
					return damaged(r.piece, fmt.Errorf("%d rows, want %d", r.read, r.piece.Rows))
				}
				return io.EOF
			}
			r.rows, r.groups = r.groups[0].Rows(), r.groups[1:]
		}
		n, err := r.rows.ReadRows(r.buf)
		if n > 0 {
			r.n, r.i = n, 0
			r.read += int64(n)
			return nil
		}
		if errors.Is(err, io.EOF) {
			err = r.rows.Close()
			r.rows = nil
		}
		if err != nil {
			return damaged(r.piece, err)
		}
	}
}

// Close closes the file.
func (r *reader) Close() error {
	if r.rows != nil {
		_ = r.rows.Close()
		r.rows = nil
	}
	if r.err == nil {
		r.err = fs.ErrClosed
	}
	return r.blob.Close()
}

// value converts a stored value.
func (t *target) value(v parquet.Value) table.Value {
	if isText(t.have) {
		s := t.text.of(v.ByteArray())
		if isText(t.want) {
			return table.S(s)
		}
		return parse(s, t.want)
	}
	var n int64
	var f float64
	switch t.have {
	case table.Int:
		n = v.Int64()
		f = float64(n)
	case table.Date:
		n = int64(v.Int32())
		f = float64(n)
	default:
		f = v.Double()
		n = int64(f)
	}
	switch t.want {
	case table.Int, table.Date:
		return table.I(n)
	case table.Decimal, table.Money, table.Percent:
		return table.F(f)
	}
	switch t.have {
	case table.Int:
		return table.S(strconv.FormatInt(n, 10))
	case table.Date:
		return table.S(table.Day(n).String())
	}
	return table.S(strconv.FormatFloat(f, 'f', -1, 64))
}

// parse reads a text that is wanted as another kind; Null when it is none.
func parse(s string, k table.Kind) table.Value {
	switch k {
	case table.Int:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return table.I(n)
		}
	case table.Date:
		if d, err := table.ParseDay(s); err == nil {
			return table.D(d)
		}
	default:
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return table.F(f)
		}
	}
	return table.Null
}

func isText(k table.Kind) bool { return k == table.Text || k == table.ID }

// interner gives equal texts one string, so that a column with few values
// costs no memory per row.
type interner struct{ m map[string]string }

const internCap = 4096

func (in *interner) of(b []byte) string {
	if s, ok := in.m[string(b)]; ok {
		return s
	}
	s := string(b)
	if in.m == nil {
		in.m = map[string]string{}
	}
	if len(in.m) < internCap {
		in.m[s] = s
	}
	return s
}
