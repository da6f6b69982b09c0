package naver

import (
	"cmp"
	"slices"
	"time"

	"imreport/internal/run"
	"imreport/internal/table"
)

// lateGrace is for how many probes a run waits, from when Naver began to
// publish a day, for the types of it that come a little later. Then it goes on
// without them: conversions may take hours.
const lateGrace = 2

// without is err, by which a collecting would stop; nil when all that is
// missing are reports of the newest days, others of those days are there, and
// the run may go on without them. It is then told what is missing.
func (c *collector) without(err error) error {
	if err == nil || c.o.Late == nil || c.firm || len(c.late) == 0 || !is(err, preparing, suspiciousNone, suspiciousPart) {
		return err
	}
	now := c.s.o.Now()
	lacks := map[table.Day]int{}
	for _, p := range c.late {
		lacks[p.Day]++
		published := c.s.ready.since(p.Day)
		switch {
		case p.Doubtful && slices.Contains(c.doubted, piece{c.o.CustomerID, p.Report, p.Day}): // an earlier version is there
		case p.Day < c.today-table.Day(c.s.o.RefetchDays), lacks[p.Day] >= len(c.o.Reports):
			return err // nothing of the day is there
		case !p.Doubtful && (published.IsZero() || now.Before(published.Add(lateGrace*c.s.o.ProbeInterval))):
			return err
		}
	}
	slices.SortFunc(c.late, func(a, b run.LatePiece) int {
		return cmp.Or(cmp.Compare(a.Report, b.Report), cmp.Compare(a.Day, b.Day))
	})
	c.o.Late.Pieces = c.late
	return nil
}

// since is when a report of the day could first be made; zero: none yet.
func (r *readiness) since(day table.Day) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.passed[piece{day: day}]
}
