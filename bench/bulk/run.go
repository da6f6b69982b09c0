package bulk

import (
	"context"
	"math/rand/v2"
)

// outcome is one played morning.
type outcome struct {
	ideal, makespan, refused float64
	dnf                      bool
	interactive              []float64
	jain                     float64
	s                        *sim
}

// play plays one world with one client.
func play(w world, v variant, make func(*setup) client, seed uint64) outcome {
	rnd := rand.New(rand.NewPCG(seed, 77))
	set := w.build(rnd, v)
	ideal := set.ideal()
	s := &sim{rnd: rand.New(rand.NewPCG(seed, 78)), server: set.server(), load: set.load, client: make(set), limit: 6 * ideal}
	s.run()
	o := outcome{ideal: ideal, makespan: s.makespan, refused: float64(s.refusals) / float64(max(1, s.sends)),
		dnf: s.overLimit, interactive: s.interactive, s: s}
	if !o.dnf {
		o.jain = s.jain()
	}
	return o
}

var _ = context.Background

func setupPlay(w world, v variant, make func(*setup) client, seed uint64) *sim {
	rnd := rand.New(rand.NewPCG(seed, 77))
	set := w.build(rnd, v)
	return &sim{rnd: rand.New(rand.NewPCG(seed, 78)), server: set.server(), load: set.load, client: make(set), limit: 6 * set.ideal()}
}
