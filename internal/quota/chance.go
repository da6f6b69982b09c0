package quota

import "math"

// Some refusals say nothing about the rate: customers meet limits of their own, or
// a server refuses at random. Where each customer is called once or twice, nothing
// tells these from the common limit, and a pacer that gives way to each of them
// ends at a tenth of what it could have: after a fall it takes its bucket for
// empty since it takes its rate for low.
//
// What tells them apart is what was taken, over all calls since the fall. So where
// a rate stays low and much is refused, a Bayes filter over the rate, the share of
// refusals by chance, and whether refusals count, sets the pace until the chance
// is gone.

const (
	// The filter knows chanceRates rates in even steps of the logarithm, from floor to
	// chanceTop times the highest that was held, or twice where pacers start.
	chanceRates, chanceTop = 24, 1.5
	// chanceBlur is how exactly the fill of a bucket is known, in calls.
	chanceBlur = 0.5
	// rateMoves and shareMoves are how likely the rate, or the share, goes one step up
	// or down in a second, and rateJumps how likely the rate is any other.
	rateMoves, shareMoves, rateJumps = 0.02, 0.003, 0.001
	// The filter is followed where chanceLeast of chanceSeen calls and more were
	// refused and it is sure, by chanceSure, that chanceShare and more are by chance,
	// and all but chanceSlow of the odds are for fallFaster times the rate, in a fall
	// that lasts, or else for faster times, lowFor seconds after the highest usual
	// share of refusals was reached: crowds look like this too, and are found before.
	chanceLeast, chanceSeen, chanceSure, chanceShare = 0.1, 30., 0.95, 0.05
	chanceSlow, fallFaster, faster, lowFor           = 0.05, 2., 3., 90.
	// The pace is the quantile carefully of the rates, and a third of the time, for
	// chanceBlock calls, the quantile boldly: at one pace all the time a low rate and a
	// high share look alike.
	carefully, boldly, chanceBlock = 0.15, 0.5, 12.
	// Where in the last chanceCalls calls or so more is refused than worseShare of
	// what was, and worseMore, the filter is wrong: it is not followed again for
	// wrongFor seconds, and twice as long each time, up to wrongMost.
	chanceCalls, worseShare, worseMore = 60., 1.6, 0.06
	wrongFor, wrongMost                = 60., 3600.
	// What it found is worth going back to, worthRate of it, where no more than
	// worthShare of what was is refused.
	worthShare, worthRate = 1.2, 0.8
	// chanceOver is how sure the filter is at most when the chance is gone.
	chanceOver = 0.1
)

// chanceShares are the shares of refusals by chance that the filter knows. Before
// anything is seen each is rarer than the one before by rarer.
var chanceShares = [...]float64{0.002, 0.02, 0.05, 0.1, 0.17, 0.25, 0.35, 0.5}

const rarer = 0.6

// filter holds how likely each rate is together with each share of refusals by
// chance, in servers where refusals do not count (0) and where they do (1). It
// takes all calls for alike in cost, as those are whose rate is learned.
type filter struct {
	rates  [chanceRates]float64
	odds   [2][chanceRates][len(chanceShares)]float64
	fill   [2][chanceRates]float64 // tokens in the bucket, if that is the rate
	began  float64
	at     float64 // the last send
	seen   float64 // calls
	share  float64 // of the last ones, those refused
	chance float64 // how surely the last refusal was by chance

	held float64 // the highest rate when it began
	// When it began to be followed: what the pacer was, and the share refused then.
	// base is the rate to go back to, and tried the calls when that was set.
	from                      mode
	base, before, part, tried float64
	crowd                     crowd
}

// newFilter knows nothing but that no rate above top is believed in.
func newFilter(now, top float64) *filter {
	f := &filter{began: now, at: now}
	step := math.Pow(top/floor, 1./(chanceRates-1))
	for i := range f.rates {
		f.rates[i] = floor * math.Pow(step, float64(i))
		for c := range f.odds {
			for j := range chanceShares {
				f.odds[c][i][j] = prior(j)
			}
		}
	}
	f.normalize()
	return f
}

// prior is how likely a share is for one of the rates, in one of the servers.
func prior(j int) float64 {
	return math.Pow(rarer, float64(j)) * (1 - rarer) / 2 / chanceRates
}

// normalize makes the sum of all odds one.
func (f *filter) normalize() {
	sum := 0.
	for c := range f.odds {
		for i := range f.rates {
			for _, o := range f.odds[c][i] {
				sum += o
			}
		}
	}
	for c := range f.odds {
		for i := range f.rates {
			for j := range f.odds[c][i] {
				f.odds[c][i][j] /= sum
			}
		}
	}
}

// pass lets time pass until at.
func (f *filter) pass(at float64) {
	dt := at - f.at
	if dt <= 0 {
		return
	}
	f.at = at
	moves, shifts, jumps := min(0.3, rateMoves*dt), min(0.2, shareMoves*dt), min(0.3, rateJumps*dt)
	for c := range f.odds {
		was := f.odds[c]
		for i, r := range f.rates {
			f.fill[c][i] = min(fillMax, f.fill[c][i]+r*dt)
			slower, faster := &was[max(0, i-1)], &was[min(chanceRates-1, i+1)]
			for j, v := range was[i] {
				less, more := was[i][max(0, j-1)], was[i][min(len(chanceShares)-1, j+1)]
				v += moves*(slower[j]+faster[j]-2*v) + shifts*(less+more-2*v)
				f.odds[c][i][j] = v*(1-jumps) + jumps*prior(j)
			}
		}
	}
}

// heard learns from how a call went that was sent at an instant.
func (f *filter) heard(at float64, refused bool) {
	f.pass(at)
	f.seen++
	no := 0.
	if refused {
		no = 1
	}
	f.share += max(1/chanceCalls, 1/f.seen) * (no - f.share)
	chance, all := 0., 0.
	for c := range f.odds {
		for i := range f.rates {
			empty := normal((1 - f.fill[c][i]) / chanceBlur)
			for j, q := range chanceShares {
				o, p := &f.odds[c][i][j], q+(1-q)*empty
				if !refused {
					*o *= 1 - p + 1e-4 // nothing is impossible
					continue
				}
				*o *= p
				chance += *o * q / p
				all += *o
			}
			switch {
			case !refused:
				f.fill[c][i] = max(0, f.fill[c][i]-1)
			case c == 1:
				f.fill[c][i] = max(-2*f.rates[i], f.fill[c][i]-1)
			}
		}
	}
	if refused {
		f.chance = chance / all
	}
	f.normalize()
}

// rate is the q-quantile of the rates.
func (f *filter) rate(q float64) float64 {
	sum := 0.
	for i, r := range f.rates {
		v := 0.
		for c := range f.odds {
			for _, o := range f.odds[c][i] {
				v += o
			}
		}
		if sum+v >= q {
			step := f.rates[1] / f.rates[0]
			return max(floor, r*math.Pow(step, (q-sum)/v-0.5))
		}
		sum += v
	}
	return f.rates[chanceRates-1]
}

// byChance is how surely chanceShare and more are refused by chance.
func (f *filter) byChance() (sure float64) {
	for c := range f.odds {
		for i := range f.rates {
			for j, q := range chanceShares {
				if q >= chanceShare {
					sure += f.odds[c][i][j]
				}
			}
		}
	}
	return sure
}

// heard tells the filter, where there is one, how a call went.
func (s *pacer) heard(m mark, refused bool) {
	if s.filter == nil {
		return
	}
	s.filter.heard(m.at, refused)
	if s.mode != chance {
		return
	}
	s.follow()
	if f := s.filter; f.seen > f.tried+chanceCalls {
		if f.tried = f.seen; f.share < worthShare*f.part {
			f.base = worthRate * f.rate(carefully)
		}
	}
	if s.filter.byChance() < chanceOver {
		before, beforeT := s.before, s.beforeT
		s.anew(s.last)
		s.before, s.beforeT, s.mode, s.wrong = before, beforeT, regain, 0
		if s.rate >= 0.9*before {
			s.mode = steady
		}
	}
}

// follow sets the rate by the filter.
func (s *pacer) follow() {
	q := carefully
	if math.Mod(s.seq, 3*chanceBlock) > 2*chanceBlock {
		q = boldly
	}
	s.rate = min(s.ceiling, s.filter.rate(q))
}

// suspect begins a filter where much is refused at a low rate, ends it where that is
// over, and follows it where it is sure.
func (s *pacer) suspect(now float64) {
	falls := s.mode == regain
	if s.narrow || now < s.noFilter || s.mode == boot || s.mode == steady && !s.atMost() {
		s.filter = nil
		return
	}
	if s.filter == nil {
		held := max(s.before, s.ref, s.rate)
		s.filter = newFilter(now, max(chanceTop*held, 2*s.start))
		s.filter.held = held
		return
	}
	f, since, times := s.filter, s.filter.began+lowFor, faster
	if falls {
		since, times = s.beforeT+wayBack, fallFaster
	}
	if now > since && f.seen >= chanceSeen && f.share >= chanceLeast && f.byChance() >= chanceSure && f.rate(chanceSlow) > times*s.rate {
		f.from, f.base, f.before, f.crowd, f.part, f.tried = s.mode, s.rate, s.before, s.crowd, f.share, f.seen
		if s.mode = chance; !falls {
			s.before, s.beforeT = f.held, now
		}
	}
}

// chanced reacts to a refusal while the filter is followed: only what was none by
// chance is waited for.
func (s *pacer) chanced(now float64, m mark) bool {
	f := s.filter
	if f.share > worseShare*f.part+worseMore {
		s.filter, s.mode, s.rate, s.before = nil, f.from, f.base, f.before
		s.crowd = f.crowd
		s.crowd.at = now
		s.wrong = min(wrongMost, max(wrongFor, 2*s.wrong))
		s.noFilter = now + s.wrong
	} else if m.at < s.react {
		s.elsewhere++
		return false
	}
	s.again(m)
	if f.chance < 0.5 {
		s.emptied(m)
	}
	s.charges++
	s.reacted(now, m, (1-f.chance)*margin*math.Pow(2, float64(s.run-1)))
	return true
}
