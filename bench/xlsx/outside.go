package xlsx

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// The same table in the other writers' languages.
var (
	//go:embed libxlsxwriter.c.txt
	cSource []byte
	//go:embed xlsxwriter.py
	pySource []byte
)

// inC compiles the C program, if the library is installed.
func inC(ctx context.Context, dir string, n int, out string) (*exec.Cmd, error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return nil, missingError("no C compiler (cc)")
	}
	src, exe := filepath.Join(dir, "libxlsxwriter.c"), filepath.Join(dir, "libxlsxwriter.exe")
	if err := os.WriteFile(src, cSource, 0o644); err != nil {
		return nil, err
	}
	if msg, err := exec.CommandContext(ctx, cc, "-O2", "-o", exe, src, "-lxlsxwriter").CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if _, statErr := os.Stat("/usr/include/xlsxwriter.h"); statErr == nil {
			return nil, missingError("it does not compile: " + string(msg))
		}
		return nil, missingError("not installed (libxlsxwriter-dev)")
	}
	return exec.CommandContext(ctx, exe, strconv.Itoa(n), out), nil
}

// inPython starts the Python program, if the library is installed.
func inPython(ctx context.Context, dir string, n int, out string) (*exec.Cmd, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return nil, missingError("no python3")
	}
	if err := exec.CommandContext(ctx, python, "-c", "import xlsxwriter").Run(); err != nil {
		return nil, missingError("not installed (pip install xlsxwriter)")
	}
	src := filepath.Join(dir, "bench_xlsxwriter.py") // not the module's own name
	if err := os.WriteFile(src, pySource, 0o644); err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, python, src, strconv.Itoa(n), out), nil
}
