package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"imreport/internal/errs"
)

// Store keeps objects: bytes that are written once, under a name that is never
// used again, and never changed. Names are slash-separated paths.
type Store interface {
	// Create begins an object. It fails if the name exists.
	Create(ctx context.Context, name string) (Object, error)
	// Open opens a finished object for reading; an absent one is
	// fs.ErrNotExist.
	Open(ctx context.Context, name string) (Blob, error)
	// Remove deletes an object. An absent one is no error.
	Remove(ctx context.Context, name string) error
	// List calls fn for every object, finished or not, that was last written
	// before the instant older.
	List(ctx context.Context, older time.Time, fn func(name string) error) error
}

// Object is an object in the making.
type Object interface {
	io.Writer
	// Commit makes what was written durable.
	Commit() error
	// Abort removes it; after Commit it does nothing.
	Abort()
}

// Blob is an object that can be read anywhere.
type Blob interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Dir is a Store in a local folder, which several processes may share.
type Dir struct{ root string }

// NewDir makes a Store in the folder root, which is made when absent. A folder
// that cannot be used is archive.folder_unusable.
func NewDir(root string) (*Dir, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, folderError(err, root)
	}
	return &Dir{root: root}, nil
}

// Create begins a file under its final name: nothing refers to it before it is
// complete, and what a crash leaves is collected later.
func (d *Dir) Create(_ context.Context, name string) (Object, error) {
	path, err := d.path(name)
	if err != nil {
		return nil, err
	}
	if err := makeDirs(d.root, filepath.Dir(path)); err != nil {
		return nil, folderError(err, d.root)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, folderError(err, d.root)
	}
	return &dirObject{File: f, root: d.root}, nil
}

// Open opens a file.
func (d *Dir) Open(_ context.Context, name string) (Blob, error) {
	path, err := d.path(name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return dirBlob{File: f, size: st.Size()}, nil
}

// Remove deletes a file.
func (d *Dir) Remove(_ context.Context, name string) error {
	path, err := d.path(name)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return folderError(err, d.root)
	}
	return nil
}

// List walks the folder.
func (d *Dir) List(ctx context.Context, older time.Time, fn func(name string) error) error {
	return filepath.WalkDir(d.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // removed by another process meanwhile
			}
			return errors.Join(err, ctx.Err())
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.ModTime().Before(older) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(d.root, path)
		if err != nil {
			return err
		}
		return fn(filepath.ToSlash(name))
	})
}

func (d *Dir) path(name string) (string, error) {
	local, err := filepath.Localize(name)
	if err != nil {
		return "", fmt.Errorf("object name %q: %w", name, err)
	}
	return filepath.Join(d.root, local), nil
}

type dirObject struct {
	*os.File
	root string
	done bool
}

func (o *dirObject) Write(b []byte) (int, error) {
	n, err := o.File.Write(b)
	if err != nil {
		err = folderError(err, o.root)
	}
	return n, err
}

func (o *dirObject) Commit() error {
	err := o.Sync()
	if err := errors.Join(err, o.Close()); err != nil {
		return folderError(err, o.root)
	}
	if err := syncDir(filepath.Dir(o.Name())); err != nil {
		return folderError(err, o.root)
	}
	o.done = true
	return nil
}

func (o *dirObject) Abort() {
	if !o.done {
		o.done = true
		_ = o.Close()
		_ = os.Remove(o.Name()) // what stays is collected later
	}
}

type dirBlob struct {
	*os.File
	size int64
}

func (b dirBlob) Size() int64 { return b.size }

// makeDirs makes dir below root, each level durable in the one above it.
func makeDirs(root, dir string) error {
	if dir == root {
		return nil
	}
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := makeDirs(root, filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// syncDir makes the entries of a folder durable, where the system can.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, fs.ErrPermission) {
		return err // some file systems do not know it
	}
	return nil
}

// folderError gives a full or unusable folder a message that people can read.
func folderError(err error, root string) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return errs.E(errs.Unavailable, "archive.disk_full", err, root)
	case errors.Is(err, fs.ErrExist):
		return err
	}
	return errs.E(errs.Unavailable, "archive.folder_unusable", err, root)
}

// objectName is where the rows of a version are kept: the piece in words, so
// that people find it, and the version's id, so that it is never used twice.
func objectName(k Key, id string) string {
	parts := []string{safe(k.Platform), safe(k.CustomerID), safe(k.Report)}
	if k.Day != 0 {
		day := k.Day.String()
		parts = append(parts, day[:4], day[5:7], day+"-"+id+".parquet")
	} else {
		parts = append(parts, id+".parquet")
	}
	return strings.Join(parts, "/")
}

// safe is s as one part of a file name.
func safe(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '-' || c == '@' {
			continue
		}
		b[i] = '_'
	}
	if len(b) == 0 {
		return "_"
	}
	return string(b)
}
