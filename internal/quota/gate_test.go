package quota

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// wire is a token-bucket server for gate tests.
type wire struct {
	mu             sync.Mutex
	rate, tokens   float64
	at             time.Time
	taken, refused int
}

func (w *wire) send(context.Context) (Answer, error) {
	time.Sleep(15 * time.Millisecond)
	w.mu.Lock()
	now := time.Now()
	if !w.at.IsZero() {
		w.tokens = min(3, w.tokens+now.Sub(w.at).Seconds()*w.rate)
	}
	w.at = now
	ok := w.tokens >= 1
	if ok {
		w.tokens--
		w.taken++
	} else {
		w.refused++
	}
	w.mu.Unlock()
	if !ok {
		return Answer{Refused: true}, errors.New("429")
	}
	time.Sleep(100 * time.Millisecond)
	return Answer{}, nil
}

// done is how many calls were taken.
func (w *wire) done() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken
}

func naver(licence, customer string) []Scope {
	return []Scope{{IP, "naver"}, {Licence, licence}, {Customer, customer}}
}

func TestGateTurnsRefusalsIntoWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, w := New(Options{}), &wire{rate: 10, tokens: 3}
		f := g.Flow(FlowOptions{ID: "r", Tenant: "w", Class: Bulk, Left: 600})
		began := time.Now()
		var wg sync.WaitGroup
		for range 600 {
			wg.Go(func() {
				if err := g.Do(context.Background(), f, Call{Scopes: naver("l", "c")}, w.send); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		f.Close()
		if took := time.Since(began); took > 66*time.Second {
			t.Errorf("600 calls at 10/s took %v", took)
		}
		if w.taken != 600 || w.refused == 0 || w.refused > 30 {
			t.Errorf("taken %d, refused %d", w.taken, w.refused)
		}
		if n := len(g.e.flows); n != 0 {
			t.Errorf("%d flows left", n)
		}
	})
}

func TestGateReturnsWhatSendReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, boom := New(Options{}), errors.New("boom")
		err := g.Do(context.Background(), nil, Call{Scopes: naver("l", "c")}, func(context.Context) (Answer, error) { return Answer{}, boom })
		if err != boom {
			t.Errorf("got %v", err)
		}
	})
}

func TestGateEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err := g.Do(ctx, nil, Call{Scopes: naver("l", "c")}, func(context.Context) (Answer, error) { return Answer{Refused: true}, nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if g.e.desks[Scope{IP, "naver"}].wire != 0 || len(g.wait) != 0 {
			t.Error("something still waits")
		}
	})
}

func TestGateSurvivesPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{InFlight: 1})
		func() {
			defer func() { _ = recover() }()
			_ = g.Do(context.Background(), nil, Call{Scopes: naver("l", "c")}, func(context.Context) (Answer, error) { panic("x") })
		}()
		w := &wire{rate: 10, tokens: 3}
		if err := g.Do(context.Background(), nil, Call{Scopes: naver("l", "c")}, w.send); err != nil || w.taken != 1 {
			t.Errorf("after a panic: %v, taken %d", err, w.taken)
		}
	})
}

func TestInteractiveGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, w := New(Options{}), &wire{rate: 1000, tokens: 3}
		g.Import([]Rate{{Scope: Scope{Licence, "l"}, PerS: 20 / 0.9}})
		bulk := g.Flow(FlowOptions{ID: "b", Tenant: "w", Class: Bulk})
		page := g.Flow(FlowOptions{ID: "p", Tenant: "w", Class: Interactive})
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for i := range 400 {
			c := Call{Scopes: naver("l", string(rune('a'+i%20)))}
			wg.Go(func() { _ = g.Do(ctx, bulk, c, w.send) })
		}
		synctest.Wait()
		began := time.Now()
		var people sync.WaitGroup
		for range 30 {
			people.Go(func() { _ = g.Do(ctx, page, Call{Scopes: naver("l", "z")}, w.send) })
		}
		people.Wait()
		// 30 of 20/s in 8 of 10 slots: 1.9 s, and the way there and back.
		if took := time.Since(began); took > 2500*time.Millisecond {
			t.Errorf("30 interactive calls took %v", took)
		}
		cancel()
		wg.Wait()
	})
}

func TestLeaseEndsSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, w, l := New(Options{}), &wire{rate: 1000, tokens: 3}, Scope{Licence, "l"}
		g.Lease(l, time.Now().Add(2*time.Second), true)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() { _ = g.Do(ctx, nil, Call{Scopes: naver("l", "c")}, w.send) })
		}
		time.Sleep(3 * time.Second)
		had := w.done()
		time.Sleep(10 * time.Second)
		if later := w.done(); had == 0 || later != had {
			t.Errorf("taken %d by the end of the lease, %d later", had, later)
		}
		g.Lease(l, time.Now().Add(time.Hour), true)
		wg.Wait()
		if n := w.done(); n != 200 {
			t.Errorf("taken %d with a new lease", n)
		}
		cancel()
	})
}

func TestAClosedFlowDoesNotLockTheGate(t *testing.T) {
	g := New(Options{})
	f := g.Flow(FlowOptions{Class: Bulk, Left: 1})
	f.Close()
	call := func(f *Flow) (panicked bool) {
		defer func() { panicked = recover() != nil }()
		_ = g.Do(context.Background(), f, Call{Scopes: []Scope{{Licence, "l"}}}, func(context.Context) (Answer, error) { return Answer{}, nil })
		return false
	}
	if !call(f) {
		t.Error("a closed flow was taken")
	}
	if call(nil) {
		t.Error("the next one panicked as well")
	}
}
