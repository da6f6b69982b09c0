package naver

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"imreport/internal/table"
	vendor "imreport/sim/naver"
)

// TestNames: every id has its name beside it, exactly as Naver has it, tabs and
// all; it keeps it after a deletion, and takes a new one by the next delta.
func TestNames(t *testing.T) {
	st := newStage(t, nil, vendor.Options{Accounts: 20}, nil)
	customer := ""
	for _, c := range st.busy() { // one with odd names
		groups, err := st.sim.TruthMaster(customerID(c), itemGroup)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(groups, func(g []string) bool { return strings.Contains(g[3], "\t") }) {
			customer = c
			break
		}
	}
	o := st.order(customer, 3, "AD", "CRITERION", "ADEXTENSION")
	st.must(o)
	st.named(o, "AD", "campaign", "adgroup", "keyword", "media_name", "ad", "channel")
	st.named(o, "CRITERION", "criterion", "campaign", "adgroup")
	tabs := 0
	for _, item := range []string{itemCampaign, itemGroup, itemKeyword} {
		m := masterItems[item]
		truth, err := st.sim.TruthMaster(customerID(customer), item)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range truth {
			if strings.Contains(row[m.title], "\t") {
				tabs++
			}
			got := st.name(customer, row[m.id])
			if got != strings.TrimSpace(row[m.title]) {
				t.Errorf("%s %s is called %q, want %q", item, row[m.id], got, row[m.title])
			}
		}
	}
	if tabs == 0 {
		t.Error("the simulator has no name with a tab")
	}
	// A campaign is renamed, another deleted.
	truth, err := st.sim.TruthMaster(customerID(customer), "Campaign")
	if err != nil {
		t.Fatal(err)
	}
	renamed, deleted := truth[0][1], truth[1][1]
	old := st.name(customer, deleted)
	st.clock.forward(time.Hour)
	if err := st.sim.Rename(customerID(customer), renamed, "새 이름"); err != nil {
		t.Fatal(err)
	}
	if err := st.sim.Delete(customerID(customer), deleted); err != nil {
		t.Fatal(err)
	}
	st.clock.forward(23 * time.Hour)
	st.seen.take()
	st.must(st.order(customer, 3, "AD"))
	if got := st.name(customer, renamed); got != "새 이름" {
		t.Errorf("renamed to %q", got)
	}
	if got := st.name(customer, deleted); got != old || old == "" {
		t.Errorf("deleted: %q, was %q", got, old)
	}
	_, all := st.seen.take()
	for _, c := range all {
		if strings.HasPrefix(c, postMaster) && !strings.Contains(c, "fromTime") {
			t.Errorf("a full list on the second day: %s", c)
		}
	}
	if n := st.sim.Metrics().MasterJobs; n != 0 {
		t.Errorf("%d master jobs are left", n)
	}
}

func (st *stage) name(customer, id string) string {
	st.t.Helper()
	snap, err := st.names(context.Background(), customer, nil)
	if err != nil {
		st.t.Fatal(err)
	}
	return snap.names.name(id)
}

// TestNamesOfTheDead: what was deleted before we first looked has a name too.
func TestNamesOfTheDead(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	customer := st.busy()[0]
	for _, item := range []string{"Campaign", "Keyword"} {
		truth, err := st.sim.TruthMaster(customerID(customer), item)
		if err != nil {
			t.Fatal(err)
		}
		if err := st.sim.Delete(customerID(customer), truth[0][masterItems[item].id]); err != nil {
			t.Fatal(err)
		}
	}
	st.clock.forward(time.Minute)
	o := st.order(customer, 2, "AD")
	st.must(o)
	st.named(o, "AD", "campaign", "adgroup", "keyword", "ad")
	// Whoever was asked for in vain is not asked for again.
	st.clock.forward(24 * time.Hour)
	st.must(st.order(customer, 2, "AD"))
	st.seen.take()
	st.clock.forward(24 * time.Hour)
	st.must(st.order(customer, 2, "AD"))
	if calls, _ := st.seen.take(); calls[postMaster] > 3 {
		t.Errorf("%d lists on an ordinary morning", calls[postMaster])
	}
}

// TestMasterCapStuck: Naver's count of master jobs is stuck at 100; names come
// from the /ncc lists.
func TestMasterCapStuck(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	customer := st.busy()[0]
	st.sim.SetMasterStuck(customerID(customer), 100)
	o := st.order(customer, 2, "AD")
	st.must(o)
	st.named(o, "AD", "campaign", "adgroup", "keyword", "ad", "channel")
	st.sim.SetMasterStuck(customerID(customer), 0)
	st.clock.forward(24 * time.Hour)
	o = st.order(customer, 2, "AD")
	st.must(o)
	st.named(o, "AD", "campaign", "adgroup", "keyword", "ad", "channel", "media_name")
}

// TestEmptyNamesHideNothing: during maintenance lists have come with empty
// columns.
func TestEmptyNamesHideNothing(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	customer := st.busy()[0]
	st.must(st.order(customer, 1, "AD"))
	truth, err := st.sim.TruthMaster(customerID(customer), "Campaign")
	if err != nil {
		t.Fatal(err)
	}
	before := st.name(customer, truth[0][1])
	st.clock.forward(24 * time.Hour)
	if err := st.sim.Rename(customerID(customer), truth[0][1], "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := st.sim.AddFault(vendor.Fault{Kind: "nonames"}); err != nil {
		t.Fatal(err)
	}
	st.must(st.order(customer, 1, "AD"))
	if got := st.name(customer, truth[0][1]); got != before || got == "" {
		t.Errorf("%q, was %q", got, before)
	}
}

// TestCostAcrossTheChange: the days before and after 2026-03-30 in one sheet.
func TestCostAcrossTheChange(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	o := st.order(st.busy()[0], 1, "AD")
	o.From, o.To = vatSince-1, vatSince
	st.must(o)
	tabs, err := st.Tabs(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	s := tabs[0].Schema
	r, err := tabs[0].Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	n := map[table.Day]int{}
	err = drain(r, func(row table.Row) error {
		d := table.Day(row[s.Index("date")].Num)
		raw, incl, excl := row[s.Index("cost")].Dec, row[s.Index("cost_vat_incl")].Dec, row[s.Index("cost_vat_excl")].Dec
		if raw > 0 {
			n[d]++
		}
		if d < vatSince && (excl != half(raw) || (incl-raw*1.1) > 0.006 || (raw*1.1-incl) > 0.006) ||
			d >= vatSince && (incl != raw || (excl*1.1-raw) > 0.006 || (raw-excl*1.1) > 0.006) {
			t.Errorf("%s: %v, with %v, without %v", d, raw, incl, excl)
		}
		if imp := row[s.Index("impressions")].Num; imp > 0 {
			if ctr := row[s.Index("ctr")].Dec; ctr != float64(row[s.Index("clicks")].Num)/float64(imp) {
				t.Errorf("ctr %v", ctr)
			}
			if avg := row[s.Index("average_rank")].Dec; avg != float64(row[s.Index("rank_sum")].Num)/float64(imp) {
				t.Errorf("average rank %v", avg)
			}
		}
		return nil
	})
	if err != nil || n[o.From] == 0 || n[o.To] == 0 {
		t.Error(err, n)
	}
}

// TestPurchases: conversions that are purchases stand apart.
func TestPurchases(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	o := st.order(st.busy()[0], 7, "AD_CONVERSION")
	st.must(o)
	schema, rows := st.rows(o, "AD_CONVERSION")
	kinds := map[bool]int{}
	for _, r := range rows {
		is := r[schema.Index("conversion_type")] == "purchase"
		kinds[is]++
		want := "0"
		if is {
			want = r[schema.Index("conversions")]
		}
		if got := r[schema.Index("purchases")]; got != want {
			t.Errorf("%v: purchases %s, want %s", r, got, want)
		}
	}
	if kinds[true] == 0 || kinds[false] == 0 {
		t.Errorf("%v", kinds)
	}
}

// TestANewColumn: what Naver adds is kept, at the end.
func TestANewColumn(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	if _, err := st.sim.AddFault(vendor.Fault{Kind: "column", Report: "AD"}); err != nil {
		t.Fatal(err)
	}
	o := st.order(st.busy()[0], 1, "AD")
	st.must(o)
	schema, rows := st.rows(o, "AD")
	if last := schema[len(schema)-1].Name; last != "unknown_1" || rows[0][len(schema)-1] == "∅" {
		t.Errorf("%s: %s", last, rows[0][len(schema)-1])
	}
}

// TestADamagedPieceIsCollectedAnew: a file of the archive is gone.
func TestADamagedPieceIsCollectedAnew(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	o := st.order(st.busy()[0], 3, "AD")
	st.must(o)
	removed := false
	err := filepath.WalkDir(st.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.Contains(path, "AD") && !strings.Contains(path, "@") && !removed {
			removed = true
			return os.Remove(path)
		}
		return err
	})
	if err != nil || !removed {
		t.Fatal(err, removed)
	}
	tabs, err := st.Tabs(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := tabs[0].Open(context.Background())
	if err == nil {
		err = drain(r, func(table.Row) error { return nil })
		_ = r.Close()
	}
	if err == nil {
		t.Fatal("the missing file was not noticed")
	}
	rt, _ := typeOf("AD")
	st.compare(o, rt) // Tabs collects what is missing
}
