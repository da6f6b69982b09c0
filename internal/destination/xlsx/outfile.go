package xlsx

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"imreport/internal/errs"
	"imreport/internal/run"
)

// OutFile is a destination that writes one spreadsheet to a path that a person
// has named: aside in the same folder first, and under its name when it is
// complete. What was there before stays until then.
type OutFile struct {
	path string
}

var _ run.Destination = OutFile{}

// ToFile is the destination that writes to path.
func ToFile(path string) OutFile { return OutFile{path: path} }

// Create begins the file aside, so that a folder that cannot be written shows
// before anything is collected. Its errors are *run.Stop with reason
// destination_unavailable; the *errs.Error in them says what is wrong.
func (o OutFile) Create(_ context.Context, w run.Work) (run.Workbook, error) {
	if st, err := os.Stat(o.path); err == nil && st.IsDir() {
		return nil, stop(errs.E(errs.Unavailable, "xlsx.out_is_folder", nil, o.path))
	}
	dir := filepath.Dir(o.path)
	name := fmt.Sprintf(".%s.%08x.part", filepath.Base(o.path), rand.Uint32())
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) // less the umask, as people expect
	if err != nil {
		return nil, unavailable(err, dir)
	}
	return newBook(bookOptions{
		work: w, layers: []Layer{Builtin{}}, now: time.Now(), object: o.path, where: dir, out: &aside{File: f, path: o.path},
	}), nil
}

// Remove deletes the file.
func (o OutFile) Remove(context.Context, run.File) error {
	if err := os.Remove(o.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return unavailable(err, o.path)
	}
	return nil
}

// aside is a file that gets its name when it is complete.
type aside struct {
	*os.File
	path string
	done bool
}

// Commit makes the file durable, then gives it its name.
func (a *aside) Commit() error {
	if err := errors.Join(a.Sync(), a.Close()); err != nil {
		return err
	}
	if err := os.Rename(a.Name(), a.path); err != nil {
		return err
	}
	a.done = true
	return syncFolder(filepath.Dir(a.path))
}

// Abort removes what was written; after Commit it does nothing.
func (a *aside) Abort() {
	if !a.done {
		a.done = true
		_ = a.Close()
		_ = os.Remove(a.Name())
	}
}

// syncFolder makes a rename durable where the system can.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return nil // a folder that may be written but not read
	}
	defer func() { _ = f.Close() }()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, os.ErrPermission) {
		return err
	}
	return nil
}
