package naver

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"imreport/internal/quota"
	"imreport/internal/run"
	"imreport/internal/table"
)

// Collect brings what o needs into the archive. See run.Source.
func (s *Source) Collect(ctx context.Context, o run.Order, p run.Progress) error {
	c := &collector{s: s, o: o, w: who{o.Credential, o.Flow, o.CustomerID}, progress: p, seen: newSeen(), fetched: map[piece]bool{}, asking: make(chan struct{}, 1)}
	s.recall(ctx)
	if err := c.collect(ctx); err != nil {
		return stop(o.Credential, err)
	}
	c.spareKept()
	return nil
}

// collector collects for one order.
type collector struct {
	s        *Source
	o        run.Order
	w        who
	progress run.Progress
	today    table.Day
	began    time.Time
	pl       plan // as it was made last
	wg       sync.WaitGroup
	watch    *watch
	jobs     []job // as last listed at the start
	keepLeft atomic.Int64
	// broken counts pieces that failed for Naver's own faults with none that
	// went well in between.
	broken atomic.Int64

	// asking is held while /stats is asked, so that it is asked once. It is no
	// mutex: who waits for an answer of Naver's must be able to give up.
	asking    chan struct{}
	asked     map[table.Day]activity
	campaigns []string   // nil: not known
	listed    []campaign // as this collecting has read them
	stirs     bool       // /stats has shown that the account is not idle
	active    bool       // /stats has shown that it was active not long ago
	listsRead int        // daily lists that this collecting has read

	mu      sync.Mutex
	snap    snapshot  // of whoever holds the names
	scanned time.Time // what was stored before then was looked at for ids
	named   bool      // snap has news to store
	seen    *seen
	fetched map[piece]bool
	doubted []piece         // stored, and found to contradict the statistics
	late    []run.LatePiece // of what failed: what others of the day need not wait for
	firm    bool            // something failed for another reason
}

// brokenMax is how many pieces in a row may fail for Naver's own faults before
// the others are not tried: the run tries again later.
const brokenMax = 3

func (c *collector) collect(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer c.wg.Wait()
	defer cancel(nil)
	c.today, c.began = c.s.today(), c.s.o.Now()
	since := c.began
	if c.o.Force {
		var err error
		if since, err = c.s.store.forcedSince(ctx, c.o.RunID, since); err != nil {
			return err
		}
	}
	pl, err := c.s.plan(ctx, c.o, since, nil)
	if err != nil {
		return err
	}
	defer func() { c.pl = pl }()
	c.progress.Plan(pl.total)
	if pl.gone != nil && pl.prove {
		// Which days are stored, only who reaches the customer may learn.
		if err := c.s.prove(ctx, c.w); err != nil {
			return err
		}
	}
	if pl.gone != nil {
		return c.periodGone(*pl.gone)
	}
	if len(pl.needs) > 0 && pl.needs[0].day == pl.needs[len(pl.needs)-1].day {
		// Nothing but the newest day is missing: while it is not published, the
		// run asks for nothing at all, except the one that asks for all.
		leave, again, ok, err := c.s.ready.door(ctx, pl.needs[0].day)
		if err != nil {
			return err
		}
		if !ok {
			return c.held(ctx, pl, again)
		}
		defer leave()
		// A run that may go on without them is served what is stored, so its
		// key must be known to reach the customer.
		if again, early := c.s.ready.early(pl.needs); early && (c.o.Late == nil || !pl.prove) {
			for _, n := range pl.needs {
				c.late = append(c.late, run.LatePiece{Report: n.report, Day: n.day, Again: again})
			}
			return c.without(c.held(ctx, pl, again))
		}
	}
	if err := c.settleIdle(ctx, &pl, false); err != nil {
		return err
	}
	looks := len(pl.needs) > 0 || pl.watch || pl.prove
	if looks && c.seenLately(pl) {
		c.spare(WhyPolls, 1)
		looks = false
	}
	if looks {
		changed, err := c.look(ctx)
		if err != nil {
			return err
		}
		// Naver's answer has told its time: the day may be another one.
		if was := c.today; c.s.today() != was || len(changed) > 0 || len(pl.needs) == 0 {
			c.today = c.s.today()
			if pl, err = c.s.plan(ctx, c.o, since, changed); err != nil {
				return err
			}
			if pl.gone != nil {
				return c.periodGone(*pl.gone)
			}
		}
	}
	if err := c.settleIdle(ctx, &pl, true); err != nil {
		return err
	}
	if len(pl.needs) == 0 && pl.empty() {
		c.progress.Done(pl.total)
		return c.keepCampaigns(ctx)
	}
	c.tellGate(ctx, pl)
	c.progress.Done(pl.total - len(pl.needs))
	parallel, err := c.makeRoom(ctx, pl.needs)
	if err != nil {
		return err
	}
	c.watch = c.newWatch(ctx, c.s.builds)
	// Names do not wait for reports: while Naver prepares, they are read.
	var naming errgroup.Group
	naming.Go(func() error { return c.readDaily(ctx) })
	worst := c.fetchAll(ctx, cancel, pl.needs, parallel)
	var again []need
	if ctx.Err() == nil {
		if err = c.compareTypes(ctx); err == nil {
			again, err = c.doubtedNeeds(ctx)
		}
	}
	if err == nil && len(again) > 0 {
		c.progress = silent{} // they were counted as stored
		worst = either(worst, c.fetchAll(ctx, cancel, again, parallel))
	}
	err = either(err, naming.Wait())
	if decisive(worst) || decisive(err) {
		return either(worst, err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := c.finishNames(ctx, pl); err != nil {
		return either(worst, err)
	}
	if err := c.cleanUp(ctx); err != nil && decisive(err) {
		return either(worst, err)
	}
	return c.without(worst)
}

// doubtedNeeds are the pieces of the order that were found to contradict the
// statistics while others were fetched, and still do.
func (c *collector) doubtedNeeds(ctx context.Context) (needs []need, err error) {
	c.mu.Lock()
	doubted := c.doubted
	c.mu.Unlock()
	if len(doubted) == 0 {
		return nil, nil
	}
	pl, err := c.s.planOn(ctx, c.o, c.began, nil, c.today)
	for _, n := range pl.needs {
		if n.restated && slices.Contains(doubted, n.piece) {
			needs = append(needs, n)
		}
	}
	return needs, err
}

// newWatch watches the customer's jobs.
func (c *collector) newWatch(life context.Context, b *builds) *watch {
	return &watch{
		life: life, wg: &c.wg, builds: b, now: c.s.o.Now, least: c.s.o.Poll, patient: c.patient, most: min(patience, c.s.o.ReportDeadline/3),
		list:   func(ctx context.Context) ([]job, error) { return c.s.client.jobs(ctx, c.w) },
		shared: func(others int) { c.spare(WhyPolls, others) },
	}
}

// patient reports whether still nobody looks on: who does may lend the run
// their class later.
func (c *collector) patient() bool {
	return c.o.Patient && (c.o.Flow == nil || c.o.Flow.Class() != quota.Interactive)
}

// held is what a run does whose day is not published: what does not depend on
// that, then it waits until the next probe.
func (c *collector) held(ctx context.Context, pl plan, again time.Time) error {
	c.progress.Done(pl.total - len(pl.needs))
	if err := c.readDaily(ctx); err != nil {
		return err
	}
	return c.notReady(pl.needs[0], again, nil)
}

// tellGate says how much is to come, for the forecast and the order of bulk.
func (c *collector) tellGate(ctx context.Context, pl plan) {
	if c.o.Flow == nil {
		return
	}
	lists, err := c.s.listsDue(ctx, c.o, c.today)
	if err != nil {
		return // a forecast, no more
	}
	left := pl.cost(lists, c.today)
	c.o.Flow.SetLeft(left, left)
}

// lookFor is how long a look at a customer's jobs serves the raw data that are
// refreshed by themselves: the mornings of one account follow each other, and one
// that waits for Naver goes on after hours. What Naver restates meanwhile is seen
// by the next morning.
const lookFor = 6 * time.Hour

// seenLately reports whether another look at the customer's jobs would hardly
// tell more. A person who asks always gets a fresh one.
func (c *collector) seenLately(pl plan) bool {
	if !c.o.Routine || c.o.Force || pl.prove {
		return false
	}
	v, ok := c.s.looked.Load(c.o.CustomerID)
	seen, _ := v.(seenJobs)
	if !ok || c.s.o.Now().Sub(seen.at) >= lookFor || seen.idle && len(pl.needs) > 0 {
		return false
	}
	c.jobs = seen.jobs // for how much room there is
	return true
}

// seenJobs is a customer's list of jobs and when it was read.
type seenJobs struct {
	at   time.Time
	jobs []job
	idle bool // /stats told instead that nothing has changed; jobs is not known
}

// look reads the customer's list of jobs: it proves that the key reaches the
// customer, shows what Naver has restated, and how much room there is.
func (c *collector) look(ctx context.Context) (changed map[piece]bool, err error) {
	if c.jobs, err = c.s.client.jobs(ctx, c.w); err != nil {
		return nil, err
	}
	if err := c.proved(ctx); err != nil {
		return nil, err
	}
	c.s.looked.Store(c.o.CustomerID, seenJobs{at: c.s.o.Now(), jobs: c.jobs})
	known, err := c.s.store.known(ctx, c.o.CustomerID)
	if err != nil {
		return nil, err
	}
	listed := make(map[int64]job, len(c.jobs))
	for _, j := range c.jobs {
		listed[int64(j.ID)] = j
	}
	changed = map[piece]bool{}
	for _, k := range known {
		j, there := listed[k.id]
		switch {
		case there && k.current && j.Status == statusChanged:
			changed[k.piece] = true
			c.s.counts.restated.Add(1)
		case !there && !k.waited && c.s.o.Now().Sub(k.made) > time.Hour:
			if err := c.s.store.forget(ctx, c.o.CustomerID, k.id); err != nil {
				return nil, err
			}
		}
	}
	return changed, nil
}

// askAlone waits until nobody else of the order asks /stats; the caller ends
// that by what it returns.
func (c *collector) askAlone(ctx context.Context) (done func(), err error) {
	select {
	case c.asking <- struct{}{}:
		return func() { <-c.asking }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// proved notes that the workspace's key has just reached the customer.
func (c *collector) proved(ctx context.Context) error {
	if c.s.o.Accounts == nil || c.o.AccountID == "" {
		return nil
	}
	return c.s.o.Accounts.MarkProved(ctx, c.o.AccountID, c.s.o.Now())
}

// fetchAll fetches the pieces, as many at once as parallel. One that is not to
// be had now does not keep the others; the worst failure comes back.
func (c *collector) fetchAll(ctx context.Context, cancel context.CancelCauseFunc, needs []need, parallel int) error {
	var g errgroup.Group
	g.SetLimit(parallel)
	var mu sync.Mutex
	var worst error
	for _, n := range needs {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			err := c.piece(ctx, n)
			if err == nil {
				c.broken.Store(0)
				c.progress.Done(1)
				return nil
			}
			f := asFault(err)
			mu.Lock()
			worst = either(worst, err)
			if is(err, preparing, suspiciousNone, suspiciousPart) {
				c.late = append(c.late, run.LatePiece{Report: n.report, Day: n.day, Doubtful: f.class != preparing, Again: f.until})
			} else {
				c.firm = true
			}
			mu.Unlock()
			if f == nil || decisive(err) || ours(f.class) && c.broken.Add(1) >= brokenMax {
				cancel(err)
			}
			return nil
		})
	}
	_ = g.Wait() // its functions return nil
	if worst == nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return worst
}

// ours are the classes that a second piece would probably meet as well.
func ours(cl class) bool { return cl == serverFault || cl == unreachable || cl == unreadable }

// severity orders failures: the highest is what a run stops for. A failure
// that is no fault of Naver's (a lost lease, a full disk) comes before all.
var severity = map[class]int{
	licenceUnknown: 9, secretWrong: 9, forbidden: 8, notOwner: 8, periodGone: 7, columnsChanged: 6, closed: 5,
	clockWrong: 4, headerMissing: 4, contentType: 4, badRequest: 3, preparing: 1, suspiciousNone: 1, suspiciousPart: 1,
}

func rank(err error) int {
	if err == nil {
		return -1
	}
	f := asFault(err)
	if f == nil {
		if errors.Is(err, context.Canceled) {
			return 0
		}
		return 10
	}
	if n, ok := severity[f.class]; ok {
		return n
	}
	return 2
}

// either is the worse of two failures, the earlier one among equals.
func either(a, b error) error {
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// decisive reports whether nothing else of the order should be tried.
func decisive(err error) bool { return rank(err) >= 4 && !is(err, columnsChanged) }

func (c *collector) periodGone(n need) error {
	f := &fault{class: periodGone, op: "plan", customer: c.o.CustomerID}
	f.args = []any{n.report, n.day.String(), (c.today - table.Day(n.t.daysBack)).String(), (c.today - 1).String()}
	return f
}

// drain gives each row of r to f.
func drain(r table.Reader, f func(table.Row) error) error {
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(row); err != nil {
			return err
		}
	}
}
