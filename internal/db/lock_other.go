//go:build !unix

package db

import (
	"os"
	"path/filepath"

	"imreport/internal/errs"
)

// lockDir takes the lock of a data folder by a file that only one process can
// hold open for writing where the system enforces it.
func lockDir(dir string) (*os.File, error) {
	name := filepath.Join(dir, "imreport.lock")
	_ = os.Remove(name)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, errs.E(errs.Conflict, "db.data_dir_in_use", err, dir, "?")
	}
	return f, nil
}
