package order

import (
	"encoding/csv"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// fileRow is one row of a file, its cells by field. Where several columns mean
// one field, the first that is filled counts.
type fileRow struct {
	line int64
	cell [fields]string
}

// pick takes the cells that mean something out of a row. The strings stay
// valid after the reader goes on.
func (l *layout) pick(cells []string, line int64) (r fileRow, empty bool) {
	r.line, empty = line, true
	for f, cols := range l.cols {
		for _, c := range cols {
			if c < len(cells) && cells[c] != "" {
				if v := strings.TrimSpace(cells[c]); v != "" {
					r.cell[f], empty = v, false
					break
				}
			}
		}
	}
	if v := r.cell[fOrderEither]; v != "" {
		switch id := cleanID(v); {
		case r.cell[fOrderID] == "" && (looksLikeID(id) || isDamaged(id)):
			r.cell[fOrderID] = v
		case r.cell[fOrderName] == "":
			r.cell[fOrderName] = v
		}
	}
	r.cell[fOrderID] = cleanID(r.cell[fOrderID])
	return r, empty
}

// key is what the rows of one order have in common: continuation rows of
// Shopify's export repeat only the name.
func (r *fileRow) key() string {
	if n := r.cell[fOrderName]; n != "" {
		return "n" + Alias(n)
	}
	return "i" + r.cell[fOrderID]
}

func (r *fileRow) hash() uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, r.key())
	return h.Sum64()
}

// overview is what a first pass over a file finds out.
type overview struct {
	rows      int64
	scattered map[uint64]struct{} // orders whose rows do not stand together
}

// rowsMost bounds a file (docs/orders.md).
const rowsMost = 1_000_000

// survey reads a whole file once: it counts the rows and finds the orders
// whose rows somebody has sorted apart. Memory: some 40 bytes for each order.
func survey(r rows, l *layout, each func(rows int64) error) (o overview, err error) {
	o.scattered = map[uint64]struct{}{}
	seen := map[uint64]struct{}{}
	last, first := uint64(0), true
	err = body(r, l, func(row fileRow) error {
		if o.rows++; o.rows > rowsMost {
			return errTooMany
		}
		if o.rows%50_000 == 0 {
			if err := each(o.rows); err != nil {
				return err
			}
		}
		h := row.hash()
		if !first && h == last {
			return nil
		}
		if _, again := seen[h]; again {
			o.scattered[h] = struct{}{}
		}
		seen[h] = struct{}{}
		last, first = h, false
		return nil
	})
	return o, err
}

// errTooMany: more rows than rowsMost.
var errTooMany = errors.New("too many rows")

// body calls fn with every row below the header that is not empty.
func body(r rows, l *layout, fn func(fileRow) error) error {
	for {
		cells, line, err := r.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if line <= l.line {
			continue
		}
		row, empty := l.pick(cells, line)
		if empty {
			continue
		}
		if err := fn(row); err != nil {
			return err
		}
	}
}

// groups calls fn with the rows of each order. Orders whose rows stand apart
// come last, gathered through temporary files in dir, so that memory stays
// small whatever the file. The sequence is the same each time.
func groups(r rows, l *layout, o overview, dir string, fn func([]fileRow) error) (err error) {
	var apart *partitions
	if len(o.scattered) > 0 {
		if apart, err = newPartitions(dir); err != nil {
			return err
		}
		defer apart.close()
	}
	var group []fileRow
	flush := func() error {
		if len(group) == 0 {
			return nil
		}
		g := group
		group = nil
		return split(g, fn)
	}
	key := ""
	err = body(r, l, func(row fileRow) error {
		k := row.key()
		if apart != nil {
			h := row.hash()
			if _, ok := o.scattered[h]; ok {
				return apart.put(h, row)
			}
		}
		if k != key {
			if err := flush(); err != nil {
				return err
			}
			key = k
		}
		group = append(group, row)
		return nil
	})
	if err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	if apart == nil {
		return nil
	}
	return apart.each(func(g []fileRow) error { return split(g, fn) })
}

// split parts rows of one name that carry different ids: they are different
// orders. Rows without an id belong to the one before them.
func split(g []fileRow, fn func([]fileRow) error) error {
	start, id := 0, ""
	for i := range g {
		v := g[i].cell[fOrderID]
		if v != "" && id != "" && v != id {
			if err := fn(g[start:i:i]); err != nil {
				return err
			}
			start, id = i, ""
		}
		if v != "" {
			id = v
		}
	}
	return fn(g[start:])
}

// partitionCount files hold a million scattered rows in pieces of some 16,000.
const partitionCount = 64

type partitions struct {
	dir   string
	files [partitionCount]*os.File
	out   [partitionCount]*csv.Writer
}

func newPartitions(dir string) (*partitions, error) {
	tmp, err := os.MkdirTemp(dir, "scattered-")
	if err != nil {
		return nil, err
	}
	p := &partitions{dir: tmp}
	for i := range p.files {
		if p.files[i], err = os.Create(filepath.Join(tmp, strconv.Itoa(i))); err != nil {
			p.close()
			return nil, err
		}
		p.out[i] = csv.NewWriter(p.files[i])
	}
	return p, nil
}

func (p *partitions) close() {
	for _, f := range p.files {
		if f != nil {
			_ = f.Close()
		}
	}
	_ = os.RemoveAll(p.dir)
}

func (p *partitions) put(hash uint64, r fileRow) error {
	return p.out[hash%partitionCount].Write(append([]string{strconv.FormatInt(r.line, 10)}, r.cell[:]...))
}

// each calls fn with the rows of each order, in the sequence of the file.
func (p *partitions) each(fn func([]fileRow) error) error {
	for i, f := range p.files {
		p.out[i].Flush()
		if err := p.out[i].Error(); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		in := csv.NewReader(f)
		in.FieldsPerRecord = int(fields) + 1
		var keys []string
		byKey := map[string][]fileRow{}
		for {
			rec, err := in.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				return fmt.Errorf("scattered rows: %w", err)
			}
			var r fileRow
			if r.line, err = strconv.ParseInt(rec[0], 10, 64); err != nil {
				return err
			}
			copy(r.cell[:], rec[1:])
			k := r.key()
			if byKey[k] == nil {
				keys = append(keys, k)
			}
			byKey[k] = append(byKey[k], r)
		}
		for _, k := range keys {
			if err := fn(byKey[k]); err != nil {
				return err
			}
		}
	}
	return nil
}
