package run

import (
	"context"
	"time"
)

// Work is counted in pieces, twice: each is collected and each is written. So
// total is known when the source has planned, and the share done never falls.

// storeEvery bounds how often progress is written down.
const storeEvery = time.Second

// Plan hears from the source how many pieces there are.
func (w *worker) Plan(pieces int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pieces = int64(pieces)
	w.store(true)
}

// Done hears from the source that so many more pieces are stored.
func (w *worker) Done(pieces int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done += int64(pieces)
	w.progress = true
	w.store(w.done == w.pieces)
	w.s.o.Step("piece")
}

func (w *worker) planRows(tabs []Tab) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range tabs {
		w.allRows += t.Rows
	}
	if w.pieces == 0 { // taken over while writing: nothing was collected
		w.pieces = max(w.run.Total/2, 1)
	}
	w.done = w.pieces
}

// wrote hears from the destination that n more rows are written.
func (w *worker) wrote(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows += n
	w.store(false)
}

// store writes progress down when it is time; w.mu is held.
func (w *worker) store(now bool) {
	if !now && time.Since(w.written) < storeEvery {
		return
	}
	w.written = time.Now()
	done, total := w.done, 2*w.pieces
	if w.allRows > 0 {
		done += min(w.pieces*w.rows/w.allRows, w.pieces)
	}
	id, epoch := w.run.ID, w.run.Epoch
	ctx, stop := context.WithTimeout(context.Background(), releaseWithin)
	defer stop()
	// What was shown before may be more, after a takeover: it never falls.
	_, err := w.s.d.Exec(ctx, `UPDATE run SET done = CASE WHEN $3 > done THEN $3 ELSE done END,
			total = CASE WHEN $4 > total THEN $4 ELSE total END
		WHERE id = $1 AND epoch = $2`, id, epoch, done, total)
	if err != nil {
		w.s.log.Warn("progress could not be stored", "run", id, "error", err)
	}
}
