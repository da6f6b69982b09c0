package morning

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"imreport/internal/account"
	"imreport/internal/db"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/table"
	vendor "imreport/sim/naver"
)

// types are the four report types of each raw data.
var types = []string{"AD", "AD_CONVERSION", "AD_DETAIL", "EXPKEYWORD"}

const (
	opens  = 5*time.Hour + 30*time.Minute // when the plan is looked at in the morning
	early  = 3 * time.Minute              // before its start the house is opened for good
	due    = 7*time.Hour + 30*time.Minute
	closes = 20 * time.Hour // given up
	// firstMorning is the day in November 2026 on which a scenario begins.
	firstMorning = 24
)

// Result is what a scenario showed.
type Result struct {
	Name     string `json:"name"`
	Profile  string `json:"profile"`
	Accounts int    `json:"accounts"`
	RawData  int    `json:"raw_data"`
	// Fill is the day on which the raw data were made.
	Fill     Day   `json:"fill"`
	Mornings []Day `json:"mornings"`
}

// Day is a morning, from opening the house until the last run has ended.
type Day struct {
	Day string `json:"day"`
	// Requests that were accepted, and answers 429.
	Requests int            `json:"requests"`
	Refused  int            `json:"refused"`
	Calls    map[string]int `json:"calls"`
	// PerAccount is the mean, MaxPerAccount the most of one account, both
	// without Probes, which are made for all accounts.
	PerAccount    float64 `json:"requests_per_account"`
	MaxPerAccount int     `json:"max_requests_of_an_account"`
	// Over45 is how many accounts took more than 45, Dearest what the dearest
	// one asked for.
	Over45  int            `json:"accounts_over_45"`
	Dearest map[string]int `json:"dearest_account"`
	// Refusals are the answers 429 by what refused and what was asked for,
	// RefusedPerMinute by the minute since the house was opened.
	Refusals         map[string]int `json:"refusals,omitempty"`
	RefusedPerMinute []int          `json:"refused_per_minute,omitempty"`
	// Start is when the first run was admitted, Ready when the last one of
	// the morning ended, Seoul.
	Start  string `json:"start"`
	Ready  string `json:"ready"`
	InTime bool   `json:"by_deadline"`
	// Done are the raw data that a run filled, Failed the runs that ended badly,
	// Second those of cause late and repair. A scheduled refresh may have joined
	// one of these, also one that was admitted the day before.
	Done   int `json:"done"`
	Failed int `json:"failed"`
	Second int `json:"second_refreshes"`
	// Published is when Naver had yesterday, when later than the start;
	// Released how many seconds later no run waited for it any more, and
	// AfterProbe how many after the probe that passed; Probes how often was
	// asked in vain, ProbesPerMinute the most in any minute.
	Published       string  `json:"published,omitempty"`
	Released        float64 `json:"released_after_s,omitempty"`
	AfterProbe      float64 `json:"released_after_probe_s,omitempty"`
	Probes          int     `json:"probes"`
	ProbesPerMinute int     `json:"probes_in_a_minute"`
	// Restated pieces, and spreadsheets whose info tab says so.
	Restated  int `json:"restated_pieces,omitempty"`
	Revisions int `json:"spreadsheets_with_revisions,omitempty"`
}

// stage is a scenario under way.
type stage struct {
	*house
	// apart are further imreports, each with one raw data of every account,
	// which share nothing but the gate. See Scenario.Apart.
	apart []*house
	s     Scenario
	res   *Result
}

// houses are all imreports of the stage.
func (st *stage) houses() []*house { return append([]*house{st.house}, st.apart...) }

// open builds all houses behind one gate.
func (st *stage) open(ctx context.Context) error {
	gate := quota.New(quota.Options{})
	gate.Import(st.net.rates) // as the Keeper does at a start
	for _, h := range st.houses() {
		h.gate = gate
		if err := h.open(ctx); err != nil {
			return err
		}
	}
	return nil
}

// schedules lets all schedules start what is due, until close.
func (st *stage) schedules(ctx context.Context) {
	for _, h := range st.houses() {
		h.schedules(ctx)
	}
}

// close closes all houses.
func (st *stage) close(ctx context.Context) (err error) {
	st.net.rates = st.gate.Export()
	for _, h := range st.houses() {
		err = errors.Join(err, h.close(ctx))
	}
	return err
}

// tick lets all schedules look once at what is due.
func (st *stage) tick(ctx context.Context) error {
	for _, h := range st.houses() {
		if _, err := h.mornings.Tick(ctx, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

func (s Scenario) play(ctx context.Context, dir string) (*Result, error) {
	st, err := s.fill(ctx, dir)
	if err != nil {
		return nil, err
	}
	for n := range s.Mornings {
		d, err := st.morning(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("morning %d: %w", n, err)
		}
		st.res.Mornings = append(st.res.Mornings, d)
		if s.told != nil {
			s.told(d)
		}
	}
	return st.res, nil
}

// fill makes an agency on the day before its first morning, fills its raw data
// and closes its house.
func (s Scenario) fill(ctx context.Context, dir string) (*stage, error) {
	// The bubble begins in the year 2000: the mornings are those of 2026.
	time.Sleep(time.Until(time.Date(2026, 11, firstMorning, 10, 0, 0, 0, table.KST)))
	net := &wire{}
	sim := vendor.New(vendor.Options{Refused: net.refuse, Seed: s.Seed, Profile: s.Profile, Accounts: s.Accounts, Campaigns: s.Campaigns, AdGroups: s.AdGroups, Keywords: s.Keywords})
	net.sim = sim
	build := func(dir string) *house {
		return &house{refetch: s.Refetch, forgo: s.Forgo, paper: &paper{takes: s.Write}, debug: s.Debug, dir: dir, sim: sim, net: net}
	}
	st := &stage{s: s, res: &Result{Name: s.Name, Profile: s.Profile, Accounts: s.Accounts, RawData: s.Accounts * s.PerAccount}, house: build(dir)}
	each := s.PerAccount
	if s.Apart {
		each = 1
		for n := 1; n < s.PerAccount; n++ {
			st.apart = append(st.apart, build(filepath.Join(dir, strconv.Itoa(n))))
		}
	}
	if err := st.open(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	var err error
	for _, h := range st.houses() {
		err = errors.Join(err, h.furnish(ctx, each, s.LastDays))
	}
	if err == nil {
		err = st.tick(ctx) // notes since when schedules stand
	}
	if err == nil {
		err = st.ended(ctx, began.Add(10*time.Hour))
	}
	if err == nil {
		st.res.Fill, err = st.day(ctx, began)
	}
	return st, errors.Join(err, st.close(ctx))
}

// furnish makes a workspace with all accounts and so many raw data of each.
func (h *house) furnish(ctx context.Context, perAccount, lastDays int) error {
	now := time.Now()
	_, err := h.d.Exec(ctx, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ($1, 'Agency', 'Asia/Seoul', 'ko', $2)`, workspace, db.US(now))
	if err != nil {
		return err
	}
	k, err := h.keys.AddKey(ctx, workspace, account.NewKey{Name: "agency", License: vendor.DefaultLicense, Secret: vendor.DefaultSecret}, now)
	if err != nil {
		return err
	}
	for _, c := range h.sim.Customers() {
		a, _, err := h.keys.AddAccount(ctx, workspace, account.NewAccount{APIKeyID: k.ID, CustomerID: strconv.FormatInt(c.ID, 10), Name: c.Name}, now)
		if err != nil {
			return err
		}
		for i := range perAccount {
			in := report.Input{
				Name: fmt.Sprintf("%s %d", c.Name, i), AccountID: a.ID, Reports: types, Period: report.Period{LastDays: lastDays},
				Destination: report.Destination{Type: report.XLSX},
				Schedule:    &report.Schedule{DailyAt: "07:30", Mode: report.ReadyBy, Zone: "Asia/Seoul"},
			}
			if _, _, err := h.runs.Create(ctx, workspace, "p", in, run.Request{Class: quota.Bulk}); err != nil {
				return err
			}
		}
	}
	return nil
}

// ended waits until no run is open, or until the instant.
func (st *stage) ended(ctx context.Context, until time.Time) error {
	for {
		open, _, err := st.openRuns(ctx)
		if err != nil || open == 0 || time.Now().After(until) {
			return err
		}
		time.Sleep(5 * time.Second)
	}
}

// openRuns is how many runs are open, and how many of them wait for Naver's
// publication.
func (st *stage) openRuns(ctx context.Context) (open, preparing int, err error) {
	for _, h := range st.houses() {
		var o, p int
		err = h.d.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE reason = 'platform_preparing') FROM run
			WHERE state IN (1, 2, 3, 4, 5, 6)`).Scan(&o, &p)
		if err != nil {
			return 0, 0, err
		}
		open, preparing = open+o, preparing+p
	}
	return open, preparing, nil
}

// morning plays the n-th morning.
func (st *stage) morning(ctx context.Context, n int) (d Day, err error) {
	midnight := table.DayOf(time.Now()).Start().AddDate(0, 0, 1)
	yesterday := (table.DayOf(midnight) - 1).Start()
	stat := yesterday.In(table.KST).Format("20060102")
	published := midnight.Add(4 * time.Hour)
	if st.s.Profile == "storm" {
		published = midnight.Add(8 * time.Hour)
	}
	if at, ok := st.s.Ready[n]; ok {
		published = midnight.Add(at)
		if err := st.sim.SetReady(stat, "", published); err != nil {
			return d, err
		}
	}
	whole := published
	if at, ok := st.s.ReadyType[n]; ok {
		whole = midnight.Add(at)
		if err := st.sim.SetReady(stat, "AD_CONVERSION", whole); err != nil {
			return d, err
		}
	}
	restated := 0
	if st.s.Changed && n%2 == 1 {
		day := yesterday.AddDate(0, 0, -4).In(table.KST).Format("20060102")
		if restated, err = st.sim.Changed(st.sim.Customers()[0].ID, "AD", day); err != nil {
			return d, err
		}
	}
	opened, err := st.await(ctx, midnight.Add(opens))
	if err != nil {
		return d, err
	}
	st.schedules(ctx)
	released, err := st.watch(ctx, opened, published, whole)
	if err != nil {
		return d, errors.Join(err, st.close(ctx))
	}
	if d, err = st.day(ctx, opened); err != nil {
		return d, errors.Join(err, st.close(ctx))
	}
	d.Restated, d.Revisions = restated, st.paper.revised()
	if published.After(opened) {
		d.Published, d.Released = published.In(table.KST).Format("15:04"), released.Sub(published).Seconds()
		d.AfterProbe = released.Sub(st.source.Ready(table.DayOf(yesterday)).PublishedAt).Seconds()
	}
	return d, st.close(ctx)
}

// await opens the house shortly before the first start that it plans. An
// opened house asks its database for work all the time, which makes waiting
// dear: so it is closed in between.
func (st *stage) await(ctx context.Context, at time.Time) (opened time.Time, err error) {
	time.Sleep(time.Until(at))
	st.paper.clear()
	st.net.take()
	if err := st.open(ctx); err != nil {
		return at, err
	}
	if err := st.tick(ctx); err != nil {
		return at, errors.Join(err, st.close(ctx))
	}
	first := time.Time{}
	for _, h := range st.houses() {
		for _, o := range h.mornings.Outlook() {
			if first.IsZero() || o.Start.Before(first) {
				first = o.Start
			}
		}
	}
	if opened = first.Add(-early); !opened.After(time.Now()) {
		return at, nil
	}
	if err := st.close(ctx); err != nil {
		return at, err
	}
	time.Sleep(time.Until(opened))
	return opened, st.open(ctx)
}

// watch waits until every raw data was filled this morning and no run is open,
// at the latest until closes, and reports when no run waited for Naver's
// publication any more.
func (st *stage) watch(ctx context.Context, opened, published, whole time.Time) (released time.Time, err error) {
	end := table.DayOf(opened).Start().Add(closes)
	for {
		open, preparing, err := st.openRuns(ctx)
		if err != nil {
			return released, err
		}
		now := time.Now()
		if preparing == 0 && released.IsZero() && !now.Before(published) {
			released = now
		}
		var filled int
		if open == 0 {
			for _, h := range st.houses() {
				var n int
				err := h.d.QueryRow(ctx, `SELECT count(*) FROM raw_data_state WHERE filled_us >= $1`, db.US(opened)).Scan(&n)
				if err != nil {
					return released, err
				}
				filled += n
			}
		}
		if filled == st.res.RawData && !now.Before(whole.Add(5*time.Minute)) || now.After(end) {
			return released, nil
		}
		pause := 5 * time.Second
		if until := now.Sub(published); until > -10*time.Second && until < 2*time.Minute {
			pause = time.Second
		}
		time.Sleep(pause)
	}
}

// day is what happened since the instant.
func (st *stage) day(ctx context.Context, since time.Time) (d Day, err error) {
	t := st.net.take()
	d = Day{Day: since.In(table.KST).Format(time.DateOnly), Requests: sum(t.calls), Refused: len(t.refused), Calls: t.calls, Probes: len(t.notReady)}
	d.PerAccount = float64(d.Requests-d.Probes) / float64(st.s.Accounts)
	d.Over45, d.Dearest = t.dearest()
	d.MaxPerAccount = sum(d.Dearest)
	d.Refusals, d.RefusedPerMinute = t.refusals(since)
	for i, at := range t.notReady {
		n := 1
		for _, more := range t.notReady[i+1:] {
			if more.Sub(at) < time.Minute {
				n++
			}
		}
		d.ProbesPerMinute = max(d.ProbesPerMinute, n)
	}
	deadline := table.DayOf(since).Start().Add(due)
	first, last, ready := db.US(time.Now()), int64(0), 0
	for _, h := range st.houses() {
		var from, to int64
		var done, early, failed, second int
		err = h.d.QueryRow(ctx, `SELECT coalesce(min(created_us) FILTER (WHERE created_us >= $2), $1),
				coalesce(max(ended_us) FILTER (WHERE cause NOT IN ('late', 'repair')), 0),
				count(DISTINCT raw_data_id) FILTER (WHERE state = 7), count(DISTINCT raw_data_id) FILTER (WHERE state = 7 AND ended_us <= $3),
				count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE cause IN ('late', 'repair'))
			FROM run WHERE ended_us >= $2`, first, db.US(since), db.US(deadline)).Scan(&from, &to, &done, &early, &failed, &second)
		if err != nil {
			return d, err
		}
		first, last = min(first, from), max(last, to)
		d.Done, d.Failed, d.Second, ready = d.Done+done, d.Failed+failed, d.Second+second, ready+early
	}
	clock := func(us int64) string { return db.Time(us).In(table.KST).Format(time.TimeOnly) }
	d.Start, d.Ready = clock(first), clock(last)
	d.InTime = ready == st.res.RawData
	return d, nil
}

// paper is a run.Destination that takes as long as a spreadsheet and keeps
// nothing but what its info tab would say.
type paper struct {
	takes time.Duration

	mu        sync.Mutex
	revisions int
}

func (p *paper) Create(context.Context, run.Work) (run.Workbook, error) { return &sheet{paper: p}, nil }
func (p *paper) Remove(context.Context, run.File) error                 { return nil }

func (p *paper) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revisions = 0
}

// revised is how many spreadsheets told of revisions since clear.
func (p *paper) revised() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.revisions
}

type sheet struct {
	*paper
	rows int64
}

func (s *sheet) Insert(_ context.Context, tabs []run.Tab, rows func(int64)) error {
	time.Sleep(s.takes)
	for _, t := range tabs {
		s.rows += t.Rows
		rows(t.Rows)
	}
	return nil
}

func (s *sheet) Add(_ context.Context, info run.Info) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range info.Revisions {
		if r.Day < info.To-2 { // not of the days that are fetched anew anyway
			s.revisions++
			break
		}
	}
	return nil
}

func (s *sheet) Finish(context.Context) (run.File, error) {
	return run.File{Object: db.NewID(), Rows: s.rows}, nil
}

func (s *sheet) Abandon() {}
