package naver

import (
	"context"
	"maps"
	"sync"
	"time"
)

// builds learns how long Naver takes to build a report, by type: long enough
// that 8 of 10 are ready at the first look.
type builds struct {
	mu    sync.Mutex
	wait  map[string]time.Duration
	fresh bool // something was learned that news has not told
}

const (
	// firstGuess is how long a build takes before one was seen. Naver tells
	// nothing; users see a few seconds.
	firstGuess = 3 * time.Second
	// A report that was ready at the first look could have been looked at
	// earlier, nobody knows how much; one that was not, later. The ratio of
	// these two steps makes the share of ready ones: ln 1.25 / (ln 1.25 - ln
	// 0.95) = 0.81.
	buildShorter = 0.95
	buildLonger  = 1.25
	buildHardly  = 0.99
	// The same for 99 of 100.
	buildSurely = 0.99775
	buildLeast  = 20 * time.Millisecond
	buildMost   = 2 * time.Minute
)

func (b *builds) expect(report string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d, ok := b.wait[report]; ok {
		return d
	}
	return firstGuess
}

// saw takes note of a build that had ended after d at the latest. first says
// that it was so at the first look.
func (b *builds) saw(report string, d time.Duration, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wait == nil {
		b.wait = map[string]time.Duration{}
	}
	b.fresh = true
	old, ok := b.wait[report]
	switch {
	case !ok && first:
		old = min(d, firstGuess)
	case !ok:
		old = firstGuess
	}
	if first && d > old+old/8 {
		// Looked at later than it was expected: hardly any news.
		old = time.Duration(float64(old) * buildHardly)
	} else if first {
		old = time.Duration(float64(old) * buildShorter)
	} else {
		old = min(time.Duration(float64(old)*buildLonger), max(d, old))
	}
	b.wait[report] = min(max(old, buildLeast), buildMost)
}

// all marks in the learned times that for which nearly all builds are ready.
const all = " all"

// expectAll is how long to wait so that nearly all reports of the type are
// ready: for who asks for a dozen and does not want to look twice.
func (b *builds) expectAll(report string) time.Duration {
	b.mu.Lock()
	d, ok := b.wait[report+all]
	b.mu.Unlock()
	if !ok {
		d = b.expect(report) * 5 / 4
	}
	return d
}

// sawAll is saw for who waited as long as expectAll says, or longer.
func (b *builds) sawAll(report string, d time.Duration, first bool) {
	old := b.expectAll(report)
	switch {
	case first && d > old+old/8:
		return // looked at later than it was expected: no news
	case first:
		old = time.Duration(float64(old) * buildSurely)
	default:
		old = min(time.Duration(float64(old)*buildLonger), max(d, old))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wait == nil {
		b.wait = map[string]time.Duration{}
	}
	b.fresh = true
	b.wait[report+all] = min(max(old, buildLeast), buildMost)
}

// news are the learned times by name, when something was learned since they
// were last asked for.
func (b *builds) news() map[string]time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.fresh {
		return nil
	}
	b.fresh = false
	return maps.Clone(b.wait)
}

// takeUp takes what was learned earlier of what nothing is known of yet.
func (b *builds) takeUp(waits map[string]time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, d := range waits {
		if _, ok := b.wait[name]; !ok {
			if b.wait == nil {
				b.wait = map[string]time.Duration{}
			}
			b.wait[name] = min(max(d, buildLeast), buildMost)
		}
	}
}

// watch asks for the states of one customer's jobs: one list tells them all.
// It asks first when the oldest job is likely to be ready, then after half as
// long again, and not more often than every pollMin.
type watch struct {
	life   context.Context // of the collecting; all waiters live in it
	wg     *sync.WaitGroup // of the collecting
	list   func(ctx context.Context) ([]job, error)
	shared func(others int) // hears that one list has ended the waiting for so many more jobs
	builds *builds
	now    func() time.Time
	least  time.Duration // between two lists
	// patient: nobody looks on, so that a list is read when all that is waited
	// for and all that is just being asked for is likely to be ready, not as
	// soon as something is. It may change meanwhile; nil: nobody is patient.
	patient func() bool
	most    time.Duration // for which who is patient waits at most

	mu      sync.Mutex
	coming  map[piece]bool // being asked for, not waited for yet
	waiting map[int64]*waiter
	polling bool
	last    time.Time
	kick    chan struct{}
}

type waiter struct {
	report  string
	asked   time.Time
	due     time.Time
	looks   int // at the list so far
	missing int // lists in a row that did not show it
	blank   int // lists that showed it built, without an address
	answer  chan answer
}

type answer struct {
	job  job
	lost bool
	err  error
}

const (
	pollMin = 700 * time.Millisecond
	pollMax = 30 * time.Second
	// patience is how long the oldest job may wait for those asked for after
	// it: where hundreds of accounts share a licence, the jobs of each are made
	// one by one over minutes.
	patience = 4 * time.Minute
	// recheck is how often who is patient looks whether somebody waits now.
	recheck = 5 * time.Second
	// blankMax is how often a job may be built without an address before it
	// is given up.
	blankMax = 3
)

// wait returns the job once it will not change any more: built, empty, failed
// or restated; built without an address when that stays so. A job that two
// lists in a row do not show is lost (fault jobLost); one that is not ready at
// the deadline is late (fault jobLate).
func (w *watch) wait(ctx context.Context, id int64, p piece, asked, deadline time.Time) (job, error) {
	wt := &waiter{report: p.report, asked: asked, answer: make(chan answer, 1)}
	expect := w.builds.expect(p.report)
	if w.calm() {
		expect = w.builds.expectAll(p.report)
	}
	wt.due = asked.Add(expect)
	if soon := w.now().Add(w.least / 4); wt.due.Before(soon) {
		wt.due = soon
	}
	w.mu.Lock()
	if w.waiting == nil {
		w.waiting, w.kick = map[int64]*waiter{}, make(chan struct{}, 1)
	}
	w.waiting[id] = wt
	delete(w.coming, p)
	if !w.polling {
		w.polling = true
		w.wg.Go(func() { w.poll(w.life) })
	} else {
		w.news()
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.waiting, id)
		w.mu.Unlock()
	}()
	end := time.NewTimer(max(deadline.Sub(w.now()), w.least))
	defer end.Stop()
	select {
	case a := <-wt.answer:
		if a.err == nil && a.lost {
			a.err = &fault{class: jobLost, op: "stat-reports.list", customer: p.customer, title: "the job is not in the list"}
		}
		return a.job, a.err
	case <-end.C:
		f := &fault{class: jobLate, op: "stat-reports.list", customer: p.customer}
		f.args = []any{p.report, p.day.String(), w.now().Sub(asked).Round(time.Second)}
		return job{}, f
	case <-ctx.Done():
		return job{}, context.Cause(ctx)
	}
}

// comes says that p is being asked for; came that it is not any more, whether
// it is waited for or not.
func (w *watch) comes(p piece) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.coming == nil {
		w.coming = map[piece]bool{}
	}
	w.coming[p] = true
}

func (w *watch) came(p piece) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.coming[p] {
		delete(w.coming, p)
		w.news()
	}
}

// news makes poll look anew at what is waited for. The lock is held.
func (w *watch) news() {
	select {
	case w.kick <- struct{}{}:
	default: // it will anyway, or nobody polls
	}
}

func (w *watch) calm() bool { return w.patient != nil && w.patient() }

// due is when to list: when the first is likely to be ready, or a little later
// with those who are due soon after; who is patient waits for all, those
// included that are just being asked for. The lock is held.
func (w *watch) due() time.Time {
	var first, last, oldest time.Time
	for _, wt := range w.waiting {
		if first.IsZero() || wt.due.Before(first) {
			first = wt.due
		}
		if wt.due.After(last) {
			last = wt.due
		}
		if oldest.IsZero() || wt.asked.Before(oldest) {
			oldest = wt.asked
		}
	}
	due := first
	if w.calm() {
		end := oldest.Add(w.most)
		if len(w.coming) > 0 || last.After(end) {
			last = end
		}
		if last.After(due) {
			due = last
		}
	} else {
		for _, wt := range w.waiting {
			if wt.due.After(due) && wt.due.Sub(first) <= first.Sub(wt.asked)/4 {
				due = wt.due
			}
		}
	}
	// Who has waited for long can wait a sixth longer.
	if early := w.last.Add(max(w.least, min(w.last.Sub(oldest)/6, pollMax))); due.Before(early) {
		due = early
	}
	return due
}

// poll lists until nobody waits.
func (w *watch) poll(ctx context.Context) {
	for {
		w.mu.Lock()
		if len(w.waiting) == 0 || ctx.Err() != nil {
			w.polling = false
			w.mu.Unlock()
			return
		}
		due := w.due()
		w.mu.Unlock()
		if d := due.Sub(w.now()); d > 0 {
			t := time.NewTimer(min(d, recheck))
			select {
			case <-t.C:
			case <-w.kick: // somebody who is due earlier, or nobody to come
			case <-ctx.Done():
			}
			t.Stop()
			continue
		}
		jobs, err := w.list(ctx)
		w.tell(jobs, err)
	}
}

func (w *watch) tell(jobs []job, err error) {
	byID := make(map[int64]job, len(jobs))
	for _, j := range jobs {
		byID[int64(j.ID)] = j
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	w.last = now
	ended := 0
	defer func() {
		if w.shared != nil {
			w.shared(ended - 1)
		}
	}()
	for id, wt := range w.waiting {
		j, there := byID[id]
		switch {
		case err != nil:
			w.reply(id, answer{err: err})
			continue
		case !there:
			if wt.missing++; wt.missing >= 2 {
				w.reply(id, answer{lost: true})
				continue
			}
			wt.due = now.Add(w.least)
			continue
		case j.Status == statusBuilt && j.URL != "":
			if w.calm() {
				w.builds.sawAll(wt.report, now.Sub(wt.asked), wt.looks == 0)
			} else {
				w.builds.saw(wt.report, now.Sub(wt.asked), wt.looks == 0)
			}
			w.reply(id, answer{job: j})
			ended++
			continue
		case j.Status == statusBuilt && wt.blank < blankMax:
			wt.blank++
			wt.due = now.Add(w.least)
			continue
		case j.Status == statusBuilt, j.Status == statusNone, j.Status == statusError, j.Status == statusChanged:
			w.reply(id, answer{job: j})
			ended++
			continue
		}
		wt.missing = 0
		wt.looks++
		if !wt.due.After(now) {
			wt.due = now.Add(min(max(now.Sub(wt.asked)/2, w.least), pollMax))
		}
	}
}

// reply ends the waiting for the job: it is not listed for once more. The lock
// is held.
func (w *watch) reply(id int64, a answer) {
	w.waiting[id].answer <- a // there is room: nobody has replied before
	delete(w.waiting, id)
}
