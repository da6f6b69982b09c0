package bulk

import (
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

// What is accepted is never more than what the server allows: the simulator's
// own account.
func TestAcceptedIsWithinTheAllowed(t *testing.T) {
	for _, w := range worlds() {
		if w.name != "drifting" {
			continue
		}
		for _, p := range []func(*setup) client{newGate, pacedBy(newCubic)} {
			o := play(w, variant{}, p, 3)
			if o.makespan < o.ideal {
				t.Errorf("done in %.1f s, the ideal is %.1f", o.makespan, o.ideal)
			}
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
