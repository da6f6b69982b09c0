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
	ready func(day table.Day)

	mu     sync.Mutex
	passed map[piece]bool // with customer "" a type's, with report "" too the day's
	late   map[piece]time.Time
	probe  map[piece]chan struct{} // closed when the probe has an answer
}

// level is what a refusal of p counts for at the moment. The lock is held.
func (r *readiness) level(p piece) piece {
	all := piece{day: p.day}
	if !r.passed[all] {
		return all
	}
	if of := (piece{report: p.report, day: p.day}); !r.passed[of] {
		return of
	}
	return p
}

// enter waits until p may be asked for. When it was refused a moment ago,
// for this piece or for all, it returns when to ask again, with ok false.
// The caller of a true says by leave what the answer was. fresh is the newest
// day there can be: only of it is the first answer awaited before others ask.
func (r *readiness) enter(ctx context.Context, p piece, fresh table.Day) (again time.Time, ok bool, err error) {
	for {
		r.mu.Lock()
		k := r.level(p)
		if at, is := r.late[k]; is && r.now().Before(at) {
			r.mu.Unlock()
			return at, false, nil
		}
		if r.late[k].IsZero() && (r.passed[piece{day: p.day}] || p.day < fresh) {
			r.mu.Unlock()
			return time.Time{}, true, nil
		}
		wait := r.probe[k]
		if wait == nil {
			if r.probe == nil {
				r.probe = map[piece]chan struct{}{}
			}
			r.probe[k] = make(chan struct{})
			r.mu.Unlock()
			return time.Time{}, true, nil
		}
		r.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return time.Time{}, false, context.Cause(ctx)
		}
	}
}

// leave says how the request for p ended: it was made, it was refused as not
// ready, or neither. It returns when to ask again.
func (r *readiness) leave(p piece, made, refused bool) (again time.Time) {
	r.mu.Lock()
	k := r.level(p)
	if refused {
		if r.late == nil {
			r.late = map[piece]time.Time{}
		}
		again = r.now().Add(r.every)
		r.late[k] = again
	}
	first := false
	if made {
		if r.passed == nil {
			r.passed = map[piece]bool{}
		}
		for _, x := range []piece{{day: p.day}, {report: p.report, day: p.day}, p} {
			if _, was := r.late[x]; was {
				first = true
				delete(r.late, x)
			}
			if x.customer == "" {
				r.passed[x] = true
			}
		}
		for x := range r.passed { // what is old needs no memory
			if x.day < p.day-400 {
				delete(r.passed, x)
			}
		}
	}
	for _, x := range []piece{{day: p.day}, {report: p.report, day: p.day}, p} {
		if c := r.probe[x]; c != nil {
			close(c)
			delete(r.probe, x)
		}
	}
	r.mu.Unlock()
	if first && r.ready != nil {
		r.ready(p.day)
	}
	return again
}
