// Package xlsx measures the spreadsheet writer beside others: excelize's
// stream writer, and libxlsxwriter (C) and XlsxWriter (Python) where they are
// installed. All write the same table, each in a process of its own, so that
// CPU time and memory are its own.
package xlsx

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Options of the benchmark.
type Options struct {
	Rows int    // of 12 columns; 0 means 1,000,000
	Runs int    // of each writer; 0 means 3
	Dir  string // where the files are kept; empty: nowhere, they are removed
}

// Result is what was measured.
type Result struct {
	Rows    int      `json:"rows"`
	Columns int      `json:"columns"`
	Go      string   `json:"go"`
	CPUs    int      `json:"cpus"`
	Writers []Writer `json:"writers"`
}

// slow is how long a writer's run may take to be repeated.
const slow = 30 * time.Second

// Writer is what one writer took, in that of its runs that took least CPU:
// the one that other work on the machine disturbed least.
type Writer struct {
	Name    string  `json:"name"`
	Version string  `json:"version,omitempty"`
	Runs    int     `json:"runs"`
	CPU     float64 `json:"cpu_s"` // user and system
	Wall    float64 `json:"wall_s"`
	// Peak is the most memory that was resident at a time, 0 where the system
	// does not tell. Start is what the program had before it began: imreport
	// brings a server with it, which the others do not.
	Peak    float64 `json:"peak_rss_mb"`
	Start   float64 `json:"start_rss_mb"`
	Size    float64 `json:"file_mb"`
	CPUOurs float64 `json:"cpu_of_ours"` // times the CPU of imreport
	Missing string  `json:"missing,omitempty"`
}

// contestant is a writer and how its process is started.
type contestant struct {
	name  string
	start func(ctx context.Context, dir string, rows int, out string) (*exec.Cmd, error)
}

var contestants = []contestant{
	{"imreport", self("imreport")},
	{"csv + deflate", self("csv")},
	{"excelize", self("excelize")},
	{"libxlsxwriter", inC},
	{"XlsxWriter", inPython},
}

// childEnv tells a process that it is one of the writers: "NAME ROWS FILE".
const childEnv = "IMREPORT_BENCH_XLSX"

// childArgs start this program again so that it comes to Run.
var childArgs = os.Args[1:]

// said is what a writer's process prints when it is done.
type said struct {
	Version string `json:"version"`
	PeakKB  int64  `json:"peak_kb"`
	StartKB int64  `json:"start_kb"`
}

// missingError says why a writer cannot take part.
type missingError string

func (e missingError) Error() string { return string(e) }

// Run measures all writers and prints a table.
func Run(ctx context.Context, o Options, out io.Writer) (res Result, err error) {
	if job := os.Getenv(childEnv); job != "" {
		child(ctx, job)
	}
	o.Rows, o.Runs = cmp.Or(o.Rows, 1_000_000), cmp.Or(o.Runs, 3)
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "imreport-bench-"); err != nil {
			return res, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
	}
	res = Result{Rows: o.Rows, Columns: len(schema), Go: runtime.Version(), CPUs: runtime.NumCPU()}
	fmt.Fprintf(out, "%d rows of %d columns\n%-14s %-8s %8s %8s %9s %14s %8s %12s\n", o.Rows, len(schema),
		"writer", "version", "CPU s", "wall s", "peak MB", "above start MB", "file MB", "CPU of ours")
	for _, c := range contestants {
		w, err := best(ctx, c, dir, o)
		if err != nil {
			return res, fmt.Errorf("%s: %w", c.name, err)
		}
		if len(res.Writers) > 0 {
			w.CPUOurs = w.CPU / res.Writers[0].CPU
		} else {
			w.CPUOurs = 1
		}
		res.Writers = append(res.Writers, w)
		if w.Missing != "" {
			fmt.Fprintf(out, "%-14s not measured: %s\n", w.Name, w.Missing)
			continue
		}
		fmt.Fprintf(out, "%-14s %-8s %8.2f %8.2f %9.1f %14.1f %8.1f %12.1f\n", w.Name, w.Version, w.CPU, w.Wall, w.Peak, w.Peak-w.Start, w.Size, w.CPUOurs)
	}
	return res, nil
}

// best is the run that took least CPU.
func best(ctx context.Context, c contestant, dir string, o Options) (least Writer, err error) {
	for n := 1; n <= o.Runs; n++ {
		w, err := measure(ctx, c, dir, o.Rows)
		if err != nil || w.Missing != "" {
			return w, err
		}
		if n == 1 || w.CPU < least.CPU {
			least = w
		}
		least.Runs = n
		if w.Wall > slow.Seconds() {
			break
		}
	}
	return least, nil
}

func measure(ctx context.Context, c contestant, dir string, rows int) (Writer, error) {
	w := Writer{Name: c.name}
	path := filepath.Join(dir, strings.ReplaceAll(c.name, " ", "")+".xlsx")
	cmd, err := c.start(ctx, dir, rows, path)
	var missing missingError
	if errors.As(err, &missing) {
		w.Missing = string(missing)
		return w, nil
	}
	if err != nil {
		return w, err
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	began := time.Now()
	printed, err := cmd.Output()
	w.Wall = time.Since(began).Seconds()
	if err != nil {
		return w, fmt.Errorf("%w: %s", err, complaints.String())
	}
	var s said
	if err := json.Unmarshal(printed, &s); err != nil {
		return w, fmt.Errorf("it said %q: %w", printed, err)
	}
	st, err := os.Stat(path)
	if err != nil {
		return w, err
	}
	w.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	w.Version, w.Peak, w.Start, w.Size = s.Version, float64(s.PeakKB)/1024, float64(s.StartKB)/1024, float64(st.Size())/1e6
	return w, nil
}

// self starts this program again as a writer in Go.
func self(name string) func(context.Context, string, int, string) (*exec.Cmd, error) {
	return func(ctx context.Context, _ string, rows int, out string) (*exec.Cmd, error) {
		exe, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, exe, childArgs...)
		cmd.Env = append(os.Environ(), childEnv+"="+name+" "+strconv.Itoa(rows)+" "+out)
		return cmd, nil
	}
}

// child does the work of a writer's process, says what it took, and ends it.
func child(ctx context.Context, job string) {
	err := func() error {
		parts := strings.SplitN(job, " ", 3)
		if len(parts) != 3 {
			return fmt.Errorf("%s=%q", childEnv, job)
		}
		rows, err := strconv.Atoi(parts[1])
		if err != nil {
			return err
		}
		write, ok := writers[parts[0]]
		if !ok {
			return fmt.Errorf("no writer %q", parts[0])
		}
		s := said{StartKB: peakKB()}
		if s.Version, err = write(ctx, rows, parts[2]); err != nil {
			return err
		}
		s.PeakKB = peakKB()
		return json.NewEncoder(os.Stdout).Encode(s)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// peakKB is the most memory that this process had resident. The figure that a
// parent gets of its child also counts what the parent had when it started it.
func peakKB() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(rest + " 0")[0], 10, 64)
	if err != nil {
		return 0
	}
	return kb
}
