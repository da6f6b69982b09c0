package naver

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"imreport/internal/db"
)

// Why says by what a request was spared.
type Why string

// The ways. Each counts what would surely have been asked without it; lists
// read as changes spare lines, not requests, and are no part of it.
const (
	WhyKept   Why = "kept"   // days that are stored: two requests for a report of a day
	WhyShared Why = "shared" // reports that somebody else was fetching already
	WhyLists  Why = "lists"  // lists of entities that were read today already
	WhyPolls  Why = "polls"  // one list has ended the waiting for many jobs, or was read within lookFor
	WhyIdle   Why = "idle"   // accounts in which nothing happens
)

// callsPerPiece is what a piece costs: its job is made and downloaded.
// callsPerList is what a list costs: its job is made, downloaded, deleted.
// Looks at the list of jobs are shared by all.
const (
	callsPerPiece = 2
	callsPerList  = 3
)

// keepAfter is how long after the first news what was learned and counted is
// written: a process that is killed loses as much.
const keepAfter = time.Minute

// ledger gathers the spared requests until they are written.
type ledger struct {
	mu      sync.Mutex
	pending map[sparedBy]int64
	total   map[Why]int64 // since the start
	timer   *time.Timer   // nil: nothing is to be written
	closed  bool
}

type sparedBy struct {
	key string // api key
	why Why
}

// spare counts requests that this collecting did not have to make, and sees to
// it that what was counted and learned is written in a while.
func (c *collector) spare(why Why, requests int) {
	l := &c.s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if requests > 0 {
		if l.pending == nil {
			l.pending, l.total = map[sparedBy]int64{}, map[Why]int64{}
		}
		l.pending[sparedBy{c.o.Credential.ID, why}] += int64(requests)
		l.total[why] += int64(requests)
	}
	if l.timer == nil && !l.closed {
		l.timer = time.AfterFunc(keepAfter, func() {
			ctx, stop := context.WithTimeout(context.Background(), keepAfter)
			defer stop()
			if err := c.s.keep(ctx); err != nil {
				c.s.o.Log.WarnContext(ctx, "what was learned of Naver could not be stored yet", "error", err)
			}
		})
	}
}

// spareKept counts what a collecting that has gone well was spared by what it
// found stored. What an earlier attempt of its run has fetched is no saving.
func (c *collector) spareKept() {
	wanted := maps.Clone(c.fetched)
	for _, n := range c.pl.needs {
		wanted[n.piece] = true
	}
	kept := 0
	for _, p := range c.pl.have {
		var m meta
		mine := json.Unmarshal(p.Meta, &m) == nil && m.Run != "" && m.Run == c.o.RunID
		if !mine && !wanted[piece{p.CustomerID, p.Report, p.Day}] {
			kept++
		}
	}
	c.s.counts.served.Add(int64(kept))
	c.spare(WhyKept, callsPerPiece*kept)
	by, read := c.s.namedBy.Load(c.o.CustomerID)
	if !read || by == c.o.RunID || c.snap.names == nil {
		return
	}
	daily, _ := itemsFor(c.o.Reports)
	lists := -c.listsRead
	for _, item := range daily {
		if c.snap.names.lists[item].read == c.today {
			lists++
		}
	}
	c.spare(WhyLists, callsPerList*lists)
}

// keep writes what was learned and counted since it was last written.
func (s *Source) keep(ctx context.Context) error {
	l := &s.ledger
	l.mu.Lock()
	pending := l.pending
	l.pending = map[sparedBy]int64{}
	if l.total == nil {
		l.total = map[Why]int64{}
	}
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.mu.Unlock()
	err := s.store.spared(ctx, pending, s.o.Now())
	if err != nil {
		l.mu.Lock()
		for k, n := range pending {
			l.pending[k] += n
		}
		l.mu.Unlock()
		return err
	}
	return s.store.learned(ctx, map[string]map[string]time.Duration{kindReport: s.builds.news(), kindList: s.masters.news()})
}

// Close writes what was learned and counted. A Source that is used on after it
// writes nothing more by itself.
func (s *Source) Close(ctx context.Context) error {
	s.ledger.mu.Lock()
	s.ledger.closed = true
	s.ledger.mu.Unlock()
	return s.keep(ctx)
}

// recall takes up what processes before this one have learned, once.
func (s *Source) recall(ctx context.Context) {
	s.recalling.Lock()
	defer s.recalling.Unlock()
	if s.recalled {
		return
	}
	for kind, b := range map[string]*builds{kindReport: s.builds, kindList: s.masters} {
		waits, err := s.store.waits(ctx, kind)
		if err != nil {
			s.o.Log.WarnContext(ctx, "what was learned of Naver could not be read", "error", err)
			return
		}
		b.takeUp(waits)
	}
	s.recalled = true
}

// Kinds of what Naver builds.
const (
	kindReport = "report"
	kindList   = "list"
)

// Spared is how many requests were not made, and why.
type Spared struct {
	Since    time.Time // when it was first counted; zero: never
	Requests int64
	By       []SparedBy // most first
}

// SparedBy is one reason's share.
type SparedBy struct {
	Why      Why
	Requests int64
}

// Spared is what a workspace's keys were spared, or one of them when keyID is
// not empty. Another process's newest minute may be missing.
func (s *Source) Spared(ctx context.Context, workspaceID, keyID string) (sp Spared, err error) {
	if err := s.keep(ctx); err != nil {
		return sp, err
	}
	type row struct {
		SparedBy
		since int64
	}
	rows, err := db.All(ctx, s.o.DB, func(r db.Scanner) (v row, err error) {
		err = r.Scan(&v.Why, &v.Requests, &v.since)
		return v, err
	}, `SELECT why, CAST(sum(requests) AS BIGINT), min(since_us) FROM naver_spared
		WHERE api_key_id IN (SELECT id FROM api_key WHERE workspace_id = $1 AND ($2 = '' OR id = $2)) GROUP BY why`, workspaceID, keyID)
	if err != nil {
		return sp, fmt.Errorf("spared requests of workspace %s: %w", workspaceID, err)
	}
	for _, v := range rows {
		sp.Requests += v.Requests
		sp.By = append(sp.By, v.SparedBy)
		if since := db.Time(v.since); sp.Since.IsZero() || since.Before(sp.Since) {
			sp.Since = since
		}
	}
	slices.SortFunc(sp.By, func(a, b SparedBy) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Why, b.Why))
	})
	return sp, nil
}

// spared adds to what was spared, and forgets keys that were deleted.
func (s store) spared(ctx context.Context, more map[sparedBy]int64, now time.Time) error {
	if len(more) == 0 {
		return nil
	}
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		keys := make([]sparedBy, 0, len(more))
		for k := range more {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, func(a, b sparedBy) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.why, b.why)) })
		for _, k := range keys { // in order, so that two processes cannot lock each other
			_, err := tx.Exec(ctx, `INSERT INTO naver_spared (api_key_id, why, requests, since_us) VALUES ($1, $2, $3, $4)
				ON CONFLICT (api_key_id, why) DO UPDATE SET requests = naver_spared.requests + excluded.requests`,
				k.key, string(k.why), more[k], db.US(now))
			if err != nil {
				return fmt.Errorf("note spared requests of key %s: %w", k.key, err)
			}
		}
		if _, err := tx.Exec(ctx, `DELETE FROM naver_spared WHERE api_key_id NOT IN (SELECT id FROM api_key)`); err != nil {
			return fmt.Errorf("forget what deleted keys were spared: %w", err)
		}
		return nil
	})
}

// learned stores how long builds take, by kind and name.
func (s store) learned(ctx context.Context, waits map[string]map[string]time.Duration) error {
	if len(waits[kindList])+len(waits[kindReport]) == 0 {
		return nil
	}
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		for _, kind := range []string{kindList, kindReport} {
			names := make([]string, 0, len(waits[kind]))
			for name := range waits[kind] {
				names = append(names, name)
			}
			slices.Sort(names)
			for _, name := range names {
				_, err := tx.Exec(ctx, `INSERT INTO naver_build (kind, name, wait_us) VALUES ($1, $2, $3)
					ON CONFLICT (kind, name) DO UPDATE SET wait_us = excluded.wait_us WHERE naver_build.wait_us <> excluded.wait_us`,
					kind, name, waits[kind][name].Microseconds())
				if err != nil {
					return fmt.Errorf("note the build time of %s: %w", name, err)
				}
			}
		}
		return nil
	})
}

// waits are the stored build times of a kind.
func (s store) waits(ctx context.Context, kind string) (map[string]time.Duration, error) {
	type row struct {
		name string
		us   int64
	}
	rows, err := db.All(ctx, s.d, func(r db.Scanner) (v row, err error) {
		err = r.Scan(&v.name, &v.us)
		return v, err
	}, `SELECT name, wait_us FROM naver_build WHERE kind = $1`, kind)
	if err != nil {
		return nil, fmt.Errorf("build times: %w", err)
	}
	waits := make(map[string]time.Duration, len(rows))
	for _, v := range rows {
		waits[v.name] = time.Duration(v.us) * time.Microsecond
	}
	return waits, nil
}
