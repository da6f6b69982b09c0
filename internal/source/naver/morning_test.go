package naver

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"imreport/internal/account"
	"imreport/internal/archive"
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

// TestIdleAccounts: nothing happened for days; one call tells so, for all
// types and days, and proves the right. The list of campaigns is read again on
// every third morning, and when a person asks.
func TestIdleAccounts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		proofs := &proofs{at: map[string]time.Time{}}
		st := newStage(t, d, vendor.Options{Accounts: 20}, func(o *Options) { o.Accounts = proofs })
		customer := st.quiet()[0]
		st.must(st.order(customer, 5, four...))
		var costs []int
		for range 5 {
			st.clock.forward(24 * time.Hour)
			st.must(st.order(st.busy()[0], 1, "AD")) // somebody has seen that the day is published
			st.seen.take()
			o := st.order(customer, 5, four...)
			o.Routine, o.AccountID = true, "account"
			told, _, err := st.Estimate(context.Background(), o)
			if err != nil || told != 1 {
				t.Errorf("told %d requests, %v", told, err)
			}
			st.must(o)
			calls, _ := st.seen.take()
			costs = append(costs, sum(calls))
			if calls["GET /stats"] != 1 || calls["GET /ncc/campaigns"] != sum(calls)-1 {
				t.Errorf("an idle account cost %v", calls)
			}
			st.must(o) // a second raw data
			if calls, _ := st.seen.take(); sum(calls) != 0 {
				t.Errorf("a second raw data of an idle account cost %v", calls)
			}
			if _, rows := st.rows(o, "AD"); len(rows) != 0 {
				t.Errorf("%d rows", len(rows))
			}
			st.restart() // what is known is stored
		}
		if want := []int{1, 1, 2, 1, 1}; !slices.Equal(costs, want) {
			t.Errorf("calls on five mornings %v, want %v", costs, want)
		}
		st.clock.forward(24 * time.Hour)
		st.must(st.order(st.busy()[0], 1, "AD"))
		st.seen.take()
		st.must(st.order(customer, 5, four...)) // a person
		if calls, _ := st.seen.take(); sum(calls) != 2 || calls["GET /ncc/campaigns"] != 1 {
			t.Errorf("a person's click cost %v", calls)
		}
	})
}

// proofs are Accounts that remember when they were reached.
type proofs struct{ at map[string]time.Time }

func (p *proofs) Account(_ context.Context, _ db.Queryer, id string) (account.Account, error) {
	return account.Account{ID: id, ProvedAt: p.at[id]}, nil
}

func (p *proofs) MarkProved(_ context.Context, id string, now time.Time) error {
	p.at[id] = now
	return nil
}

// TestIdleAccountsThatAreNot: a report of a day with rows may be restated, so
// that the list of jobs is looked at; an account that was active lately may
// have conversions that /stats does not tell; and campaigns that were deleted
// or made are noticed.
func TestIdleAccountsThatAreNot(t *testing.T) {
	st := newStage(t, nil, vendor.Options{Accounts: 20}, nil)
	busy, customer := st.busy()[0], st.quiet()[0]
	o := st.order(customer, 5, "AD", "AD_CONVERSION")
	st.must(o)
	// As if it had been active nine days ago.
	old := need{piece: piece{customer, "AD", o.To - 8}}
	rt, _ := typeOf("AD")
	_, err := st.o.Archive.Put(context.Background(), archive.Draft{Key: old.key(), Schema: rt.schema(0), Meta: &meta{}, At: st.clock.now(),
		Write: func(w *archive.Writer) error {
			row := make(table.Row, len(rt.fields))
			for i := range row {
				row[i] = table.Null
			}
			return w.Write(row)
		}})
	if err != nil {
		t.Fatal(err)
	}
	next := func() map[string]int {
		st.clock.forward(24 * time.Hour)
		st.must(st.order(busy, 1, "AD"))
		st.seen.take()
		o := st.order(customer, 5, "AD", "AD_CONVERSION")
		o.Routine = true
		st.must(o)
		calls, all := st.seen.take()
		for _, c := range all {
			if strings.HasPrefix(c, postJob) && !strings.Contains(c, `"AD_CONVERSION"`) {
				t.Errorf("asked for %s", c)
			}
		}
		return calls
	}
	if calls := next(); calls[postJob] != 3 || calls[getJobs] == 0 || calls["GET /stats"] == 0 {
		t.Errorf("an account that was active lately cost %v", calls)
	}
	for range conversionsFor - 9 + st.Source.o.RefetchDays {
		st.clock.forward(24 * time.Hour)
		st.must(st.order(busy, 1, "AD"))
	}
	st.must(st.order(customer, 14, "AD", "AD_CONVERSION"))
	if calls := next(); sum(calls) != 1 {
		t.Errorf("an account that has long been idle cost %v", calls)
	}
	// One of the campaigns is deleted: its id is refused, or says nothing.
	names, err := st.names(context.Background(), customer, isCampaign)
	if err != nil {
		t.Fatal(err)
	}
	for id := range names.names.of {
		if err := st.sim.Delete(customerID(customer), id); err != nil {
			t.Fatal(err)
		}
		break
	}
	next()
	next()
	known, err := st.knownCampaigns(context.Background(), customer, st.today())
	if err != nil || len(known) != 5 {
		t.Errorf("%d campaigns are known, %v; want 5 of 6", len(known), err)
	}
}

// TestClicksBeforeWhatIsStored: the account was active on a day of which
// nothing is stored. For twenty days the clicks of then may convert, which
// /stats does not tell; after that nothing can come.
func TestClicksBeforeWhatIsStored(t *testing.T) {
	var active table.Day
	var asked []table.Day
	st := newStage(t, nil, vendor.Options{Accounts: 20}, func(o *Options) {
		o.Transport = through(func(r *http.Request) *http.Response {
			var p struct{ Since table.Day }
			if r.URL.Path != "/stats" || json.Unmarshal([]byte(r.URL.Query().Get("timeRange")), &p) != nil {
				return nil
			}
			if asked = append(asked, p.Since); p.Since > active {
				return nil
			}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
				Body: io.NopCloser(strings.NewReader(`{"data":[{"id":"cmp-1","impCnt":7,"clkCnt":1,"ccnt":0}]}`))}
		})
	})
	customer := st.quiet()[0]
	st.must(st.order(customer, 4, "AD", "AD_CONVERSION"))
	active = st.today() - 18 // on the fifth morning 20 days before the oldest day that is fetched anew
	for day, jobs := range []int{3, 3, 3, 3, 3, 0} {
		st.clock.forward(24 * time.Hour)
		st.must(st.order(st.busy()[0], 1, "AD"))
		st.seen.take()
		asked = nil
		o := st.order(customer, 4, "AD", "AD_CONVERSION")
		o.Routine = true
		st.must(o)
		calls, all := st.seen.take()
		for _, c := range all {
			if strings.HasPrefix(c, postJob) && !strings.Contains(c, `"AD_CONVERSION"`) {
				t.Errorf("morning %d: asked for %s", day, c)
			}
		}
		if calls[postJob] != jobs {
			t.Errorf("morning %d: %d conversion reports, want %d; /stats since %v, active on %s", day, calls[postJob], jobs, asked, active)
		}
	}
}

// through is a transport that answers by itself where it wants to.
type through func(*http.Request) *http.Response

func (f through) RoundTrip(r *http.Request) (*http.Response, error) {
	if a := f(r); a != nil {
		return a, nil
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestIdleAccountWakes: when something happens, the reports are fetched.
func TestIdleAccountWakes(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	customer := st.busy()[0]
	o := st.order(customer, 4, "AD")
	st.must(o)
	for d := o.From; d <= o.To; d++ { // as if there had been nothing
		_, err := st.o.Archive.Put(context.Background(), archive.Draft{Key: need{piece: piece{customer, "AD", d}}.key(), Meta: &meta{None: true}, At: st.clock.now()})
		if err != nil {
			t.Fatal(err)
		}
	}
	st.clock.forward(24 * time.Hour)
	st.must(st.order(st.busy()[1], 1, "AD"))
	o = st.order(customer, 4, "AD")
	o.Routine = true
	st.seen.take()
	st.must(o)
	if calls, _ := st.seen.take(); calls["GET /stats"] != 1 {
		t.Errorf("asked %d times whether it is idle", calls["GET /stats"])
	}
	if _, rows := st.rows(o, "AD"); len(rows) == 0 {
		t.Error("an active account was taken for an idle one")
	}
}

// TestWhatIsLearnedIsKept: build times and the count of spared requests
// outlive the process, and are each key's own.
func TestWhatIsLearnedIsKept(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		st := newStage(t, d, vendor.Options{}, nil)
		for _, ws := range []string{"ws", "other"} {
			if _, err := d.Exec(ctx, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ($1, $1, 'Asia/Seoul', 'ko', 0)`, ws); err != nil {
				t.Fatal(err)
			}
			_, err := d.Exec(ctx, `INSERT INTO api_key (id, workspace_id, platform, name, license, secrets, secret_count, owner_customer, revision, state, reason,
				invalid_us, proved_us, head_room, created_us, updated_us) VALUES ($1, $2, 'naver_searchad', 'k', 'l', '', 0, '', 1, 'valid', '', 0, 0, 0, 0, 0)`, "key of "+ws, ws)
			if err != nil {
				t.Fatal(err)
			}
		}
		st.cred.ID = "key of ws"
		o := st.order(st.busy()[0], 5, four...)
		st.must(o)
		st.builds.saw("AD", 9*time.Second, false)
		want := st.builds.expect("AD")
		o.RunID, o.RawDataID = db.NewID(), "another"
		st.must(o)
		first, err := st.Spared(ctx, "ws", "")
		if err != nil {
			t.Fatal(err)
		}
		by := map[Why]int64{}
		for _, b := range first.By {
			by[b.Why] = b.Requests
		}
		if by[WhyKept] != 2*20 || by[WhyLists] != callsPerList*3 || by[WhyPolls] == 0 || by[WhyIdle]+by[WhyShared] != 0 {
			t.Errorf("spared %v", by)
		}
		if first.Requests != st.Counts().Saved || first.Since.IsZero() {
			t.Errorf("%d since %v, of this process %d", first.Requests, first.Since, st.Counts().Saved)
		}
		if err := st.Close(ctx); err != nil {
			t.Fatal(err)
		}
		s, err := New(st.o)
		if err != nil {
			t.Fatal(err)
		}
		s.recall(ctx)
		if got := s.builds.expect("AD"); got != want.Truncate(time.Microsecond) {
			t.Errorf("after a restart a build takes %v, was %v", got, want)
		}
		o.RunID = db.NewID()
		if err := s.Collect(ctx, o, &progress{t: t}); err != nil {
			t.Fatal(err)
		}
		// The look of before is not known any more, nor who has read the lists.
		second, err := s.Spared(ctx, "ws", "key of ws")
		if err != nil || second.Requests != first.Requests+2*20 || !second.Since.Equal(first.Since) {
			t.Errorf("then %+v, %v; before %+v", second, err, first)
		}
		if o, err := s.Spared(ctx, "other", ""); err != nil || o.Requests != 0 {
			t.Errorf("another workspace sees %+v, %v", o, err)
		}
		if _, err := d.Exec(ctx, `DELETE FROM api_key WHERE id = 'key of ws'`); err != nil {
			t.Fatal(err)
		}
		o.RunID = db.NewID()
		if err := s.Collect(ctx, o, &progress{t: t}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
		left := -1
		if err := d.QueryRow(ctx, `SELECT count(*) FROM naver_spared`).Scan(&left); err != nil || left != 0 {
			t.Errorf("%d rows of a deleted key are left, %v", left, err)
		}
	})
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
