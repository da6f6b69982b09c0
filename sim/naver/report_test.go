package naver

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestEveryReportType(t *testing.T) {
	c := newClient(t, Options{Seed: 1, Accounts: 4})
	for _, report := range ReportTypes() {
		rows := c.rows(report, "20260519")
		if len(rows) == 0 && report != "SHOPPINGBRANDPRODUCT_CONVERSION" { // a handful of rows at most
			t.Errorf("%s is empty", report)
		}
		seen := map[string]bool{}
		for _, f := range rows {
			if len(f) != reportTypes[report].columns {
				t.Fatalf("%s has %d columns: %q", report, len(f), f)
			}
			values := map[bool]int{false: 5, true: 2}[reportTypes[report].conversions]
			if strings.HasPrefix(report, "CRITERION") && values == 5 {
				values = 3
			}
			key := strings.Join(f[:len(f)-values], "\t")
			if report != "EXPKEYWORD" && report != "SHOPPINGBRANDPRODUCT" && seen[key] {
				t.Errorf("%s has twice: %q", report, key)
			}
			seen[key] = true
		}
		truth, err := c.sim.Truth(c.customer, report, "20260519")
		if err != nil || len(rows) != len(truth.Rows) || len(rows) > 0 && !reflect.DeepEqual(rows, truth.Rows) {
			t.Errorf("%s differs from its truth (%v)", report, err)
		}
		t.Logf("%s: %d rows, %+v", report, len(rows), truth.Sum)
	}
}

func TestReportsAgree(t *testing.T) {
	c := newClient(t, Options{Seed: 2, Accounts: 4})
	sum := func(report, day string) Totals {
		truth, err := c.sim.Truth(c.customer, report, day)
		if err != nil {
			t.Fatal(err)
		}
		truth.Sum.Rows = 0
		return truth.Sum
	}
	for _, day := range []string{"20260329", "20260330"} {
		if ad, detail := sum("AD", day), sum("AD_DETAIL", day); ad != detail || ad.Cost == 0 {
			t.Errorf("%s: AD %+v, AD_DETAIL %+v", day, ad, detail)
		}
		if conv, detail := sum("AD_CONVERSION", day), sum("AD_CONVERSION_DETAIL", day); conv != detail || conv.CCnt == 0 {
			t.Errorf("%s: AD_CONVERSION %+v, its detail %+v", day, conv, detail)
		}
		if ad, exp := sum("AD", day), sum("EXPKEYWORD", day); exp.Cost == 0 || exp.Cost >= ad.Cost {
			t.Errorf("%s: search terms cost %d of %d", day, exp.Cost, ad.Cost)
		}
	}
}

func TestOddRows(t *testing.T) {
	sim := New(Options{Seed: 3, Accounts: 4})
	shop, err := sim.Truth(sim.accts[0].ID, "SHOPPINGKEYWORD_DETAIL", "20260519")
	if err != nil {
		t.Fatal(err)
	}
	quotes := 0
	for _, f := range shop.Rows {
		if strings.Count(f[4], `"`) == 1 {
			quotes++
		}
	}
	ad, err := sim.Truth(sim.accts[0].ID, "AD", "20260819")
	if err != nil {
		t.Fatal(err)
	}
	noKeyword, neither := 0, 0
	for _, f := range ad.Rows {
		if f[4] == "-" && f[5] != "-" {
			noKeyword++
		}
		if f[4] == "-" && f[5] == "-" {
			neither++
		}
	}
	if quotes == 0 || noKeyword == 0 || neither == 0 {
		t.Errorf("lone quotes %d, rows without keyword %d, without keyword and ad %d", quotes, noKeyword, neither)
	}
}

func TestDeterministic(t *testing.T) {
	a, b, other := New(Options{Seed: 5}), New(Options{Seed: 5}), New(Options{Seed: 6})
	get := func(s *Server) Truth {
		truth, err := s.Truth(s.accts[3].ID, "AD", "20260519")
		if err != nil {
			t.Fatal(err)
		}
		return truth
	}
	if !reflect.DeepEqual(a.Customers(), b.Customers()) || !reflect.DeepEqual(get(a), get(b)) {
		t.Error("two simulators of one seed differ")
	}
	if reflect.DeepEqual(get(a), get(other)) {
		t.Error("another seed gives the same rows")
	}
}

func TestDeletedEntityStaysInReports(t *testing.T) {
	c := newClient(t, Options{Seed: 7, Accounts: 2})
	before, err := c.sim.Truth(c.customer, "AD", "20260519")
	if err != nil {
		t.Fatal(err)
	}
	kw := ""
	for _, f := range before.Rows {
		if f[4] != "-" {
			kw = f[4]
			break
		}
	}
	if err := c.sim.Delete(c.customer, kw); err != nil {
		t.Fatal(err)
	}
	c.clock.add(0)
	after, err := c.sim.Truth(c.customer, "AD", "20260519")
	if err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("the rows of %s are gone (%v)", kw, err)
	}
	later, err := c.sim.Truth(c.customer, "AD", "20260521")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range later.Rows {
		if f[4] == kw {
			t.Errorf("%s has rows after it was deleted", kw)
		}
	}
	if code, _, body := c.do("GET", "/ncc/keywords/"+kw, ""); code != 404 || !strings.Contains(body, "1018") {
		t.Errorf("deleted keyword: %d %s", code, body)
	}
}

func TestCostMeaning(t *testing.T) {
	c := newClient(t, Options{Seed: 8, Accounts: 2})
	stats := func(day string) (imp, clk, cost int64) {
		ids := []string{}
		for e := range c.sim.entities(0, kCampaign) {
			ids = append(ids, c.sim.id(e))
		}
		var a struct {
			Data []struct {
				ImpCnt, ClkCnt, SalesAmt int64
			}
		}
		c.get("GET", "/stats?ids="+strings.Join(ids, ",")+`&fields=%5B%22impCnt%22,%22clkCnt%22,%22salesAmt%22%5D&timeRange=%7B%22since%22:%22`+day+`%22,%22until%22:%22`+day+`%22%7D`, "", &a)
		for _, d := range a.Data {
			imp, clk, cost = imp+d.ImpCnt, clk+d.ClkCnt, cost+d.SalesAmt
		}
		return imp, clk, cost
	}
	for _, day := range []string{"2026-03-29", "2026-03-30", "2026-05-19"} {
		truth, err := c.sim.Truth(c.customer, "AD", strings.ReplaceAll(day, "-", ""))
		if err != nil {
			t.Fatal(err)
		}
		imp, clk, cost := stats(day)
		want := float64(truth.Sum.Cost) / 2
		if day < "2026-03-30" {
			want *= 1.1
		}
		if imp != truth.Sum.Imp || clk != truth.Sum.Clk+truth.Sum.View || float64(cost) < want-6 || float64(cost) > want+6 {
			t.Errorf("%s: /stats says %d, %d, %d; the report %+v (cost %.1f)", day, imp, clk, cost, truth.Sum, want)
		}
		if day >= "2026-03-30" {
			for _, f := range truth.Rows {
				if _, err := strconv.Atoi(f[11]); err != nil {
					t.Errorf("%s: cost %q is not whole", day, f[11])
				}
			}
		}
	}
}
