package quota

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// Evidence of a limit of one's own is nothing at what is expected, and grows
// with the refusals.
func TestConcentratedGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		expected := rapid.Float64Range(0.7, 50).Draw(t, "expected")
		refused := rapid.Float64Range(0.7, 50).Draw(t, "refused")
		v := concentrated(refused, expected)
		if (v > 0) != (refused > expected) && refused != expected {
			t.Errorf("%.2f", v)
		}
		if more := concentrated(refused+1, expected); more <= v {
			t.Errorf("%.2f, with one more %.2f", v, more)
		}
	})
}

// People in the console fill the buckets of some customers, however slowly
// their calls come. That is not the licence's limit: the others go on.
func TestFullCustomersDoNotSlowTheLicence(t *testing.T) {
	licence := 0.
	for seed := range uint64(5) {
		p := newPlay(func(float64) float64 { return 50 })
		rnd, rate := rand.New(rand.NewPCG(seed, 5)), p.allow
		p.allow = func(now float64, tk *Ticket) bool {
			full := len(tk.call.Scopes[2].ID) == 1 && rnd.IntN(5) < 2 // customers 0 to 9 of 60
			return rate(now, tk) && !full
		}
		for c := range 60 {
			id := fmt.Sprint(c)
			p.enqueue(p.e.Open(FlowOptions{ID: id, Class: Bulk, Left: 500}), 500, naver("l", id)...)
		}
		p.until(120)
		r, _ := p.e.Learned(Scope{Licence, "l"})
		if ip, n := p.e.Learned(Scope{IP, "naver"}); n > 0 {
			r = min(r, ip)
		}
		licence += r / 5
		t.Logf("seed %d: %.1f/s", seed, r)
	}
	if licence < 35 {
		t.Errorf("learned %.1f/s of 50", licence)
	}
}
