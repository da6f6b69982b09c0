package quota

import "math"

// decay is a count per second over about the last tau seconds.
type decay struct {
	tau, v, at float64
	since      float64 // of the first count
	any        bool
}

func (d *decay) add(now, n float64) {
	if !d.any {
		d.since, d.any = now, true
	}
	d.v = d.v*math.Exp((d.at-now)/d.tau) + n
	d.at = now
}

func (d *decay) rate(now float64) float64 {
	full := 1 - math.Exp((d.since-now)/d.tau) // of the weight, while it is young
	return d.v * math.Exp((d.at-now)/d.tau) / (d.tau * max(full, 0.2))
}

const (
	shortBuckets, shortSpan = 13, 5.   // one minute and a little
	longBuckets, longSpan   = 97, 900. // 24 h and a little
)

// bucket is what happened in one span of time.
type bucket struct {
	span, sent, refused int32
	rate                float32
}

// stats is what people see of a scope, and what decisions need of its traffic
// (recent, slow, bound, total and denied).
type stats struct {
	recent            decay
	bound             decay // of the calls of the last seconds, those that waited for it
	all               decay
	slow, slowRefused decay   // for the forecast
	taught            int64   // refusals before busySince
	blocks            float64 // of 5 s, for mean and square
	mean, square      float64 // of the sends in a second, over the last ten blocks or so
	block, inBlock    float64 // when the block began, its sends
	busySince, last   float64
	total             int64
	totalRefused      int64 // that this scope was blamed for
	denied            int64 // calls that were refused, whoever was blamed
	short             [shortBuckets]bucket
	long              []bucket
}

func (s *stats) buckets(now float64) [2]*bucket {
	if s.long == nil {
		s.long = make([]bucket, longBuckets)
		s.recent.tau, s.bound.tau, s.all.tau, s.slow.tau, s.slowRefused.tau = 3, 10, 10, 30, 30
	}
	a, b := int32(now/shortSpan), int32(now/longSpan)
	x, y := &s.short[a%shortBuckets], &s.long[b%longBuckets]
	if x.span != a {
		*x = bucket{span: a}
	}
	if y.span != b {
		*y = bucket{span: b}
	}
	return [2]*bucket{x, y}
}

func (s *stats) sent(now, rate float64, bound bool) {
	for _, b := range s.buckets(now) {
		b.sent++
		b.rate += float32(rate)
	}
	s.recent.add(now, 1)
	s.total++
	v := 0.
	if bound {
		v = 1
	}
	s.bound.add(now, v)
	s.all.add(now, 1)
	s.pulse(now)
}

// binding: most of the last calls waited for this scope.
func (s *stats) binding(now float64) bool {
	n := s.all.rate(now)
	return n > 0.2 && s.bound.rate(now) > 0.5*n
}

// pulse counts calls per 5 s, for how much the rate swings.
func (s *stats) pulse(now float64) {
	if now-s.last > 3 {
		s.busySince, s.taught, s.block, s.inBlock = now, s.totalRefused, now, 0
		s.slow, s.slowRefused = decay{tau: s.slow.tau}, decay{tau: s.slow.tau}
	}
	s.last = now
	s.slow.add(now, 1)
	s.inBlock++
	if d := now - s.block; d >= 5 {
		r := s.inBlock / d
		s.blocks++
		w := max(0.1, 1/s.blocks)
		s.mean, s.square = s.mean+w*(r-s.mean), s.square+w*(r*r-s.square)
		s.block, s.inBlock = now, 0
	}
}

// steadyFor is how long the scope has been used without a break, in seconds.
func (s *stats) steadyFor(now float64) float64 {
	if s.total == 0 || now-s.last > 3 {
		return 0
	}
	return now - s.busySince
}

func (s *stats) refused(now float64) {
	s.slowRefused.add(now, 1)
	s.totalRefused++
	for _, b := range s.buckets(now) {
		b.refused++
	}
}

// shares are the refused shares of the last minute and day, and the mean
// learned rate of the day.
func (s *stats) shares(now float64) (minute, day, rate float64) {
	var sent, refused, d, r, sum float64
	for _, b := range s.short {
		if b.span > int32(now/shortSpan)-shortBuckets {
			sent, refused = sent+float64(b.sent), refused+float64(b.refused)
		}
	}
	for _, b := range s.long {
		if b.span > int32(now/longSpan)-longBuckets {
			d, r, sum = d+float64(b.sent), r+float64(b.refused), sum+float64(b.rate)
		}
	}
	return refused / max(sent, 1), r / max(d, 1), sum / max(d, 1)
}
