package naver

import "sync"

// outageAfter is how many requests in a row, whoever's, must have failed for
// Naver's own faults before they count as an outage.
const outageAfter = 5

// Outage is the Subject of a run that tries again later because Naver failed.
const Outage = "naver_searchad"

// outage notices when Naver answers again after it has answered nobody.
type outage struct {
	mu     sync.Mutex
	failed int // in a row
}

// heard takes note of how a request ended, and reports whether it is the first
// good answer after an outage.
func (o *outage) heard(err error) (over bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil:
		over = o.failed >= outageAfter
		o.failed = 0
	case is(err, serverFault, unreachable):
		o.failed++
	}
	return over
}
