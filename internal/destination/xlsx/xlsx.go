// Package xlsx makes .xlsx spreadsheets: raw tabs with a streaming row encoder
// of its own, then what layers put over them (a summary, an info tab).
//
// Memory is constant, whatever the number of rows. An attempt writes a file of
// its own name; nothing is renamed over a shared one. docs/spreadsheets.md has
// the shape of a file and what it cost to find it.
package xlsx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"imreport/internal/archive"
	"imreport/internal/errs"
	"imreport/internal/run"
)

// Options of a Destination.
type Options struct {
	// Dir is the folder of the spreadsheets; it is made when absent. Several
	// processes may share it.
	Dir string
	// Layers chooses what is laid over the raw tabs of a spreadsheet; nil lays
	// Builtin.
	Layers func(ctx context.Context, w run.Work) ([]Layer, error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Destination keeps spreadsheets in a folder of the server.
type Destination struct {
	o     Options
	store archive.Store

	mu     sync.Mutex
	making map[string]bool // objects that this process is writing
}

var _ run.Destination = (*Destination)(nil)

// New makes a Destination in o.Dir. A folder that cannot be used is one of the
// errors of fault.
func New(o Options) (*Destination, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	store, err := archive.NewDir(o.Dir)
	if err != nil {
		return nil, fault(err, o.Dir)
	}
	return &Destination{o: o, store: store, making: map[string]bool{}}, nil
}

// Create begins a file under the attempt's own name. Its errors are *run.Stop
// with reason destination_unavailable.
func (d *Destination) Create(ctx context.Context, w run.Work) (run.Workbook, error) {
	layers, err := d.layers(ctx, w)
	if err != nil {
		return nil, err
	}
	// An attempt has its name for itself. Should a file of it have stayed
	// because it could not be removed, the next name is as good.
	for try := 1; ; try++ {
		name := w.Object + ".xlsx"
		if try > 1 {
			name = fmt.Sprintf("%s-%d.xlsx", w.Object, try)
		}
		obj, err := d.store.Create(ctx, name)
		if errors.Is(err, fs.ErrExist) && try < 100 {
			continue
		}
		if err != nil {
			return nil, unavailable(err, d.o.Dir)
		}
		d.mark(name, true)
		return newBook(bookOptions{
			work: w, layers: layers, now: d.o.Now(), object: name, where: d.o.Dir, out: obj,
			check:  func(ctx context.Context) error { return d.stillThere(ctx, name) },
			closed: func() { d.mark(name, false) },
		}), nil
	}
}

func (d *Destination) layers(ctx context.Context, w run.Work) ([]Layer, error) {
	if d.o.Layers == nil {
		return []Layer{Builtin{}}, nil
	}
	return d.o.Layers(ctx, w)
}

// stillThere makes sure that nobody has collected a file while it was written.
func (d *Destination) stillThere(ctx context.Context, name string) error {
	b, err := d.store.Open(ctx, name)
	if err != nil {
		return stop(errs.E(errs.Unavailable, "xlsx.write_failed", err, d.o.Dir))
	}
	return b.Close()
}

func (d *Destination) mark(name string, making bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if making {
		d.making[name] = true
	} else {
		delete(d.making, name)
	}
}

func (d *Destination) beingMade(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.making[name]
}

// Remove deletes a file that nothing points to any more. An absent one is no
// error.
func (d *Destination) Remove(ctx context.Context, f run.File) error {
	if err := d.store.Remove(ctx, f.Object); err != nil {
		return unavailable(err, d.o.Dir)
	}
	return nil
}

// Open opens a finished spreadsheet for reading, and says how many bytes it
// has. A file that is gone is fs.ErrNotExist.
func (d *Destination) Open(ctx context.Context, f run.File) (io.ReadSeekCloser, int64, error) {
	b, err := d.store.Open(ctx, f.Object)
	if err != nil {
		return nil, 0, fmt.Errorf("open spreadsheet %s: %w", f.Object, err)
	}
	return &opened{SectionReader: io.NewSectionReader(b, 0, b.Size()), Closer: b}, b.Size(), nil
}

type opened struct {
	*io.SectionReader
	io.Closer
}

// Collect removes the files that were last written before the instant older
// and of which live says that nothing points to them: what crashed attempts
// have left. It returns how many those were. Older must leave more time than
// the pauses in the writing of a file take; a day is plenty.
func (d *Destination) Collect(ctx context.Context, live func(object string) (bool, error), older time.Time) (removed int, err error) {
	err = d.store.List(ctx, older, func(name string) error {
		if d.beingMade(name) {
			return nil
		}
		if is, err := live(name); err != nil || is {
			return err
		}
		removed++
		return d.store.Remove(ctx, name)
	})
	return removed, err
}
