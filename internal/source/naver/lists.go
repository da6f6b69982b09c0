package naver

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// asking is one list of entities that is read from Naver.
type asking struct {
	item  masterItem
	of    string    // of what kind of ids; empty: the list's own
	since time.Time // what was made, changed or deleted since; zero: all that exists
	deep  bool      // asked for what was deleted, not for the next delta

	job     master
	asked   time.Time
	due     time.Time // when to look
	looks   int
	updated time.Time // everything up to then is in it
	made    int
	blank   int
	missing int
	entries []entry
	err     error
	done    bool
}

// listJobsMax is how many jobs are made for one list in one collecting.
const listJobsMax = 2

// readLists reads lists of entities: one job each, one look for all of them,
// and each job is deleted after use, because Naver keeps no more than 100 of a
// customer. What a list met stands in it; the error that comes back is one
// after which nothing else should be tried.
func (c *collector) readLists(ctx context.Context, all []*asking) error {
	var asks errgroup.Group
	for _, a := range all {
		asks.Go(func() error {
			a.err = c.askList(ctx, a)
			a.done = a.err != nil
			return nil
		})
	}
	_ = asks.Wait() // its functions return nil
	for _, a := range all {
		if a.err != nil && fatal(a.err) {
			return a.err
		}
	}
	for slices.ContainsFunc(all, func(a *asking) bool { return !a.done }) {
		var due time.Time // of the last of them: one look is to tell all
		for _, a := range all {
			if !a.done && a.due.After(due) {
				due = a.due
			}
		}
		if err := sleep(ctx, max(due.Sub(c.s.o.Now()), c.s.o.Poll)); err != nil {
			return err
		}
		jobs, err := c.s.client.masters(ctx, c.w)
		if err != nil {
			for _, a := range all {
				if !a.done {
					a.done, a.err = true, err
				}
			}
			if fatal(err) {
				return err
			}
			break
		}
		var g errgroup.Group
		var open []*asking
		for _, a := range all {
			if a.done {
				continue
			}
			open = append(open, a)
			g.Go(func() error {
				c.advanceList(ctx, a, jobs)
				if a.done && a.err == nil {
					a.err = c.takeList(ctx, a)
				}
				if is(a.err, serverFault, unreachable, unreadable) && a.made < listJobsMax {
					// A job that cannot be downloaded stays so: another may.
					a.err = c.askList(ctx, a)
					a.done = a.err != nil
				}
				return nil
			})
		}
		_ = g.Wait() // its functions return nil
		ended := 0
		for _, a := range open {
			if a.done {
				ended++
			}
		}
		c.spare(WhyPolls, ended-1)
		for _, a := range all {
			if a.err != nil && fatal(a.err) {
				return a.err
			}
		}
	}
	return nil
}

// fatal reports whether err ends more than what it happened to.
func fatal(err error) bool { return asFault(err) == nil || decisive(err) }

// askList makes the job. When Naver refuses more of them, those that we left
// behind are deleted and it is tried once more.
func (c *collector) askList(ctx context.Context, a *asking) error {
	a.asked = c.s.o.Now()
	m, err := c.s.client.createMaster(ctx, c.w, a.item.name, a.since)
	if is(err, jobCap) {
		n, derr := c.removeMasters(ctx, time.Minute)
		if derr != nil && fatal(derr) {
			return derr
		}
		if n == 0 {
			return err
		}
		m, err = c.s.client.createMaster(ctx, c.w, a.item.name, a.since)
	}
	if err != nil {
		return err
	}
	a.made++
	c.s.counts.lists.Add(1)
	if !a.since.IsZero() {
		c.s.counts.deltas.Add(1)
	}
	a.job, a.updated, a.blank, a.missing, a.looks = m, m.Updated.Time, 0, 0, 0
	a.due = a.asked.Add(c.s.masters.expect(a.item.name))
	return c.s.store.madeMaster(context.WithoutCancel(ctx), c.o.CustomerID, string(m.ID), a.asked)
}

// advanceList looks at the list's job. Done without an error means that it can
// be read; an empty address then, that nothing is in it.
func (c *collector) advanceList(ctx context.Context, a *asking, jobs []master) {
	i := slices.IndexFunc(jobs, func(m master) bool { return m.ID == a.job.ID })
	now := c.s.o.Now()
	late, first := now.Sub(a.asked), a.looks == 0
	a.looks++
	a.due = now.Add(min(max(late/2, c.s.o.Poll), pollMax))
	problem := class("")
	switch {
	case i < 0:
		if a.missing++; a.missing < 2 {
			return
		}
		problem = jobLost
	case jobs[i].Status == statusNone:
		a.done, a.job = true, jobs[i]
		a.job.URL = ""
		return
	case jobs[i].Status == statusBuilt && jobs[i].URL != "":
		a.done, a.job = true, jobs[i]
		c.s.masters.saw(a.item.name, late, first)
		return
	case jobs[i].Status == statusBuilt:
		if a.blank++; a.blank < blankMax {
			a.due = now.Add(c.s.o.Poll)
			return
		}
		problem = jobFailed
	case jobs[i].Status == statusError:
		problem = jobFailed
	case late < c.s.o.ReportDeadline:
		return
	default:
		problem = jobLate
	}
	c.dropList(ctx, a)
	if a.made < listJobsMax {
		if err := c.askList(ctx, a); err != nil {
			a.done, a.err = true, err
		}
		return
	}
	f := &fault{class: problem, op: "master-reports.list", customer: c.o.CustomerID}
	if problem == jobLate {
		f.args = []any{a.item.name, c.today.String(), late.Round(time.Second)}
	}
	a.done, a.err = true, f
}

// takeList downloads a finished list and deletes its job.
func (c *collector) takeList(ctx context.Context, a *asking) error {
	defer c.dropList(ctx, a)
	if a.job.URL == "" {
		return nil
	}
	if !a.job.Updated.IsZero() {
		a.updated = a.job.Updated.Time
	}
	for try := 1; ; try++ {
		err := c.downloadList(ctx, a)
		if err == nil || fatal(err) || try >= downloads {
			return err
		}
		if err := sleep(ctx, c.pause(try)); err != nil {
			return err
		}
	}
}

func (c *collector) downloadList(ctx context.Context, a *asking) error {
	r, err := c.s.client.download(ctx, c.w, string(a.job.URL))
	if err != nil {
		return err
	}
	defer func() { _ = r.stream.Close() }() // it was read, or the error is known
	a.entries = a.entries[:0]
	rows, odd, err := readMaster(r.stream, a.item, func(e entry) { a.entries = append(a.entries, e) })
	if odd > 0 {
		c.s.o.Log.WarnContext(ctx, "a list of entities has lines that could not be read", "item", a.item.name,
			"customer", c.o.CustomerID, "rows", rows, "odd_lines", odd, "transaction", r.transaction)
	}
	return err
}

// dropList deletes the list's job. What fails is left to cleanUp.
func (c *collector) dropList(ctx context.Context, a *asking) {
	if err := c.removeMaster(ctx, string(a.job.ID)); err != nil && !errors.Is(err, context.Canceled) {
		c.s.o.Log.InfoContext(ctx, "a list of entities could not be deleted at Naver", "item", a.item.name, "customer", c.o.CustomerID, "error", err)
	}
}
