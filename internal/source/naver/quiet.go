package naver

import (
	"context"
	"encoding/json"
	"math"
	"slices"

	"imreport/internal/archive"
	"imreport/internal/db"
	"imreport/internal/table"
)

// activity is what /stats says of campaigns over some days.
type activity struct {
	Impressions number `json:"impCnt"`
	Clicks      number `json:"clkCnt"`
	Conversions number `json:"ccnt"`
}

// idle reports whether a plan may be that of an account in which nothing
// happens: only the newest days are wanted, and all that is stored of the days
// before is empty. For such an account one call tells what a job for each
// report and day would tell.
func (pl plan) idle(today table.Day, refetch int) bool {
	stored := map[piece]archive.Piece{}
	for _, p := range pl.have {
		stored[piece{p.CustomerID, p.Report, p.Day}] = p
	}
	wanted := map[piece]bool{}
	for _, n := range pl.needs {
		wanted[n.piece] = true
	}
	for _, n := range pl.needs {
		day := piece{n.customer, n.report, n.day - 1}
		before, ok := stored[day]
		if n.day < today-table.Day(refetch) || n.restated || before.Rows > 0 || !ok && !wanted[day] {
			return false
		}
		if p, ok := stored[n.piece]; ok && p.Rows > 0 {
			return false
		}
	}
	return len(pl.needs) > 0
}

// conversionsFor is for how many days after a click its conversions are
// counted, at most (7-20 days, as the advertiser chose): none come later. On a
// day without an impression /stats does not tell them.
const conversionsFor = 20

// settleIdle stores the pieces of an account as empty when Naver's statistics
// show no impression, no click and no conversion, and takes them out of pl.
// Where a day with rows could have been restated, the list of jobs must have
// been looked at before; where all days are empty, /stats tells that as well,
// over all days whose jobs would be looked at, and over those whose clicks may
// still convert: what is stored need not reach back so far.
func (c *collector) settleIdle(ctx context.Context, pl *plan, looked bool) error {
	if c.o.Force || c.stirs || !c.s.ready.has(c.today-1) || !pl.idle(c.today, c.s.o.RefetchDays) {
		return nil
	}
	clicks := c.today // the first day whose clicks may still convert; today: none matters
	for _, n := range pl.needs {
		if n.t.conversions() {
			clicks = min(clicks, n.day-conversionsFor)
		}
	}
	recent, err := c.s.o.Archive.AnyRows(ctx, Platform, c.o.CustomerID, min(clicks, c.today-conversionsFor), c.today-1)
	recent = recent || c.active
	if err != nil || recent && !looked {
		return err
	}
	var settle, rest []need
	for _, n := range pl.needs {
		if recent && n.t.conversions() {
			rest = append(rest, n)
		} else {
			settle = append(settle, n)
		}
	}
	if len(settle) == 0 {
		return nil
	}
	from, to := settle[0].day, settle[0].day
	for _, n := range settle {
		from, to = min(from, n.day), max(to, n.day)
	}
	if !looked {
		if from, err = c.watchedFrom(ctx, from); err != nil {
			return err
		}
	}
	if !recent {
		from = min(from, clicks)
	}
	quiet, calls, err := c.nothingIn(ctx, from, to)
	if err != nil {
		return err
	}
	if !quiet && !recent && clicks < c.today {
		// Something happened, but perhaps only long ago.
		if c.active = true; looked {
			return c.settleIdle(ctx, pl, looked)
		}
		return nil
	}
	if c.stirs = !quiet; c.stirs {
		return nil
	}
	for _, n := range settle {
		if err := c.storeIdle(ctx, n); err != nil {
			return err
		}
	}
	c.s.counts.quiet.Add(int64(len(settle)))
	c.spare(WhyIdle, max(callsPerPiece*len(settle)-calls, 0))
	pl.needs = rest
	if !looked {
		pl.watch, pl.prove = false, false
		c.s.looked.Store(c.o.CustomerID, seenJobs{at: c.s.o.Now(), idle: true})
	}
	return nil
}

// watchedFrom is the first day that the list of the customer's jobs would tell
// about, or from when that is earlier.
func (c *collector) watchedFrom(ctx context.Context, from table.Day) (table.Day, error) {
	known, err := c.s.store.known(ctx, c.o.CustomerID)
	for _, k := range known {
		if k.current && k.piece.day >= c.today-watchDays {
			from = min(from, k.piece.day)
		}
	}
	return from, err
}

// nothingIn reports whether /stats shows nothing at all in the days, and how
// many requests that took. It proves that the key reaches the customer.
func (c *collector) nothingIn(ctx context.Context, from, to table.Day) (quiet bool, calls int, err error) {
	done, err := c.askAlone(ctx)
	if err != nil {
		return false, 0, err
	}
	defer done()
	a, calls, err := c.activity(ctx, from, to)
	if err != nil {
		return false, calls, err
	}
	return a == activity{}, calls, c.proved(ctx)
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

// askFirst asks /stats before a report is read that nothing stored can be
// compared with: while the request waits for the gate, the rows would wait in
// memory, 5 MB for each report of a large account. What fails is asked for again
// by whole.
func (c *collector) askFirst(ctx context.Context, n need, jobs int) error {
	if !c.comparable(n, jobs) {
		return nil
	}
	least, err := c.usual(ctx, n)
	if err == nil && math.IsInf(least, 1) {
		if _, err = c.happened(ctx, n.day); err != nil && !fatal(err) {
			err = nil
		}
	}
	return err
}

// comparable reports whether /stats tells a sum of the piece, and is believed.
func (c *collector) comparable(n need, jobs int) bool {
	return n.t.told != toldNothing && n.day >= c.today-watchDays && jobs < noneMax
}

// whole reports whether a report can be all of its day, given the sum that
// /stats tells too. Naver has answered with parts of a day now and then. /stats
// is asked when the sum is much less than usual; asks is called before that,
// since the request waits for the gate.
func (c *collector) whole(ctx context.Context, n need, sum int64, jobs int, asks func()) error {
	if !c.comparable(n, jobs) {
		return nil
	}
	usual, err := c.usual(ctx, n)
	if err != nil || float64(sum) >= usual {
		return err
	}
	asks()
	a, err := c.happened(ctx, n.day)
	if err != nil {
		if fatal(err) {
			return err
		}
		c.s.o.Log.InfoContext(ctx, "whether a report is whole could not be asked", "piece", n.piece.String(), "error", err)
		return nil
	}
	if !n.t.told.contradicts(sum, a) {
		return nil
	}
	c.s.counts.suspicious.Add(1)
	f := &fault{class: suspiciousPart, op: "report-download", customer: n.customer, until: c.s.o.Now().Add(noneWait)}
	f.args = []any{n.report, n.day.String(), sum, n.t.told.of(a)}
	return f
}

// usual is the least sum that needs no look at /stats: hardly less than the
// version before, and for yesterday a share of the mean of the seven days
// before. Nothing is usual of a day that is fetched for the first time without
// any day before it, or whose stored version is doubted.
func (c *collector) usual(ctx context.Context, n need) (float64, error) {
	pieces, err := c.s.o.Archive.Current(ctx, Platform, n.customer, []string{n.report}, n.day-7, n.day)
	if err != nil {
		return 0, err
	}
	days, sum, least := 0, 0.0, 0.0
	for _, p := range pieces {
		v := p.Sums[n.t.told.column()]
		switch {
		case p.Day == n.day && !p.DoubtedAt.IsZero():
			return math.Inf(1), nil
		case p.Day == n.day:
			least = partOf * v
		case v > 0:
			days, sum = days+1, sum+v
		}
	}
	switch {
	case n.day != c.today-1:
		return least, nil
	case len(pieces) == 0:
		return math.Inf(1), nil
	case days > 0:
		least = max(least, partShare*sum/float64(days))
	}
	return least, nil
}

// doubt marks what is stored of a day and contradicts what /stats says of it:
// it is fetched again by this order when that wants it, else by whoever reads it
// next, and those who show it are told. Types that are fetched anew at the moment
// are looked at by whole.
func (c *collector) doubt(ctx context.Context, day table.Day, a activity) error {
	pieces, err := c.s.o.Archive.Current(ctx, Platform, c.o.CustomerID, toldTypes(), day, day)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		t, _ := typeOf(p.Report)
		var m meta
		if json.Unmarshal(p.Meta, &m) == nil && m.Believed || !p.DoubtedAt.IsZero() || !t.told.contradicts(int64(p.Sums[t.told.column()]), a) {
			continue
		}
		c.s.counts.suspicious.Add(1)
		c.s.o.Log.InfoContext(ctx, "a stored report contradicts the statistics and will be fetched again", "piece", p.Key.String())
		err := c.s.o.DB.InTx(ctx, func(tx *db.Tx) error {
			if err := c.s.o.Archive.Doubt(ctx, tx, p, c.s.o.Now()); err != nil || c.s.o.Doubted == nil {
				return err
			}
			mine := ""
			if c.wants(p.Key) {
				mine = c.o.RawDataID
			}
			return c.s.o.Doubted(ctx, tx, p.CustomerID, p.Report, p.Day, mine)
		})
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.doubted = append(c.doubted, piece{p.CustomerID, p.Report, p.Day})
		c.mu.Unlock()
	}
	return nil
}

// compareTypes asks /stats about the days of which types that count the same
// impressions do not agree, when one of them was just fetched: one is a part.
func (c *collector) compareTypes(ctx context.Context) error {
	pieces, err := c.s.o.Archive.Current(ctx, Platform, c.o.CustomerID, toldTypes(), max(c.o.From, c.today-watchDays), c.o.To)
	if err != nil {
		return err
	}
	type span struct {
		least, most float64
		fresh       bool
	}
	days := map[table.Day]span{}
	for _, p := range pieces {
		t, _ := typeOf(p.Report)
		if t.told != toldImpressions {
			continue
		}
		n := p.Sums[t.told.column()]
		d, ok := days[p.Day]
		if !ok {
			d.least = n
		}
		c.mu.Lock()
		fresh := c.fetched[piece{p.CustomerID, p.Report, p.Day}]
		c.mu.Unlock()
		days[p.Day] = span{min(d.least, n), max(d.most, n), d.fresh || fresh}
	}
	for day, d := range days {

		if !d.fresh || d.least >= partOf*d.most {
			continue
		}
		a, err := c.happened(ctx, day)
		if err == nil {
			err = c.doubt(ctx, day, a) // the day may have been asked for before all of it was stored
		}
		if err != nil && fatal(err) {
			return err
		}
	}
	return nil
}

// wants reports whether the order shows the piece.
func (c *collector) wants(k archive.Key) bool {
	return k.CustomerID == c.o.CustomerID && k.Day >= c.o.From && k.Day <= c.o.To && slices.Contains(c.o.Reports, k.Report)
}
