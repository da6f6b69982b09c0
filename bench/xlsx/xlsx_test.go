package xlsx

import (
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		_, _ = Run(context.Background(), Options{}, io.Discard) // does not return
	}
	childArgs = nil
	os.Exit(m.Run())
}

// TestAllWriteTheSame runs the benchmark over few rows, and reads what each
// writer has made.
func TestAllWriteTheSame(t *testing.T) {
	const n = 300
	dir := t.TempDir()
	res, err := Run(context.Background(), Options{Rows: n, Runs: 2, Dir: dir}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Writers) != len(contestants) {
		t.Fatalf("%d writers measured", len(res.Writers))
	}
	var want [][]string
	for _, w := range res.Writers {
		if w.Missing != "" {
			t.Logf("%s: %s", w.Name, w.Missing)
			continue
		}
		if w.CPU <= 0 || w.Size <= 0 || w.Runs != 2 {
			t.Errorf("%s: %+v", w.Name, w)
		}
		if w.Name == "csv + deflate" {
			continue
		}
		f, err := excelize.OpenFile(filepath.Join(dir, w.Name+".xlsx"))
		if err != nil {
			t.Fatalf("%s: %v", w.Name, err)
		}
		rows, err := f.GetRows(f.GetSheetName(0), excelize.Options{RawCellValue: true})
		_ = f.Close()
		if err != nil || len(rows) != n+1 {
			t.Fatalf("%s: %d rows, %v", w.Name, len(rows), err)
		}
		if want == nil {
			want = rows[1:]
			continue
		}
		if diff := cmp.Diff(want, rows[1:], cmp.Comparer(alike)); diff != "" {
			t.Errorf("%s (+) and imreport (-):\n%s", w.Name, diff)
		}
	}
}

// alike compares cells; some writers print numbers with 15 or 16 digits.
func alike(a, b string) bool {
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return a == b || err == nil && err2 == nil && math.Abs(x-y) <= 1e-14*math.Abs(x)
}
