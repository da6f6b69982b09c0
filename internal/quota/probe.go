package quota

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ProbeOptions bound what Probe asks of a real key.
type ProbeOptions struct {
	From, To float64       // calls per second: where it begins, and where it stops at the latest; 0: 4 and 40
	Growth   float64       // from step to step; 0: 1.25
	Step     time.Duration // length of a step; 0: 2 s
	Calls    int           // at most, in all; 0: 600
	Pause    time.Duration // after refusals, before it goes on; 0: 5 s
}

// ProbeTarget is one kind of call that changes nothing at the platform.
type ProbeTarget struct {
	Name string
	Send func(context.Context) (Answer, error)
}

// Ramp is what one target took at growing rates.
type Ramp struct {
	Name     string
	Carried  float64       // the highest rate, calls per second, of a whole step without a refusal
	Refused  float64       // the rate at which the first refusal came; 0: none came
	Blames   string        // the scope that the refusal's body names, if any
	After    time.Duration // how long the server asked to wait
	Calls    int
	Refusals int
}

// ProbeResult is what a key's limits look like.
type ProbeResult struct {
	First, Second, Report Ramp
	// Both is what first and second took together, each at the same rate.
	Both Ramp
	// Shared: the two are limited together (licence or address); else each
	// customer has a limit of its own. Known says whether it could be told.
	Shared, Known bool
}

var errProbeDone = errors.New("enough calls were sent")

// prober sends the calls of a probe, at a rate of its own: what it does must
// not change what the gate has learned.
type prober struct {
	o    ProbeOptions
	left atomic.Int64
}

// Probe measures how fast a key may be used: first and second are the same
// call for two customers, report one of a report class. It ramps up, stops at
// the first refusals, and never sends more than Options.Calls. Errors other
// than refusals end it. second and report may have no Send; they are skipped.
func Probe(ctx context.Context, o ProbeOptions, first, second, report ProbeTarget) (r ProbeResult, err error) {
	if o.From <= 0 {
		o.From = 4
	}
	if o.To <= 0 {
		o.To = 40
	}
	if o.Growth <= 1 {
		o.Growth = 1.25
	}
	if o.Step <= 0 {
		o.Step = 2 * time.Second
	}
	if o.Calls <= 0 {
		o.Calls = 600
	}
	if o.Pause <= 0 {
		o.Pause = 5 * time.Second
	}
	p := &prober{o: o}
	p.left.Store(int64(o.Calls))
	if r.First, err = p.ramp(ctx, first.Name, o.From, first); err != nil {
		return r, done(err)
	}
	if second.Send != nil {
		// Each at seven tenths of what one took: together clearly more than
		// one limit allows, apart clearly less.
		at := 0.7 * r.First.Carried
		if err := p.rest(ctx, r.First.Refusals); err != nil {
			return r, err
		}
		r.Both, err = p.hold(ctx, first.Name+" + "+second.Name, at, first, second)
		if err != nil {
			return r, done(err)
		}
		r.Known = r.First.Refused > 0
		r.Shared = r.Known && r.Both.Refusals > 0
		if err := p.rest(ctx, r.Both.Refusals); err != nil {
			return r, err
		}
		if r.Second, err = p.hold(ctx, second.Name, at, second); err != nil {
			return r, done(err)
		}
		if r.Second.Refusals > 0 { // the second alone is slower than the first
			r.Known = false
		}
	}
	if report.Send != nil {
		if err := p.rest(ctx, r.First.Refusals); err != nil {
			return r, err
		}
		r.Report, err = p.ramp(ctx, report.Name, min(2, o.From), report)
	}
	return r, done(err)
}

func done(err error) error {
	if errors.Is(err, errProbeDone) {
		return nil
	}
	return err
}

// rest gives the server time to forget refusals.
func (p *prober) rest(ctx context.Context, refusals int) error {
	if refusals == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(p.o.Pause):
		return nil
	}
}

// ramp raises the rate step by step until a call is refused.
func (p *prober) ramp(ctx context.Context, name string, from float64, t ProbeTarget) (Ramp, error) {
	all := Ramp{Name: name}
	for rate := from; rate <= p.o.To*1.001; rate *= p.o.Growth {
		r, err := p.hold(ctx, name, rate, t)
		all.Calls, all.Refusals = all.Calls+r.Calls, all.Refusals+r.Refusals
		if r.Refusals > 0 {
			all.Refused, all.Blames, all.After = rate, r.Blames, r.After
			return all, err
		}
		if err != nil {
			return all, err
		}
		all.Carried = rate
	}
	return all, nil
}

// hold sends every target at a rate for one step, and stops at the first
// refusal.
func (p *prober) hold(ctx context.Context, name string, rate float64, targets ...ProbeTarget) (Ramp, error) {
	all := Ramp{Name: name}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var mu sync.Mutex
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	end := time.After(p.o.Step)
	for going := true; going; {
		for _, t := range targets {
			if p.left.Add(-1) < 0 {
				stop(errProbeDone)
				break
			}
			all.Calls++
			wg.Go(func() {
				a, err := t.Send(context.WithoutCancel(ctx)) // a call under way is let end
				mu.Lock()
				defer mu.Unlock()
				switch {
				case a.Refused:
					all.Refusals++
					all.Blames, all.After = a.Blames, a.RetryAfter
					stop(errProbeDone)
				case err != nil:
					stop(err)
				}
			})
		}
		select {
		case <-ctx.Done():
			going = false
		case <-end:
			going = false
		case <-tick.C:
		}
	}
	wg.Wait()
	if all.Refusals > 0 {
		all.Refused = rate
		return all, nil
	}
	if all.Calls > 0 {
		all.Carried = rate
	}
	return all, context.Cause(ctx)
}
