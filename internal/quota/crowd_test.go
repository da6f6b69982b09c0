package quota

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// crowdedPlay is a server of 25/s from which others take some calls a second,
// at random, until an instant.
func crowdedPlay(seed uint64, others, until float64) *play {
	p := newPlay(func(float64) float64 { return 25 })
	rnd, server := rand.New(rand.NewPCG(seed, 9)), p.allow
	next := rnd.ExpFloat64() / others
	p.allow = func(now float64, t *Ticket) bool {
		for ; next <= min(now, until); next += rnd.ExpFloat64() / others {
			server(next, nil)
		}
		return server(now, t)
	}
	for c := range 20 {
		id := fmt.Sprint(c)
		p.enqueue(p.e.Open(FlowOptions{ID: id, Class: Bulk, Left: 1500}), 1500, naver("l", id)...)
	}
	return p
}

// Who shares a bucket with busy strangers is refused at any rate, and must not
// give way until nothing is left.
func TestCrowdsAreNotGivenWayTo(t *testing.T) {
	for _, w := range []struct{ others, least, most float64 }{
		{0.01, 24, 0.01},
		{12.5, 8, 0.08},
		{17.5, 5.5, 0.12},
		{20, 4, 0.15},
	} {
		rate, share := 0., 0.
		for seed := range uint64(3) {
			p := crowdedPlay(seed, w.others, 900)
			yes, no := 0., 0.
			p.onAnswer = func(now float64, _ *Ticket, refused bool) {
				switch {
				case now < 300:
				case refused:
					no++
				default:
					yes++
				}
			}
			p.until(900)
			t.Logf("others %g/s, seed %d: %.1f/s, %.1f %% refused", w.others, seed, yes/600, 100*no/(yes+no))
			if yes/600 < w.least/2 {
				t.Errorf("others %g/s, seed %d: %.1f/s", w.others, seed, yes/600)
			}
			rate, share = rate+yes/600/3, share+no/(yes+no)/3
		}
		if rate < w.least || share > w.most {
			t.Errorf("others %g/s: %.1f/s, %.1f %% refused", w.others, rate, 100*share)
		}
	}
}

// When the others leave, all is ours again, and refusals are as rare as ever.
func TestCrowdsEnd(t *testing.T) {
	p := crowdedPlay(1, 17.5, 400)
	yes, no := 0., 0.
	p.onAnswer = func(now float64, _ *Ticket, refused bool) {
		switch {
		case now < 700:
		case refused:
			no++
		default:
			yes++
		}
	}
	p.until(400)
	if m := p.e.scopes[Scope{Licence, "l"}].pacer.mode; m != amid {
		t.Errorf("mode %d amid others", m)
	}
	p.until(900)
	if yes/200 < 23.5 || no/(yes+no) > 0.02 {
		t.Errorf("%.1f/s, %.1f %% refused", yes/200, 100*no/(yes+no))
	}
}

// A trial that failed brings a crowd back whole: when the others leave then, the
// rate rises.
func TestRecalledCrowdsEndToo(t *testing.T) {
	p := crowdedPlay(1, 17.5, 400)
	p.until(400) // so that no refusal comes any more
	in := p.e.scopes[Scope{Licence, "l"}]
	if in.pacer.mode != amid {
		t.Fatalf("mode %d amid others", in.pacer.mode)
	}
	in.pacer.recall(400, in.pacer)
	p.until(500)
	if in.pacer.rate < 20 {
		t.Errorf("%.1f/s of 25 at 500 s", in.pacer.rate)
	}
}

// Yesterday's crowd is none today, and a person's few calls, some of them
// refused, are none at a customer.
func TestFewCallsAreNoCrowd(t *testing.T) {
	p := crowdedPlay(1, 17.5, 400)
	p.until(400)
	for _, f := range p.e.flows {
		for _, l := range f.lines {
			for _, w := range slices.Clone(l.waiting) {
				p.e.Cancel(at(p.now), w)
			}
		}
	}
	licence := p.e.scopes[Scope{Licence, "l"}]
	if licence.pacer.mode != amid {
		t.Fatalf("mode %d in the evening", licence.pacer.mode)
	}
	p.until(8 * 3600)
	rnd, server := rand.New(rand.NewPCG(1, 1)), p.allow
	p.allow = func(now float64, tk *Ticket) bool { return rnd.IntN(10) > 0 && server(now, tk) }
	f := p.e.Open(FlowOptions{ID: "person", Class: Interactive})
	p.enqueue(f, 1, naver("l", "3")...)
	p.until(p.now + 1)
	if licence.pacer.mode == amid {
		t.Error("yesterday's crowd is believed")
	}
	for range 200 {
		p.enqueue(f, 10, naver("l", "3")...)
		p.until(p.now + 20)
		for s, in := range p.e.scopes {
			if in.pacer.mode == amid && in.policy.Narrow {
				t.Fatalf("%v is in a crowd", s)
			}
		}
	}
	p.allow = server
	p.enqueue(p.e.Open(FlowOptions{ID: "bulk", Class: Bulk}), 3000, naver("l", "3")...)
	from, n := p.now, 0
	p.onAnswer = func(_ float64, _ *Ticket, refused bool) {
		if !refused {
			n++
		}
	}
	p.until(from + 100)
	if n < 1500 {
		t.Errorf("%d calls in the first 100 s of the bulk", n)
	}
}

// Where answers take long, many calls are on the wire: each of their refusals
// counts, or the rate would rise while nearly all is refused.
func TestCrowdsHearEveryRefusal(t *testing.T) {
	s := newPacer(Policy{Rate: 20})
	s.mode, s.charges, s.rate, s.crowd.share, s.crowd.most = amid, 20, 20, 0.1, 0.1
	now := 1.
	var wire []mark
	for range 12 {
		now = max(now, s.ready())
		wire = append(wire, s.send(now, 1))
	}
	before := s.rate
	for _, m := range wire {
		s.charge(now+0.3, m)
	}
	if s.rate > 0.6*before {
		t.Errorf("%.1f/s, it was %.1f before 12 refusals of 12 calls", s.rate, before)
	}
}
