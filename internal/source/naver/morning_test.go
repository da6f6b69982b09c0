package naver

import (
	"context"
	"strings"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/table"
	vendor "imreport/sim/naver"
)

var four = []string{"AD", "AD_CONVERSION", "AD_DETAIL", "EXPKEYWORD"}

// TestCallsOfAMorning: an ordinary morning of an account with four report
// types costs at most 25 calls when only yesterday is fetched, and 45 with the
// three days of correction; a second raw data over the same pieces costs the
// daily proof. How often the list of jobs is looked at depends on how fast this
// machine is, so it is left out: five looks are reckoned with.
func TestCallsOfAMorning(t *testing.T) {
	for _, c := range []struct {
		name    string
		refetch int
		most    int
	}{{"yesterday only", 1, 25}, {"three days", 3, 45}} {
		t.Run(c.name, func(t *testing.T) {
			st := newStage(t, nil, vendor.Options{BuildMin: 10 * time.Millisecond, BuildMax: 50 * time.Millisecond}, func(o *Options) { o.RefetchDays = c.refetch })
			customer := st.busy()[0]
			for day := range 4 { // a week's beginning, so that all is ordinary
				st.must(st.order(customer, 7, four...))
				calls, _ := st.seen.take()
				if day > 0 {
					t.Logf("day %d: %d calls %v", day, sum(calls), calls)
				}
				if n := sum(calls) - calls[getJobs] + 5; day == 3 && n > c.most {
					t.Errorf("%d calls, want at most %d: %v", n, c.most, calls)
				}
				if day == 3 {
					st.must(st.order(customer, 7, four...))
					if calls, _ := st.seen.take(); sum(calls) > 1 {
						t.Errorf("a second raw data: %v", calls)
					}
				}
				st.clock.forward(24 * time.Hour)
			}
		})
	}
}

// TestEstimate: what people are told before they press the button is near what
// it costs.
func TestEstimate(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	customer := st.busy()[0]
	for _, days := range []int{2, 10, 40} {
		o := st.order(customer, days, "AD", "AD_CONVERSION")
		told, pieces, err := st.Estimate(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		st.seen.take()
		before := st.Counts().Fetched
		st.must(o)
		calls, _ := st.seen.take()
		if n := sum(calls); told < n*6/10 || told > n*16/10 {
			t.Errorf("%d days: told %d, took %d: %v", days, told, n, calls)
		}
		if got := st.Counts().Fetched - before; int64(pieces) != got {
			t.Errorf("%d days: told %d pieces, fetched %d", days, pieces, got)
		}
	}
}

// TestIdleAccounts: nothing happened for days; two calls tell so, for all
// types and days. When something happens, the reports are fetched.
func TestIdleAccounts(t *testing.T) {
	st := newStage(t, nil, vendor.Options{Accounts: 20}, nil)
	customer := st.quiet()[0]
	st.must(st.order(customer, 5, four...))
	st.clock.forward(24 * time.Hour)
	st.must(st.order(st.busy()[0], 1, "AD")) // somebody has seen that the day is published
	st.seen.take()
	o := st.order(customer, 5, four...)
	st.must(o)
	calls, _ := st.seen.take()
	if sum(calls) > 3 || calls[postJob] != 0 { // the list of jobs as well, for CHANGED
		t.Errorf("an idle account cost %v", calls)
	}
	if n := st.Counts().Quiet; n != 12 {
		t.Errorf("%d pieces of an idle account, want 12", n)
	}
	if _, rows := st.rows(o, "AD"); len(rows) != 0 {
		t.Errorf("%d rows", len(rows))
	}
	for range watchDays + 2 { // until none of its jobs is left
		st.clock.forward(24 * time.Hour)
		st.must(st.order(st.busy()[0], 1, "AD"))
		st.seen.take()
		st.must(st.order(customer, 5, four...))
	}
	if calls, _ := st.seen.take(); sum(calls) > 2 {
		t.Errorf("an account that has been idle for long cost %v", calls)
	}
}

// TestBackfillUnderTheCap: people have filled the customer's 100 places; 40
// days are collected all the same, no job of ours is pushed out before it was
// read, and what we leave behind is watched or nothing.
func TestBackfillUnderTheCap(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		st := newStage(t, d, vendor.Options{}, nil)
		customer := st.busy()[0]
		console := who{cred: st.cred, customer: customer}
		for range 100 {
			if _, err := st.client.createJob(context.Background(), console, "CRITERION", table.DayOf(st.clock.now())-1); err != nil {
				t.Fatal(err)
			}
		}
		st.clock.forward(time.Minute)
		st.seen.take()
		o := st.order(customer, 40, "AD")
		st.must(o)
		calls, _ := st.seen.take()
		if calls[postJob] != 40 {
			t.Errorf("%d jobs for 40 pieces", calls[postJob])
		}
		rt, _ := typeOf("AD")
		st.compare(o, rt)
		jobs, err := st.client.jobs(context.Background(), console)
		if err != nil {
			t.Fatal(err)
		}
		ours := 0
		for _, j := range jobs {
			if j.Report == "AD" {
				ours++
				if j.Day.Day < table.DayOf(st.clock.now())-watchDays {
					t.Errorf("a job of %s was left behind", j.Day.Day)
				}
			}
		}
		if ours > watchDays {
			t.Errorf("%d jobs of ours", ours)
		}
	})
}

// TestJobsKept: with many types not more than 95 jobs of ours stand, and what
// a crash left behind is removed.
func TestJobsKept(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	customer := st.busy()[0]
	names := []string{}
	for _, rt := range reportTypes {
		names = append(names, rt.name)
	}
	o := st.order(customer, 12, names...)
	st.must(o)
	jobs, err := st.client.jobs(context.Background(), who{cred: st.cred, customer: customer})
	if err != nil || len(jobs) > jobsKept {
		t.Errorf("%d jobs stand, %v", len(jobs), err)
	}
	t.Logf("%d jobs stand", len(jobs))
	// A job that no piece came from.
	if err := st.store.made(context.Background(), piece{customer, "AD", o.To}, 4711, st.clock.now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	st.clock.forward(24 * time.Hour)
	st.must(st.order(customer, 2, "AD"))
	known, err := st.store.known(context.Background(), customer)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range known {
		if !k.current {
			t.Errorf("job %d of %v is left over", k.id, k.piece)
		}
	}
}

// TestMastersLeftBehind: lists that a crash left at Naver are removed later.
func TestMastersLeftBehind(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	customer := st.busy()[0]
	w := who{cred: st.cred, customer: customer}
	for range 98 {
		m, err := st.client.createMaster(context.Background(), w, itemCampaign, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if err := st.store.madeMaster(context.Background(), customer, string(m.ID), st.clock.now()); err != nil {
			t.Fatal(err)
		}
	}
	st.clock.forward(2 * time.Hour)
	st.seen.take()
	o := st.order(customer, 1, "AD")
	st.must(o)
	if n := st.sim.Metrics().MasterJobs; n != 0 {
		t.Errorf("%d lists are left at Naver", n)
	}
	_, all := st.seen.take()
	for _, c := range all {
		if strings.HasPrefix(c, "GET /ncc/adgroups") {
			t.Error("fell back though there was room to make")
		}
	}
	st.named(o, "AD", "campaign", "adgroup", "keyword")
}
