package xlsx

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"imreport/internal/i18n"
)

// office is LibreOffice; the test is skipped where it is not installed, but
// not where IMREPORT_TEST_ALL wants everything.
func office(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("soffice")
	if err != nil {
		if os.Getenv("IMREPORT_TEST_ALL") != "" {
			t.Fatal("LibreOffice (soffice) is not installed, and IMREPORT_TEST_ALL is set")
		}
		t.Skip("LibreOffice (soffice) is not installed")
	}
	return path
}

// convert lets LibreOffice read the files and write all their tabs as CSV. It returns the rows by "FILE-TAB".
func convert(t *testing.T, files map[string][]byte) map[string][][]string {
	t.Helper()
	soffice, dir := office(t), t.TempDir()
	args := []string{"-env:UserInstallation=file://" + filepath.Join(dir, "profile"), "--headless",
		// comma, double quote, UTF-8, from row 1, values, all tabs
		"--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1", "--outdir", filepath.Join(dir, "out")}
	for name, b := range files {
		path := filepath.Join(dir, name+".xlsx")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	ctx, stop := context.WithTimeout(bg, 3*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, soffice, args...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C.UTF-8")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("soffice: %v\n%s", err, out)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "out", "*.csv"))
	if err != nil {
		t.Fatal(err)
	}
	tabs := map[string][][]string{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		r := csv.NewReader(bytes.NewReader(b))
		r.FieldsPerRecord = -1
		rows, err := r.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		tabs[strings.TrimSuffix(filepath.Base(p), ".csv")] = rows
	}
	return tabs
}

var cached = regexp.MustCompile(`</f><v>[^<]*</v>`)

// withoutResults is the workbook without the results of its formulas, so that
// whoever opens it has to compute them.
func withoutResults(t *testing.T, b []byte) []byte {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	dropped := 0
	for _, f := range in.File {
		part := read(t, f)
		if strings.HasPrefix(f.Name, "xl/worksheets/") {
			dropped += len(cached.FindAll(part, -1))
			part = cached.ReplaceAll(part, []byte(`</f>`))
		}
		p, err := w.Create(f.Name)
		if err == nil {
			_, err = p.Write(part)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if dropped == 0 {
		t.Fatal("the workbook has no formulas")
	}
	return out.Bytes()
}

func read(t testing.TB, f *zip.File) []byte {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestLibreOfficeComputesTheSame opens workbooks, one with its results and one
// without, in a program that computes: all tabs are to read alike.
func TestLibreOfficeComputesTheSame(t *testing.T) {
	ko := sampleBook(i18n.Korean, 9)
	ko.maxRows = 120 // AD goes on in further tabs
	odd := sampleBook(i18n.English, 3)
	a, b := ko.bytes(t, sample(2, 9, 40)...), odd.bytes(t, oddCampaigns())
	tabs := convert(t, map[string][]byte{"ko": a, "kocomputed": withoutResults(t, a), "odd": b, "oddcomputed": withoutResults(t, b)})
	if ad := tabs["ko-AD"]; len(ad) != ko.maxRows || ad[0][2] != "캠페인 ID" || ad[1][0] != "2026-10-24" || ad[1][2] != "cmp-a001-01-000000000000001" || ad[1][5] != "+무료배송" {
		t.Errorf("the first tab has %d rows and begins %q", len(ad), ad[:min(2, len(ad))])
	}
	seen := 0
	for name, rows := range tabs {
		book, tab, _ := strings.Cut(name, "-")
		if computed, ok := tabs[book+"computed-"+tab]; ok {
			seen++
			if diff := cmp.Diff(rows, computed, cmp.Comparer(alike)); diff != "" {
				t.Errorf("%s: written (-), computed (+):\n%s", name, diff)
			}
		}
	}
	if want := 4 + 2 + 2 + 1 + 2; seen != want { // AD … AD (4), AD_CONVERSION (2 tabs), summary, info; AD, summary, info
		t.Errorf("%d tabs compared, want %d: %q", seen, want, keys(tabs))
	}
}

// alike compares cells: sums may differ in the last digits that a float has.
func alike(a, b string) bool {
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err != nil || err2 != nil {
		return a == b
	}
	return math.Abs(x-y) <= 1e-12*math.Abs(x)
}

func keys(m map[string][][]string) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}
