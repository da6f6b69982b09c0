package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/table"
)

// Draft is a version of a piece that is to be stored.
type Draft struct {
	Key    Key
	Schema table.Schema
	// Meta is stored with the piece as JSON. It is read after Write has
	// returned, so Write may fill what it points to.
	Meta any
	// At is when the rows were collected; zero means now.
	At time.Time
	// Write writes the rows. nil stores a piece that is known to be empty. It
	// is called once.
	Write func(w *Writer) error
	// Guard is called first in the transaction that makes the version current:
	// its error undoes it. What it writes stands or falls with the piece. It
	// may be called again after a conflict. May be nil.
	Guard func(ctx context.Context, tx *db.Tx) error
}

// putAttempts is how often Put tries to become current beside other writers
// of the same piece.
const putAttempts = 10

// Put stores a version and makes it the current one, whatever was before. A
// failure leaves the piece as it was.
func (a *Archive) Put(ctx context.Context, draft Draft) (Piece, error) {
	return a.put(ctx, draft, nil)
}

// PutIf is Put if the current version is still the one with the id expected,
// or if there is none and expected is empty. Otherwise it returns
// archive.changed (errs.Conflict): read again, merge again, try again.
func (a *Archive) PutIf(ctx context.Context, draft Draft, expected string) (Piece, error) {
	return a.put(ctx, draft, &expected)
}

func (a *Archive) put(ctx context.Context, draft Draft, expected *string) (Piece, error) {
	if draft.At.IsZero() {
		draft.At = time.Now()
	}
	p := Piece{ID: db.NewID(), Key: draft.Key, Schema: draft.Schema, StoredAt: draft.At, Sums: map[string]float64{}}
	cols, err := formatSchema(draft.Schema)
	if err != nil {
		return Piece{}, fmt.Errorf("store %s: %w", draft.Key, err)
	}
	w := &Writer{ctx: ctx, store: a.store, name: objectName(draft.Key, p.ID), schema: draft.Schema, sums: p.Sums}
	defer w.abort()
	if draft.Write != nil {
		if err := draft.Write(w); err != nil {
			return Piece{}, fmt.Errorf("store %s: %w", draft.Key, err)
		}
	}
	if p.Meta, err = json.Marshal(draft.Meta); err != nil {
		return Piece{}, fmt.Errorf("meta of %s: %w", draft.Key, err)
	}
	if err := w.commit(); err != nil {
		return Piece{}, fmt.Errorf("store %s: %w", draft.Key, err)
	}
	p.Rows, p.Bytes, p.object = w.rows, w.bytes, w.object()
	if err := a.switchTo(ctx, p, cols, draft.Guard, expected); err != nil {
		if p.object != "" && errs.KindOf(err) != errs.Internal && errs.KindOf(err) != errs.Unavailable {
			// Surely not committed. After any other error it may be, and
			// the object is left to Collect.
			_ = a.store.Remove(context.WithoutCancel(ctx), p.object)
		}
		return Piece{}, fmt.Errorf("store %s: %w", draft.Key, err)
	}
	return p, nil
}

// switchTo makes p current in one transaction. The UPDATE locks the current
// row; where there is none, the partial unique index decides between writers.
func (a *Archive) switchTo(ctx context.Context, p Piece, cols string, guard func(context.Context, *db.Tx) error, expected *string) error {
	sums, err := json.Marshal(p.Sums)
	if err != nil {
		return err
	}
	for i := 1; ; i++ {
		err := a.d.InTx(ctx, func(tx *db.Tx) error {
			if guard != nil {
				if err := guard(ctx, tx); err != nil {
					return err
				}
			}
			if err := supersede(ctx, tx, p, expected); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `INSERT INTO piece (id, platform, customer_id, report, day, current, object,
					row_count, bytes, columns, sums, meta, stored_us, superseded_us)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0)`,
				p.ID, p.Platform, p.CustomerID, p.Report, int64(p.Day), true, p.object,
				p.Rows, p.Bytes, cols, string(sums), string(p.Meta), db.US(p.StoredAt))
			return err
		})
		if !db.IsUnique(err) {
			return err
		}
		if expected != nil {
			return errs.E(errs.Conflict, "archive.changed", err, p.Report)
		}
		if i == putAttempts {
			return err
		}
	}
}

// supersede ends the current version, which must be *expected when that is
// given.
func supersede(ctx context.Context, tx *db.Tx, p Piece, expected *string) error {
	q := `UPDATE piece SET current = $5, superseded_us = $6
		WHERE platform = $1 AND customer_id = $2 AND report = $3 AND day = $4 AND current`
	args := []any{p.Platform, p.CustomerID, p.Report, int64(p.Day), false, db.US(p.StoredAt)}
	if expected != nil {
		if *expected == "" {
			return nil // the index refuses a second current version
		}
		q, args = q+` AND id = $7`, append(args, *expected)
	}
	n, err := tx.Exec(ctx, q, args...)
	if err == nil && n == 0 && expected != nil {
		return errs.E(errs.Conflict, "archive.changed", nil, p.Report)
	}
	return err
}

// Discard ends a current version without a new one, so that the piece counts
// as never collected: for a version whose rows cannot be read any more
// (archive.damaged). A version that is no longer current is left alone.
func (a *Archive) Discard(ctx context.Context, p Piece, at time.Time) error {
	_, err := a.d.Exec(ctx, `UPDATE piece SET current = $2, superseded_us = $3 WHERE id = $1 AND current`,
		p.ID, false, db.US(at))
	if err != nil {
		return fmt.Errorf("discard %s: %w", p.Key, err)
	}
	return nil
}

// Doubt notes, in tx, that a current version contradicts the platform's own
// statistics. It is served on; who plans what to fetch sees DoubtedAt.
func (a *Archive) Doubt(ctx context.Context, tx *db.Tx, p Piece, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE piece SET doubted_us = $2 WHERE id = $1 AND current AND doubted_us = 0`, p.ID, db.US(at))
	if err != nil {
		return fmt.Errorf("doubt %s: %w", p.Key, err)
	}
	return nil
}

// Writer takes the rows of a version. The object is begun with the first row,
// so that a piece without rows needs none.
type Writer struct {
	ctx    context.Context
	store  Store
	name   string
	schema table.Schema
	sums   map[string]float64

	out   Object
	pq    *parquetWriter
	rows  int64
	bytes int64
}

// Write adds a row, which must be as long as the schema. The row may be used
// again afterwards.
func (w *Writer) Write(row table.Row) error {
	if len(row) != len(w.schema) {
		return fmt.Errorf("row of %d values, want %d", len(row), len(w.schema))
	}
	if w.pq == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	for i, c := range w.schema {
		if v := row[i]; c.Kind.Numeric() && !v.Null {
			w.sums[c.Name] += number(v, c.Kind)
		}
	}
	w.rows++
	return w.pq.write(row)
}

// Rows is how many rows were written so far.
func (w *Writer) Rows() int64 { return w.rows }

func (w *Writer) begin() error {
	if err := w.ctx.Err(); err != nil {
		return context.Cause(w.ctx)
	}
	out, err := w.store.Create(w.ctx, w.name)
	if err != nil {
		return err
	}
	w.out = out
	w.pq, err = newParquetWriter(counter{out, &w.bytes}, w.schema)
	return err
}

func (w *Writer) commit() error {
	if w.pq == nil {
		return nil
	}
	if err := w.pq.close(); err != nil {
		return err
	}
	return w.out.Commit()
}

func (w *Writer) abort() {
	if w.out != nil {
		w.out.Abort()
	}
}

func (w *Writer) object() string {
	if w.pq == nil {
		return ""
	}
	return w.name
}

type counter struct {
	Object
	n *int64
}

func (c counter) Write(b []byte) (int, error) {
	n, err := c.Object.Write(b)
	*c.n += int64(n)
	return n, err
}

// number is a numeric value as a float.
func number(v table.Value, k table.Kind) float64 {
	if k == table.Int {
		return float64(v.Num)
	}
	return v.Dec
}

// IsChanged reports whether err is PutIf's: somebody else was faster.
func IsChanged(err error) bool { return errs.Is(err, "archive.changed") }

// IsDamaged reports whether err says that a stored object is missing or cannot
// be read: collect the piece again (Discard).
func IsDamaged(err error) bool { return errs.Is(err, "archive.damaged") }
