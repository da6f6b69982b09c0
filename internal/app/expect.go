package app

import (
	"context"
	"sync"
	"time"

	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
)

// expectations say when open runs end. A run that this process works at is
// known to its gate; for others, and for those in line, the cost is estimated
// beside the requests that ask, so that a list of a thousand waits for none.
type expectations struct {
	mu    sync.Mutex
	costs map[string]cost // by raw data
	usage map[string]used // by licence
	ask   chan run.View
}

// cost is what filling a raw data takes, as of an instant.
type cost struct {
	scopes   []quota.Scope
	requests int
	at       time.Time
	asked    bool // somebody is at it
}

// used is a licence's usage as of an instant.
type used struct {
	usage quota.Usage
	at    time.Time
}

const (
	costFor  = 2 * time.Minute // an estimate holds
	usageFor = 5 * time.Second // and what the owner of a licence says
	asksMost = 2000            // raw data that wait to be estimated
)

func newExpectations() *expectations {
	return &expectations{costs: map[string]cost{}, usage: map[string]used{}, ask: make(chan run.View, asksMost)}
}

// expected is when an open run is expected to end; nil when too little is
// known, or when it waits for something that nobody can foresee.
func (a *App) expected(v run.View) *quota.Range {
	if r, ok := a.runs.Forecast(v.ID); ok {
		return withWriting(r)
	}
	if v.Parked {
		return nil
	}
	c, ok := a.expect.cost(v, a.now())
	if !ok {
		return nil
	}
	if v.State.Active() {
		if r, ok := a.expect.told(a, c.licence(), v.RawDataID); ok {
			return withWriting(r)
		}
		if v.Total > 0 {
			c.requests = int(float64(c.requests) * float64(v.Total-v.Done) / float64(v.Total))
		}
	}
	// Those before it in its lane are of the same account and cost about the
	// same.
	n := max(c.requests, 1) * (1 + v.Ahead)
	r, ok := a.gate.Foresee(c.scopes, n, n)
	if !ok {
		return nil
	}
	for range v.Ahead {
		r = *withWriting(r)
	}
	return withWriting(r)
}

// withWriting adds what comes after the last request.
func withWriting(r quota.Range) *quota.Range {
	return &quota.Range{From: r.From.Add(writingTakes), To: r.To.Add(2 * writingTakes)}
}

func (c cost) licence() string {
	for _, s := range c.scopes {
		if s.Kind == quota.Licence {
			return s.ID
		}
	}
	return ""
}

// cost is what v's raw data takes; when it is not known, or not any more, it
// is asked for and ok says whether an older one is there.
func (e *expectations) cost(v run.View, now time.Time) (c cost, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c = e.costs[v.RawDataID]
	if now.Sub(c.at) >= costFor && !c.asked {
		select {
		case e.ask <- v:
			c.asked = true
			e.costs[v.RawDataID] = c
		default: // the next who asks is served
		}
	}
	return c, len(c.scopes) > 0
}

// told is what the owner of a licence says of a run that it works at.
func (e *expectations) told(a *App, licence, rawDataID string) (quota.Range, bool) {
	e.mu.Lock()
	u := e.usage[licence]
	e.mu.Unlock()
	if a.now().Sub(u.at) >= usageFor {
		u = used{a.usage(licence), a.now()}
		e.mu.Lock()
		e.usage[licence] = u
		e.mu.Unlock()
	}
	r, ok := u.usage.Ends[rawDataID]
	return r, ok
}

// estimateCosts answers who asked, until ctx ends, and forgets what nobody has
// asked for again.
func (a *App) estimateCosts(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case v := <-a.expect.ask:
			c, err := a.costOf(ctx, v)
			a.warn(ctx, "the end of a run could not be foreseen", err)
			now := a.now()
			c.at = now
			a.expect.mu.Lock()
			a.expect.costs[v.RawDataID] = c
			for id, old := range a.expect.costs {
				if len(a.expect.costs) > 2*asksMost && now.Sub(old.at) > 10*costFor {
					delete(a.expect.costs, id)
				}
			}
			a.expect.mu.Unlock()
		}
	}
}

func (a *App) costOf(ctx context.Context, v run.View) (c cost, err error) {
	rd, err := a.reports.Get(ctx, nil, v.WorkspaceID, v.RawDataID)
	if err != nil {
		return c, err
	}
	acc, err := a.keys.Account(ctx, a.d, rd.AccountID)
	if err != nil {
		return c, err
	}
	licence, err := a.licence(ctx, a.d, acc.APIKeyID)
	if err != nil || licence == "" {
		return c, err
	}
	def := v.Definition
	if len(def.Reports) == 0 { // not frozen yet
		def = report.RawData{Period: rd.Period, Reports: rd.Reports, AccountID: rd.AccountID}.Freeze(a.now())
	}
	c.requests, _, err = a.naver.Estimate(ctx, run.Order{
		WorkspaceID: v.WorkspaceID, AccountID: acc.ID, CustomerID: acc.CustomerID, Reports: def.Reports, From: def.From, To: def.To, Force: v.Force,
	})
	c.scopes = []quota.Scope{
		{Kind: quota.IP, ID: "naver"}, {Kind: quota.Licence, ID: licence},
		{Kind: quota.Customer, ID: acc.CustomerID}, {Kind: quota.CustomerReport, ID: acc.CustomerID},
	}
	return c, err
}
