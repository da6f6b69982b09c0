package xlsx

import (
	"errors"
	"io/fs"
	"syscall"

	"imreport/internal/errs"
	"imreport/internal/run"
)

// fault gives an error of the file system a message that people can act on.
// where is the folder or file that is named in it.
func fault(err error, where string) *errs.Error {
	key := "xlsx.write_failed"
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		key = "xlsx.disk_full"
	case errors.Is(err, fs.ErrNotExist):
		key = "xlsx.folder_missing"
	case errors.Is(err, syscall.ENOTDIR):
		key = "xlsx.not_a_folder"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		key = "xlsx.not_writable"
	}
	return errs.E(errs.Unavailable, key, err, where)
}

// unavailable is fault as a run wants it: try again later, the folder or disk
// may be put right meanwhile.
func unavailable(err error, where string) error {
	return stop(fault(err, where))
}

func stop(err *errs.Error) error {
	return &run.Stop{Do: run.Retry, Reason: run.CodeDestinationUnavailable, Err: err}
}
