package app

import (
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"imreport/internal/account"
	"imreport/internal/archive"
	"imreport/internal/config"
	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/table"
	"imreport/internal/web/api"
	vendor "imreport/sim/naver"
)

// TestOnlyWhatMayBeSeenCounts: what others have stored of a customer shows
// neither in an estimate nor in which periods are possible, unless one's own
// key reaches the customer.
func TestOnlyWhatMayBeSeenCounts(t *testing.T) {
	each(t, func(t *testing.T, c config.Config) {
		sim := vendor.New(vendor.Options{Accounts: 2})
		server := httptest.NewServer(sim)
		defer server.Close()
		c.NaverURL = server.URL
		a := open(t, c, Options{Migrate: true, Web: true})
		first, err := a.people.EnsureFirst(bg)
		if err != nil {
			t.Fatal(err)
		}
		ws := first.WorkspaceID
		key, err := a.keys.AddKey(bg, ws, account.NewKey{Name: "k", License: vendor.DefaultLicense, Secret: vendor.DefaultSecret}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		customer := sim.Customers()[0].ID
		acc, _, err := a.keys.AddAccount(bg, ws, account.NewAccount{APIKeyID: key.ID, CustomerID: strconv.FormatInt(customer, 10)}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		today := table.DayOf(time.Now())
		old, gap := today-401, today-399
		for _, d := range []table.Day{old, today - 400, today - 398, today - 5, today - 4} {
			if _, err := a.archive.Put(bg, archive.Draft{Key: archive.Key{Platform: account.NaverSearchAd, CustomerID: acc.CustomerID, Report: "AD", Day: d}}); err != nil {
				t.Fatal(err)
			}
		}
		from, to := today-5, today-4
		in := report.Input{AccountID: acc.ID, Reports: []string{"AD"}, Period: report.Period{From: &from, To: &to}}
		look := func() (stored int, day table.Day, some bool, err error) {
			e, err := a.estimate(bg, ws, in)
			if err != nil {
				t.Fatal(err)
			}
			if full := e.Stored == 0 && e.Requests >= 4; full == (e.Stored == 2) {
				t.Errorf("estimate %+v", e)
			}
			day, some, err = archived{a}.Missing(bg, acc.ID, "AD", old, today-398)
			return e.Stored, day, some, err
		}
		sim.Forbid(customer, true)
		if stored, day, some, err := look(); stored != 0 || day != old || !some || err != nil {
			t.Errorf("without a right: %d stored, missing %v %v %v", stored, day, some, err)
		}
		sim.Forbid(customer, false)
		if stored, day, some, err := look(); stored != 2 || day != gap || !some || err != nil {
			t.Errorf("with a right: %d stored, missing %v %v %v, want %v", stored, day, some, err, gap)
		}
		if _, err := a.d.Exec(bg, `UPDATE ad_account SET proved_us = 1`); err != nil { // long ago
			t.Fatal(err)
		}
		sim.SetMaintenance(true)
		if stored, day, some, err := look(); stored != 0 || day != old || !some || err != nil {
			t.Errorf("while Naver is closed: %d stored, missing %v %v %v", stored, day, some, err)
		}
		if _, _, err := (archived{a}).Missing(bg, acc.ID, "AD", old, old+1); !errs.Is(err, "account.not_checked") {
			t.Errorf("all is stored, Naver is closed: %v", err)
		}
	})
}

// TestNewerNumbersAreTold: a spreadsheet tells which of its days have changed
// since it was filled, or are in doubt, while its workspace may see them.
func TestNewerNumbersAreTold(t *testing.T) {
	each(t, func(t *testing.T, c config.Config) {
		a := open(t, c, Options{Migrate: true})
		filled := time.Now().Add(-time.Hour)
		today := table.DayOf(filled)
		put := func(day table.Day, clicks int64, at time.Time) archive.Piece {
			t.Helper()
			p, err := a.archive.Put(bg, archive.Draft{
				Key:    archive.Key{Platform: account.NaverSearchAd, CustomerID: "1", Report: "AD", Day: day},
				Schema: table.Schema{{Name: "clicks", Kind: table.Int}}, At: at,
				Write: func(w *archive.Writer) error { return w.Write(table.Row{table.I(clicks)}) },
			})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		before := filled.Add(-time.Hour)
		put(today-1, 1, before)
		put(today-2, 1, before)
		doubted := put(today-3, 1, before)
		put(today-9, 1, before)
		put(today-1, 2, time.Now()) // changed
		put(today-2, 1, time.Now()) // the same
		put(today-9, 2, time.Now()) // not of its days
		if err := a.d.InTx(bg, func(tx *db.Tx) error { return a.archive.Doubt(bg, tx, doubted, time.Now()) }); err != nil {
			t.Fatal(err)
		}
		it := run.Item{RawData: report.RawData{Reports: []string{"AD"}, Period: report.Period{LastDays: 5}}, Status: run.Status{FilledAt: filled}}
		acc := account.Account{Platform: account.NaverSearchAd, CustomerID: "1", ProvedAt: filled}
		all, err := a.newer(bg, it, acc)
		want := []api.Newer{{Report: "AD", Day: today - 3, Doubtful: true}, {Report: "AD", Day: today - 1}}
		if err != nil || !slices.Equal(all, want) {
			t.Errorf("%v %v, want %v", all, err, want)
		}
		acc.ProvedAt = filled.Add(-25 * time.Hour)
		if all, err = a.newer(bg, it, acc); err != nil || all != nil {
			t.Errorf("who may not see it is told %v %v", all, err)
		}
	})
}
