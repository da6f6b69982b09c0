package archive

import (
	"context"
	"errors"
	"io"
	"testing"

	"imreport/internal/db/dbtest"
)

// BenchmarkPut stores 100,000 rows of 7 columns.
func BenchmarkPut(b *testing.B) {
	store, err := NewDir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	a, rows := Open(dbtest.SQLite(b), store), adRows(1, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		p, err := a.Put(context.Background(), Draft{Key: adKey(day0), Schema: adSchema, Write: writeAll(rows)})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(p.Bytes)/float64(p.Rows), "bytes/row")
	}
}

// BenchmarkRows reads them.
func BenchmarkRows(b *testing.B) {
	store, err := NewDir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	a := Open(dbtest.SQLite(b), store)
	p, err := a.Put(context.Background(), Draft{Key: adKey(day0), Schema: adSchema, Write: writeAll(adRows(1, 100_000))})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := a.Rows(context.Background(), p, nil)
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
		_ = r.Close()
	}
}

// BenchmarkPutSmall stores 100 rows: most pieces of a morning are small.
func BenchmarkPutSmall(b *testing.B) {
	store, err := NewDir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	a, rows := Open(dbtest.SQLite(b), store), adRows(1, 100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Put(context.Background(), Draft{Key: adKey(day0), Schema: adSchema, Write: writeAll(rows)}); err != nil {
			b.Fatal(err)
		}
	}
}
