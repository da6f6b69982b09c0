package quota

import "time"

// What the Keeper asks of a Gate.

// keptBy makes licences need an owner. kick is signalled when a call comes for
// a licence that this process does not own, slots when a shared scope needs
// some.
func (g *Gate) keptBy(kick, slots chan<- struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kick, g.slots = kick, slots
	g.e.RequireLease(Licence)
}

// signal tells the keeper what is needed. The lock is held.
func (g *Gate) signal() {
	if g.kick == nil {
		return
	}
	if len(g.e.strangers) > 0 {
		poke(g.kick)
	}
	if g.e.wantsSlots() {
		poke(g.slots)
	}
}

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is told already
	}
}

// homeless takes the licences that calls waited for in vain.
func (g *Gate) homeless() (all []Scope) {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.e.strangers)
	now := g.e.at(time.Now())
	for s := range g.e.waiting(Licence) {
		if g.e.scopes[s].lease <= now {
			all = append(all, s)
		}
	}
	return all
}

// waiting counts the calls that wait, by scope of a kind.
func (g *Gate) waiting(kind string) map[Scope]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.e.waiting(kind)
}

// guest lets a call a second go without owning the licence.
func (g *Gate) guest(s Scope, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.e.guest(s, until)
	g.pump()
}

// inUse lists the licences with calls within the last d.
func (g *Gate) inUse(d time.Duration) (all []Scope) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.e.at(time.Now())
	waits := g.e.waiting(Licence)
	for s, in := range g.e.scopes {
		if s.Kind == Licence && (waits[s] > 0 || in.stats.total > 0 && now-in.seen <= d.Seconds()) {
			all = append(all, s)
		}
	}
	return all
}

// shareCommons shares the slots of address and quotas with other processes
// where with says so.
func (g *Gate) shareCommons(with func(Scope) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.e.commons() {
		g.e.share(s, with(s))
	}
	g.pump()
}

// shareOnly shares the slots of these customers' scopes, and of no others'.
func (g *Gate) shareOnly(those []Scope) {
	g.mu.Lock()
	defer g.mu.Unlock()
	want := map[Scope]bool{}
	for _, s := range those {
		want[s] = true
	}
	for s, in := range g.e.scopes {
		if in.policy.Narrow {
			g.e.share(s, want[s])
		}
	}
	g.pump()
}

// reaches takes the pairs of licence and customer that are new here.
func (g *Gate) reaches() []reach {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.e.reaches(g.e.at(time.Now()))
}

func (g *Gate) slotsWanted() []sharedWant {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.e.sharedWants()
}

func (g *Gate) slotsCame(s Scope, first time.Time, every float64, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.e.reserved(s, g.e.at(first), every, n)
	g.pump()
}
