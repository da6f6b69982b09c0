package schedule

import (
	"cmp"
	"slices"
	"time"

	"imreport/internal/table"
)

// Job is one refresh to plan.
type Job struct {
	RawDataID string
	// Licence is whose rate its requests draw on.
	Licence string
	// Account is the ad account: jobs of one account share what they fetch,
	// so that only the most expensive one counts.
	Account string
	// Due is when it must be ready.
	Due time.Time
	// Calls is how many requests it is expected to cost.
	Calls int
}

// Rules are the constants of a plan. The zero value means DefaultRules.
type Rules struct {
	// Room is by how much the time that the requests need is stretched, so
	// that people are served meanwhile and the rate may fall. docs/quota.md
	// takes 1.5; where limits fall after seven o'clock, as field reports say
	// and the simulator imitates, 3 of 11 mornings ended up to 8 min late with 3
	// (bench morning, 300 accounts). Starting early costs nothing but sleep.
	Room float64
	// Lead is the least time between start and deadline: reports are built, a
	// spreadsheet is written, and one report that hangs and one that is in doubt
	// fit, which take 10 min each. With 20 min and a fast licence (300 accounts,
	// profile documented) a morning began at 07:07, when customers' own limits
	// had fallen and people's calls filled them, and ended at 07:40.
	Lead time.Duration
	// Opens is the Korean time of day before which yesterday is not there:
	// nothing starts earlier (naver-searchad: ready 3-4 h after midnight), unless
	// it is due before that. Even then nothing starts before midnight: a run that
	// begins on the day before would be filled without yesterday.
	Opens time.Duration
	// Build is the time that reports take whatever their number.
	Build time.Duration
}

// DefaultRules suit Naver.
var DefaultRules = Rules{Room: 5, Lead: 45 * time.Minute, Opens: 4 * time.Hour, Build: 90 * time.Second}

// Slot is what the plan says of one job.
type Slot struct {
	Start time.Time
	// Ready is when it is expected to be ready when everything goes as
	// learned: without Room.
	Ready time.Time
	// Late says that Ready is after the job's Due, Why what is in the way; ""
	// when it is not late.
	Late bool
	Why  Why
}

// Why says what keeps a deadline from being met.
type Why string

// What is in the way of a plan; WhyKey is found without one.
const (
	WhyRate  Why = "rate"  // more requests than the learned rate allows
	WhyOpens Why = "opens" // the platform has not published yesterday by then
)

// Plan says for each job, by raw data id, when to start it. Groups of the same
// deadline are laid out backwards from it, per licence, so that later ones do
// not take the rate of earlier ones. rate is the learned rate of a licence in
// requests per second, above 0.
func Plan(jobs []Job, rate func(licence string) float64, r Rules) map[string]Slot {
	if r == (Rules{}) {
		r = DefaultRules
	}
	out := make(map[string]Slot, len(jobs))
	byLicence := map[string][]Job{}
	for _, j := range jobs {
		byLicence[j.Licence] = append(byLicence[j.Licence], j)
	}
	for licence, all := range byLicence {
		layOut(all, rate(licence), r, out)
	}
	return out
}

// group is the jobs of one licence with one deadline.
type group struct {
	due   time.Time
	jobs  []Job
	calls int
}

func layOut(jobs []Job, rate float64, r Rules, out map[string]Slot) {
	groups := grouped(jobs)
	var next time.Time // start of the group after this one
	starts := make([]time.Time, len(groups))
	for i := len(groups) - 1; i >= 0; i-- {
		g := groups[i]
		need := seconds(float64(g.calls) / rate)
		end := g.due
		if !next.IsZero() && next.Before(end) {
			end = next
		}
		start := end.Add(-time.Duration(float64(need)*r.Room) - r.Build)
		if latest := g.due.Add(-r.Lead); latest.Before(start) {
			start = latest
		}
		earliest := opens(g.due, r)
		if !earliest.Before(g.due) {
			earliest = table.DayOf(g.due).Start()
		}
		if start.Before(earliest) {
			start = earliest
		}
		starts[i], next = start, start
	}
	var busy time.Time // until when the groups before occupy the rate
	for i, g := range groups {
		begin := starts[i]
		for _, not := range []time.Time{busy, opens(g.due, r)} {
			if not.After(begin) {
				begin = not
			}
		}
		busy = begin.Add(seconds(float64(g.calls) / rate))
		ready := busy.Add(r.Build)
		slot := Slot{Start: starts[i], Ready: ready, Late: ready.After(g.due)}
		switch {
		case opens(g.due, r).Add(r.Build).After(g.due):
			slot.Why = WhyOpens
		case slot.Late:
			slot.Why = WhyRate
		}
		for _, j := range g.jobs {
			out[j.RawDataID] = slot
		}
	}
}

// opens is from when the platform has the day that is wanted at due.
func opens(due time.Time, r Rules) time.Time { return table.DayOf(due).Start().Add(r.Opens) }

// grouped are the jobs by deadline, earliest first; jobs of one account in a
// group cost as much as the dearest of them.
func grouped(jobs []Job) []group {
	slices.SortFunc(jobs, func(a, b Job) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.RawDataID, b.RawDataID))
	})
	var groups []group
	for _, j := range jobs {
		if n := len(groups); n == 0 || !groups[n-1].due.Equal(j.Due) {
			groups = append(groups, group{due: j.Due})
		}
		g := &groups[len(groups)-1]
		g.jobs = append(g.jobs, j)
	}
	for i := range groups {
		dearest := map[string]int{}
		for _, j := range groups[i].jobs {
			dearest[j.Account] = max(dearest[j.Account], j.Calls)
		}
		for _, n := range dearest {
			groups[i].calls += n
		}
	}
	return groups
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
