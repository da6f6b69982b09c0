package archive

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"imreport/internal/table"
)

// Sizes of a file. A row group is what a writer holds in memory: at some 26
// bytes a row (measured, docs/adr/0005) about 3 MB.
const (
	rowsPerGroup  = 100_000
	pageBytes     = 64 << 10
	dictionaryCap = 1 << 20
	batch         = 128 // rows handed over at once
)

var codec = &zstd.Codec{Level: zstd.SpeedFastest}

// ordered is a parquet.Group whose columns keep the order of the schema; a
// Group alone sorts them by name.
type ordered struct {
	parquet.Group
	fields []parquet.Field
}

// Fields are the columns in order.
func (o ordered) Fields() []parquet.Field { return o.fields }

func parquetSchema(s table.Schema) *parquet.Schema {
	group := parquet.Group{}
	for _, c := range s {
		group[c.Name] = node(c.Kind)
	}
	byName := map[string]parquet.Field{}
	for _, f := range group.Fields() {
		byName[f.Name()] = f
	}
	o := ordered{Group: group}
	for _, c := range s {
		o.fields = append(o.fields, byName[c.Name])
	}
	return parquet.NewSchema("rows", o)
}

// node is the column type of a kind. Every column may be null.
func node(k table.Kind) parquet.Node {
	switch k {
	case table.Int:
		return parquet.Optional(parquet.Int(64))
	case table.Decimal, table.Money, table.Percent:
		return parquet.Optional(parquet.Leaf(parquet.DoubleType))
	case table.Date:
		return parquet.Optional(parquet.Date())
	}
	return parquet.Optional(parquet.Encoded(parquet.String(), &parquet.RLEDictionary))
}

type parquetWriter struct {
	w      *parquet.GenericWriter[any]
	schema table.Schema
	rows   []parquet.Row
	n      int
	text   [][]byte // bytes of the texts of each pending row
}

func newParquetWriter(out io.Writer, s table.Schema) (*parquetWriter, error) {
	cfg, err := parquet.NewWriterConfig(parquetSchema(s), parquet.Compression(codec),
		parquet.MaxRowsPerRowGroup(rowsPerGroup), parquet.PageBufferSize(pageBytes),
		parquet.DictionaryMaxBytes(dictionaryCap), parquet.CreatedBy("imreport", "1", ""))
	if err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	w := &parquetWriter{w: parquet.NewGenericWriter[any](out, cfg), schema: s,
		rows: make([]parquet.Row, batch), text: make([][]byte, batch)}
	for i := range w.rows {
		w.rows[i] = make(parquet.Row, len(s))
	}
	return w, nil
}

func (w *parquetWriter) write(row table.Row) error {
	r, text := w.rows[w.n], w.text[w.n][:0]
	for i, c := range w.schema {
		v := row[i]
		if v.Null {
			r[i] = parquet.NullValue().Level(0, 0, i)
			continue
		}
		var pv parquet.Value
		switch c.Kind {
		case table.Int:
			pv = parquet.Int64Value(v.Num)
		case table.Decimal, table.Money, table.Percent:
			pv = parquet.DoubleValue(v.Dec)
		case table.Date:
			pv = parquet.Int32Value(int32(v.Num))
		default:
			from := len(text)
			text = append(text, v.Str...)
			pv = parquet.ByteArrayValue(text[from:len(text):len(text)])
		}
		r[i] = pv.Level(0, 1, i)
	}
	w.text[w.n] = text
	if w.n++; w.n == batch {
		return w.flush()
	}
	return nil
}

func (w *parquetWriter) flush() error {
	n := w.n
	w.n = 0
	if n == 0 {
		return nil
	}
	if _, err := w.w.WriteRows(w.rows[:n]); err != nil {
		return fmt.Errorf("parquet: %w", err)
	}
	return nil
}

func (w *parquetWriter) close() error {
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.w.Close(); err != nil {
		return fmt.Errorf("parquet: %w", err)
	}
	return nil
}
