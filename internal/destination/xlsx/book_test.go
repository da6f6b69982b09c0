package xlsx

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/run"
	"imreport/internal/table"
)

// golden is a small tab with one of everything.
func goldenTab() run.Tab {
	s := table.Schema{{Name: "date", Kind: table.Date}, {Name: "campaign_id", Kind: table.ID}, {Name: "campaign", Kind: table.Text},
		{Name: "impressions", Kind: table.Int}, {Name: "clicks", Kind: table.Int}, {Name: "ctr", Kind: table.Percent}, {Name: "cost", Kind: table.Money},
		{Name: "average_rank", Kind: table.Decimal}}
	day, _ := table.ParseDay("2026-11-23")
	return tab("AD", s,
		table.Row{table.D(day), table.S("cmp-1"), table.S("봄 & <세일>"), table.I(1200), table.I(34), table.F(0.0283), table.F(5100), table.F(2.5)},
		table.Row{table.D(day), table.S("cmp-1"), table.S("=1+1"), table.I(-5), table.I(0), table.F(math.NaN()), table.F(10.55), table.Null},
		table.Row{table.Null, table.S("0012"), table.S(" a_x000D_\r"), table.I(0), table.I(1), table.F(1), table.F(-0.1), table.F(1e21)},
		table.Row{table.D(-25569), table.Null, table.S(""), table.Null, table.Null, table.Null, table.Null, table.F(math.Inf(1))},
	)
}

// TestGolden compares every part of a small workbook, byte for byte.
func TestGolden(t *testing.T) {
	for _, l := range i18n.Langs {
		t.Run(string(l), func(t *testing.T) {
			info := sampleInfo(2)
			info.From, info.To = info.From+29, info.To+29
			b := made{lang: l, layers: []Layer{Builtin{}}, info: info}.bytes(t, goldenTab())
			in, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, f := range in.File {
				fmt.Fprintf(&got, "== %s\n%s\n", f.Name, strings.ReplaceAll(string(read(t, f)), "><", ">\n<"))
			}
			path := filepath.Join("testdata", "small."+string(l)+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s (-want, +got; -update rewrites it):\n%s", path, diff)
			}
		})
	}
}

// TestLongTabGoesOn gives a report more rows than its tab takes.
func TestLongTabGoesOn(t *testing.T) {
	s := table.Schema{{Name: "n", Kind: table.Int}}
	var rows []table.Row
	for i := range 10 {
		rows = append(rows, table.Row{table.I(int64(i))})
	}
	name := "SHOPPINGKEYWORD_CONVERSION_DETAIL"
	f := open(t, made{maxRows: 5, layers: []Layer{Builtin{}}}.bytes(t, tab(name, s, rows...), tab("AD", s)))
	tabs := []string{"SHOPPINGKEYWORD_CONV_DETAIL", "SHOPPINGKEYWORD_CONV_DETAIL (2)", "SHOPPINGKEYWORD_CONV_DETAIL (3)", "AD", "Info"}
	if diff := cmp.Diff(tabs, f.GetSheetList()); diff != "" {
		t.Fatalf("tabs (-want, +got):\n%s", diff)
	}
	n := 0
	for i, rows := range []int{4, 4, 2, 0} {
		got := cells(t, f, tabs[i])
		if len(got) != rows+1 || got[0][0] != "n" {
			t.Fatalf("%s: %q, want a header and %d rows", tabs[i], got, rows)
		}
		for _, r := range got[1:] {
			if r[0] != strconv.Itoa(n) {
				t.Errorf("%s: %s, want %d", tabs[i], r[0], n)
			}
			n++
		}
	}
	said := fmt.Sprint(cells(t, f, "Info"))
	for _, w := range []string{"[" + tabs[0] + " " + name + " 4 The rows do not fit into one tab and go on in “" + tabs[1] + "”.]",
		"go on in “" + tabs[2] + "”. Goes on from “" + tabs[0] + "”.]", "[AD AD 0"} {
		if !strings.Contains(said, w) {
			t.Errorf("the info tab lacks %q:\n%s", w, said)
		}
	}
}

func TestLooks(t *testing.T) {
	f := open(t, sampleBook(i18n.English, 3).bytes(t, sample(1, 3, 20)...))
	if got := f.GetSheetList(); !cmp.Equal(got, []string{"AD", "AD_CONVERSION", "Summary", "Info"}) {
		t.Errorf("tabs %q", got)
	}
	panes, err := f.GetPanes("AD")
	if err != nil || !panes.Freeze || panes.YSplit != 1 || panes.TopLeftCell != "A2" {
		t.Errorf("panes %+v, %v", panes, err)
	}
	filters := f.GetDefinedName()
	if len(filters) != 2 || filters[0].RefersTo != "'AD'!$A$1:$M$61" {
		t.Errorf("defined names %+v", filters)
	}
	for cell, want := range map[string]string{"A2": "yyyy-mm-dd", "B2": "@", "H2": "#,##0", "J2": "0.00%", "M2": "#,##0.00"} {
		id, err := f.GetCellStyle("AD", cell)
		if err != nil {
			t.Fatal(err)
		}
		st, err := f.GetStyle(id)
		if err != nil {
			t.Fatal(err)
		}
		got := map[int]string{3: "#,##0", 4: "#,##0.00", 10: "0.00%", 49: "@"}[st.NumFmt]
		if st.CustomNumFmt != nil {
			got = *st.CustomNumFmt
		}
		if got != want {
			t.Errorf("%s has format %q, want %q", cell, got, want)
		}
	}
	for cell, want := range map[string]string{"A1": "Date", "C1": "Campaign ID", "B2": "1649507"} {
		if got, err := f.GetCellValue("AD", cell); err != nil || got != want {
			t.Errorf("%s: %q, want %q (%v)", cell, got, want, err)
		}
	}
	if w, err := f.GetColWidth("AD", "C"); err != nil || w < 27 || w > 35 {
		t.Errorf("the column of the campaign ids is %v wide, %v", w, err)
	}
	if typ, err := f.GetCellType("AD", "D5"); err != nil || typ == excelize.CellTypeFormula {
		t.Errorf("text that begins like a formula has type %v, %v", typ, err)
	}
}

// TestSummaryAddsUp compares the summary with sums over the cells.
func TestSummaryAddsUp(t *testing.T) {
	f := open(t, sampleBook(i18n.English, 5).bytes(t, sample(3, 5, 20)...))
	cost := map[string]float64{}
	for i, r := range cells(t, f, "AD")[1:] {
		v, err := strconv.ParseFloat(r[10], 64)
		if err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		cost["all"] += v
		cost[r[0]] += v
		cost[r[2]] += v
	}
	seen := 0
	for _, r := range cells(t, f, "Summary") {
		if len(r) < 6 {
			continue
		}
		key := r[0]
		if key == "Total" {
			key = "all"
		} else if strings.HasPrefix(r[1], "cmp-") {
			key = r[1]
		}
		want, ok := cost[key]
		if !ok {
			continue
		}
		seen++
		if got, err := strconv.ParseFloat(r[5], 64); err != nil || got != want {
			t.Errorf("%s: cost %s, want %v", key, r[5], want)
		}
	}
	if seen != 2+5+5 { // two rows of totals, days, campaigns
		t.Errorf("%d rows compared", seen)
	}
}

// TestManyCampaigns lists the dearest and puts the others together.
func TestManyCampaigns(t *testing.T) {
	s := table.Schema{{Name: "campaign_id", Kind: table.ID}, {Name: "cost", Kind: table.Money}}
	var rows []table.Row
	for i := range maxListed + 7 {
		rows = append(rows, table.Row{table.S(fmt.Sprintf("cmp-%d", i)), table.F(float64(i))})
	}
	got := cells(t, open(t, sampleBook(i18n.English, 1).bytes(t, tab("AD", s, rows...))), "Summary")
	last := got[len(got)-1]
	if !cmp.Equal(last, []string{"7 other campaigns", "", "21"}) {
		t.Errorf("last row %q", last)
	}
}

func TestTabNames(t *testing.T) {
	var names tabNames
	for _, c := range [][2]string{
		{"AD", "AD"}, {"ad", "ad ~2"}, {"[a]:*?/\\b", "_a______b"}, {"'quoted'", "quoted"}, {"", "_"}, {"History", "History ~2"},
		{"SHOPPINGBRANDPRODUCT_CONVERSION", "SHOPPINGBRANDPRODUCT_CONV"},
		{strings.Repeat("가", 40), strings.Repeat("가", 27)}, {strings.Repeat("😀", 20), strings.Repeat("😀", 13)}, {"a\x00b\uFFFE", "ab"},
	} {
		if got := names.take(c[0]); got != c[1] {
			t.Errorf("%q becomes %q, want %q", c[0], got, c[1])
		}
	}
	for n := 2; n < 1200; n++ {
		if name := names.next(strings.Repeat("가", 27), n); units(name) > maxName {
			t.Fatalf("%q is too long", name)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		in  string
		cut bool
	}{
		{strings.Repeat("a", maxText), false}, {strings.Repeat("a", maxText+1), true},
		{strings.Repeat("가", maxText), false}, {strings.Repeat("가", maxText+1), true},
		{strings.Repeat("😀", maxText/2), false}, {strings.Repeat("😀", maxText/2+1), true},
		{strings.Repeat("\xff", maxText), false}, {strings.Repeat("\xff", maxText+1), true},
	} {
		got, cut := fit(c.in)
		if n := len(utf16.Encode([]rune(got))); cut != c.cut || n > maxText || n < maxText-2 || cut && !strings.HasSuffix(got, "…") {
			t.Errorf("%.4q × %d: %d units, cut %v", c.in, len(c.in), n, cut)
		}
	}
}

func TestNumbersReadBack(t *testing.T) {
	for _, f := range []float64{0, 1, -1, 0.1, -0.1, 0.01, 12.5, 10.05, -10.05, 1.005, 1e15, 1e16 + 2, 123456789.12, 1e21, -1e300, 5e-324, math.MaxFloat64, 1 << 53, 0.07 * 100, 1.0 / 3} {
		got, err := strconv.ParseFloat(string(appendFloat(nil, f)), 64)
		if err != nil || got != f {
			t.Errorf("%v is written %s", f, appendFloat(nil, f))
		}
	}
}

// full is a file on a disk that has room for so many bytes.
type full struct {
	memory
	room int
}

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	return f.memory.Write(b)
}

func TestFullDisk(t *testing.T) {
	for _, room := range []int{0, 3000, 9000, 20_000} {
		out := &full{room: room}
		err := func() error {
			b := newBook(bookOptions{work: run.Work{Lang: i18n.Korean}, layers: []Layer{Builtin{}}, now: noon, where: "/data", out: out})
			defer b.Abandon()
			if err := b.Insert(bg, sample(1, 5, 100), nil); err != nil {
				return err
			}
			if err := b.Add(bg, sampleInfo(5)); err != nil {
				return err
			}
			_, err := b.Finish(bg)
			return err
		}()
		var stop *run.Stop
		if !errors.As(err, &stop) || stop.Reason != run.CodeDestinationUnavailable || stop.Do != run.Retry || !errs.Is(err, "xlsx.disk_full") {
			t.Errorf("with room for %d bytes: %v", room, err)
		}
		if !out.aborted || out.committed {
			t.Errorf("with room for %d bytes the file stays", room)
		}
	}
}

// TestReadErrorsComeBackAsTheyAre keeps an error of the rows from being told
// as one of the disk.
func TestReadErrorsComeBackAsTheyAre(t *testing.T) {
	broken := errs.E(errs.Unavailable, "archive.damaged", nil, "1", "AD", "2026-11-01")
	b := newBook(bookOptions{work: run.Work{Lang: i18n.Korean}, now: noon, out: &memory{}})
	defer b.Abandon()
	err := b.Insert(bg, []run.Tab{{Name: "AD", Open: func(context.Context) (table.Reader, error) { return nil, broken }}}, nil)
	if !errors.Is(err, broken) || errors.As(err, new(*run.Stop)) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancelCause(bg)
	cause := errors.New("the run was cancelled")
	cancel(cause)
	if err := b.Insert(ctx, sample(1, 1, 1), nil); !errors.Is(err, cause) || errors.As(err, new(*run.Stop)) {
		t.Errorf("error %v", err)
	}
}

func TestFaults(t *testing.T) {
	for key, err := range map[string]error{
		"xlsx.disk_full": syscall.ENOSPC, "xlsx.folder_missing": syscall.ENOENT, "xlsx.not_a_folder": syscall.ENOTDIR,
		"xlsx.not_writable": syscall.EACCES, "xlsx.write_failed": syscall.EIO,
	} {
		e := fault(fmt.Errorf("write: %w", &fs.PathError{Err: err}), "/x")
		for _, k := range []string{key, key + ".detail", key + ".action"} {
			if e.Key != key || !i18n.Has(k) {
				t.Errorf("%v has key %s; %s has a sentence: %v", err, e.Key, k, i18n.Has(k))
			}
		}
	}
}

func TestOutFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "보고서.xlsx")
	if err := os.WriteFile(path, []byte("the old one"), 0o600); err != nil {
		t.Fatal(err)
	}
	begin := func() run.Workbook {
		t.Helper()
		b, err := ToFile(path).Create(bg, run.Work{Lang: i18n.Korean})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Insert(bg, sample(1, 1, 5), nil); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "the old one" {
			t.Fatalf("the old file reads %.20q, %v before the new one is complete", got, err)
		}
		return b
	}
	begin().Abandon()
	b := begin()
	if err := b.Add(bg, sampleInfo(1)); err != nil {
		t.Fatal(err)
	}
	f, err := b.Finish(bg)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || int64(len(got)) != f.Bytes || f.Rows != 7 {
		t.Errorf("%d bytes on disk, file %+v, %v", len(got), f, err)
	}
	open(t, got)
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%v stay in the folder, %v", left, err)
	}
	for bad, key := range map[string]string{
		dir: "xlsx.out_is_folder", filepath.Join(dir, "none", "a.xlsx"): "xlsx.folder_missing", filepath.Join(path, "a.xlsx"): "xlsx.not_a_folder",
	} {
		_, err := ToFile(bad).Create(bg, run.Work{})
		var stop *run.Stop
		if !errors.As(err, &stop) || stop.Reason != run.CodeDestinationUnavailable || !errs.Is(err, key) {
			t.Errorf("%s: %v, want %s", bad, err, key)
		}
	}
}

func TestCollect(t *testing.T) {
	dir := t.TempDir()
	d, err := New(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	create := func(object string) run.Workbook {
		b, err := d.Create(bg, run.Work{Object: object, Lang: i18n.Korean})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	finish := func(b run.Workbook) run.File {
		f, err := b.Finish(bg)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	live, dead, again := finish(create("w/r/1-1")), finish(create("w/r/1-2")), finish(create("w/r/1-2"))
	if again.Object == dead.Object {
		t.Fatalf("two files share the name %s", dead.Object)
	}
	making := create("w/r/2-1")
	points := func(object string) (bool, error) { return object == live.Object, nil }
	if n, err := d.Collect(bg, points, time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("%d new files removed, %v", n, err)
	}
	n, err := d.Collect(bg, points, time.Now().Add(time.Hour))
	if n != 2 || err != nil {
		t.Errorf("%d files removed, want 2 (%v)", n, err)
	}
	for f, there := range map[run.File]bool{live: true, dead: false, again: false, finish(making): true} {
		r, _, err := d.Open(bg, f)
		if (err == nil) != there || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want it there: %v", f.Object, err, there)
		}
		if err == nil {
			_ = r.Close()
		}
	}
	if err := errors.Join(d.Remove(bg, live), d.Remove(bg, live)); err != nil {
		t.Error(err)
	}
	lost := create("w/r/3-1")
	if err := os.Remove(filepath.Join(dir, "w", "r", "3-1.xlsx")); err != nil {
		t.Fatal(err)
	}
	if _, err := lost.Finish(bg); !errs.Is(err, "xlsx.write_failed") {
		t.Errorf("a file that is gone when it is finished: %v", err)
	}
}

// one is a layer with a tab of its own.
type one struct{ name string }

func (o one) Lay(ctx context.Context, b *Book) error {
	s := b.Sheet(o.name)
	s.Set(0, 0, Formula{"SUM(" + quoted(b.Raw[0].Tabs[0].Name) + "!A:A)", 5}, Style{})
	return b.Add(ctx, s)
}

func TestLayers(t *testing.T) {
	d, err := New(Options{Dir: t.TempDir(), Layers: func(_ context.Context, w run.Work) ([]Layer, error) {
		return []Layer{Builtin{}, one{w.Title}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Create(bg, run.Work{Object: "o", Title: "AD", Lang: i18n.English})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Insert(bg, []run.Tab{tab("AD", table.Schema{{Name: "n", Kind: table.Int}}, table.Row{table.I(5)})}, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Add(bg, run.Info{}); err != nil {
		t.Fatal(err)
	}
	f, err := b.Finish(bg)
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := d.Open(bg, f)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	x, err := excelize.OpenReader(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	if got := x.GetSheetList(); !cmp.Equal(got, []string{"AD", "Info", "AD ~2"}) {
		t.Errorf("tabs %q", got)
	}
	if got, err := x.GetCellFormula("AD ~2", "A1"); err != nil || got != "SUM('AD'!A:A)" {
		t.Errorf("formula %q, %v", got, err)
	}
}

// TestSharedTexts gives the table more texts than it takes.
func TestSharedTexts(t *testing.T) {
	sh := newShared()
	text := func(i int) string { return strings.Repeat("글", i%50) + strconv.Itoa(i) }
	ids := map[int]int32{}
	for i := range maxShared + 1000 {
		id, kept, fresh, ok := sh.id(text(i))
		if ok {
			ids[i] = id
		}
		if !fresh || ok && (int(id) != len(ids)-1 || kept != text(i)) {
			t.Fatalf("text %d: number %d, fresh %v, ok %v", i, id, fresh, ok)
		}
	}
	if !sh.crowded() || len(ids) > maxShared || len(ids) < maxShared/2 || sh.bytes > maxSharedBytes {
		t.Errorf("%d texts of %d bytes", len(ids), sh.bytes)
	}
	for i, want := range ids {
		if id, kept, fresh, ok := sh.id(text(i)); id != want || kept != text(i) || fresh || !ok {
			t.Fatalf("text %d again: number %d, want %d, fresh %v, ok %v", i, id, want, fresh, ok)
		}
	}
	if _, _, _, ok := sh.id(strings.Repeat("a", maxSharedText+1)); ok {
		t.Error("a long text is shared")
	}
}

// TestTextsOfEveryColumn reads back more texts than can be shared, in a column
// where all differ and in one where few do.
func TestTextsOfEveryColumn(t *testing.T) {
	s := table.Schema{{Name: "a", Kind: table.Text}, {Name: "b", Kind: table.ID}}
	var rows []table.Row
	for i := range 70_000 {
		rows = append(rows, table.Row{table.S("검색어 " + strconv.Itoa(i)), table.S("cmp-" + strconv.Itoa(i/1000))})
	}
	b := made{}.bytes(t, tab("AD", s, rows...))
	x, err := open(t, b).Rows("AD")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	for i := -1; x.Next(); i++ {
		got, err := x.Columns()
		if err != nil {
			t.Fatal(err)
		}
		if i >= 0 && (got[0] != rows[i][0].Str || got[1] != rows[i][1].Str) {
			t.Fatalf("row %d: %q", i, got)
		}
	}
}
