package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"imreport/internal/db"
	"imreport/sim/naver"
)

// States of the contract.
const (
	failed, creating, success = 0, 3, 7
)

// legal checks a raw data's log: docs/runs.md.
func legal(log []row) error {
	var prev row
	for i, l := range log {
		reason := ""
		if l.Reason != nil {
			reason = l.Reason.Code
		}
		if l.Seq != i+1 {
			return fmt.Errorf("row %d has seq %d", i+1, l.Seq)
		}
		if l.RunID != prev.RunID {
			if i > 0 && prev.State != failed && prev.State != success {
				return fmt.Errorf("seq %d: a run began before the one before it ended", l.Seq)
			}
			if l.State < 1 || l.State > creating {
				return fmt.Errorf("seq %d: a run began in %d", l.Seq, l.State)
			}
		} else {
			ok := l.State == prev.State+1 && prev.State >= creating || l.State == creating && prev.State < creating ||
				l.State == prev.State && reason == "resumed" || l.State < creating && reason == "requeued" || l.State == failed
			if !ok {
				return fmt.Errorf("seq %d: from %d to %d (%s)", l.Seq, prev.State, l.State, reason)
			}
		}
		prev = l
	}
	return nil
}

// complete checks that the spreadsheet of a raw data has as many rows as Naver
// has, and none twice.
func (p *process) complete(rawData string, customer int64, days int, reports ...string) {
	t := p.h.t
	t.Helper()
	var b []byte
	p.must("GET", "/api/v1/raw-data/"+rawData+"/file", nil, &b)
	f, err := excelize.OpenReader(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("raw data %s: %v", rawData, err)
	}
	defer func() { _ = f.Close() }()
	today := time.Now().In(time.FixedZone("KST", 9*3600))
	for _, report := range reports {
		want := 0
		for d := 1; d <= days; d++ {
			truth, err := p.h.naver.Truth(customer, report, today.AddDate(0, 0, -d).Format("20060102"))
			if err != nil {
				t.Fatal(err)
			}
			want += len(truth.Rows)
		}
		sheet := report
		if report == "AD_CONVERSION" {
			if i, _ := f.GetSheetIndex(sheet); i < 0 {
				sheet = "AD_CONV"
			}
		}
		rows, err := f.GetRows(sheet)
		if err != nil {
			t.Fatalf("tab %s of %v: %v", sheet, f.GetSheetList(), err)
		}
		if got := len(rows) - 1; got != want {
			t.Errorf("raw data %s: tab %s has %d rows, Naver has %d", rawData, sheet, got, want)
		}
	}
}

// work is what the crash tests let be done: two raw data of each of two
// accounts.
type work struct {
	id       string
	customer int64
	days     int
	reports  []string
}

func (p *process) ask() (all []work) {
	p.h.t.Helper()
	customers := map[string]int64{}
	p.accounts()
	var list struct {
		Items []struct {
			ID         string
			CustomerID string `json:"customer_id"`
		}
	}
	p.must("GET", "/api/v1/ad-accounts", nil, &list)
	for _, a := range list.Items {
		var n int64
		_, _ = fmt.Sscan(a.CustomerID, &n)
		customers[a.ID] = n
	}
	for _, a := range list.Items[:2] {
		for _, w := range []work{{days: 5, reports: []string{"AD", "AD_CONVERSION"}}, {days: 3, reports: []string{"AD"}}} {
			w.id, w.customer = p.rawData(a.ID, w.days, w.reports...), customers[a.ID]
			all = append(all, w)
		}
	}
	return all
}

// check checks that everything that was asked for is done, as it should be.
func (p *process) check(all []work) {
	p.h.t.Helper()
	for _, w := range all {
		log := p.logOf(w.id)
		if err := legal(log); err != nil {
			p.h.t.Errorf("log of %s: %v", w.id, err)
		}
		if last := log[len(log)-1]; last.State != success {
			p.h.t.Errorf("%s ended in %d %v", w.id, last.State, last.Reason)
			continue
		}
		p.complete(w.id, w.customer, w.days, w.reports...)
	}
}

// The process dies, as by kill -9, at each step of a run, and a new one takes
// up where it stood.
func TestKillAtEveryStep(t *testing.T) {
	each(t, func(t *testing.T, postgres bool) {
		for _, at := range []string{"claimed:1", "IMPORTING:2", "piece:1", "piece:9", "INSERTING:1", "ADDING:2", "finished:1", "ended:1"} {
			t.Run(at, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t, postgres)
				release := h.hold()
				p := h.start("serve")
				all := p.ask()
				p.stop() // gives what it holds back
				release()
				p = h.start("serve", "IMREPORT_TEST_CRASH="+at)
				<-p.done
				if code := p.cmd.ProcessState.ExitCode(); code != -1 {
					t.Fatalf("ended with exit code %d, not by a signal:\n%s", code, p.log)
				}
				stored, died := h.stored(), time.Now()
				p = h.start("serve")
				h.allEnded(p)
				h.notAskedAgain(stored, died)
				p.check(all)
			})
		}
	})
}

// Killed at random, again and again: on SQLite the one process, on PostgreSQL
// one of two by turns.
func TestKillAtRandom(t *testing.T) {
	each(t, func(t *testing.T, postgres bool) {
		h := newHouse(t, postgres, func(o *naver.Options) { o.BuildMin, o.BuildMax = 50*time.Millisecond, 400*time.Millisecond })
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 1))
		p := h.start("serve")
		all := p.ask()
		var q *process
		if postgres {
			q = h.start("worker")
		}
		type death struct {
			stored map[string]bool
			at     time.Time
		}
		var deaths []death
		for i := range 6 {
			time.Sleep(time.Duration(100+rnd.IntN(900)) * time.Millisecond)
			if postgres && i%2 == 0 {
				q.kill()
				deaths = append(deaths, death{h.stored(), time.Now()})
				q = h.start("worker")
				continue
			}
			p.kill()
			deaths = append(deaths, death{h.stored(), time.Now()})
			p = h.start("serve")
		}
		h.allEnded(p)
		for _, d := range deaths {
			h.notAskedAgain(d.stored, d.at)
		}
		p.check(all)
	})
}

// The database throws everybody out, again and again: nothing fails for it.
func TestALostDatabaseConnection(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true, func(o *naver.Options) { o.BuildMin, o.BuildMax = 50*time.Millisecond, 400*time.Millisecond })
	p := h.start("serve")
	all := p.ask()
	ctx := context.Background()
	d, err := db.Open(ctx, db.Options{URL: h.pg, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for range 12 {
		time.Sleep(250 * time.Millisecond)
		_, err := d.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		if err != nil {
			t.Fatal(err)
		}
	}
	h.allEnded(p)
	p.check(all)
}
