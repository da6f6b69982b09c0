package quota

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func target(name string, w *wire) ProbeTarget {
	return ProbeTarget{name, func(ctx context.Context) (Answer, error) {
		a, err := w.send(ctx)
		if a.Refused {
			err = nil
		}
		return a, err
	}}
}

func TestProbeTellsCommonFromOwnLimits(t *testing.T) {
	for _, shared := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, b, rep := &wire{rate: 25, tokens: 3}, &wire{rate: 25, tokens: 3}, &wire{rate: 8, tokens: 3}
			if shared {
				b = a
			}
			began := time.Now()
			r, err := Probe(t.Context(), ProbeOptions{}, target("a", a), target("b", b), target("reports", rep))
			if err != nil {
				t.Fatal(err)
			}
			if r.First.Carried < 18 || r.First.Refused < 24 || r.First.Refused > 35 {
				t.Errorf("first %+v", r.First)
			}
			if !r.Known || r.Shared != shared {
				t.Errorf("shared %v, known %v, want %v: %+v", r.Shared, r.Known, shared, r.Both)
			}
			if r.Report.Refused < 7 || r.Report.Refused > 15 {
				t.Errorf("reports %+v", r.Report)
			}
			refused := r.First.Refusals + r.Both.Refusals + r.Second.Refusals + r.Report.Refusals
			if refused > 12 || time.Since(began) > 2*time.Minute {
				t.Errorf("%d refusals in %v", refused, time.Since(began))
			}
		})
	}
}

func TestProbeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{rate: 1000, tokens: 3}
		r, err := Probe(t.Context(), ProbeOptions{Calls: 50}, target("a", w), ProbeTarget{}, ProbeTarget{})
		if err != nil || w.taken != 50 || r.Known || r.First.Refused != 0 {
			t.Errorf("%d calls, %+v, %v", w.taken, r, err)
		}
	})
}

func TestProbeEndsWithAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		n := 0
		bad := ProbeTarget{"a", func(context.Context) (Answer, error) { n++; return Answer{}, boom }}
		if _, err := Probe(t.Context(), ProbeOptions{}, bad, ProbeTarget{}, ProbeTarget{}); !errors.Is(err, boom) || n > 3 {
			t.Errorf("%d calls, %v", n, err)
		}
	})
}
