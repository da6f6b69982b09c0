package quota

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// counting is a server that takes size calls in each window of so many seconds,
// from the given phase on, or in any span as long if it slides. key says whose
// window a call counts in; nil: all in one.
func counting(size func(now float64) int, seconds float64, slides bool, key func(t *Ticket) string) *play {
	p := newPlay(nil)
	type window struct {
		used []float64
	}
	windows := map[string]*window{}
	p.allow = func(now float64, t *Ticket) bool {
		k := ""
		if key != nil {
			k = key(t)
		}
		w := windows[k]
		if w == nil {
			w = &window{}
			windows[k] = w
		}
		from := now - seconds
		if !slides {
			from = math.Floor((now+17)/seconds)*seconds - 17
		}
		for len(w.used) > 0 && w.used[0] < from {
			w.used = w.used[1:]
		}
		if len(w.used) >= size(now) {
			return false
		}
		w.used = append(w.used, now)
		return true
	}
	return p
}

func always(n int) func(float64) int { return func(float64) int { return n } }

// bulkOf lets so many customers of a licence want calls for ever, five at a time.
func (p *play) bulkOf(licence string, customers int) {
	for c := range customers {
		id := fmt.Sprint(licence, c)
		p.enqueue(p.e.Open(FlowOptions{ID: id, Tenant: id, Class: Bulk, Left: 1e6}), 5, naver(licence, id)...)
	}
	p.more = func(t *Ticket) {
		if t.line.flow.Left > 1000 {
			p.e.Enqueue(at(p.now), t.line.flow.id, t.call)
		}
	}
}

// answered counts answers from an instant on.
type answered struct {
	yes, no, waited float64
	due             float64
}

func (p *play) count(from float64) *answered {
	y := &answered{}
	p.onAnswer = func(now float64, tk *Ticket, refused bool) {
		switch {
		case now < from:
		case refused:
			y.no++
		default:
			y.yes++
			if tk.line.flow.Class == Interactive {
				y.waited = max(y.waited, now-y.due)
			}
		}
	}
	return y
}

func (y *answered) share() float64 { return y.no / (y.yes + y.no) }

// A server that counts by the minute is asked evenly, so that people need not
// wait for the next minute: also after hours in which nothing was refused or
// nothing was asked, where pauses are asked for, and with head room.
func TestLongWindows(t *testing.T) {
	for _, w := range []struct {
		name    string
		size    int
		seconds float64
		slides  bool
		before  int // calls a second in the half hour before
		room    float64
		after   bool
	}{
		{name: "minute", size: 1500, seconds: 60},
		{name: "sliding minute", size: 1500, seconds: 60, slides: true},
		{name: "ten seconds", size: 250, seconds: 10},
		{name: "sliding ten seconds", size: 250, seconds: 10, slides: true},
		{name: "few", size: 120, seconds: 60},
		{name: "after a quiet time", size: 1500, seconds: 60, before: 4},
		{name: "after a pause", size: 1500, seconds: 60, before: -1},
		{name: "head room", size: 1500, seconds: 60, room: 0.2},
		{name: "pauses asked for", size: 1500, seconds: 60, after: true},
	} {
		t.Run(w.name, func(t *testing.T) {
			p := counting(always(w.size), w.seconds, w.slides, nil)
			p.e.Tune(Scope{Licence, "l"}, Tuning{HeadRoom: w.room})
			if w.after {
				p.after = func(now float64) float64 { return w.seconds - math.Mod(now+17, w.seconds) }
			}
			for at := 1.; w.before > 0 && at < 1800; at++ {
				p.enqueue(p.e.Open(FlowOptions{ID: fmt.Sprint(at), Class: Bulk}), w.before, naver("l", fmt.Sprint(int(at)%7))...)
				p.until(at)
			}
			if w.before < 0 {
				p.enqueue(p.e.Open(FlowOptions{ID: "before", Class: Bulk}), 50, naver("l", "l3")...)
				p.until(3600)
			}
			began := p.now
			p.bulkOf("l", 20)
			y := p.count(began + 480)
			for at := began + 30; at < began+1380; at += 60 {
				p.until(at)
				y.due = p.now
				p.enqueue(p.e.Open(FlowOptions{ID: fmt.Sprint("person", at), Class: Interactive, Left: 20}), 20, naver("l", "l3")...)
			}
			p.until(began + 1380)
			if found := p.e.Usage(at(p.now), Scope{Licence, "l"}).Scopes; !slices.ContainsFunc(found, func(u ScopeUsage) bool {
				return u.Kind == Licence && math.Abs(u.WindowS/w.seconds-1) < 0.4
			}) {
				t.Errorf("usage shows %+v", found)
			}
			rate := float64(w.size) / w.seconds * (1 - w.room)
			t.Logf("%.2f of the rate, %.2f %% refused, a person waited %.1f s", y.yes/900/rate, 100*y.share(), y.waited)
			if y.yes/900 < 0.93*rate || y.yes/900 > 1.02*rate || y.share() > 0.015 || y.waited > 12+40/rate {
				t.Errorf("%.2f of the rate, %.2f %% refused, a person waited %.1f s", y.yes/900/rate, 100*y.share(), y.waited)
			}
		})
	}
}

// Windows that become larger or smaller are followed.
func TestLongWindowsChange(t *testing.T) {
	for _, w := range [][2]int{{1500, 3000}, {1500, 600}, {600, 750}} {
		p := counting(func(now float64) int {
			if now < 900 {
				return w[0]
			}
			return w[1]
		}, 60, false, nil)
		p.bulkOf("l", 20)
		y := p.count(1800)
		p.until(2400)
		got := y.yes / 600 / (float64(w[1]) / 60)
		t.Logf("%d, then %d: %.2f of the rate, %.2f %% refused", w[0], w[1], got, 100*y.share())
		if got < 0.9 || y.share() > 0.02 {
			t.Errorf("%d, then %d: %.2f of the rate, %.2f %% refused", w[0], w[1], got, 100*y.share())
		}
	}
}

// A server that ceases to count so is followed like any other after a while.
func TestLongWindowsEnd(t *testing.T) {
	rate := func(now float64) float64 {
		if math.Mod(now, 120) < 60 {
			return 20
		}
		return 30
	}
	p, bucket := counting(always(1500), 60, false, nil), newPlay(rate)
	windows := p.allow
	p.allow = func(now float64, tk *Ticket) bool {
		if now < 900 {
			return windows(now, tk)
		}
		return bucket.allow(now, tk)
	}
	p.bulkOf("l", 20)
	p.until(900)
	if p.e.scopes[Scope{Licence, "l"}].windows.period == 0 {
		t.Error("no windows")
	}
	y := p.count(2700)
	p.until(3300)
	t.Logf("%.2f of the rate, %.2f %% refused", y.yes/600/25, 100*y.share())
	if y.yes/600 < 0.95*25 || y.share() > 0.02 {
		t.Errorf("%.2f of the rate, %.2f %% refused", y.yes/600/25, 100*y.share())
	}
}

// Windows of one licence do not slow another that is seldom used.
func TestLongWindowsOfALicence(t *testing.T) {
	p := counting(always(1500), 60, false, func(t *Ticket) string { return t.scopes[1].ID })
	p.bulkOf("l", 20)
	for at := 7.; at < 900; at += 7 {
		p.until(at)
		p.enqueue(p.e.Open(FlowOptions{ID: fmt.Sprint(at), Class: Interactive}), 3, naver("m", "m1")...)
	}
	p.bulkOf("m", 20)
	y := p.count(1000)
	p.until(1300)
	t.Logf("%.2f of both rates, %.2f %% refused", y.yes/300/50, 100*y.share())
	if y.yes/300 < 0.85*50 {
		t.Errorf("%.2f of both rates, %.2f %% refused", y.yes/300/50, 100*y.share())
	}
}

// A limit that falls, or a server that is out of order now and then, has no
// windows, and what looked like some slows nothing for long.
func TestNoLongWindows(t *testing.T) {
	for _, w := range []struct{ low, long, every float64 }{
		{5, 30, 180}, {2, 60, 300}, {0.001, 5, 180}, {0.001, 60, 600}, {0.001, 20, 100}, {0.001, 10, 60}, {8, 10, 40},
	} {
		rate := func(now float64) float64 {
			if math.Mod(now, w.every) > w.every-w.long {
				return w.low
			}
			return 25
		}
		p := newPlay(rate)
		p.bulkOf("l", 20)
		y := p.count(600)
		p.until(1800)
		mean := 25 - (25-w.low)*w.long/w.every
		t.Logf("%g/s for %g of %g s: %.2f of the rate, %.2f %% refused", w.low, w.long, w.every, y.yes/1200/mean, 100*y.share())
		if y.yes/1200 < 0.8*mean {
			t.Errorf("%g/s for %g of %g s: %.2f of the rate", w.low, w.long, w.every, y.yes/1200/mean)
		}
	}
}

// What little was wanted between outages fills no window.
func TestLittleDemandIsNoWindow(t *testing.T) {
	p := newPlay(func(now float64) float64 {
		if now < 900 && math.Mod(now, 140) > 132 {
			return 0
		}
		return 50
	})
	f, open := p.e.Open(FlowOptions{ID: "little", Class: Bulk, Left: 1e6}), 0
	p.more = func(*Ticket) { open-- }
	for at := 0.5; at < 900; at += 0.5 {
		if p.until(at); open < 10 {
			p.enqueue(f, 1, naver("l", fmt.Sprint("l", int(at)%7))...)
			open++
		}
	}
	p.bulkOf("l", 20)
	y := p.count(960)
	p.until(1080)
	t.Logf("%.1f/s of 50", y.yes/120)
	if y.yes/120 < 45 {
		t.Errorf("%.1f/s of 50", y.yes/120)
	}
}

// Answers that are lost do not keep a pacer from feeling upward.
func TestLongWindowsWithLostAnswers(t *testing.T) {
	p := counting(func(now float64) int {
		if now < 900 {
			return 1500
		}
		return 3000
	}, 60, false, nil)
	rnd := rand.New(rand.NewPCG(1, 1))
	p.down = func(float64) bool { return rnd.IntN(100) == 0 }
	p.bulkOf("l", 20)
	y := p.count(1200)
	p.until(1800)
	t.Logf("%.2f of the rate, %.2f %% refused", y.yes/600/50, 100*y.share())
	if y.yes/600 < 0.9*50 {
		t.Errorf("%.2f of the rate", y.yes/600/50)
	}
}

// Two licences behind an address that counts by the minute share its windows.
func TestLongWindowsOfAnAddress(t *testing.T) {
	p := counting(always(3000), 60, false, nil)
	p.bulkOf("l", 10)
	p.bulkOf("m", 10)
	y := p.count(600)
	p.until(1500)
	t.Logf("%.2f of the rate, %.2f %% refused", y.yes/900/50, 100*y.share())
	if y.yes/900 < 0.9*50 || y.share() > 0.015 {
		t.Errorf("%.2f of the rate, %.2f %% refused", y.yes/900/50, 100*y.share())
	}
}

// Windows of one customer, or of each, do not slow those of others.
func TestLongWindowsOfCustomers(t *testing.T) {
	own := func(t *Ticket) string { return t.scopes[2].ID }
	p := counting(always(600), 60, false, own)
	p.bulkOf("l", 1)
	y := p.count(300)
	p.until(600)
	t.Logf("alone: %.2f of the rate, %.2f %% refused", y.yes/300/10, 100*y.share())
	if y.yes/300 < 0.9*10 || y.share() > 0.02 {
		t.Errorf("alone: %.2f of the rate, %.2f %% refused", y.yes/300/10, 100*y.share())
	}
	p.bulkOf("l", 20)
	y = p.count(600)
	p.until(700)
	t.Logf("20 others: %.1f/s", y.yes/100)
	if y.yes/100 < 70 {
		t.Errorf("20 others: %.1f/s", y.yes/100)
	}
}

// While its circuit is open a scope is asked one call at a time.
func TestOneProbeAtATime(t *testing.T) {
	p := newPlay(func(now float64) float64 {
		if now > 20 && now < 80 {
			return 0
		}
		return 200
	})
	p.bulkOf("l", 20)
	sent := map[int]int{}
	p.onSend = func(now float64, _ *Ticket) { sent[int(now)]++ }
	p.until(100)
	probes := 0
	for s := 26; s < 80; s++ {
		if probes += sent[s]; sent[s] > 1 {
			t.Errorf("%d calls in second %d", sent[s], s)
		}
	}
	if probes < 2 || probes > 30 {
		t.Errorf("%d probes: %v", probes, sent)
	}
}
