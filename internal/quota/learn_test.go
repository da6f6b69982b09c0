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

// On the way back after a fall, a climb that is refused at once proves nothing
// but that it came too early: the rate is again what it was before.
func TestFailedClimbGoesBack(t *testing.T) {
	s := newPacer(Policy{Rate: 20})
	s.mode, s.charges, s.before, s.rate = regain, 10, 20, 4
	now := 1.
	for !s.climbed && now < 30 {
		now = max(now, s.ready())
		s.send(now, 1)
	}
	if !s.climbed || s.held != 4 || s.rate <= 4 {
		t.Fatalf("climbed %v from %.1f to %.1f/s", s.climbed, s.held, s.rate)
	}
	now = max(now, s.ready())
	m := s.send(now, 1)
	if !s.charge(now+0.1, m) || s.rate != 4 {
		t.Errorf("%.1f/s after the refusal", s.rate)
	}
}

// A large account behind a small limit that nobody knows is tried early, but
// leaves half of the slots to the others.
func TestPilotHasEverySecondSlot(t *testing.T) {
	p := newPlay(func(float64) float64 { return 10 })
	sent := map[string]int{}
	p.onSend = func(_ float64, tk *Ticket) { sent[tk.line.flow.ID]++ }
	for c := range 10 {
		id, n := fmt.Sprint(c), 200
		if c == 0 {
			n = 2400
		}
		p.enqueue(p.e.Open(FlowOptions{ID: id, Class: Bulk, Left: n}), n, naver("l", id)...)
	}
	p.until(60)
	all := 0
	for _, n := range sent {
		all += n
	}
	if part := float64(sent["0"]) / float64(all); part < 0.3 || part > 0.6 {
		t.Errorf("it had %.2f of %d slots", part, all)
	}
}

// While nothing answers, calls prove nothing: after an outage under full load
// the rate is what it was.
func TestOutageRaisesNothing(t *testing.T) {
	p := newPlay(func(float64) float64 { return 25 })
	p.down = func(now float64) bool { return now > 60 && now < 75 }
	refused := 0
	p.onAnswer = func(now float64, _ *Ticket, r bool) {
		if r && now > 75 {
			refused++
		}
	}
	for c := range 10 {
		id := fmt.Sprint(c)
		p.enqueue(p.e.Open(FlowOptions{ID: id, Class: Bulk, Left: 1000}), 1000, naver("l", id)...)
	}
	p.until(75)
	if r, _ := p.e.Learned(Scope{Licence, "l"}); r > 30 {
		t.Errorf("learned %.1f/s of 25 from calls that nobody answered", r)
	}
	p.until(115)
	if refused > 40 {
		t.Errorf("%d refusals in the 40 s after", refused)
	}
}

// Those whose deadline has passed are many, and each has more to do: a small
// workspace has its turn all the same.
func TestPassedDeadlinesPushNobodyAside(t *testing.T) {
	p := newPlay(func(float64) float64 { return 40 })
	ended := 0.
	left := 5 * 20
	p.onAnswer = func(now float64, tk *Ticket, r bool) {
		if !r && tk.line.flow.Tenant == "small" {
			if left--; left == 0 {
				ended = now
			}
		}
	}
	p.until(10) // a deadline of zero is none
	open := func(tenant string, flows, calls int) {
		for i := range flows {
			id := fmt.Sprint(tenant, i)
			f := p.e.Open(FlowOptions{ID: id, Tenant: tenant, Class: Bulk, Deadline: at(5), Left: calls})
			p.enqueue(f, calls, naver("l", id)...)
		}
	}
	open("large", 100, 40)
	open("small", 5, 20)
	p.until(130)
	if ended == 0 || ended > 40 {
		t.Errorf("100 calls of the small one ended at %.0f s of 130", ended)
	}
}
