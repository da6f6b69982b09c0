package app

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"imreport/internal/errs"
)

// What cannot take a spreadsheet is told before anything is collected, and
// left as it is.
func TestWhereAnImportMayWrite(t *testing.T) {
	dir := t.TempDir()
	pipe, old := filepath.Join(dir, "pipe"), filepath.Join(dir, "old.xlsx")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for out, want := range map[string]string{
		filepath.Join(dir, "new.xlsx"):       "",
		old:                                  "",
		dir:                                  "cli.out_is_folder",
		pipe:                                 "cli.out_no_file",
		filepath.Join(dir, "none", "x.xlsx"): "cli.out_no_folder",
		filepath.Join(old, "x.xlsx"):         "cli.out_no_folder",
	} {
		err := writable(out)
		if want == "" && err != nil || want != "" && (errs.As(err) == nil || errs.As(err).Fields[0].Key != want) {
			t.Errorf("%s: %v, want %q", out, err, want)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
