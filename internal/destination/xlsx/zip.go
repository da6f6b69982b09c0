package xlsx

import (
	"archive/zip"
	"io"
	"time"

	"github.com/klauspost/compress/flate"
)

// compression is klauspost's second level: as quick as the first on our sheets,
// and 3.5 % smaller. What higher levels save costs more than the rest of the
// file (measured, docs/spreadsheets.md).
const compression = 2

// container is the zip file that a spreadsheet is, written as a stream.
type container struct {
	zip *zip.Writer
	out *counted
	at  time.Time
}

func newContainer(w io.Writer, at time.Time) *container {
	out := &counted{w: w}
	z := zip.NewWriter(out)
	var reuse *flate.Writer // one part is written at a time
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		if reuse != nil {
			reuse.Reset(w)
			return reuse, nil
		}
		var err error
		reuse, err = flate.NewWriter(w, compression)
		return reuse, err
	})
	return &container{zip: z, out: out, at: at}
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
