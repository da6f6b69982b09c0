package morning

import "time"

// tally is what was counted over some time.
type tally struct {
	calls    map[string]int
	of       map[string]map[string]int
	refused  []refusal
	notReady []time.Time
}

func sum(calls map[string]int) (n int) {
	for _, v := range calls {
		n += v
	}
	return n
}

// dearest is how many accounts took more than 45 requests, and what the
// dearest of all asked for.
func (t tally) dearest() (over int, of map[string]int) {
	for _, calls := range t.of {
		if sum(calls) > 45 {
			over++
		}
		if sum(calls) > sum(of) {
			of = calls
		}
	}
	return over, of
}

// refusals counts the answers 429 by scope and operation, and by the minute
// since the instant.
func (t tally) refusals(since time.Time) (by map[string]int, perMinute []int) {
	by = map[string]int{}
	for _, r := range t.refused {
		by[r.scope+" "+r.op]++
		for minute := int(r.at.Sub(since) / time.Minute); len(perMinute) <= minute; {
			perMinute = append(perMinute, 0)
		}
		perMinute[int(r.at.Sub(since)/time.Minute)]++
	}
	return by, perMinute
}
