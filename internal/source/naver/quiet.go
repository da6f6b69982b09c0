package naver

import (
	"context"

	"imreport/internal/archive"
	"imreport/internal/table"
)

// activity is what /stats says of campaigns over some days.
type activity struct {
	Impressions number `json:"impCnt"`
	Clicks      number `json:"clkCnt"`
	Conversions number `json:"ccnt"`
}

// idle reports whether a plan is that of an account in which nothing happens:
// only the newest days are wanted, and all that is stored of the days before
// is empty. For such an account two or three calls tell what a job for each report and
// day would tell.
func (c *collector) idle(pl plan) bool {
	if c.o.Force || len(pl.needs) == 0 || !c.s.ready.has(c.today-1) {
		return false
	}
	stored := map[piece]archive.Piece{}
	for _, p := range pl.have {
		stored[piece{p.CustomerID, p.Report, p.Day}] = p
	}
	for _, n := range pl.needs {
		before, ok := stored[piece{n.customer, n.report, n.day - 1}]
		if n.day < c.today-table.Day(c.s.o.RefetchDays) || !ok || before.Rows > 0 {
			return false
		}
		if p, ok := stored[n.piece]; ok && p.Rows > 0 {
			return false
		}
	}
	return true
}

// settleIdle stores the pieces of an account as empty when Naver's statistics
// show no impression, no click and no conversion in all of their days. done is
// false when there was something: then the reports are to be fetched.
func (c *collector) settleIdle(ctx context.Context, pl plan) (done bool, err error) {
	alone, err := c.askAlone(ctx)
	if err != nil {
		return false, err
	}
	defer alone()
	ids, err := c.campaignIDs(ctx)
	if err != nil {
		return false, err
	}
	if err := c.proved(ctx); err != nil {
		return false, err
	}
	from, to := pl.needs[0].day, pl.needs[0].day
	for _, n := range pl.needs {
		from, to = min(from, n.day), max(to, n.day)
	}
	a, err := c.s.client.activity(ctx, c.w, ids, from, to)
	if err != nil || a != (activity{}) {
		return false, err
	}
	c.progress.Done(pl.total - len(pl.needs))
	for _, n := range pl.needs {
		if err := c.storeIdle(ctx, n); err != nil {
			return false, err
		}
		c.s.counts.quiet.Add(1)
		c.progress.Done(1)
	}
	return true, nil
}

func (c *collector) storeIdle(ctx context.Context, n need) error {
	leave, _, err := c.s.flights.enter(ctx, n.piece, c.o.Flow)
	if err != nil {
		return err
	}
	defer leave()
	return c.put(ctx, n, 0, nil, &meta{None: true, Idle: true}, nil)
}

const (
	// partShare of the impressions of the days before is so little that a new
	// day is compared with /stats. In 2020 a job had 45 % of its rows.
	partShare = 0.7
	// partOf is what a whole report has at least of /stats, which may be some
	// minutes newer.
	partOf = 0.95
)

// whole reports whether a report of yesterday can be all of it, given the sum
// of its impressions. Naver has answered with parts of a day now and then.
func (c *collector) whole(ctx context.Context, n need, impressions int64, jobs int) error {
	if n.t.told != toldImpressions || n.day != c.today-1 || jobs >= noneMax {
		return nil
	}
	days, sum := 0, 0.0
	pieces, err := c.s.o.Archive.Current(ctx, Platform, n.customer, []string{n.report}, n.day-7, n.day-1)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if v := p.Sums["impressions"]; v > 0 {
			days, sum = days+1, sum+v
		}
	}
	if days == 0 || float64(impressions) >= partShare*sum/float64(days) {
		return nil
	}
	a, err := c.happened(ctx, n.day)
	if err != nil {
		if fatal(err) {
			return err
		}
		c.s.o.Log.InfoContext(ctx, "whether a report is whole could not be asked", "piece", n.piece.String(), "error", err)
		return nil
	}
	if float64(impressions) >= partOf*float64(a.Impressions) {
		return nil
	}
	c.s.counts.suspicious.Add(1)
	f := &fault{class: suspiciousPart, op: "report-download", customer: n.customer, until: c.s.o.Now().Add(noneWait)}
	f.args = []any{n.report, n.day.String(), impressions, int64(a.Impressions)}
	return f
}
