package bulk

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// The table's figures are in bench/results/bulk.json; here the simulator and
// the clients are checked against what is known about them.

func TestOracleReachesTheIdeal(t *testing.T) {
	for _, w := range worlds() {
		if w.name != "fixed" && w.name != "B" {
			continue
		}
		o := play(w, variant{}, newOracle(1), 1)
		if r := o.makespan / o.ideal; o.dnf || r > 1.03 || r < 0.98 {
			t.Errorf("%s: the oracle takes %.3f of the ideal", w.name, r)
		}
	}
}

// On seeds that the table does not use, the gate must stay near its aims.
func TestGateKeepsItsAims(t *testing.T) {
	for _, w := range worlds() {
		switch w.name {
		case "fixed", "drop", "A", "B":
		default:
			continue
		}
		o := play(w, variant{}, newGate, 1)
		a := aimOf(w, variant{})
		if o.dnf || o.makespan/o.ideal > a.Makespan+0.05 || 100*o.refused > a.Refused+0.7 {
			t.Errorf("%s: %.3f of the ideal, %.2f %% refused", w.name, o.makespan/o.ideal, 100*o.refused)
		}
		if o.jain < 0.99 {
			t.Errorf("%s: Jain %.3f", w.name, o.jain)
		}
	}
}

// What is accepted in any stretch of time is never more than the integral of
// the allowed rate, and the burst.
func TestAcceptedIsWithinTheAllowed(t *testing.T) {
	for _, w := range worlds() {
		if w.name != "drifting" && w.name != "drop" {
			continue
		}
		set := w.build(rand.New(rand.NewPCG(3, 77)), variant{})
		s := &sim{rnd: rand.New(rand.NewPCG(3, 78)), server: set.server(), load: set.load, client: newGate(set), limit: 6 * set.ideal()}
		var at []float64
		s.trace = func(now float64, refused bool) {
			if !refused {
				at = append(at, now)
			}
		}
		s.run()
		c := set.lic[0].course
		until := make([]float64, len(at)) // allowed by then
		for i := 1; i < len(at); i++ {
			until[i] = until[i-1] + c.integral(at[i-1], at[i])
		}
		least := math.Inf(1) // of allowed less accepted, over all beginnings
		for i := range at {
			least = min(least, until[i]-float64(i))
			if over := float64(i+1) - until[i] + least; over > set.lic[0].burst+1e-6 {
				t.Fatalf("%s: %.2f calls above the allowed by %.1f s", w.name, over, at[i])
			}
		}
		if len(at) < 12000 {
			t.Errorf("%s: %d calls", w.name, len(at))
		}
	}
}

func TestSlidingWindow(t *testing.T) {
	l := &limit{course: constant(25), window: 0.25, slides: true}
	n := 0
	for at := 0.; at < 10; at += 0.01 {
		l.advance(at)
		if l.has() {
			l.take()
			n++
		}
	}
	if n < 265 || n > 282 { // 7 in any 250 ms, asked every 10 ms
		t.Errorf("%d calls in 10 s", n)
	}
}

func TestOverHTTP(t *testing.T) {
	w, err := OverHTTP(t.Context(), HTTPOptions{Jobs: 3, Calls: 10, Rate: 40})
	if err != nil || w.Failed > 0 || w.Calls != 30 {
		t.Errorf("%+v: %v", w, err)
	}
	if w.Makespan <= 0 {
		t.Errorf("done before it began: %v", time.Duration(w.Makespan))
	}
}
