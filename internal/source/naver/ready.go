package naver

import (
	"context"
	"sync"
	"time"

	"imreport/internal/table"
)

// readiness knows which days Naver has not published yet, so that one request
// asks for all accounts instead of each account for itself.
//
// Naver publishes a day for everybody at about the same time; now and then one
// report type comes later, or one customer. So a refusal (code 20007) counts
// for the whole day until any report of it could be made, then for its type
// until one of that type could, then for the piece alone.
type readiness struct {
	now   func() time.Time
	every time.Duration // between probes
	yield time.Duration // for which who was refused last lets others go first
	ready func(day table.Day)

	mu     sync.Mutex
	passed map[piece]time.Time // with customer "" a type's, with report "" too the day's
	late   map[piece]lateness
	probe  map[piece]chan struct{} // closed when the probe has an answer
	last   map[table.Day]time.Time // newest answer about a day
	doors  map[table.Day]chan struct{}
	fresh  table.Day            // the newest day that was asked for
	alarms map[string]time.Time // customers whose runs look again for all, and when
	slow   int                  // runs that were told to wait to be woken
}

const (
	// alarmsMax customers look again when a day that is late may be asked for
	// next, in case one of them is forbidden, cancelled or dies. The runs of
	// the others are woken when one has found it published (Options.Published).
	alarmsMax = 3
	// asleep is how long they sleep when nobody wakes them, and asleepSpread
	// over how long their waking is spread: thousands must not look at once.
	asleep       = 5 * time.Minute
	asleepSpread = time.Minute
)

// alarm is when a run of the customer that waits for the day should look
// again; again is when the day may be asked for next. Who is late by itself or
// with its type, though the day is published, waits for nobody else.
func (r *readiness) alarm(customer string, day table.Day, again time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.passed[piece{day: day}].IsZero() {
		return again
	}
	for who, at := range r.alarms {
		if r.now().After(at.Add(r.every)) {
			delete(r.alarms, who) // it has not come
		}
	}
	if _, mine := r.alarms[customer]; mine || len(r.alarms) < alarmsMax {
		if r.alarms == nil {
			r.alarms = map[string]time.Time{}
		}
		r.alarms[customer] = again
		return again
	}
	r.slow++
	return r.now().Add(asleep + asleepSpread*time.Duration(r.slow%60)/60)
}

// lateness is a refusal: who was refused, and when to ask again.
type lateness struct {
	by    piece
	again time.Time
}

// graceShare of the time between probes passes before a piece that was refused
// may be the probe again: an account or a type that is late by itself must not
// hold up all the others.
const graceShare = 12

// yieldShare of it the same piece waits when the others ask at the same moment.
const yieldShare = 240

// level is what a refusal of p counts for at the moment. The lock is held.
func (r *readiness) level(p piece) piece {
	all := piece{day: p.day}
	if r.passed[all].IsZero() {
		return all
	}
	if of := (piece{report: p.report, day: p.day}); r.passed[of].IsZero() {
		return of
	}
	return p
}

// enter waits until p may be asked for. When it was refused a moment ago,
// for this piece or for all, it returns when to ask again, with ok false.
// The caller of a true says by leave what the answer was; probe tells it that
// others wait for that. fresh is the newest day there can be: only of it is
// the first answer awaited before others ask.
func (r *readiness) enter(ctx context.Context, p piece, fresh table.Day) (again time.Time, probe, ok bool, err error) {
	for yielded := r.yield <= 0; ; {
		r.mu.Lock()
		r.fresh = max(r.fresh, fresh)
		k := r.level(p)
		l, late := r.late[k]
		if !yielded && late && l.by == p && k != p && r.probe[k] == nil && !r.now().Before(l.again) {
			yielded = true
			r.mu.Unlock()
			if err := sleep(ctx, r.yield); err != nil {
				return time.Time{}, false, false, err
			}
			continue
		}
		if late {
			at := l.again
			if l.by == p && k != p {
				at = at.Add(r.every / graceShare)
			}
			if r.now().Before(at) {
				r.mu.Unlock()
				return at, false, false, nil
			}
		}
		if !late && (!r.passed[piece{day: p.day}].IsZero() || p.day < fresh) {
			r.mu.Unlock()
			return time.Time{}, false, true, nil
		}
		wait := r.probe[k]
		if wait == nil {
			if r.probe == nil {
				r.probe = map[piece]chan struct{}{}
			}
			r.probe[k] = make(chan struct{})
			r.mu.Unlock()
			return time.Time{}, true, true, nil
		}
		r.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return time.Time{}, false, false, context.Cause(ctx)
		}
	}
}

// early reports whether each of the pieces, which are of one day, was refused
// as late for its type a moment ago, and when the first is asked for again.
func (r *readiness) early(needs []need) (again time.Time, early bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range needs {
		l, late := r.late[r.level(n.piece)]
		if !late || !r.now().Before(l.again) {
			return time.Time{}, false
		}
		if again.IsZero() || l.again.Before(again) {
			again = l.again
		}
	}
	return again, len(needs) > 0
}

// door is what a collecting passes that wants nothing but a day which was not
// published when somebody last asked. One at a time gets through when it is
// time to ask again; the others learn what it was told, without a request of
// their own. leave is called at the end; ok is false when it is too early.
func (r *readiness) door(ctx context.Context, day table.Day) (leave func(), again time.Time, ok bool, err error) {
	for {
		r.mu.Lock()
		l, late := r.late[piece{day: day}]
		if !late {
			r.mu.Unlock()
			return func() {}, again, true, nil
		}
		if r.now().Before(l.again) {
			r.mu.Unlock()
			return nil, l.again, false, nil
		}
		wait := r.doors[day]
		if wait == nil {
			if r.doors == nil {
				r.doors = map[table.Day]chan struct{}{}
			}
			mine := make(chan struct{})
			r.doors[day] = mine
			r.mu.Unlock()
			return func() {
				r.mu.Lock()
				if r.doors[day] == mine {
					delete(r.doors, day)
					close(mine)
				}
				r.mu.Unlock()
			}, again, true, nil
		}
		r.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, again, false, context.Cause(ctx)
		}
	}
}

// leave says how the request for p ended: it was made, it was refused as not
// ready, or neither: then the next one who waits asks. It returns when to ask
// again after a refusal.
func (r *readiness) leave(p piece, made, refused bool) (again time.Time) {
	r.mu.Lock()
	now := r.now()
	levels := []piece{{day: p.day}, {report: p.report, day: p.day}, p}
	if made || refused {
		if r.last == nil {
			r.last = map[table.Day]time.Time{}
		}
		r.last[p.day] = now
	}
	if refused {
		if r.late == nil {
			r.late = map[piece]lateness{}
		}
		again = now.Add(r.every)
		r.late[r.level(p)] = lateness{p, again}
	}
	first := false
	if made {
		if r.passed == nil {
			r.passed = map[piece]time.Time{}
		}
		// Whoever waits may have been told to by a process before this one.
		first = p.day == r.fresh && r.passed[piece{day: p.day}].IsZero()
		for _, x := range levels {
			if _, was := r.late[x]; was {
				first = true
				delete(r.late, x)
			}
			if x.customer == "" && r.passed[x].IsZero() {
				r.passed[x] = now
			}
		}
		r.forget(p.day)
	}
	for _, x := range levels {
		if c := r.probe[x]; c != nil {
			close(c)
			delete(r.probe, x)
		}
	}
	if d := r.doors[p.day]; d != nil && (made || refused) { // whoever is behind the door knows now
		delete(r.doors, p.day)
		close(d)
	}
	r.mu.Unlock()
	if first && r.ready != nil {
		r.ready(p.day)
	}
	return again
}

// forget drops what is known of days long before; a year of backfill stays.
// The lock is held.
func (r *readiness) forget(day table.Day) {
	for x := range r.passed {
		if x.day < day-400 {
			delete(r.passed, x)
		}
	}
	for x := range r.late {
		if x.day < day-400 {
			delete(r.late, x)
		}
	}
	for d := range r.last {
		if d < day-400 {
			delete(r.last, d)
		}
	}
}

// has reports whether a report of the day could be made.
func (r *readiness) has(day table.Day) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.passed[piece{day: day}].IsZero()
}

// Readiness is what is known of Naver's publication of a day.
type Readiness struct {
	Day table.Day
	// PublishedAt is when a report of the day could first be made, as far as
	// this process has seen; zero: not seen yet.
	PublishedAt time.Time
	// ProbedAt is the newest answer about the day, NextProbe when it is asked
	// for again after a "not yet"; zero: nobody has asked, or it is published.
	ProbedAt, NextProbe time.Time
	// LateTypes are report types that are not published though others are.
	LateTypes []string
}

// Ready is what this process knows of Naver's publication of a day.
func (s *Source) Ready(day table.Day) Readiness {
	r := s.ready
	r.mu.Lock()
	defer r.mu.Unlock()
	all := piece{day: day}
	k := Readiness{Day: day, PublishedAt: r.passed[all], ProbedAt: r.last[day], NextProbe: r.late[all].again}
	for _, t := range reportTypes {
		if _, late := r.late[piece{report: t.name, day: day}]; late {
			k.LateTypes = append(k.LateTypes, t.name)
		}
	}
	return k
}
