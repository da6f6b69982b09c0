package xlsx

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
	"pgregory.net/rapid"

	"imreport/internal/i18n"
	"imreport/internal/run"
	"imreport/internal/table"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	bg   = context.Background()
	noon = time.Date(2026, 11, 24, 7, 12, 0, 0, table.KST)
)

func tab(name string, s table.Schema, rows ...table.Row) run.Tab {
	return run.Tab{Report: name, Name: name, Schema: s, Rows: int64(len(rows)),
		Open: func(context.Context) (table.Reader, error) { return table.Rows(rows...), nil }}
}

// memory is an archive.Object in memory.
type memory struct {
	bytes.Buffer
	committed, aborted bool
}

func (m *memory) Commit() error { m.committed = true; return nil }
func (m *memory) Abort()        { m.aborted = true }

// made is a workbook in memory.
type made struct {
	lang    i18n.Lang
	maxRows int
	layers  []Layer
	info    run.Info
}

func (m made) bytes(t testing.TB, tabs ...run.Tab) []byte {
	t.Helper()
	out := &memory{}
	lang := m.lang
	if lang == "" {
		lang = i18n.English
	}
	b := newBook(bookOptions{work: run.Work{Object: "w/r/1", Title: "Test", Lang: lang}, layers: m.layers, now: noon, object: "o", where: "dir", out: out})
	if m.maxRows > 0 {
		b.maxRows = m.maxRows
	}
	if err := b.Insert(bg, tabs, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Add(bg, m.info); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Finish(bg); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func open(t testing.TB, b []byte) *excelize.File {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// cell is what another library reads.
func cells(t testing.TB, f *excelize.File, sheet string) [][]string {
	t.Helper()
	rows, err := f.GetRows(sheet, excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// want is what is to be read of a value.
func want(k table.Kind, v table.Value) string {
	switch {
	case v.Null:
		return ""
	case k == table.Text || k == table.ID:
		s, _ := fit(strings.ToValidUTF8(v.Str, "\uFFFD"))
		return s
	case k == table.Int:
		return strconv.FormatInt(v.Num, 10)
	case k == table.Date:
		return strconv.FormatInt(v.Num+25569, 10)
	case math.IsNaN(v.Dec), math.IsInf(v.Dec, 0):
		return ""
	}
	return strconv.FormatFloat(v.Dec, 'g', -1, 64)
}

func same(k table.Kind, got, want string) bool {
	if got == want || k == table.Text || k == table.ID {
		return got == want
	}
	g, err := strconv.ParseFloat(got, 64)
	w, err2 := strconv.ParseFloat(want, 64)
	return err == nil && err2 == nil && g == w
}

// TestTablesReadBackEqual writes random tables and reads them with another
// library.
func TestTablesReadBackEqual(t *testing.T) {
	text := rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"=1+1", "+82", "-", "@x", " a ", "_x000D_", "_x005F_", "a\x00b\x1f\r\n\tc", "\uFFFE\uFFFF\uFEFF", "한글 & <b>\"'", "0012", "1e5", "TRUE", "#N/A", "\x80\xff"}),
		rapid.StringMatching(`[가-힣]{1,20}`),
	)
	value := func(k table.Kind) *rapid.Generator[table.Value] {
		return rapid.Custom(func(t *rapid.T) table.Value {
			if rapid.IntRange(0, 9).Draw(t, "null") == 0 {
				return table.Null
			}
			switch k {
			case table.Text, table.ID:
				return table.S(text.Draw(t, "text"))
			case table.Int:
				return table.I(rapid.Int64Range(-1<<53, 1<<53).Draw(t, "int"))
			case table.Date:
				return table.D(table.Day(rapid.IntRange(-20000, 60000).Draw(t, "day")))
			}
			return table.F(rapid.OneOf(rapid.Float64(), rapid.Map(rapid.IntRange(-1e9, 1e9), func(i int) float64 { return float64(i) / 100 })).Draw(t, "float"))
		})
	}
	rapid.Check(t, func(rt *rapid.T) {
		var schema table.Schema
		for i := range rapid.IntRange(1, 30).Draw(rt, "columns") {
			schema = append(schema, table.Column{Name: fmt.Sprintf("c%d", i), Kind: table.Kind(rapid.IntRange(int(table.Text), int(table.Date)).Draw(rt, "kind"))})
		}
		var rows []table.Row
		for range rapid.IntRange(0, 40).Draw(rt, "rows") {
			var r table.Row
			for _, c := range schema {
				r = append(r, value(c.Kind).Draw(rt, "value"))
			}
			rows = append(rows, r)
		}
		limit := rapid.SampledFrom([]int{0, 2, 7, 20}).Draw(rt, "limit")
		f := open(t, made{maxRows: limit}.bytes(t, tab("T", schema, rows...)))
		var got [][]string
		for i, s := range f.GetSheetList() {
			for i > 0 && len(got) < i*(limit-1) {
				got = append(got, nil) // empty rows at the end, which GetRows leaves out
			}
			part := cells(t, f, s)
			if len(part) == 0 || part[0][0] != "c0" {
				rt.Fatalf("%s: header %q", s, part)
			}
			got = append(got, part[1:]...)
		}
		for i, r := range rows {
			for j, c := range schema {
				cell := ""
				if i < len(got) && j < len(got[i]) {
					cell = got[i][j]
				}
				if w := want(c.Kind, r[j]); !same(c.Kind, cell, w) {
					rt.Fatalf("row %d, column %d (kind %d): %q, want %q", i, j, c.Kind, cell, w)
				}
			}
		}
	})
}

func TestDestination(t *testing.T) {
	dir := t.TempDir()
	d, err := New(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	schema := table.Schema{{Name: "id", Kind: table.ID}, {Name: "n", Kind: table.Int}}
	b, err := d.Create(bg, run.Work{Object: "w/r/run-1", Lang: i18n.Korean})
	if err != nil {
		t.Fatal(err)
	}
	told := int64(0)
	if err := b.Insert(bg, []run.Tab{tab("AD", schema, table.Row{table.S("0012"), table.I(5)})}, func(n int64) { told += n }); err != nil {
		t.Fatal(err)
	}
	if err := b.Add(bg, run.Info{}); err != nil {
		t.Fatal(err)
	}
	f, err := b.Finish(bg)
	if err != nil {
		t.Fatal(err)
	}
	b.Abandon() // does nothing now
	if told != 1 || f.Rows != 1 || f.Object != "w/r/run-1.xlsx" {
		t.Errorf("told %d, file %+v", told, f)
	}
	r, size, err := d.Open(bg, f)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	content, err := io.ReadAll(r)
	if err != nil || int64(len(content)) != size || f.Bytes != size {
		t.Errorf("%d bytes (%v), size %d, file says %d", len(content), err, size, f.Bytes)
	}
	if got := cells(t, open(t, content), "AD"); got[1][0] != "0012" || got[1][1] != "5" {
		t.Errorf("cells %q", got)
	}
}
