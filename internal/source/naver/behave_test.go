package naver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"imreport/internal/archive"
	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/run"
	"imreport/internal/table"
	vendor "imreport/sim/naver"
)

const (
	postJob    = "POST /stat-reports"
	getJobs    = "GET /stat-reports"
	deleteJobs = "DELETE /stat-reports/{id}"
	postMaster = "POST /master-reports"
	getFile    = "GET /report-download"
)

// TestWhatIsStoredIsNotRequestedAgain: a second order over the same pieces
// costs the look at the list of jobs, nothing else.
func TestWhatIsStoredIsNotRequestedAgain(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	o := st.order(st.busy()[0], 5, "AD", "AD_CONVERSION")
	st.must(o)
	if calls, _ := st.seen.take(); calls[postJob] != 10 {
		t.Errorf("%d jobs for 10 pieces", calls[postJob])
	}
	st.restart()
	again := st.order(o.CustomerID, 5, "AD", "AD_CONVERSION")
	st.must(again)
	if calls, _ := st.seen.take(); sum(calls) != 1 || calls[getJobs] != 1 {
		t.Errorf("the second order made %v", calls)
	}
	if n := st.Counts(); n.Served != 10 || n.Fetched != 0 || n.Saved != 20 {
		t.Errorf("counts %+v", n)
	}
	// The next day only the last three days are fetched again, and the new one.
	st.clock.forward(24 * time.Hour)
	st.must(st.order(o.CustomerID, 5, "AD"))
	_, all := st.seen.take()
	want := []string{"20261123", "20261124", "20261125"}
	if got := daysAsked(all); !slices.Equal(got, want) {
		t.Errorf("the next morning asked for %v, want %v", got, want)
	}
}

// daysAsked are the days for which jobs were asked, in order.
func daysAsked(all []string) (days []string) {
	for _, c := range all {
		if !strings.HasPrefix(c, postJob) {
			continue
		}
		_, rest, _ := strings.Cut(c, `"statDt":"`)
		days = append(days, rest[:8])
	}
	slices.Sort(days)
	return days
}

// TestResumeAfterADeath stops a collecting anywhere and goes on in a new
// process: no job is made twice.
func TestResumeAfterADeath(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		st := newStage(t, d, vendor.Options{BuildMin: 20 * time.Millisecond, BuildMax: 60 * time.Millisecond}, func(o *Options) { o.Parallel = 4 })
		o := st.order(st.busy()[0], 12, "AD", "AD_CONVERSION")
		died := errors.New("died")
		for i := 1; ; i++ {
			ctx, kill := context.WithCancelCause(context.Background())
			p := &progress{t: t}
			timer := time.AfterFunc(time.Duration(30+20*i)*time.Millisecond, func() { kill(died) })
			err := st.Collect(ctx, o, p)
			timer.Stop()
			if err == nil {
				break
			}
			if ctx.Err() == nil {
				t.Fatal(err)
			}
			if i > 50 {
				t.Fatal("it does not end")
			}
			st.restart()
		}
		_, all := st.seen.take()
		asked := map[string]int{}
		for _, c := range all {
			if strings.HasPrefix(c, postJob) {
				asked[c]++
			}
		}
		if len(asked) != 24 {
			t.Errorf("%d pieces were asked for, want 24", len(asked))
		}
		for c, n := range asked {
			if n != 1 {
				t.Errorf("%d times %s", n, c)
			}
		}
		rt, _ := typeOf("AD")
		st.compare(o, rt)
	})
}

// TestALostAnswerMakesNoSecondJob: Naver made the job, and the line broke.
func TestALostAnswerMakesNoSecondJob(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	if _, err := st.sim.AddFault(vendor.Fault{Kind: "drop", Path: "/stat-reports", Method: "POST", Times: 3}); err != nil {
		t.Fatal(err)
	}
	o := st.order(st.busy()[0], 3, "AD")
	st.must(o)
	rt, _ := typeOf("AD")
	st.compare(o, rt)
}

// TestOnePieceOnce: many who ask at once, in one process or in three, make one
// job for each piece.
func TestOnePieceOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		st := newStage(t, d, vendor.Options{BuildMin: 20 * time.Millisecond, BuildMax: 60 * time.Millisecond}, nil)
		customer := st.busy()[0]
		processes := []*Source{st.Source}
		for range 2 {
			st.restart()
			processes = append(processes, st.Source)
		}
		var wg sync.WaitGroup
		for _, s := range processes {
			for range 3 {
				o := st.order(customer, 4, "AD")
				wg.Go(func() {
					if err := s.Collect(context.Background(), o, &progress{t: t}); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		calls, _ := st.seen.take()
		if calls[postJob] != 4 {
			t.Errorf("%d jobs for 4 pieces", calls[postJob])
		}
		fetched := int64(0)
		for _, s := range processes {
			fetched += s.Counts().Fetched
		}
		if fetched != 4 {
			t.Errorf("%d downloads of 4 pieces", fetched)
		}
		rt, _ := typeOf("AD")
		st.compare(st.order(customer, 4, "AD"), rt)
	})
}

// TestPreparing: while yesterday is not published, one request a minute asks
// for all accounts; nobody fails; all go on when it is.
func TestPreparing(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	st.sim.SetPublished(false)
	orders := []run.Order{}
	for _, c := range st.busy() {
		orders = append(orders, st.order(c, 2, "AD", "AD_CONVERSION"))
	}
	collectAll := func() (stops []*run.Stop) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, o := range orders {
			wg.Go(func() {
				err := st.Collect(context.Background(), o, &progress{t: t})
				var s *run.Stop
				if err != nil && !errors.As(err, &s) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if s != nil {
					stops = append(stops, s)
				}
			})
		}
		wg.Wait()
		return stops
	}
	asked := func() (n int) {
		calls, all := st.seen.take()
		for _, c := range all {
			if strings.HasPrefix(c, postJob) && strings.Contains(c, "20261124") {
				n++
			}
		}
		t.Logf("calls %v", calls)
		return n
	}
	stops := collectAll()
	if len(stops) != len(orders) {
		t.Fatalf("%d of %d wait", len(stops), len(orders))
	}
	for _, s := range stops {
		if s.Do != run.Park || s.Reason != run.CodePlatformPreparing || s.Subject != Preparing || !s.Until.After(st.clock.now()) {
			t.Errorf("%+v", s)
		}
	}
	if n := asked(); n != 1 {
		t.Errorf("%d requests asked whether yesterday is there, want 1", n)
	}
	// What does not depend on it was done: the day before, and the names.
	if p, err := st.o.Archive.Current(context.Background(), Platform, orders[0].CustomerID, []string{"AD"}, orders[0].From, orders[0].To); err != nil || len(p) != 1 {
		t.Errorf("%d pieces, %v", len(p), err)
	}
	// Too early: no request at all.
	st.clock.forward(20 * time.Second)
	if collectAll(); asked() != 0 {
		t.Error("asked again before it is time")
	}
	for range 3 { // each minute one
		st.clock.forward(70 * time.Second)
		if n := len(collectAll()); n != len(orders) {
			t.Errorf("%d of %d wait", n, len(orders))
		}
		if n := asked(); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	}
	if r := st.Ready(orders[0].To); !r.PublishedAt.IsZero() || r.ProbedAt.IsZero() || r.NextProbe.IsZero() {
		t.Errorf("readiness %+v", r)
	}
	st.sim.SetPublished(true)
	st.clock.forward(70 * time.Second)
	if stops := collectAll(); len(stops) != 0 {
		t.Errorf("still waiting: %v", stops[0])
	}
	if len(st.heard) != 1 || st.heard[0] != orders[0].To {
		t.Errorf("heard of %v", st.heard)
	}
	if r := st.Ready(orders[0].To); r.PublishedAt.IsZero() || !r.NextProbe.IsZero() {
		t.Errorf("readiness %+v", r)
	}
}

// TestALateMorningWakesFew: of all runs that wait for the day only those of
// three customers look again each minute. When these die, the others come by
// themselves and take over, also in a new process; who finds the day published
// has all others woken.
func TestALateMorningWakesFew(t *testing.T) {
	st := newStage(t, nil, vendor.Options{Accounts: 12}, nil)
	st.sim.SetPublished(false)
	customers := st.busy()
	wait := func(customers []string) (soon, late []string) {
		t.Helper()
		for _, c := range customers {
			for range 2 { // two raw data
				s := st.fails(st.order(c, 1, "AD"))
				switch d := s.Until.Sub(st.clock.now()); {
				case d <= time.Minute+10*time.Second:
					soon = append(soon, c)
				case d <= asleep+asleepSpread:
					late = append(late, c)
				default:
					t.Errorf("%s looks again after %v", c, d)
				}
			}
		}
		return slices.Compact(soon), slices.Compact(late)
	}
	soon, late := wait(customers)
	if len(soon) != alarmsMax || len(soon)+len(late) != len(customers) {
		t.Fatalf("%d customers look again soon, %d later", len(soon), len(late))
	}
	for range 2 {
		st.clock.forward(time.Minute + 6*time.Second)
		if again, _ := wait(soon); !slices.Equal(again, soon) {
			t.Fatalf("%v looked, of them %v look again soon", soon, again)
		}
	}
	// The three die.
	st.clock.forward(asleep)
	if soon, _ = wait(late); len(soon) != alarmsMax {
		t.Fatalf("%d have taken over", len(soon))
	}
	// So does the process; the day is published meanwhile.
	st.restart()
	st.sim.SetPublished(true)
	st.clock.forward(time.Minute + 6*time.Second)
	st.must(st.order(soon[0], 1, "AD"))
	if len(st.heard) != 1 {
		t.Errorf("who sleeps was woken %d times", len(st.heard))
	}
	for _, c := range late {
		st.must(st.order(c, 1, "AD"))
	}
	if len(st.heard) != 1 {
		t.Errorf("who sleeps was woken %d times", len(st.heard))
	}
}

// TestALateTypeHoldsUpNobody: one type is late, the others are there; though
// the first probe was of the late type, a later one is of another.
func TestALateTypeHoldsUpNobody(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	late := "AD_DETAIL"
	if err := st.sim.SetReady("20261124", late, st.clock.now().Add(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	a, b := st.order(st.busy()[0], 1, late), st.order(st.busy()[1], 1, "AD")
	if s := st.fails(a); s.Reason != run.CodePlatformPreparing {
		t.Fatal(s)
	}
	if s := st.fails(b); s.Reason != run.CodePlatformPreparing { // the day as a whole counts as late
		t.Fatal(s)
	}
	st.clock.forward(time.Minute + time.Second)
	st.fails(a) // gives way
	st.must(b)
	if len(st.heard) != 1 {
		t.Errorf("heard of %v", st.heard)
	}
	if s := st.fails(a); s.Reason != run.CodePlatformPreparing {
		t.Error(s)
	}
	if r := st.Ready(a.To); !slices.Equal(r.LateTypes, []string{late}) || r.PublishedAt.IsZero() {
		t.Errorf("%+v", r)
	}
	st.clock.forward(3 * time.Hour)
	st.must(a)
}

// TestChanged: a day that Naver restates is fetched again at the next refresh,
// it alone, and the revision can be told.
func TestChanged(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	o := st.order(st.busy()[0], 10, "AD")
	st.must(o)
	before := st.clock.now()
	st.clock.forward(time.Minute)
	if n, err := st.sim.Changed(customerID(o.CustomerID), "AD", "20261118"); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	st.seen.take()
	o.RunID = db.NewID()
	st.must(o)
	calls, all := st.seen.take()
	if got := daysAsked(all); !slices.Equal(got, []string{"20261118"}) {
		t.Errorf("fetched %v again", got)
	}
	if calls[deleteJobs] != 1 {
		t.Errorf("%d jobs deleted, want the one that was replaced", calls[deleteJobs])
	}
	rt, _ := typeOf("AD")
	st.compare(o, rt)
	revisions, err := st.Revisions(context.Background(), o, before)
	if err != nil || len(revisions) != 1 || revisions[0].Day.Compact() != "20261118" || revisions[0].CostBefore == revisions[0].CostAfter {
		t.Errorf("revisions %+v, %v", revisions, err)
	}
	if n := st.Counts().Restated; n != 1 {
		t.Errorf("%d restated", n)
	}
	// And not again.
	o.RunID = db.NewID()
	st.must(o)
	if calls, _ := st.seen.take(); calls[postJob] != 0 {
		t.Errorf("asked again: %v", calls)
	}
}

// TestPassingFaults: each of them comes and goes, and the sheet is right.
func TestPassingFaults(t *testing.T) {
	rt, _ := typeOf("AD")
	faults := []vendor.Fault{}
	calls := []string{"GET /stat-reports", "POST /stat-reports", "GET /report-download", "POST /master-reports", "GET /master-reports", "DELETE /"}
	for i, kind := range []string{"500", "500java", "500empty", "502", "504", "1020", "11001", "html", "empty", "drop"} {
		for _, on := range []string{calls[i%6], calls[(i+1)%6], calls[(i+3)%6]} {
			method, path, _ := strings.Cut(on, " ")
			faults = append(faults, vendor.Fault{Kind: kind, Method: method, Path: path, Times: 2})
		}
	}
	for _, kind := range []string{"error", "nourl", "hiccup", "badutf8"} {
		faults = append(faults, vendor.Fault{Kind: kind, Report: "AD", Times: 1})
	}
	for _, after := range []int{0, 1, 100, 5000} {
		faults = append(faults, vendor.Fault{Kind: "cut", After: after, Times: 2})
	}
	for _, item := range []string{"Campaign", "Adgroup", "Keyword"} {
		for _, kind := range []string{"error", "nourl", "hiccup"} {
			faults = append(faults, vendor.Fault{Kind: kind, Report: item, Times: 1})
		}
	}
	// The gate's business: it waits a little, so it comes last and once.
	faults = append(faults, vendor.Fault{Kind: "429html", Times: 1})
	st := newStage(t, nil, vendor.Options{Accounts: len(faults)*21/20 + 1, Keywords: 12}, func(o *Options) { o.Parallel = 1 })
	for i, f := range faults {
		t.Run(fmt.Sprintf("%s %s%s%s %d", f.Kind, f.Method, f.Path, f.Report, f.After), func(t *testing.T) {
			st.t = t
			o := st.order(st.busy()[i], 1, "AD")
			f.Customer = customerID(o.CustomerID)
			if _, err := st.sim.AddFault(f); err != nil {
				t.Fatal(err)
			}
			st.must(o)
			if f.Kind != "badutf8" { // a replaced byte differs from the truth
				st.compare(o, rt)
			}
			st.named(o, "AD", "campaign", "adgroup")
			for _, g := range st.sim.Faults() {
				if g.Hits == 0 && f.Kind != "cut" {
					t.Error("the fault did not strike")
				}
			}
			st.sim.ClearFaults()
		})
	}
}

// named fails when ids of the report have no name. One in ten may lack it: the
// simulator, like Naver, has rows of what its lists do not tell any more.
func (st *stage) named(o run.Order, report string, columns ...string) {
	st.t.Helper()
	schema, rows := st.rows(o, report)
	for _, column := range columns {
		id := schema.Index(column + "_id")
		if column == "media_name" {
			id = schema.Index("media")
		}
		all, without := map[string]bool{}, map[string]bool{}
		for _, row := range rows {
			if row[id] == "∅" {
				continue
			}
			all[row[id]] = true
			if row[schema.Index(column)] == "∅" {
				without[row[id]] = true
			}
		}
		if len(all) == 0 || 10*len(without) > len(all) {
			st.t.Errorf("%s: %d of %d ids have no name", column, len(without), len(all))
		}
	}
}

// TestNoneThatCannotBeTrue: Naver says there is nothing, /stats knows better.
func TestNoneThatCannotBeTrue(t *testing.T) {
	st := newStage(t, nil, vendor.Options{Accounts: 20}, nil)
	if _, err := st.sim.AddFault(vendor.Fault{Kind: "none", Report: "AD", Times: 1}); err != nil {
		t.Fatal(err)
	}
	o := st.order(st.busy()[0], 1, "AD")
	s := st.fails(o)
	if s.Do != run.Park || s.Reason != run.CodePlatformPreparing || s.Args[0] != "naver.suspicious_empty" || s.Until.Sub(st.clock.now()) < 5*time.Minute {
		t.Errorf("%+v", s)
	}
	st.clock.forward(10 * time.Minute)
	st.must(o)
	rt, _ := typeOf("AD")
	st.compare(o, rt)
	if _, err := st.sim.AddFault(vendor.Fault{Kind: "none", Report: "AD_CONVERSION", Times: 1}); err != nil {
		t.Fatal(err)
	}
	if s := st.fails(st.order(o.CustomerID, 1, "AD_CONVERSION")); s.Args[0] != "naver.suspicious_empty" {
		t.Errorf("%+v", s)
	}
	// An account without impressions really has none.
	quiet := st.order(st.quiet()[0], 1, "AD")
	st.must(quiet)
	if _, rows := st.rows(quiet, "AD"); len(rows) != 0 {
		t.Errorf("%d rows", len(rows))
	}
}

// TestAPartOfADay: a report has less than half of the rows of the days before.
func TestAPartOfADay(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	before := st.order(st.busy()[0], 5, "AD")
	before.To--
	st.must(before)
	if _, err := st.sim.AddFault(vendor.Fault{Kind: "partial", Report: "AD", Day: "20261124", Times: 1}); err != nil {
		t.Fatal(err)
	}
	o := st.order(before.CustomerID, 5, "AD")
	s := st.fails(o)
	if s.Do != run.Park || s.Args[0] != "naver.suspicious_part" {
		t.Errorf("%+v", s)
	}
	st.clock.forward(11 * time.Minute)
	st.must(o)
	rt, _ := typeOf("AD")
	st.compare(o, rt)
}

// TestAPartWithoutHistory: the first report of an account, and conversions too,
// are held against the statistics.
func TestAPartWithoutHistory(t *testing.T) {
	for _, report := range []string{"AD", "AD_DETAIL", "AD_CONVERSION", "AD_CONVERSION_DETAIL"} {
		t.Run(report, func(t *testing.T) {
			st := newStage(t, nil, vendor.Options{Keywords: 60}, nil)
			if _, err := st.sim.AddFault(vendor.Fault{Kind: "partial", Report: report, Times: 1}); err != nil {
				t.Fatal(err)
			}
			o := st.order(st.busy()[0], 1, report)
			if s := st.fails(o); s.Do != run.Park || s.Args[0] != "naver.suspicious_part" {
				t.Errorf("%+v", s)
			}
			st.clock.forward(11 * time.Minute)
			st.must(o)
			rt, _ := typeOf(report)
			st.compare(o, rt)
		})
	}
}

// TestTypesAreCompared: on days long before yesterday nothing tells that a report
// is a part but another one of the same day.
func TestTypesAreCompared(t *testing.T) {
	st := newStage(t, nil, vendor.Options{Keywords: 60}, nil)
	o := st.order(st.busy()[0], 7, "AD", "AD_DETAIL")
	day := o.To - 4
	if _, err := st.sim.AddFault(vendor.Fault{Kind: "partial", Report: "AD_DETAIL", Day: day.String(), Times: 1}); err != nil {
		t.Fatal(err)
	}
	st.must(o)
	if calls, _ := st.seen.take(); calls[postJob] != 15 {
		t.Errorf("%d jobs for 14 reports and one part", calls[postJob])
	}
	o.From, o.To, o.Reports = day, day, []string{"AD_DETAIL"}
	rt, _ := typeOf("AD_DETAIL")
	st.compare(o, rt)
}

// TestAStoredPartIsDoubted: what is stored and contradicts the statistics,
// whoever asks them, is fetched again by the next who reads it; those who show
// it are told. What Naver stayed with is not asked for again.
func TestAStoredPartIsDoubted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var told, doubted []string
		st := newStage(t, d, vendor.Options{}, func(o *Options) {
			o.Doubted = func(_ context.Context, _ *db.Tx, customer, report string, day table.Day, rawData string) error {
				doubted = append(doubted, report+" "+day.String()+" "+rawData)
				return nil
			}
			o.Restated = func(_ context.Context, _ *db.Tx, customer, report string, day table.Day, rawData string) error {
				told = append(told, report+" "+day.String()+" "+rawData)
				return nil
			}
		})
		customer := st.busy()[0]
		o := st.order(customer, 1, "AD")
		rt, _ := typeOf("AD")
		part := func(m *meta) {
			t.Helper()
			_, err := st.o.Archive.Put(context.Background(), archive.Draft{Key: need{piece: piece{customer, "AD", o.To}}.key(), Schema: rt.schema(0), Meta: m, At: st.clock.now(),
				Write: func(w *archive.Writer) error {
					row := make(table.Row, len(rt.fields))
					for i, f := range rt.fields {
						row[i] = table.S("x")
						if f.form.kind().Numeric() || f.form.kind() == table.Date {
							row[i] = table.I(1)
						}
					}
					return w.Write(row)
				}})
			if err != nil {
				t.Fatal(err)
			}
		}
		part(&meta{Believed: true})
		st.must(st.order(customer, 1, "AD_CONVERSION")) // its first: /stats is asked
		st.seen.take()
		st.must(o)
		if calls, _ := st.seen.take(); calls[postJob] != 0 {
			t.Errorf("what Naver stayed with was fetched again: %v", calls)
		}
		part(&meta{})
		st.must(st.order(customer, 1, "AD_CONVERSION_DETAIL"))
		st.seen.take()
		o.RunID, o.RawDataID = db.NewID(), "any"
		st.must(o)
		if calls, _ := st.seen.take(); calls[postJob] != 1 {
			t.Errorf("a doubted piece: %v", calls)
		}
		st.compare(o, rt)
		if want := "AD " + o.To.String() + " any"; len(told) != 1 || told[0] != want {
			t.Errorf("told %v, want %s", told, want)
		}
		st.must(o)
		if calls, _ := st.seen.take(); calls[postJob] != 0 {
			t.Errorf("it is still doubted: %v", calls)
		}
		if want := "AD " + o.To.String() + " "; len(doubted) != 1 || doubted[0] != want {
			t.Errorf("doubted %v, want %s", doubted, want)
		}
		// An order that shows both fetches it itself.
		customer = st.busy()[1]
		both := st.order(customer, 1, "AD")
		o = both
		part(&meta{})
		both.Reports, both.RunID, both.RawDataID = []string{"AD", "AD_CONVERSION"}, db.NewID(), "both"
		st.seen.take()
		st.must(both)
		if calls, _ := st.seen.take(); calls[postJob] != 2 {
			t.Errorf("both: %v", calls)
		}
		st.compare(o, rt)
		if want := "AD " + o.To.String() + " both"; len(doubted) != 2 || doubted[1] != want {
			t.Errorf("doubted %v, want %s", doubted, want)
		}
	})
}

// TestStuck: a job that does not move is made a second time, and not a third.
func TestStuck(t *testing.T) {
	quick := func(o *Options) { o.ReportDeadline = time.Second }
	st := newStage(t, nil, vendor.Options{}, quick)
	if _, err := st.sim.AddFault(vendor.Fault{Kind: "stuck", Report: "AD", Times: 1}); err != nil {
		t.Fatal(err)
	}
	o := st.order(st.busy()[0], 1, "AD")
	st.must(o)
	if calls, _ := st.seen.take(); calls[postJob] != 2 {
		t.Errorf("%d jobs, want 2", calls[postJob])
	}
	if _, err := st.sim.AddFault(vendor.Fault{Kind: "stuck", Report: "AD_CONVERSION"}); err != nil {
		t.Fatal(err)
	}
	s := st.fails(st.order(o.CustomerID, 1, "AD_CONVERSION"))
	if s.Do != run.Retry || s.Args[0] != "naver.job_late" {
		t.Errorf("%+v", s)
	}
	if calls, _ := st.seen.take(); calls[postJob] != 2 {
		t.Errorf("%d jobs, want 2", calls[postJob])
	}
}

// TestPeriodGone: older than the type allows; the message says what can be had.
func TestPeriodGone(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	for report, days := range map[string]int{"AD_CONVERSION_DETAIL": 45, "AD_DETAIL": 180, "AD": 365} {
		o := st.order(st.busy()[0], days+1, report)
		s := st.fails(o)
		today := table.DayOf(st.clock.now())
		want := []any{"naver.period_gone", report, (today - table.Day(days) - 1).String(), (today - table.Day(days)).String(), (today - 1).String()}
		if s.Do != run.Fail || s.Reason != run.CodePeriodUnavailable || fmt.Sprint(s.Args) != fmt.Sprint(want) {
			t.Errorf("%+v, want %v", s, want)
		}
		o.From, o.To = o.From+1, o.From+1
		st.must(o)
	}
	if calls, _ := st.seen.take(); calls[postJob] != 3 {
		t.Errorf("%d jobs", calls[postJob])
	}
}
