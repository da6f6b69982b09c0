package quota

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"imreport/internal/db"
)

// Times of ownership (docs/quota.md). A dead owner is replaced within TTL +
// one heartbeat; a live one stops by its own monotonic clock before anybody
// may follow it.
const (
	beatEvery   = time.Second
	ownerTTL    = 3 * time.Second
	ownerMargin = 500 * time.Millisecond
	saveEvery   = 10 * time.Second
	reachEvery  = 5 * time.Second
	tidyEvery   = time.Minute
	tellEvery   = 5 * time.Second
	ownerIdle   = time.Hour           // a licence nobody used for so long has no owner
	rateKept    = 90 * 24 * time.Hour // a rate nobody learned again is dropped
)

// KeepOptions say how a gate is kept.
type KeepOptions struct {
	Log *slog.Logger
	// Process is the name of this process, unique among those that share the
	// database; the name that jobs.ProcessQueue is made of.
	Process string
	// Address names where this process's requests come from. Processes with
	// the same one share the address's limit. Empty: all share one.
	Address string
	// Moved hears that a licence went to another owner, so that its runs here
	// can be given back. It is called in a goroutine of its own; may be nil.
	Moved func(ctx context.Context, licence string)
	// Died hears, in one process, that another died, so that its runs can be
	// taken over at once. It is called in a goroutine of its own; may be nil.
	Died func(ctx context.Context, process string)
}

// Keeper keeps a gate's rates in the database, and on PostgreSQL its right to
// send: every licence has one owner among the live processes.
type Keeper struct {
	st    store
	g     *Gate
	o     KeepOptions
	kick  chan struct{} // a call waits for a licence without an owner here
	slots chan struct{} // a shared scope needs slots
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu     sync.Mutex
	epochs map[Scope]int64 // what this process owns
	loaded time.Time       // the newest kept rate that was loaded
}

// Keep loads the rates that were kept into g and keeps them from then on. On
// PostgreSQL it also lets the calls of a licence go only while this process
// owns it. Stop it before the database is closed.
func Keep(ctx context.Context, d *db.DB, g *Gate, o KeepOptions) (*Keeper, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Process == "" {
		o.Process = db.NewID()
	}
	k := &Keeper{st: store{d}, g: g, o: o, epochs: map[Scope]int64{}, kick: make(chan struct{}, 1), slots: make(chan struct{}, 1)}
	if err := k.load(ctx); err != nil {
		return nil, err
	}
	if d.Dialect() == db.Postgres {
		g.keptBy(k.kick, k.slots)
		if err := k.beat(ctx); err != nil {
			return nil, err
		}
	}
	ctx, k.stop = context.WithCancel(context.WithoutCancel(ctx))
	k.wg.Go(func() { k.keepRates(ctx) })
	if d.Dialect() == db.Postgres {
		k.wg.Go(func() { k.own(ctx) })
		k.wg.Go(func() { k.reserve(ctx) })
	}
	return k, nil
}

// Owner says which process executes the runs of a licence, inside the
// transaction that starts one. A licence without a live owner gets one: the
// process with the fewest licences. Empty: any process may (SQLite, or none
// lives).
func (k *Keeper) Owner(ctx context.Context, tx *db.Tx, licence string) (process string, err error) {
	if k.st.d.Dialect() != db.Postgres {
		return "", nil
	}
	return k.st.owner(ctx, tx, Scope{Licence, licence}, ownerTTL)
}

// Owns lists the licences whose calls this process sends now; nil on SQLite,
// where it sends all.
func (k *Keeper) Owns() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []string
	for s := range k.epochs {
		all = append(all, s.ID)
	}
	slices.Sort(all)
	return all
}

// Usage says how a licence and all that is used together with it stand: as
// this process's gate knows when it sends the licence's calls, else as the
// owner told within the last seconds. A forecast that has passed is left out.
func (k *Keeper) Usage(ctx context.Context, licence string) (u Usage, err error) {
	s := Scope{Licence, licence}
	k.mu.Lock()
	_, mine := k.epochs[s]
	k.mu.Unlock()
	if mine || k.st.d.Dialect() != db.Postgres {
		return k.g.Usage(s), nil
	}
	doc, at, err := k.st.told(ctx, licence)
	if err != nil {
		return u, err
	}
	if doc == "" {
		return k.g.Usage(s), nil
	}
	if err := json.Unmarshal([]byte(doc), &u); err != nil {
		return u, fmt.Errorf("usage of a licence: %w", err)
	}
	if time.Since(at) > 6*tellEvery { // its owner is gone, or idle for long
		u.ExpectedEnd, u.Ends = nil, nil
		u.Queue = map[string]int{Interactive.String(): 0, Bulk.String(): 0}
		for i := range u.Scopes {
			u.Scopes[i].Binding, u.Scopes[i].Why, u.Scopes[i].Refused1m = false, "", 0
		}
	}
	return u, nil
}

// tell publishes how the licences in use stand, for other processes' pages.
func (k *Keeper) tell(ctx context.Context) error {
	docs := map[string]string{}
	for _, s := range k.g.inUse(2 * tellEvery) {
		k.mu.Lock()
		_, mine := k.epochs[s]
		k.mu.Unlock()
		if !mine {
			continue
		}
		b, err := json.Marshal(k.g.Usage(s))
		if err != nil {
			return err
		}
		docs[s.ID] = string(b)
	}
	return k.st.tell(ctx, docs)
}

// Stop keeps the rates and hands every licence to another process: call it
// before runs are given back, so that they go to the new owners.
func (k *Keeper) Stop(ctx context.Context) error {
	k.stop()
	k.wg.Wait()
	err := k.save(ctx)
	if k.st.d.Dialect() != db.Postgres {
		return err
	}
	k.mu.Lock()
	mine := k.epochs
	k.epochs = map[Scope]int64{}
	k.mu.Unlock()
	n, berr := k.st.beat(ctx, k.o.Process, k.o.Address, ownerTTL)
	err = errors.Join(err, berr)
	others := slices.DeleteFunc(n.peers, func(p peer) bool { return p.process == k.o.Process })
	for s := range mine {
		k.g.Lease(s, time.Time{}, false)
		if len(others) > 0 {
			slices.SortStableFunc(others, func(a, b peer) int { return a.owns - b.owns })
			err = errors.Join(err, k.st.give(ctx, k.o.Process, s, others[0].process, ownerTTL))
			others[0].owns++
		}
	}
	return errors.Join(err, k.st.quit(ctx, k.o.Process))
}

func (k *Keeper) warn(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		k.o.Log.WarnContext(ctx, what, "error", err)
	}
}

// load brings in what was kept since the last time.
func (k *Keeper) load(ctx context.Context) error {
	k.mu.Lock()
	since := k.loaded
	k.mu.Unlock()
	rates, err := k.st.load(ctx, since)
	if err != nil {
		return err
	}
	k.g.Import(rates)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range rates {
		if r.At.After(k.loaded) {
			k.loaded = r.At
		}
	}
	return nil
}

func (k *Keeper) save(ctx context.Context) error { return k.st.save(ctx, k.g.Export()) }

// keepRates saves every 10 s.
func (k *Keeper) keepRates(ctx context.Context) {
	every(ctx, saveEvery, nil, func() {
		k.warn(ctx, "keep rates", k.save(ctx))
		if rand.IntN(1000) == 0 {
			k.warn(ctx, "forget rates", k.st.forget(ctx, time.Now().Add(-rateKept)))
		}
	})
}

// every does something at each tick, and at once when kicked, until ctx ends.
func every(ctx context.Context, d time.Duration, kick <-chan struct{}, do func()) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-kick:
		}
		do()
	}
}

// own keeps the leases of this process until ctx ends.
func (k *Keeper) own(ctx context.Context) {
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	var reach, tidy time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.kick:
			k.warn(ctx, "find owners of licences", k.claimWanted(ctx))
			continue
		case <-beat.C:
		}
		k.warn(ctx, "renew ownership of licences", k.beat(ctx))
		now := time.Now()
		if now.Sub(reach) >= reachEvery {
			reach = now
			k.warn(ctx, "look for customers of several owners", k.crossing(ctx))
			k.warn(ctx, "tell others of usage", k.tell(ctx))
		}
		if now.Sub(tidy) >= tidyEvery {
			tidy = now
			k.warn(ctx, "drop idle licences", k.st.touch(ctx, k.o.Process, k.g.inUse(2*tidyEvery), ownerIdle))
		}
	}
}

// beat renews what this process owns, takes its part of what has no owner,
// and hands over what is too much.
func (k *Keeper) beat(ctx context.Context) error {
	began := time.Now()
	until := began.Add(ownerTTL - ownerMargin)
	n, err := k.st.beat(ctx, k.o.Process, k.o.Address, ownerTTL)
	if err != nil {
		return err // the leases in the gate end by themselves
	}
	for _, died := range n.died {
		k.o.Log.InfoContext(ctx, "a process died; its licences are taken over", "process", died)
		if k.o.Died != nil {
			go k.o.Died(context.WithoutCancel(ctx), died)
		}
	}
	if err := k.hold(ctx, n.mine, until); err != nil {
		return err
	}
	k.g.shareCommons(func(s Scope) bool { return k.sharesWith(s, n.peers) })
	mine, err := k.takeOrphans(ctx, n)
	if err != nil {
		return err
	}
	if err := k.claimWanted(ctx); err != nil {
		return err
	}
	return k.spread(ctx, mine, n.peers)
}

// sharesWith reports whether other live processes use a common scope too.
func (k *Keeper) sharesWith(s Scope, peers []peer) bool {
	n := 0
	for _, p := range peers {
		if s.Kind != IP && s.Kind != IPKwtool || p.address == k.o.Address {
			n++
		}
	}
	return n > 1
}

// hold tells the gate what this process owns; what it owned before and has no
// more is Moved.
func (k *Keeper) hold(ctx context.Context, mine []holding, until time.Time) error {
	k.mu.Lock()
	before := k.epochs
	k.epochs = make(map[Scope]int64, len(mine))
	gained := false
	for _, h := range mine {
		k.epochs[h.Scope] = h.epoch
		gained = gained || before[h.Scope] != h.epoch
	}
	k.mu.Unlock()
	if gained {
		if err := k.load(ctx); err != nil {
			return err
		}
	}
	for _, h := range mine {
		// The first epoch has no owner before it who might still be sending.
		k.g.Lease(h.Scope, until, before[h.Scope] != h.epoch && h.epoch > 1)
	}
	for s := range before {
		k.mu.Lock()
		_, still := k.epochs[s]
		k.mu.Unlock()
		if !still {
			k.lost(ctx, s)
		}
	}
	return nil
}

func (k *Keeper) lost(ctx context.Context, s Scope) {
	k.g.Lease(s, time.Time{}, false)
	k.g.moved.Add(1)
	if k.o.Moved != nil {
		go k.o.Moved(context.WithoutCancel(ctx), s.ID)
	}
}

// fair is how many licences a process should own at most.
func fair(owned, processes int) int { return (owned + processes - 1) / max(1, processes) }

// takeOrphans takes scopes whose owner's lease has run out, up to this
// process's part, and returns how many it owns then.
func (k *Keeper) takeOrphans(ctx context.Context, n news) (mine int, err error) {
	mine = len(n.mine)
	total := len(n.orphans)
	for _, p := range n.peers {
		total += p.owns
	}
	most := fair(total, len(n.peers))
	orphans := slices.Clone(n.orphans)
	rand.Shuffle(len(orphans), func(i, j int) { orphans[i], orphans[j] = orphans[j], orphans[i] })
	started := time.Now()
	for _, s := range orphans {
		if mine >= most || time.Since(started) > beatEvery/2 {
			break
		}
		began := time.Now()
		epoch, ok, err := k.st.take(ctx, k.o.Process, s, ownerTTL)
		if err != nil {
			return mine, fmt.Errorf("take over a %s: %w", s.Kind, err)
		}
		if !ok {
			continue
		}
		mine++
		if err := k.load(ctx); err != nil {
			return mine, err
		}
		k.mu.Lock()
		k.epochs[s] = epoch
		k.mu.Unlock()
		k.g.Lease(s, began.Add(ownerTTL-ownerMargin), true)
	}
	return mine, nil
}

// claimWanted finds owners for the licences that calls here wait for. Where
// another process is the owner, this one is a guest and sends a call a second.
func (k *Keeper) claimWanted(ctx context.Context) error {
	for _, s := range k.g.homeless() {
		began := time.Now()
		var owner string
		err := k.st.d.InTx(ctx, func(tx *db.Tx) (err error) {
			owner, err = k.st.owner(ctx, tx, s, ownerTTL)
			return err
		})
		if err != nil {
			return err
		}
		if owner != k.o.Process {
			k.g.guest(s, began.Add(ownerTTL-ownerMargin))
			continue
		}
		k.mu.Lock()
		_, had := k.epochs[s]
		if !had {
			k.epochs[s] = 0 // the next heartbeat tells
		}
		k.mu.Unlock()
		if !had {
			if err := k.load(ctx); err != nil {
				return err
			}
			k.g.Lease(s, began.Add(ownerTTL-ownerMargin), false)
		}
	}
	return nil
}

// spread hands licences to processes that own fewer, so that none owns more
// than its part: first those with nothing to do, of the others one at a time.
func (k *Keeper) spread(ctx context.Context, mine int, peers []peer) error {
	total := 0
	peers = slices.Clone(peers)
	for i := range peers {
		if peers[i].process == k.o.Process {
			peers[i].owns = mine
		}
		total += peers[i].owns
	}
	if len(peers) < 2 {
		return nil
	}
	least := total / len(peers)
	waiting := k.g.waiting(Licence)
	busy := 0
	began := time.Now()
	for _, s := range k.ownedByLoad(waiting) {
		if time.Since(began) > beatEvery/2 {
			return nil // the rest with the next heartbeats: this one's lease must not run out
		}
		slices.SortStableFunc(peers, func(a, b peer) int { return a.owns - b.owns })
		to := &peers[0]
		if mine <= least || mine <= to.owns+1 || to.process == k.o.Process || busy > 0 {
			return nil
		}
		if waiting[s] > 0 {
			busy++
		}
		if err := k.handOver(ctx, s, to.process); err != nil {
			return err
		}
		mine--
		to.owns++
	}
	return nil
}

// ownedByLoad is what this process owns, what has least waiting first.
func (k *Keeper) ownedByLoad(waiting map[Scope]int) []Scope {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []Scope
	for s := range k.epochs {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Scope) int { return waiting[a] - waiting[b] })
	return all
}

// handOver stops sending on s and makes another process its owner.
func (k *Keeper) handOver(ctx context.Context, s Scope, to string) error {
	k.g.Lease(s, time.Time{}, false)
	k.mu.Lock()
	delete(k.epochs, s)
	k.mu.Unlock()
	if err := k.st.save(ctx, k.g.exportOf(s)); err != nil {
		return err
	}
	if err := k.st.give(ctx, k.o.Process, s, to, ownerTTL); err != nil {
		return fmt.Errorf("hand over a %s: %w", s.Kind, err)
	}
	k.lost(ctx, s)
	return nil
}

// crossing finds customers that licences of several owners reach, and shares
// their slots.
func (k *Keeper) crossing(ctx context.Context) error {
	if err := k.st.reached(ctx, k.g.reaches()); err != nil {
		return err
	}
	all, err := k.st.crossing(ctx, 2*ownerIdle)
	if err != nil {
		return err
	}
	k.g.shareOnly(all)
	return nil
}

// reserve fetches slots for shared scopes until ctx ends.
func (k *Keeper) reserve(ctx context.Context) {
	every(ctx, 200*time.Millisecond, k.slots, func() {
		for _, w := range k.g.slotsWanted() {
			row := w
			if w.Kind == IP || w.Kind == IPKwtool {
				row.ID = w.ID + "@" + k.o.Address
			}
			first, gap, err := k.st.reserve(ctx, row, slotsAtOnce)
			k.warn(ctx, "slots of a shared scope", err)
			n := slotsAtOnce
			if err != nil {
				n = 0
			}
			k.g.slotsCame(w.Scope, time.Now().Add(first), gap, n)
		}
	})
}
