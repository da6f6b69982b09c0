package naver

// All data is computed from the seed with these functions, again each time it
// is asked for; nothing of it is stored, so that 300 accounts of 8,000
// keywords cost no memory.

// mix folds v into h (the finaliser of splitmix64).
func mix(h, v uint64) uint64 {
	h += v*0x9e3779b97f4a7c15 + 0x632be59bd9b4e019
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// mixString folds the bytes of v into h.
func mixString(h uint64, v string) uint64 {
	for i := range len(v) {
		h = (h ^ uint64(v[i])) * 0x100000001b3
	}
	return mix(h, uint64(len(v)))
}

// unit maps h to [0, 1).
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// rng is a small deterministic generator; its zero value is valid.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	return mix(uint64(*r), 1)
}

func (r *rng) float() float64 { return unit(r.next()) }

// between is uniform in [a, b).
func (r *rng) between(a, b float64) float64 { return a + (b-a)*r.float() }

// intn is uniform in [0, n); n > 0.
func (r *rng) intn(n int) int { return int(r.next() % uint64(n)) }
