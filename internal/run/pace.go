package run

import (
	"context"
	"fmt"
	"time"
)

// pacedAfter is how long a run must have waited for the gate before people are
// told, and how long it must not have before they are told no more.
const pacedAfter = 6 * time.Second

// pace is what a keeper knows of one run's waiting for the gate.
type pace struct {
	told  bool
	since time.Time // since when it is other than told; zero: it is as told
}

// turn takes note that the run waits or not at the instant now, and reports
// whether people should hear something new.
func (p *pace) turn(waits bool, now time.Time) bool {
	switch {
	case waits == p.told:
		p.since = time.Time{}
	case p.since.IsZero():
		p.since = now
	case now.Sub(p.since) >= pacedAfter:
		p.told, p.since = waits, time.Time{}
		return true
	}
	return false
}

// tellPace lets the runs of this process say that they wait because of the
// platform's limits. It is no change of state: nothing is logged.
func (k *keeper) tellPace(ctx context.Context) error {
	type news struct {
		id    string
		epoch int64
		paced bool
	}
	var all []news
	now := time.Now()
	k.mu.Lock()
	for id, h := range k.held {
		if h.flow != nil && h.pace.turn(h.flow.Waiting() > 0, now) {
			all = append(all, news{id, h.run.Epoch, h.pace.told})
		}
	}
	k.mu.Unlock()
	for _, n := range all {
		// Only over nothing, or over how it got here: other reasons say more.
		q := `UPDATE run SET reason = 'paced', reason_args = '' WHERE id = $1 AND epoch = $2 AND state = 4 AND NOT parked AND reason IN ('', 'resumed')`
		if !n.paced {
			q = `UPDATE run SET reason = '', reason_args = '' WHERE id = $1 AND epoch = $2 AND reason = 'paced'`
		}
		if _, err := k.s.d.Exec(ctx, q, n.id, n.epoch); err != nil {
			return fmt.Errorf("pace of run %s: %w", n.id, err)
		}
	}
	return nil
}
