package quota

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
)

// process is one of several that share a database.
type process struct {
	g *Gate
	k *Keeper

	mu          sync.Mutex
	moved, died []string
}

func startProcess(t *testing.T, d *db.DB, name string) *process {
	t.Helper()
	p := &process{g: New(Options{})}
	var err error
	p.k, err = Keep(t.Context(), d, p.g, KeepOptions{Process: name,
		Moved: func(_ context.Context, l string) { p.mu.Lock(); p.moved = append(p.moved, l); p.mu.Unlock() },
		Died:  func(_ context.Context, n string) { p.mu.Lock(); p.died = append(p.died, n); p.mu.Unlock() },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// kill stops a process without a word to the others.
func (p *process) kill() {
	p.k.stop()
	p.k.wg.Wait()
}

func (p *process) close(t *testing.T) {
	t.Helper()
	if err := p.k.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// eventually waits until ok, or fails after a time that only a hang reaches.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 600 {
		if ok() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("never happened: %s", what)
}

func ownerOf(t *testing.T, d *db.DB, p *process, licence string) (owner string) {
	t.Helper()
	err := d.InTx(t.Context(), func(tx *db.Tx) (err error) {
		owner, err = p.k.Owner(t.Context(), tx, licence)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return owner
}

func TestRatesAreKept(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := startProcess(t, d, "p1")
		p.g.Import([]Rate{{Scope: Scope{Licence, "l"}, PerS: 30, Ref: 31, Budget: 0.01}})
		p.g.mu.Lock()
		in := p.g.e.scopes[Scope{Licence, "l"}]
		in.pacer.charges, in.pacer.rate, in.seen = 9, 21, p.g.e.at(time.Now())
		p.g.mu.Unlock()
		p.close(t)
		q := startProcess(t, d, "p2")
		defer q.close(t)
		if r, _ := q.g.e.Learned(Scope{Licence, "l"}); r < 18.8 || r > 19 {
			t.Errorf("the kept rate came back as %.2f, want 0.9 of 21", r)
		}
		if d.Dialect() == db.SQLite && ownerOf(t, d, q, "l") != "" {
			t.Error("a licence has an owner on SQLite")
		}
	})
}

// Licences spread over the processes that live, follow those that come and
// go, and no two processes own one.
func TestOwnershipFollowsProcesses(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	all := map[string]*process{}
	for _, n := range []string{"p1", "p2"} {
		all[n] = startProcess(t, d, n)
	}
	for i := range 6 {
		ownerOf(t, d, all["p1"], fmt.Sprintf("l%d", i))
	}
	even := func(most int) func() bool {
		return func() bool {
			n := map[string]int{}
			for _, p := range all {
				owned := p.k.Owns()
				if len(owned) > most {
					return false
				}
				for _, l := range owned {
					n[l]++
				}
			}
			for _, c := range n {
				if c > 1 {
					return false
				}
			}
			return len(n) == 6
		}
	}
	eventually(t, "two own three each", even(3))
	all["p3"] = startProcess(t, d, "p3")
	eventually(t, "three own two each", even(2))
	all["p2"].kill()
	delete(all, "p2")
	eventually(t, "the two left own three each", even(3))
	died := 0
	for _, p := range all {
		p.mu.Lock()
		died += len(p.died)
		p.mu.Unlock()
	}
	if died != 1 {
		t.Errorf("%d processes heard of the death, want one", died)
	}
	all["p1"].close(t)
	delete(all, "p1")
	eventually(t, "the last owns all", even(6))
	all["p3"].close(t)
}

// Hundreds of licences are handed over within some heartbeats, as many in each
// as its time allows, and nobody is taken for dead meanwhile.
func TestManyLicencesAreSpread(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	const n = 300
	p1 := startProcess(t, d, "p1")
	for i := range n {
		ownerOf(t, d, p1, fmt.Sprintf("l%d", i))
	}
	eventually(t, "the first owns all", func() bool { return len(p1.k.Owns()) == n })
	p2 := startProcess(t, d, "p2")
	eventually(t, "both own half", func() bool { return len(p1.k.Owns()) == n/2 && len(p2.k.Owns()) == n/2 })
	for _, p := range []*process{p1, p2} {
		p.mu.Lock()
		if len(p.died) > 0 {
			t.Errorf("taken for dead: %v", p.died)
		}
		p.mu.Unlock()
		p.close(t)
	}
}

// Who hands over a licence saves what that one and the common scopes taught,
// not all that the process knows: with hundreds it would outlast its lease.
func TestHandingOverSavesOneLicence(t *testing.T) {
	g := New(Options{})
	for i := range 5 {
		for _, blames := range []string{Licence, IP} { // each teaches something
			refused := false
			err := g.Do(t.Context(), nil, Call{Scopes: []Scope{{IP, "naver"}, {Licence, fmt.Sprint("l", i)}}},
				func(context.Context) (Answer, error) {
					refused = !refused
					return Answer{Refused: refused, Blames: blames}, nil
				})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	var licences, others int
	for _, r := range g.exportOf(Scope{Licence, "l3"}) {
		switch {
		case r.Kind != Licence:
			others++
		case r.ID != "l3":
			t.Errorf("saves %s too", r.ID)
		default:
			licences++
		}
	}
	if licences != 1 || others == 0 {
		t.Errorf("%d of the licence, %d common", licences, others)
	}
}

// While a licence's owner is killed its calls go on at the other process
// after a pause, and never at both at once.
func TestKilledOwnerIsReplaced(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	w := &wire{rate: 1000, tokens: 3}
	a := startProcess(t, d, "a")
	owner := ownerOf(t, d, a, "l")
	if owner != "a" {
		t.Fatalf("owner is %q", owner)
	}
	b := startProcess(t, d, "b")
	defer b.close(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	sent := map[string][]time.Time{}
	work := func(p *process, name string) {
		for range 4 {
			wg.Go(func() {
				f := p.g.Flow(FlowOptions{Class: Bulk})
				defer f.Close()
				for ctx.Err() == nil {
					_ = p.g.Do(ctx, f, Call{Scopes: naver("l", "c")}, func(ctx context.Context) (Answer, error) {
						mu.Lock()
						sent[name] = append(sent[name], time.Now())
						mu.Unlock()
						return w.send(ctx)
					})
				}
			})
		}
	}
	count := func(name string) int { mu.Lock(); defer mu.Unlock(); return len(sent[name]) }
	work(a, "a")
	eventually(t, "the owner sends", func() bool { return count("a") > 20 })
	a.kill()
	killed := time.Now()
	work(b, "b")
	eventually(t, "the other owns", func() bool { return len(b.k.Owns()) == 1 })
	owned := time.Now()
	before := count("b")
	eventually(t, "the other sends", func() bool { return count("b") > before+20 })
	cancel()
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	last := sent["a"][len(sent["a"])-1]
	if !last.Before(owned) {
		t.Errorf("the dead owner sent %v after it was replaced", last.Sub(owned))
	}
	t.Logf("replaced after %v", owned.Sub(killed).Round(time.Millisecond))
}

// A process that does not own a licence may still ask a little.
func TestGuestSendsSlowly(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	a, b := startProcess(t, d, "a"), startProcess(t, d, "b")
	defer a.close(t)
	defer b.close(t)
	ownerOf(t, d, a, "x") // a has one, so that l goes to b
	if o := ownerOf(t, d, a, "l"); o != "b" {
		t.Fatalf("owner is %q", o)
	}
	w := &wire{rate: 1000, tokens: 3}
	began := time.Now()
	for range 3 {
		if err := a.g.Do(t.Context(), nil, Call{Scopes: naver("l", "c")}, w.send); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("a guest sent three calls within %v", took)
	}
}

// Two licences of different owners that reach one customer share its slots.
func TestCrossingCustomerIsShared(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	a, b := startProcess(t, d, "a"), startProcess(t, d, "b")
	defer a.close(t)
	defer b.close(t)
	ownerOf(t, d, a, "x")
	ownerOf(t, d, a, "y")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := &wire{rate: 8, tokens: 3}
	var wg sync.WaitGroup
	for p, licence := range map[*process]string{a: "x", b: "y"} {
		for range 4 {
			wg.Go(func() {
				f := p.g.Flow(FlowOptions{Class: Bulk})
				defer f.Close()
				for ctx.Err() == nil {
					_ = p.g.Do(ctx, f, Call{Scopes: naver(licence, "c")}, w.send)
				}
			})
		}
	}
	sharing := func(p *process) bool {
		p.g.mu.Lock()
		defer p.g.mu.Unlock()
		return p.g.e.sharing[Scope{Customer, "c"}] != nil && p.g.e.sharing[Scope{IP, "naver"}] != nil
	}
	eventually(t, "both share the customer and the address", func() bool { return sharing(a) && sharing(b) })
	w.mu.Lock()
	had := w.taken
	w.mu.Unlock()
	eventually(t, "calls go on", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.taken > had+20 })
	cancel()
	wg.Wait()
}
