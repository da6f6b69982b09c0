package run

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"imreport/internal/db"
	"imreport/internal/jobs"
)

// With several processes the runs of a licence are executed where its owner
// is (package quota), and move with it: the worker of the former owner stops,
// gives its lease back, and the run goes on at the new owner in its next
// epoch. Pieces that are stored stay; a piece under way is asked for again.

// errMoved ends a worker whose licence went to another process.
var errMoved = errors.New("the licence went to another process")

// Yield gives back the runs that this process works on and whose key matches,
// so that they go on where Options.Route sends them.
func (s *Service) Yield(ctx context.Context, match func(keyID string) bool) error {
	k := s.keeper
	k.mu.Lock()
	var all []Run
	for _, h := range k.held {
		all = append(all, h.run)
	}
	k.mu.Unlock()
	for _, r := range all {
		acc, err := s.o.Keys.Account(ctx, s.d, r.Lane)
		if err != nil {
			return err
		}
		if !match(acc.APIKeyID) {
			continue
		}
		k.mu.Lock()
		if h := k.held[r.ID]; h != nil && h.run.Epoch == r.Epoch {
			h.cancel(errMoved)
		}
		k.mu.Unlock()
	}
	return nil
}

// TakeOver takes the runs of a process that is known to be dead before their
// leases run out, and sends jobs again that may have waited for it. The dead
// one's writes are refused by the epoch, should it come back.
func (s *Service) TakeOver(ctx context.Context, process string) error {
	all, err := db.All(ctx, s.d, scan, `SELECT `+columns+` FROM run
		WHERE state IN (3, 4, 5, 6) AND lease_until_us > 0 AND lease_owner = $1`, process)
	if err != nil {
		return fmt.Errorf("runs of process %s: %w", process, err)
	}
	for _, r := range all {
		if err := s.giveBack(ctx, r); err != nil {
			return err
		}
	}
	waiting, err := db.All(ctx, s.d, scan, `SELECT `+columns+` FROM run
		WHERE state IN (3, 4, 5, 6) AND lease_until_us = 0 AND NOT parked`)
	if err != nil {
		return fmt.Errorf("runs not picked up: %w", err)
	}
	for _, r := range waiting {
		if err := s.sendAgain(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// elsewhere reports whether another process should start the run, and sends
// the job there: its licence moved while the job waited.
func (s *Service) elsewhere(ctx context.Context, a startArgs) (moved bool, err error) {
	if s.o.Route == nil {
		return false, nil
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		moved = false
		r, err := scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM run
			WHERE id = $1 AND epoch = $2 AND state IN (3, 4, 5, 6) AND lease_until_us = 0 AND NOT parked`, a.RunID, a.Epoch))
		if errors.Is(err, sql.ErrNoRows) {
			return nil // the claim finds nothing to do either
		}
		if err != nil {
			return err
		}
		acc, err := s.o.Keys.Account(ctx, tx, r.Lane)
		if err != nil {
			return err
		}
		q, err := s.o.Route(ctx, tx, acc.APIKeyID, r.Class)
		if err != nil || q == "" || q == jobs.ProcessQueue(s.o.Process) {
			return err
		}
		moved = true
		return s.send(ctx, tx, r, acc.APIKeyID)
	})
	return moved && err == nil, err
}
