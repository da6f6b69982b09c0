package naver

import (
	"context"
	"fmt"
	"slices"
	"time"

	"imreport/internal/account"
	"imreport/internal/archive"
	"imreport/internal/run"
	"imreport/internal/table"
)

// watchDays is how long Naver keeps a stat report, and how long we ask whether
// a day has changed (notice of 2025-09-26).
const watchDays = 14

// need is a piece that has to be fetched.
type need struct {
	piece
	t     reportType
	again bool // a version is stored already
	// restated: Naver has marked the stored version's job CHANGED, or its own
	// statistics contradict it.
	restated bool
}

// plan is what an order takes.
type plan struct {
	total int
	needs []need
	have  []archive.Piece
	gone  *need // a day that is neither stored nor to be had; nil: none
	watch bool  // a stored piece may have changed at Naver: look at the list
	prove bool  // nothing else would show that the key reaches the customer
}

// plan compares what is stored with what the order wants. since is when a
// forced order began; changed are the pieces that Naver has restated.
func (s *Source) plan(ctx context.Context, o run.Order, since time.Time, changed map[piece]bool) (plan, error) {
	return s.planOn(ctx, o, since, changed, s.today())
}

// planOn is plan for the Korean day today, which may be one to come.
func (s *Source) planOn(ctx context.Context, o run.Order, since time.Time, changed map[piece]bool, today table.Day) (pl plan, err error) {
	have, err := s.o.Archive.Current(ctx, Platform, o.CustomerID, o.Reports, o.From, o.To)
	if err == nil {
		pl, err = s.lacking(o, have, since, changed, today)
	}
	if err == nil {
		pl.prove, err = s.mustProve(ctx, o)
	}
	return pl, err
}

// lacking says what of an order is to be fetched when have is stored.
func (s *Source) lacking(o run.Order, have []archive.Piece, since time.Time, changed map[piece]bool, today table.Day) (pl plan, err error) {
	pl.have = have
	stored := make(map[piece]archive.Piece, len(pl.have))
	for _, p := range pl.have {
		stored[piece{p.CustomerID, p.Report, p.Day}] = p
	}
	for _, name := range o.Reports {
		t, ok := typeOf(name)
		if !ok {
			return pl, fmt.Errorf("naver has no report type %q", name)
		}
		for d := o.To; d >= o.From; d-- { // the newest first: it shows whether Naver is ready
			pl.total++
			n := need{piece: piece{o.CustomerID, name, d}, t: t}
			p, has := stored[n.piece]
			there := d < today && d >= today-table.Day(t.daysBack)
			switch {
			case !has && !there:
				if pl.gone == nil {
					pl.gone = &n
				}
			case !has:
				pl.needs = append(pl.needs, n)
			case !there:
			case s.stale(p, o.Force, since, today) || changed[n.piece] || !p.DoubtedAt.IsZero():
				n.again, n.restated = true, changed[n.piece] || !p.DoubtedAt.IsZero()
				pl.needs = append(pl.needs, n)
			}
		}
	}
	for _, p := range pl.have {
		pl.watch = pl.watch || p.Day >= today-watchDays
	}
	// The newest days of all types first: types would otherwise wait in line.
	slices.SortStableFunc(pl.needs, func(a, b need) int {
		if o.Backfill { // the one that Naver will first not give any more
			return int(a.day + table.Day(a.t.daysBack) - b.day - table.Day(b.t.daysBack))
		}
		return int(b.day - a.day)
	})
	return pl, nil
}

// empty reports whether no stored piece has rows: then there is nothing to
// name.
func (pl plan) empty() bool {
	return !slices.ContainsFunc(pl.have, func(p archive.Piece) bool { return p.Rows > 0 })
}

// stale reports whether a stored piece is to be fetched again.
func (s *Source) stale(p archive.Piece, force bool, since time.Time, today table.Day) bool {
	if force {
		return p.StoredAt.Before(since)
	}
	return p.Day >= today-table.Day(s.o.RefetchDays) && table.DayOf(p.StoredAt) < today
}

// mustProve reports whether it is too long ago that the workspace's own key
// has reached the customer.
func (s *Source) mustProve(ctx context.Context, o run.Order) (bool, error) {
	if s.o.Accounts == nil || o.AccountID == "" {
		return true, nil
	}
	a, err := s.o.Accounts.Account(ctx, s.o.DB, o.AccountID)
	if err != nil {
		return true, err
	}
	return s.o.Now().Sub(a.ProvedAt) >= account.ProofFor, nil
}

// Estimate is about how many requests an order costs, given what is stored,
// and how many of its pieces have to be fetched.
func (s *Source) Estimate(ctx context.Context, o run.Order) (requests, pieces int, err error) {
	return s.EstimateOn(ctx, o, s.today())
}

// EstimateUnseen is Estimate for a workspace that must not know what is stored
// of the customer: as if nothing were.
func (s *Source) EstimateUnseen(o run.Order) (requests, pieces int, err error) {
	today := s.today()
	pl, err := s.lacking(o, nil, s.o.Now(), nil, today)
	daily, lazy := itemsFor(o.Reports)
	return pl.cost(len(daily)+len(lazy), today), len(pl.needs), err
}

// EstimateOn is Estimate for an order that is collected on the Korean day
// today, which may be one to come: tomorrow's morning as it looks this evening.
func (s *Source) EstimateOn(ctx context.Context, o run.Order, today table.Day) (requests, pieces int, err error) {
	pl, err := s.planOn(ctx, o, s.o.Now(), nil, today)
	if err != nil {
		return 0, 0, err
	}
	if !o.Force && pl.idle(today, s.o.RefetchDays) {
		return 1, len(pl.needs), nil
	}
	lists, err := s.listsDue(ctx, o, today)
	if err != nil {
		return 0, 0, err
	}
	return pl.cost(lists, today), len(pl.needs), nil
}

// cost is about how many requests a plan takes. All of them are for reports and
// count in the customer's narrower scope too. One list of jobs tells the states
// of all, so waiting costs little; a list of entities costs four.
func (pl plan) cost(lists int, today table.Day) (requests int) {
	if len(pl.needs) > 0 || pl.watch || pl.prove {
		requests++
	}
	for _, n := range pl.needs {
		requests += 2
		if n.again || n.day < today-watchDays {
			requests++ // its job, or the one before, is deleted
		}
	}
	if n := len(pl.needs); n > 0 {
		requests += 2 + n/10
	}
	return requests + 4*lists
}

// listsDue is how many lists of entities the order will read.
func (s *Source) listsDue(ctx context.Context, o run.Order, today table.Day) (int, error) {
	snap, err := s.names(ctx, o.CustomerID, func(string) bool { return false })
	if err != nil {
		return 0, err
	}
	daily, lazy := itemsFor(o.Reports)
	n := 0
	for _, item := range daily {
		if snap.names.lists[item].read < today {
			n++
		}
	}
	if snap.version == "" {
		n += len(lazy)
	}
	return n, nil
}
