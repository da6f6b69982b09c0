package naver

import (
	"context"
	"sync/atomic"
	"time"

	"imreport/internal/run"
)

// counts are what this process has done and spared since it started.
type counts struct {
	fetched, served, joined, quiet atomic.Int64
	probes, notReady               atomic.Int64
	lists, deltas                  atomic.Int64
	restated, suspicious           atomic.Int64
}

// Counts are figures of one process since it started; each only grows.
type Counts struct {
	Fetched int64 // pieces that were fetched from Naver
	Served  int64 // pieces of orders that were served from the archive
	Joined  int64 // pieces that somebody else was fetching already
	Quiet   int64 // pieces of accounts that were idle, known from one call for all of them
	// Probes is how often a day was asked for that nobody had got yet, NotReady
	// how often the answer was "not yet".
	Probes, NotReady int64
	// Lists is how many lists of entities were read, Deltas how many of them
	// told changes only.
	Lists, Deltas int64
	Restated      int64 // pieces fetched again because Naver marked them CHANGED
	Suspicious    int64 // empty or partial reports that were noticed
	Saved         int64 // requests that were not made (Source.Spared says why)
}

// Counts are the figures as they are now.
func (s *Source) Counts() Counts {
	c := &s.counts
	n := Counts{
		Fetched: c.fetched.Load(), Served: c.served.Load(), Joined: c.joined.Load(), Quiet: c.quiet.Load(),
		Probes: c.probes.Load(), NotReady: c.notReady.Load(), Lists: c.lists.Load(), Deltas: c.deltas.Load(),
		Restated: c.restated.Load(), Suspicious: c.suspicious.Load(),
	}
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	for _, calls := range s.ledger.total {
		n.Saved += calls
	}
	return n
}

// Each calls f for every figure, with a name and a sentence as Prometheus
// wants them.
func (n Counts) Each(f func(name, help string, value int64)) {
	f("imreport_naver_pieces_fetched_total", "Pieces fetched from Naver.", n.Fetched)
	f("imreport_naver_pieces_served_total", "Pieces served from the archive.", n.Served)
	f("imreport_naver_pieces_joined_total", "Pieces that were being fetched for somebody else.", n.Joined)
	f("imreport_naver_pieces_quiet_total", "Pieces of idle accounts that needed no report.", n.Quiet)
	f("imreport_naver_probes_total", "Requests that asked whether a day is published.", n.Probes)
	f("imreport_naver_not_ready_total", "Answers that a day is not published yet.", n.NotReady)
	f("imreport_naver_lists_total", "Lists of entities read.", n.Lists)
	f("imreport_naver_list_deltas_total", "Lists of entities read as changes only.", n.Deltas)
	f("imreport_naver_restated_total", "Pieces fetched again because Naver restated them.", n.Restated)
	f("imreport_naver_suspicious_total", "Empty or partial reports that were noticed and fetched again.", n.Suspicious)
	f("imreport_naver_calls_saved_total", "Requests to Naver that were spared.", n.Saved)
}

// Revisions are the days of an order that Naver has restated since the instant,
// for the info tab. Satisfies run.Options.
func (s *Source) Revisions(ctx context.Context, o run.Order, since time.Time) ([]run.Revision, error) {
	all, err := s.o.Archive.Revised(ctx, Platform, o.CustomerID, o.Reports, o.From, o.To, since)
	if err != nil {
		return nil, err
	}
	revisions := make([]run.Revision, 0, len(all))
	for _, r := range all {
		revisions = append(revisions, run.Revision{
			Report: r.After.Report, Day: r.After.Day, RowsBefore: r.Before.Rows, RowsAfter: r.After.Rows,
			CostBefore: r.Before.Sums["cost"], CostAfter: r.After.Sums["cost"],
		})
	}
	return revisions, nil
}
