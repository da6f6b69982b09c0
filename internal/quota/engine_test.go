package quota

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 3, 3, 7, 30, 0, 0, time.UTC)

func at(s float64) time.Time { return t0.Add(time.Duration(s * 1e9)) }

// play is a small server in virtual time: it takes what allow allows.
type play struct {
	e        *Engine
	now      float64
	pending  answers
	delay    func() float64
	allow    func(now float64, t *Ticket) bool
	down     func(now float64) bool    // nothing answers
	more     func(t *Ticket)           // hears of a call that came back and was not refused
	after    func(now float64) float64 // seconds that a refusal asks to wait
	onSend   func(now float64, t *Ticket)
	onAnswer func(now float64, t *Ticket, refused bool)
}

type answer struct {
	at      float64
	t       *Ticket
	arrived bool
	refused bool
	lost    bool
	wait    float64
}
type answers []answer

func (h answers) Len() int           { return len(h) }
func (h answers) Less(i, j int) bool { return h[i].at < h[j].at }
func (h answers) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *answers) Push(x any)        { *h = append(*h, x.(answer)) }
func (h *answers) Pop() any {
	o := *h
	x := o[len(o)-1]
	*h = o[:len(o)-1]
	return x
}

// until plays up to end.
func (p *play) until(end float64) {
	for p.now < end {
		t, again := p.e.Next(at(p.now))
		if t != nil {
			if p.onSend != nil {
				p.onSend(p.now, t)
			}
			heap.Push(&p.pending, answer{at: p.now + p.delay(), t: t})
			continue
		}
		next := end
		if !again.IsZero() {
			next = min(next, again.Sub(t0).Seconds()+1e-9)
		}
		if len(p.pending) > 0 && p.pending[0].at <= next {
			a := heap.Pop(&p.pending).(answer)
			p.now = max(p.now, a.at)
			if !a.arrived {
				a.lost = p.down != nil && p.down(p.now)
				a.arrived, a.refused, a.at = true, !a.lost && !p.allow(p.now, a.t), p.now+p.delay()
				if a.refused && p.after != nil {
					a.wait = p.after(p.now)
				}
				heap.Push(&p.pending, a)
				continue
			}
			said := Answer{Refused: a.refused, Lost: a.lost}
			if a.refused && p.after != nil {
				said.RetryAfter = time.Duration(a.wait * 1e9)
			}
			p.e.Done(at(p.now), a.t, said)
			if p.more != nil && !a.refused {
				p.more(a.t)
			}
			if p.onAnswer != nil {
				p.onAnswer(p.now, a.t, a.refused)
			}
			continue
		}
		p.now = next
	}
}

func newPlay(rate func(now float64) float64) *play {
	rnd := rand.New(rand.NewPCG(1, 2))
	tokens, last := 3., 0.
	return &play{e: NewEngine(Options{}, t0), delay: func() float64 { return 0.01 + 0.01*rnd.Float64() },
		allow: func(now float64, _ *Ticket) bool {
			tokens = min(3, tokens+(now-last)*rate(now))
			last = now
			if tokens < 1 {
				return false
			}
			tokens--
			return true
		}}
}

func (p *play) enqueue(f FlowID, n int, scopes ...Scope) {
	for range n {
		p.e.Enqueue(at(p.now), f, Call{Scopes: scopes})
	}
}

// The mean of some falls; a single one is a matter of luck.
func TestStepDownCostsFewRefusals(t *testing.T) {
	const falls = 6
	refusals, back := 0., 0.
	for seed := range uint64(falls) {
		n, s := stepDown(t, seed)
		refusals, back = refusals+float64(n)/falls, back+s/falls
	}
	t.Logf("%.1f refusals until right; back after %.1f s", refusals, back)
	if refusals > 12 || back > 6 {
		t.Errorf("%.1f refusals until the rate was right, back after %.1f s", refusals, back)
	}
}

// However long the limit was low.
func TestWayBackFromALongFall(t *testing.T) {
	for _, long := range []float64{50, 150, 400} {
		p := newPlay(func(now float64) float64 {
			if now > 60 && now < 60+long {
				return 5
			}
			return 25
		})
		for c := range 20 {
			id := fmt.Sprint(c)
			p.enqueue(p.e.Open(FlowOptions{ID: id, Class: Bulk}), 1000, naver("l", id)...)
		}
		y := p.count(70 + long)
		p.until(100 + long)
		if y.yes/30 < 22 {
			t.Errorf("low for %g s: %.1f/s of 25 after 10 s", long, y.yes/30)
		}
	}
}

// stepDown plays a fall from 25/s to 5/s at 60 s and the return at 120 s: the
// refusals until the rate is within 10 % of the true one, and the seconds until
// 95 % of the old rate is accepted again.
func stepDown(t *testing.T, seed uint64) (refused int, back float64) {
	p := newPlay(func(now float64) float64 {
		if now > 60 && now < 120 {
			return 5
		}
		return 25
	})
	rnd := rand.New(rand.NewPCG(seed, 3))
	p.delay = func() float64 { return 0.01 + 0.01*rnd.Float64() }
	for c := range 20 {
		id := fmt.Sprint(c)
		p.enqueue(p.e.Open(FlowOptions{ID: id, Class: Bulk}), 1000, naver("l", id)...)
	}
	right := 0.
	var accepted []float64
	p.onAnswer = func(now float64, _ *Ticket, r bool) {
		rate, _ := p.e.Learned(Scope{Licence, "l"})
		if ip, n := p.e.Learned(Scope{IP, "naver"}); n > 0 {
			rate = min(rate, ip)
		}
		if now > 60 && right == 0 {
			if r {
				refused++
			}
			if rate < 5.5 && rate > 4.5 {
				right = now
			}
		}
		if !r {
			accepted = append(accepted, now)
		}
		if i := len(accepted) - 24; now > 121 && back == 0 && i >= 0 && now-accepted[i] <= 1 {
			back = accepted[i] - 120 // 24 calls within a second: 95 % of 25/s
		}
	}
	p.until(200)
	if right == 0 || back == 0 {
		t.Errorf("seed %d: right at %.1f s, back after %.1f s", seed, right, back)
	}
	t.Logf("seed %d: %d refusals until right after %.1f s; back after %.1f s", seed, refused, right-60, back)
	return refused, back
}

func TestIdleRaisesNothing(t *testing.T) {
	p := newPlay(func(float64) float64 { return 25 })
	f := p.e.Open(FlowOptions{Class: Bulk})
	p.enqueue(f, 1000, naver("l", "c")...)
	p.until(60)
	in := p.e.scopes[Scope{Licence, "l"}]
	before, _ := p.e.Learned(Scope{Licence, "l"})
	paced := in.pacer.pace(in.pacer.busy - in.pacer.ramp0)
	p.until(7200)
	p.enqueue(f, 1, naver("l", "c")...)
	p.until(7201)
	if after, _ := p.e.Learned(Scope{Licence, "l"}); after != before {
		t.Errorf("an idle hour moved the rate from %.2f to %.2f", before, after)
	}
	if pace := in.pacer.pace(in.pacer.busy - in.pacer.ramp0); pace > paced {
		t.Errorf("an idle hour moved the pace from %.1f to %.1f", paced, pace)
	}
}

// A customer that is called now and then proves nothing about its own limit.
func TestSparseCustomerNeverRises(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := newPlay(func(float64) float64 { return 25 })
		share := rapid.IntRange(0, 30).Draw(r, "refused per cent")
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 1))
		p.allow = func(float64, *Ticket) bool { return rnd.IntN(100) >= share }
		f := p.e.Open(FlowOptions{Class: Bulk})
		top := DefaultPolicies()[Customer].Rate
		for i := range 60 {
			p.enqueue(f, 1, naver("l", "c")...)
			p.until(float64(i+1) * 3.3)
			in := p.e.scopes[Scope{Customer, "c"}]
			if in.pacer.rate > top+1e-9 {
				r.Fatalf("after %d spaced calls the rate is %.2f, it began at %.2f", i+1, in.pacer.rate, top)
			}
		}
	})
}

func TestOneRefusalChargesOneScope(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		limit := rapid.Float64Range(3, 60).Draw(r, "limit")
		p := newPlay(func(float64) float64 { return limit })
		refusals := 0
		charged := func() (n int) {
			for _, in := range p.e.scopes {
				n += in.pacer.charges
			}
			return n
		}
		before := 0
		p.onAnswer = func(_ float64, _ *Ticket, refused bool) {
			now := charged()
			if refused {
				refusals++
			}
			if d := now - before; d > 1 || d == 1 && !refused {
				r.Fatalf("one answer charged %d scopes", d)
			}
			before = now
		}
		for c := range 5 {
			f := p.e.Open(FlowOptions{Class: Bulk, Tenant: fmt.Sprint(c % 2)})
			p.enqueue(f, 300, naver("l", fmt.Sprint(c))...)
		}
		p.until(30)
		if refusals == 0 {
			r.Fatalf("no refusals at %v/s", limit)
		}
	})
}

// No call goes before the slot that its scope gave it, and none twice.
func TestNoSendBeforeItsSlot(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		limit := rapid.Float64Range(3, 60).Draw(r, "limit")
		p := newPlay(func(float64) float64 { return limit })
		var last float64 = -1
		var pace float64
		p.onSend = func(now float64, tk *Ticket) {
			m := tk.marks[1] // the licence's
			if last >= 0 && now-last < 1/pace*0.75-0.0021 {
				r.Fatalf("two calls %.1f ms apart at %.1f/s", (now-last)*1e3, pace)
			}
			last, pace = now, m.pace
		}
		for c := range 6 {
			f := p.e.Open(FlowOptions{Class: Class(c % 3), Tenant: fmt.Sprint(c)})
			p.enqueue(f, 200, naver("l", fmt.Sprint(c))...)
		}
		p.until(20)
	})
}

// In any stretch of time two flows that both wait get the same, to a few
// calls, whatever tenants and sizes there are; and tenants likewise.
func TestFairInAnyWindow(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := newPlay(func(float64) float64 { return 40 })
		tenants := rapid.IntRange(2, 4).Draw(r, "tenants")
		var flows [][]FlowID
		var sent []map[FlowID]int
		for i := range tenants {
			flows, sent = append(flows, nil), append(sent, map[FlowID]int{})
			for range rapid.IntRange(1, 12).Draw(r, "flows") {
				f := p.e.Open(FlowOptions{Class: Bulk, Tenant: fmt.Sprint(i)})
				flows[i] = append(flows[i], f)
				p.enqueue(f, 500, Scope{IP, "naver"}, Scope{Licence, "l"})
			}
		}
		for _, f := range p.e.flows { // nothing is critical when all is far away
			f.Left = 1
		}
		p.onSend = func(_ float64, tk *Ticket) {
			var i int
			_, _ = fmt.Sscan(tk.line.flow.Tenant, &i)
			sent[i][tk.line.flow.id]++
		}
		p.until(5)
		for i := range sent {
			clear(sent[i])
		}
		p.until(5 + rapid.Float64Range(1, 10).Draw(r, "window"))
		sum := func(i int) (n int) {
			for _, c := range sent[i] {
				n += c
			}
			return n
		}
		for i := range sent {
			if a, b := sum(0), sum(i); a-b > 12 || b-a > 12 {
				r.Fatalf("tenants got %d and %d", a, b)
			}
			for _, f := range flows[i] {
				if a, b := sent[i][flows[i][0]], sent[i][f]; a-b > 6 || b-a > 6 {
					r.Fatalf("flows of a tenant got %d and %d", a, b)
				}
			}
		}
	})
}

// A server that keeps to what it allows never sees more than that, plus the burst.
func TestFixedRateIsKept(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		rate := rapid.Float64Range(0.5, 40).Draw(r, "rate")
		e := NewEngine(Options{Policies: map[string]Policy{SMTP: {Kind: Fixed, Rate: rate}}}, t0)
		p := &play{e: e, delay: func() float64 { return 0.05 }, allow: func(float64, *Ticket) bool { return true }}
		f := e.Open(FlowOptions{Class: Bulk})
		var sent []float64
		p.onSend = func(now float64, _ *Ticket) { sent = append(sent, now) }
		p.enqueue(f, 500, Scope{SMTP, "mail"})
		p.until(20)
		for i := range sent {
			for k := i; k < len(sent); k++ {
				if n, most := float64(k-i+1), (sent[k]-sent[i])*rate+2; n > most {
					r.Fatalf("%v calls in %v s at %v/s", n, sent[k]-sent[i], rate)
				}
			}
		}
		if n := float64(len(sent)); n < min(500, 20*rate*0.95-1) {
			r.Fatalf("only %v calls in 20 s at %v/s", n, rate)
		}
	})
}

func TestQuotaPerMinute(t *testing.T) {
	e := NewEngine(Options{}, t0)
	p := &play{e: e, delay: func() float64 { return 0.1 }, allow: func(float64, *Ticket) bool { return true }}
	f := e.Open(FlowOptions{Class: Bulk})
	var sent []float64
	p.onSend = func(now float64, _ *Ticket) { sent = append(sent, now) }
	p.enqueue(f, 400, Scope{GoogleUser, "u"})
	p.until(250)
	for i := 60; i < len(sent); i++ {
		if sent[i]-sent[i-60] < 60 {
			t.Fatalf("61 calls within %.1f s", sent[i]-sent[i-60])
		}
	}
	if len(sent) < 240 {
		t.Errorf("only %d calls in 250 s", len(sent))
	}
}

// TestCostsBeyondReason: a cost that is no cost does not stop the line.
func TestCostsBeyondReason(t *testing.T) {
	for _, kind := range []string{Licence, SMTP, Shop} {
		for _, cost := range []float64{math.NaN(), math.Inf(1), 1e300, -3, 0} {
			e := NewEngine(Options{}, t0)
			f := e.Open(FlowOptions{Class: Bulk})
			for range 2 {
				e.Enqueue(t0, f, Call{Scopes: []Scope{{Kind: kind, ID: "1"}}, Cost: cost})
			}
			for k := range 2 {
				now := t0.Add(time.Duration(k) * 2 * time.Second)
				tk, _ := e.Next(now)
				if tk == nil {
					t.Fatalf("%s: call %d of cost %v does not go", kind, k+1, cost)
				}
				e.Done(now, tk, Answer{})
			}
		}
	}
}

func TestToldBudgetIsKept(t *testing.T) {
	e := NewEngine(Options{}, t0)
	have, last := 1000., 0.
	p := &play{e: e, delay: func() float64 { return 0.1 }}
	p.allow = func(now float64, tk *Ticket) bool {
		have = min(1000, have+(now-last)*50)
		last = now
		if have < tk.cost {
			return false
		}
		have -= tk.cost
		return true
	}
	f := e.Open(FlowOptions{Class: Bulk})
	refused, done := 0, 0
	p.onAnswer = func(_ float64, _ *Ticket, r bool) {
		if r {
			refused++
		} else {
			done++
		}
	}
	for range 200 {
		e.Enqueue(t0, f, Call{Scopes: []Scope{{Shop, "s"}}, Cost: 100})
	}
	p.until(101)
	if refused > 0 || done < 56 {
		t.Errorf("%d refused, %d done of 60 that the budget allows", refused, done)
	}
}

func TestCircuitOpensAndCloses(t *testing.T) {
	p := newPlay(func(float64) float64 { return 25 })
	takes := p.allow
	p.allow = func(now float64, tk *Ticket) bool { return takes(now, tk) && (now < 10 || now > 130) }
	f := p.e.Open(FlowOptions{Class: Bulk})
	p.enqueue(f, 3000, Scope{CustomerKwtool, "c"})
	sends := 0
	p.onSend = func(now float64, _ *Ticket) {
		if now > 10 && now < 130 {
			sends++
		}
	}
	p.until(129)
	if sends > 20 {
		t.Errorf("%d calls to a server that refuses everything for 2 min", sends)
	}
	u := p.e.Usage(at(p.now), Scope{CustomerKwtool, "c"})
	if u.Scopes[0].PausedUntil == nil {
		t.Error("the open circuit is not shown")
	}
	done := 0
	p.onAnswer = func(_ float64, _ *Ticket, refused bool) { done++ }
	p.until(400)
	if done < 100 {
		t.Errorf("%d answers after the server took calls again", done)
	}
}

// A customer whose bucket its people keep full is tried again soon, however often
// its probes are refused; a licence is left alone for longer and longer.
func TestFullCustomersAreTriedAgain(t *testing.T) {
	for _, x := range []struct {
		kind string
		most float64
	}{{Customer, 60}, {Licence, 300}} {
		in, now, longest := newInstance(Scope{x.kind, "x"}, &kind{policy: DefaultPolicies()[x.kind]}), 0., 0.
		for range 40 {
			now = max(now+0.05, in.ready(now, 1))
			in.refused(now+0.05, 1, in.book(now, 1), 0, nil)
			longest = max(longest, in.paused-now-0.05)
		}
		if math.Abs(longest-x.most) > 0.1 {
			t.Errorf("%s: open for %.0f s at most", x.kind, longest)
		}
	}
}

func TestKeptRatesReturn(t *testing.T) {
	p := newPlay(func(float64) float64 { return 25 })
	f := p.e.Open(FlowOptions{Class: Bulk})
	p.enqueue(f, 1500, naver("l", "c")...)
	p.until(60)
	q := newPlay(func(float64) float64 { return 25 })
	q.e.Import(p.e.Export())
	f = q.e.Open(FlowOptions{Class: Bulk})
	q.enqueue(f, 1400, naver("l", "c")...)
	refused, done := 0, 0
	q.onAnswer = func(_ float64, _ *Ticket, r bool) {
		if r {
			refused++
		} else {
			done++
		}
	}
	q.until(60)
	if share := float64(refused) / float64(refused+done); share > 0.02 {
		t.Errorf("%.1f %% refused in the first minute after a restart", 100*share)
	}
	if done < 1350 {
		t.Errorf("%d calls in the first minute at 25/s", done)
	}
}

// However many calls hang, a person's goes.
func TestHangingCallsLeaveRoomForPeople(t *testing.T) {
	p := newPlay(func(float64) float64 { return 100 })
	p.delay = func() float64 { return 1e6 }
	wire := map[Class]int{}
	p.onSend = func(_ float64, tk *Ticket) { wire[tk.line.flow.Class]++ }
	p.enqueue(p.e.Open(FlowOptions{Class: Bulk}), 200, Scope{IP, "naver"}, Scope{Licence, "l"})
	p.until(30)
	p.enqueue(p.e.Open(FlowOptions{Class: Interactive}), 5, Scope{IP, "naver"}, Scope{Licence, "l"})
	p.until(40)
	if wire[Bulk] != 80 || wire[Interactive] != 5 {
		t.Errorf("on the wire: %v", wire)
	}
}

// A rate that is changed counts what was sent before.
func TestChangedRates(t *testing.T) {
	in := newInstance(Scope{GoogleUser, "u"}, &kind{policy: Policy{Kind: PerMinute, Rate: 60}})
	now := 0.
	for range 60 {
		now = max(now, in.ready(now, 1))
		in.book(now, 1)
	}
	in.setRate(61)
	in.book(in.ready(now, 1), 1) // the 61st
	if at := in.ready(now, 1); at < 60 {
		t.Errorf("the 62nd call of a minute goes at %.1f s", at)
	}
	in.setRate(3)
	if at := in.ready(now, 1); at < now+55 {
		t.Errorf("after 61 calls one of 3/min goes at %.1f s, it is %.1f", at, now)
	}
	smtp := newInstance(Scope{SMTP, "s"}, &kind{policy: Policy{Kind: Fixed, Rate: 0.001}})
	smtp.book(0, 1)
	smtp.setRate(10)
	if at := smtp.ready(0, 1); at > 0.11 {
		t.Errorf("10/s after a thousandth: next at %.1f s", at)
	}
}

// Head room is left at the limit that binds, also where that is a customer's.
func TestHeadRoomOfCustomers(t *testing.T) {
	p := newPlay(func(float64) float64 { return 25 })
	p.e.Tune(Scope{Licence, "l"}, Tuning{HeadRoom: 0.5})
	taken := 0
	p.onAnswer = func(now float64, _ *Ticket, refused bool) {
		if !refused && now > 60 {
			taken++
		}
	}
	p.enqueue(p.e.Open(FlowOptions{Class: Bulk, Left: 5000}), 5000, naver("l", "c")...)
	p.until(160)
	if taken > 1500 {
		t.Errorf("%.1f/s of 25 with half left to others", float64(taken)/100)
	}
	p.e.Tune(Scope{Licence, "l"}, Tuning{})
	taken = 0
	p.until(260)
	if taken < 2000 {
		t.Errorf("%.1f/s of 25 without head room", float64(taken)/100)
	}
}

func TestRefusalBudget(t *testing.T) {
	share := func(budget float64) float64 {
		p := newPlay(func(float64) float64 { return 25 })
		p.e.o.Refusals = budget
		refused, all := 0, 0
		f := p.e.Open(FlowOptions{Class: Bulk, Left: 20000})
		wait := func(n int) { p.enqueue(f, n, Scope{IP, "naver"}, Scope{Licence, "l"}) }
		p.onAnswer = func(now float64, _ *Ticket, r bool) {
			if now > 60 {
				all++
				if r {
					refused++
				}
			}
			if !r {
				wait(1)
			}
		}
		wait(50)
		p.until(660)
		return float64(refused) / float64(all)
	}
	if a, b := share(0.002), share(0.03); a > 0.008 || b < 2*a {
		t.Errorf("refused %.4f at a budget of 0.002, %.4f at 0.03", a, b)
	}
}

// Once learned, what is sent in any span is no more than the server allows and
// its burst, but for the share that learning costs.
func TestSentStaysWithinWhatIsAllowed(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		rate := rapid.Float64Range(5, 60).Draw(r, "rate")
		p := newPlay(func(float64) float64 { return rate })
		var sent []float64
		p.onSend = func(now float64, _ *Ticket) {
			if now > 60 {
				sent = append(sent, now)
			}
		}
		flows := rapid.IntRange(1, 8).Draw(r, "flows")
		for i := range flows {
			id := fmt.Sprint(i)
			p.enqueue(p.e.Open(FlowOptions{ID: id, Class: Bulk, Left: 8000}), 40, Scope{IP, "naver"}, Scope{Licence, "l"})
		}
		p.onAnswer = func(_ float64, tk *Ticket, refused bool) {
			if !refused {
				p.enqueue(tk.line.flow.id, 1, Scope{IP, "naver"}, Scope{Licence, "l"})
			}
		}
		p.until(120)
		for i := range sent {
			for _, n := range []int{5, 20, 100, 500} {
				if i+n >= len(sent) {
					break
				}
				span := sent[i+n] - sent[i]
				if most := 1.25*rate*span + 3; float64(n) > most {
					r.Fatalf("%d calls within %.2f s at %.1f/s", n, span, rate)
				}
			}
		}
	})
}

func TestHeadRoomIsLeft(t *testing.T) {
	p := newPlay(func(float64) float64 { return 25 })
	for _, s := range naver("l", "c") {
		p.e.Tune(s, Tuning{HeadRoom: 0.2})
	}
	f := p.e.Open(FlowOptions{Class: Bulk})
	p.onAnswer = func(_ float64, _ *Ticket, refused bool) {
		if !refused {
			p.enqueue(f, 1, naver("l", "c")...)
		}
	}
	p.enqueue(f, 50, naver("l", "c")...)
	p.until(60)
	sent := 0
	p.onSend = func(float64, *Ticket) { sent++ }
	p.until(360)
	if r := float64(sent) / 300; r > 21.5 || r < 18 {
		t.Errorf("sent %.1f/s of 25/s with 20 %% head room", r)
	}
}

// What another scope lets go in bunches is on time call by call, but no faster
// than that scope: at the first contact the pace must not be far above it.
func TestBunchesProveNothing(t *testing.T) {
	s := newPacer(Policy{Rate: 15})
	for now := 1.; now < 12; now += 0.25 { // five calls each quarter of a second: 20/s
		for at, i := now, 0; i < 5; i++ {
			at = max(at, s.ready())
			if at >= now+0.25 {
				break
			}
			s.send(at, 1)
		}
	}
	if r := s.pace(s.busy - s.ramp0); r > 2*20 {
		t.Errorf("%.0f/s after bunches of 20/s", r)
	}
}

// What is learned is learned in calls: a slow server refuses nearly as seldom as a
// fast one, once it is known.
func TestSlowServersAreLearned(t *testing.T) {
	for _, w := range []struct{ rate, most float64 }{{1, 0.1}, {2, 0.025}, {5, 0.025}} {
		p := newPlay(func(float64) float64 { return w.rate })
		for c := range 10 {
			id := fmt.Sprint(c)
			p.enqueue(p.e.Open(FlowOptions{ID: id, Class: Bulk, Left: 500}), 500, naver("l", id)...)
		}
		first, yes, no := 0, 0., 0.
		p.onAnswer = func(now float64, _ *Ticket, refused bool) {
			switch {
			case now < 60:
				if refused {
					first++
				}
			case refused:
				no++
			default:
				yes++
			}
		}
		p.until(560)
		t.Logf("%g/s: %d refused in the first minute, then %.2f/s and %.2f %%", w.rate, first, yes/500, 100*no/(yes+no))
		if first > 25 || yes/500 < 0.85*w.rate || no/(yes+no) > w.most {
			t.Errorf("%g/s: %d refused in the first minute, then %.2f/s and %.2f %%", w.rate, first, yes/500, 100*no/(yes+no))
		}
	}
}

// Customers who left are forgotten, those who wait or came lately are not.
func TestCustomersWhoLeftAreForgotten(t *testing.T) {
	const day = 24 * 3600
	p := newPlay(func(float64) float64 { return 25 })
	f := p.e.Open(FlowOptions{ID: "run", Class: Bulk})
	for c := range 50 {
		p.enqueue(f, 2, naver("l", fmt.Sprint("left", c))...)
	}
	p.until(60)
	p.now = 3 * day
	p.enqueue(f, 2, naver("l", "lately")...)
	p.until(p.now + 60)
	if n := len(p.e.scopes); n != 53 {
		t.Errorf("%d scopes after three days", n)
	}
	p.e.Lease(Scope{Licence, "held"}, time.Time{}) // its calls wait for ever
	p.enqueue(f, 1, naver("held", "waits")...)
	p.now = 6 * day
	p.enqueue(f, 1, naver("l", "new")...)
	p.until(p.now + 60)
	for _, id := range []string{"lately", "waits", "new"} {
		if p.e.scopes[Scope{Customer, id}] == nil {
			t.Errorf("%s was forgotten", id)
		}
	}
	if n := len(p.e.scopes); n != 6 {
		t.Errorf("%d scopes", n)
	}
}

// A way back that a refusal ends, ends above where it began: else it begins there
// again and again. The server is one of sliding windows of 250 ms in which
// refusals count, and some customers meet limits of their own.
func TestWayBackEndsAboveItsFoot(t *testing.T) {
	mean := 0.
	for seed := range uint64(10) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		p := newPlay(nil)
		var window []float64
		p.allow = func(now float64, tk *Ticket) bool {
			size := 7
			if now > 60 {
				size = 2
			}
			for len(window) > 0 && window[0] < now-0.25 {
				window = window[1:]
			}
			window = append(window, now)
			return len(window) <= size && (now < 60 || rnd.IntN(40) > 0)
		}
		p.delay = func() float64 { return 0.005 + 0.05*rnd.Float64() }
		for c := range 60 {
			id := fmt.Sprint(c)
			p.enqueue(p.e.Open(FlowOptions{ID: id, Class: Bulk}), 200, naver("l", id)...)
		}
		y := p.count(80)
		p.until(320)
		t.Logf("seed %d: %.1f/s of 8", seed, y.yes/240)
		mean += y.yes / 240 / 10
	}
	if mean < 3 {
		t.Errorf("%.1f/s of 8", mean)
	}
}
