package naver

import (
	"context"
	"slices"
	"time"

	"imreport/internal/table"
)

const (
	// jobsKept is how many jobs of a customer we let stand: Naver keeps 100
	// and drops the oldest without a word, and people make some in its console.
	jobsKept = 95
	// roomLeast is how many jobs may be on their way even when others fill
	// the customer's places.
	roomLeast = 2
	// leftover is how old a list of entities must be before it counts as left
	// behind by a crash.
	leftover = time.Hour
)

// makeRoom returns how many pieces may be on their way at once, so that jobs
// that are waited for are not pushed out. Where places are scarce, our own
// jobs go that nobody needs, then those of the oldest days, which are then no
// longer watched for CHANGED.
func (c *collector) makeRoom(ctx context.Context, needs []need) (parallel int, err error) {
	want := min(c.s.o.Parallel, len(needs))
	if want == 0 {
		return 1, nil
	}
	jobs, err := c.s.store.known(ctx, c.o.CustomerID)
	if err != nil {
		return 0, err
	}
	listed := make(map[int64]bool, len(c.jobs))
	for _, j := range c.jobs {
		listed[int64(j.ID)] = true
	}
	again := map[piece]bool{}
	for _, n := range needs {
		again[n.piece] = true
	}
	occupied := len(c.jobs)
	var free, watched []known
	replaced := 0
	for _, k := range jobs {
		switch {
		case !listed[k.id] || k.waited:
		case !k.current:
			free = append(free, k)
		case again[k.piece]:
			replaced++
			watched = append(watched, k)
		default:
			watched = append(watched, k)
		}
	}
	// The oldest day is the least likely to change.
	slices.SortStableFunc(watched, func(a, b known) int { return int(a.piece.day - b.piece.day) })
	for _, k := range append(free, watched...) {
		if jobsKept-occupied >= want {
			break
		}
		if err := c.removeJob(ctx, k.id); err != nil {
			if decisive(err) || asFault(err) == nil {
				return 0, err
			}
			break // it is a matter of tidiness only
		}
		if k.current && again[k.piece] {
			replaced--
		}
		occupied--
	}
	parallel = min(want, max(jobsKept-occupied, roomLeast))
	c.keepLeft.Store(int64(max(jobsKept-occupied+replaced-passing(needs, c.today, parallel), 0)))
	return parallel, nil
}

// passing is how many jobs at a time will stand only until they are read.
func passing(needs []need, today table.Day, parallel int) int {
	n := 0
	for _, x := range needs {
		if x.day < today-watchDays {
			n++
		}
	}
	return min(n, parallel)
}

// removeJob deletes a job of ours at Naver and forgets it.
func (c *collector) removeJob(ctx context.Context, id int64) error {
	if err := c.s.client.deleteJob(ctx, c.w, id); err != nil {
		return err
	}
	return c.s.store.forget(context.WithoutCancel(ctx), c.o.CustomerID, id)
}

// deleteOld deletes the jobs of a piece that has just been stored, except the
// one it came from when that is kept. What fails is left to cleanUp.
func (c *collector) deleteOld(ctx context.Context, p piece) {
	jobs, err := c.s.store.known(ctx, p.customer)
	for _, k := range jobs {
		if err != nil {
			break
		}
		if k.piece == p && !k.current && !k.waited {
			err = c.removeJob(ctx, k.id)
		}
	}
	if err != nil && ctx.Err() == nil {
		c.s.o.Log.InfoContext(ctx, "a replaced report job could not be deleted", "piece", p.String(), "error", err)
	}
}

// cleanUp deletes what earlier collectings have left at Naver: jobs that no
// piece comes from, and lists of entities.
func (c *collector) cleanUp(ctx context.Context) error {
	jobs, err := c.s.store.known(ctx, c.o.CustomerID)
	if err != nil {
		return err
	}
	for _, k := range jobs {
		old := k.piece.day < c.today-watchDays && c.s.o.Now().Sub(k.made) > watchDays*24*time.Hour
		switch {
		case k.waited || k.current && !old:
		case old: // Naver has dropped it by itself
			err = c.s.store.forget(ctx, c.o.CustomerID, k.id)
		case c.s.o.Now().Sub(k.made) > time.Minute: // else its piece is just being stored
			err = c.removeJob(ctx, k.id)
		}
		if err != nil {
			return err
		}
	}
	_, err = c.removeMasters(ctx, leftover)
	return err
}

// removeMasters deletes our own lists of entities that are older than age.
func (c *collector) removeMasters(ctx context.Context, age time.Duration) (n int, err error) {
	ids, err := c.s.store.masters(ctx, c.o.CustomerID, c.s.o.Now().Add(-age))
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := c.removeMaster(ctx, id); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (c *collector) removeMaster(ctx context.Context, id string) error {
	if err := c.s.client.deleteMaster(ctx, c.w, id); err != nil {
		return err
	}
	return c.s.store.forgetMaster(context.WithoutCancel(ctx), c.o.CustomerID, id)
}
