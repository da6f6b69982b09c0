package bulk

// event is something that happens at an instant of virtual time.
type event struct {
	at  float64 // seconds
	seq int64   // ties go in the order they were made
	do  func(now float64)
}

// clock plays events in the order of their time.
type clock struct {
	heap []event
	seq  int64
	now  float64
}

// after lets do happen in d seconds.
func (c *clock) at(t float64, do func(now float64)) {
	c.seq++
	h := append(c.heap, event{max(t, c.now), c.seq, do})
	i := len(h) - 1
	for i > 0 {
		p := (i - 1) / 2
		if !h[i].before(h[p]) {
			break
		}
		h[i], h[p] = h[p], h[i]
		i = p
	}
	c.heap = h
}

func (e event) before(f event) bool { return e.at < f.at || e.at == f.at && e.seq < f.seq }

// step plays the next event; false when there is none.
func (c *clock) step() bool {
	h := c.heap
	if len(h) == 0 {
		return false
	}
	e := h[0]
	last := len(h) - 1
	h[0] = h[last]
	h[last] = event{}
	h = h[:last]
	for i := 0; ; {
		k := 2*i + 1
		if k >= len(h) {
			break
		}
		if k+1 < len(h) && h[k+1].before(h[k]) {
			k++
		}
		if !h[k].before(h[i]) {
			break
		}
		h[i], h[k] = h[k], h[i]
		i = k
	}
	c.heap = h
	c.now = e.at
	e.do(e.at)
	return true
}
