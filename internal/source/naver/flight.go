package naver

import (
	"context"
	"sync"
	"time"

	"imreport/internal/quota"
)

// flights lets one goroutine of the process fetch a piece, and others who want
// it wait for the outcome. What crosses processes is the row in naver_fetch.
type flights struct {
	mu sync.Mutex
	on map[piece]flight
}

type flight struct {
	done chan struct{}
	flow *quota.Flow // in whose turn it is; may be nil
}

// enter waits until nobody else fetches p, and holds it until leave. Whoever
// waits lends the other its urgency.
func (f *flights) enter(ctx context.Context, p piece, flow *quota.Flow) (leave func(), waited bool, err error) {
	for {
		f.mu.Lock()
		other, taken := f.on[p]
		if !taken {
			if f.on == nil {
				f.on = map[piece]flight{}
			}
			mine := make(chan struct{})
			f.on[p] = flight{mine, flow}
			f.mu.Unlock()
			return func() {
				f.mu.Lock()
				delete(f.on, p)
				f.mu.Unlock()
				close(mine)
			}, waited, nil
		}
		f.mu.Unlock()
		waited = true
		if flow != nil && other.flow != nil {
			flow.Lend(other.flow)
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, waited, context.Cause(ctx)
		}
	}
}

const (
	// leaseFor is how long a fetch stays a process's own without a sign of
	// life, leaseEvery how often it gives one.
	leaseFor   = 15 * time.Second
	leaseEvery = 5 * time.Second
)

// leases keeps the fetches of this process, as long as there are any.
type leases struct {
	s     *Source
	owner string // this process, anew with each start

	mu   sync.Mutex
	held int
	stop context.CancelFunc
}

func (l *leases) enter() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held++; l.held > 1 {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go func() {
		t := time.NewTicker(leaseEvery)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			now := l.s.o.Now()
			if err := l.s.store.renew(ctx, l.owner, now, now.Add(leaseFor)); err != nil && ctx.Err() == nil {
				l.s.o.Log.WarnContext(ctx, "fetches could not be kept", "error", err)
			}
		}
	}()
}

func (l *leases) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held--; l.held == 0 {
		l.stop()
	}
}

// claim takes the fetch of a piece, and waits while another process is at it.
// The piece may have been stored meanwhile: then waited is true.
func (c *collector) claim(ctx context.Context, n need) (f fetch, waited bool, err error) {
	for {
		now := c.s.o.Now()
		f, mine, err := c.s.store.claim(ctx, n.piece, c.o.RunID, c.s.leases.owner, now, now.Add(leaseFor))
		if err != nil || mine {
			return f, waited, err
		}
		waited = true
		if err := sleep(ctx, c.s.o.Poll); err != nil {
			return f, waited, err
		}
		if done, err := c.arrivedMeanwhile(ctx, n); err != nil || done {
			return f, true, err
		}
	}
}

// arrivedMeanwhile reports whether somebody else has just stored the piece, as
// new as it is wanted.
func (c *collector) arrivedMeanwhile(ctx context.Context, n need) (bool, error) {
	p, ok, err := c.s.o.Archive.Get(ctx, n.key())
	if err != nil || !ok || !p.DoubtedAt.IsZero() {
		return false, err
	}
	return !p.StoredAt.Before(c.began) || !n.again && !c.s.stale(p, c.o.Force, c.began, c.today), nil
}
