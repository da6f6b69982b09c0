//go:build unix

package db

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"imreport/internal/errs"
)

// lockDir takes the lock of a data folder. The kernel frees it when the
// process ends, however it ends.
func lockDir(dir string) (*os.File, error) {
	name := filepath.Join(dir, "imreport.lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, errs.E(errs.Invalid, "db.data_dir_unusable", err, dir)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid, _ := io.ReadAll(io.LimitReader(f, 20))
		_ = f.Close()
		return nil, errs.E(errs.Conflict, "db.data_dir_in_use", err, dir, strings.TrimSpace(string(pid)))
	}
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(f, "%d\n", os.Getpid()) // only for the message above
	}
	return f, nil
}
