package archive

import (
	"context"
	"fmt"
	"time"

	"imreport/internal/db"
)

// Keep says how long Collect leaves things alone.
type Keep struct {
	// Objects is how long the rows of a superseded version stay, for whoever
	// still reads them, and how long a file that nothing refers to: longer
	// than any Put takes.
	Objects time.Duration
	// Versions is how long the catalogue remembers superseded versions, for
	// Revised.
	Versions time.Duration
}

// DefaultKeep suits a server.
var DefaultKeep = Keep{Objects: 24 * time.Hour, Versions: 40 * 24 * time.Hour}

// collectBatch bounds the transactions of Collect.
const collectBatch = 200

// Collect removes what is no longer needed at the instant now and reports how
// many objects and catalogue rows that were. Several may run at once.
func (a *Archive) Collect(ctx context.Context, now time.Time, keep Keep) (objects, versions int, err error) {
	objects, err = a.release(ctx, now.Add(-keep.Objects))
	if err != nil {
		return objects, 0, fmt.Errorf("collect superseded pieces: %w", err)
	}
	n, err := a.d.Exec(ctx, `DELETE FROM piece WHERE superseded_us > 0 AND superseded_us < $1 AND object = ''`,
		db.US(now.Add(-keep.Versions)))
	if err != nil {
		return objects, 0, fmt.Errorf("forget superseded pieces: %w", err)
	}
	orphans, err := a.sweep(ctx, now.Add(-keep.Objects))
	if err != nil {
		err = fmt.Errorf("collect orphans: %w", err)
	}
	return objects + orphans, int(n), err
}

// release removes the objects of versions superseded before the instant. The
// catalogue lets go first: a crash in between leaves an orphan for sweep.
func (a *Archive) release(ctx context.Context, before time.Time) (n int, err error) {
	for {
		var names []string
		err := a.d.InTx(ctx, func(tx *db.Tx) (err error) {
			names, err = db.All(ctx, tx, db.Value[string], `SELECT object FROM piece
				WHERE superseded_us > 0 AND superseded_us < $1 AND object <> '' ORDER BY superseded_us LIMIT $2`,
				db.US(before), collectBatch)
			if err != nil || len(names) == 0 {
				return err
			}
			_, err = tx.Exec(ctx, `UPDATE piece SET object = '' WHERE superseded_us > 0 AND object IN (`+
				db.Params(1, len(names))+`)`, anys(names)...)
			return err
		})
		if err != nil || len(names) == 0 {
			return n, err
		}
		for _, name := range names {
			if err := a.store.Remove(ctx, name); err != nil {
				return n, err
			}
			n++
		}
	}
}

// sweep removes objects that were last written before the instant and that
// the catalogue does not know.
func (a *Archive) sweep(ctx context.Context, before time.Time) (n int, err error) {
	var names []string
	flush := func() error {
		if len(names) == 0 {
			return nil
		}
		known, err := db.All(ctx, a.d, db.Value[string], `SELECT object FROM piece WHERE object IN (`+
			db.Params(1, len(names))+`)`, anys(names)...)
		if err != nil {
			return err
		}
		kept := make(map[string]bool, len(known))
		for _, name := range known {
			kept[name] = true
		}
		for _, name := range names {
			if kept[name] {
				continue
			}
			if err := a.store.Remove(ctx, name); err != nil {
				return err
			}
			n++
		}
		names = names[:0]
		return nil
	}
	err = a.store.List(ctx, before, func(name string) error {
		if names = append(names, name); len(names) < collectBatch {
			return nil
		}
		return flush()
	})
	if err != nil {
		return n, err
	}
	return n, flush()
}

func anys(s []string) []any {
	all := make([]any, len(s))
	for i := range s {
		all[i] = s[i]
	}
	return all
}
