package quota

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Gate is the door that every request to a platform passes. It is safe for
// many goroutines; the decisions are those of an Engine.
type Gate struct {
	mu    sync.Mutex
	e     *Engine
	timer *time.Timer
	wait  map[*Ticket]chan struct{}
	// kick and slots tell the Keeper what is needed; nil without one.
	kick, slots chan<- struct{}
	moved       atomic.Int64 // licences that went to other processes
}

// New makes a Gate.
func New(o Options) *Gate {
	return &Gate{e: NewEngine(o, time.Now()), wait: map[*Ticket]chan struct{}{}}
}

// Flow is whose work calls are: a run, or a person at a page. Its methods are
// safe for many goroutines.
type Flow struct {
	g  *Gate
	id FlowID
}

// Flow begins a flow. Close it when its work is done.
func (g *Gate) Flow(o FlowOptions) *Flow {
	g.mu.Lock()
	defer g.mu.Unlock()
	return &Flow{g, g.e.Open(o)}
}

// SetClass changes how urgent the flow is: somebody opened its page, or the
// last asker left. Calls that already wait move with it.
func (f *Flow) SetClass(c Class) {
	f.g.mu.Lock()
	defer f.g.mu.Unlock()
	f.g.e.SetClass(f.id, c)
	f.g.pump()
}

// Class is how urgent the flow is now.
func (f *Flow) Class() Class {
	f.g.mu.Lock()
	defer f.g.mu.Unlock()
	if fl := f.g.e.flows[f.id]; fl != nil {
		return fl.Class
	}
	return Bulk
}

// Lend makes to as urgent as f, if f is more urgent: its work is waited for.
func (f *Flow) Lend(to *Flow) {
	f.g.mu.Lock()
	defer f.g.mu.Unlock()
	mine, other := f.g.e.flows[f.id], f.g.e.flows[to.id]
	if mine == nil || other == nil || mine.Class >= other.Class {
		return
	}
	f.g.e.SetClass(to.id, mine.Class)
	f.g.pump()
}

// SetLeft says how many calls are still to come, and how many of those count
// in their customer's narrower scope as well. The gate counts down from there.
func (f *Flow) SetLeft(calls, reportCalls int) {
	f.g.mu.Lock()
	defer f.g.mu.Unlock()
	f.g.e.SetLeft(f.id, calls, reportCalls)
}

// Waiting is how many of the flow's calls wait for their turn now.
func (f *Flow) Waiting() (calls int) {
	f.g.mu.Lock()
	defer f.g.mu.Unlock()
	if fl := f.g.e.flows[f.id]; fl != nil {
		for _, l := range fl.lines {
			calls += len(l.waiting)
		}
	}
	return calls
}

// Close ends the flow. Calls that still wait go on; their contexts end them.
func (f *Flow) Close() {
	f.g.mu.Lock()
	defer f.g.mu.Unlock()
	f.g.e.Close(f.id)
}

// Do waits for the turn of c, then calls send, which builds, signs and sends
// the request at that moment and says what the reply means for the rate.
//
// A refused call goes back to the head of its flow and is sent again, for as
// long as ctx lives; it is never an error. The error of send comes back as it
// is, unless the answer says Refused. Without a turn before ctx ends, ctx's
// error comes back and nothing was sent. A nil f is a flow of its own, for a
// single interactive call.
func (g *Gate) Do(ctx context.Context, f *Flow, c Call, send func(context.Context) (Answer, error)) error {
	if f == nil {
		f = g.Flow(FlowOptions{Class: Interactive, Left: 1})
		defer f.Close()
	}
	t, turn := g.enqueue(f, c)
	for {
		select {
		case <-turn:
		case <-ctx.Done():
			g.mu.Lock()
			delete(g.wait, t)
			g.e.Cancel(time.Now(), t)
			g.pump()
			g.mu.Unlock()
			return ctx.Err()
		}
		refused, err := g.once(ctx, t, send)
		if !refused {
			return err
		}
		g.mu.Lock()
		turn = g.await(t)
		g.mu.Unlock()
	}
}

// once sends t and reports the answer to the engine, also when send panics.
func (g *Gate) once(ctx context.Context, t *Ticket, send func(context.Context) (Answer, error)) (refused bool, err error) {
	var a Answer
	began := time.Now()
	defer func() {
		now := time.Now()
		if a.Latency == 0 {
			a.Latency = now.Sub(began)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.e.Done(now, t, a)
		g.pump()
	}()
	a, err = send(ctx)
	return a.Refused, err
}

// pump gives every turn that is due and sets the timer for the next one.
// The lock is held.
func (g *Gate) pump() {
	for {
		t, next := g.e.Next(time.Now())
		if t != nil {
			close(g.wait[t])
			delete(g.wait, t)
			continue
		}
		g.signal()
		if g.timer != nil {
			g.timer.Stop()
		}
		if !next.IsZero() {
			g.timer = time.AfterFunc(time.Until(next), func() {
				g.mu.Lock()
				defer g.mu.Unlock()
				g.pump()
			})
		}
		return
	}
}

// Tune sets the knobs of one scope instance.
func (g *Gate) Tune(s Scope, t Tuning) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.e.Tune(s, t)
}

// Export is what was learned so far, for keeping.
func (g *Gate) Export() []Rate {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.e.Export()
}

// Import takes up rates that were kept; for the start of a process.
func (g *Gate) Import(rates []Rate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.e.Import(rates)
}

// Lease lets calls of a scope go only before until, by this process's
// monotonic clock; fresh says that the scope had another owner before, so
// that the first second is careful. The zero time ends the right at once.
func (g *Gate) Lease(s Scope, until time.Time, fresh bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.e.Lease(s, until)
	if fresh {
		g.e.Careful(time.Now(), s)
	}
	g.pump()
}

// SetRate sets the rate of a scope whose policy is Fixed (calls per second)
// or PerMinute (calls per minute), as its operator configured it.
func (g *Gate) SetRate(s Scope, rate float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.e.SetRate(s, rate)
	g.pump()
}

// Usage says how the scope s and all that was used together with it stand.
func (g *Gate) Usage(s Scope) Usage {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.e.Usage(time.Now(), s)
}

// Forecast is when the flow is expected to have sent its last call, waiting
// flows before it included; false while too little is known.
func (f *Flow) Forecast() (Range, bool) {
	f.g.mu.Lock()
	defer f.g.mu.Unlock()
	return f.g.e.Forecast(time.Now(), f.id)
}

// Foresee is when work that came now would end: so many calls in these scopes,
// so many of them in the narrowest too; false while too little is known. It is
// for work that still waits for something else, such as its lane.
func (g *Gate) Foresee(scopes []Scope, calls, reportCalls int) (Range, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.e.Foresee(time.Now(), scopes, calls, reportCalls)
}

// enqueue panics for a closed flow, and must not hold the lock then.
func (g *Gate) enqueue(f *Flow, c Call) (*Ticket, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.e.Enqueue(time.Now(), f.id, c)
	return t, g.await(t)
}

// await is closed when it is the call's turn. The lock is held.
func (g *Gate) await(t *Ticket) <-chan struct{} {
	turn := make(chan struct{})
	g.wait[t] = turn
	g.pump()
	return turn
}

// exportOf is what was learned of a scope and of the common ones.
func (g *Gate) exportOf(s Scope) []Rate {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(g.e.Export(), func(r Rate) bool { return r.Kind == Licence && r.ID != s.ID })
}
