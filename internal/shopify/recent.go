package shopify

import "sync"

// recentMost bounds each of the two generations of recent.
const recentMost = 20_000

// recent remembers webhooks that are stored for good, so that their repeats
// cost the database nothing: retries and second subscriptions send the same
// snapshot again. It forgets the oldest half now and then; the inbox knows
// them all.
type recent struct {
	mu       sync.Mutex
	now, old map[string]struct{}
}

func (r *recent) has(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, a := r.now[key]
	_, b := r.old[key]
	return a || b
}

func (r *recent) add(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil || len(r.now) >= recentMost {
		r.now, r.old = make(map[string]struct{}, recentMost), r.now
	}
	r.now[key] = struct{}{}
}
