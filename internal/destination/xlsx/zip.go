package xlsx

import (
	"archive/zip"
	"io"
	"sync"
	"time"

	"github.com/klauspost/compress/flate"
)

// compression is klauspost's second level: as quick as the first on our sheets,
// and 3.5 % smaller. What higher levels save costs more than the rest of the
// file (measured, docs/spreadsheets.md).
const compression = 2

// deflaters are writers whose spreadsheet is done: each has 5 MB of tables.
var deflaters sync.Pool

// container is the zip file that a spreadsheet is, written as a stream.
type container struct {
	zip   *zip.Writer
	out   *counted
	at    time.Time
	reuse *flate.Writer // one part is written at a time
}

func newContainer(w io.Writer, at time.Time) *container {
	out := &counted{w: w}
	c := &container{zip: zip.NewWriter(out), out: out, at: at}
	c.zip.RegisterCompressor(zip.Deflate, func(w io.Writer) (_ io.WriteCloser, err error) {
		if c.reuse == nil {
			c.reuse, _ = deflaters.Get().(*flate.Writer)
		}
		if c.reuse == nil {
			c.reuse, err = flate.NewWriter(w, compression)
			return c.reuse, err
		}
		c.reuse.Reset(w)
		return c.reuse, nil
	})
	return c
}

// part begins a part; it ends where the next one begins.
func (c *container) part(name string) (io.Writer, error) {
	return c.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: c.at})
}

// put writes a whole part.
func (c *container) put(name string, content []byte) error {
	w, err := c.part(name)
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}

func (c *container) close() error { return c.zip.Close() }

// release gives back what other containers can use. Nothing is written after it.
func (c *container) release() {
	if c.reuse != nil {
		deflaters.Put(c.reuse)
		c.reuse = nil
	}
}

// counted counts what passes.
type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// bytes is how many were written.
func (c *container) bytes() int64 { return c.out.n }
