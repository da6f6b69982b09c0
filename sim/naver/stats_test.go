package naver

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

type statAnswer struct {
	Data []struct {
		ID                       string
		DateStart                string
		ImpCnt, ClkCnt, SalesAmt int64
		Ccnt, PurchaseCcnt       int64
		Breakdowns               []struct {
			Name   string
			ImpCnt int64
		}
	}
	CycleBaseTm string
	CompTm      string
	Summary     struct{ DateStart, DateEnd string }
}

const statFieldList = `["impCnt","clkCnt","salesAmt","ccnt","purchaseCcnt"]`

func statPath(pairs ...string) string {
	v := url.Values{"fields": {statFieldList}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return "/stats?" + v.Encode()
}

func span(since, until string) string { return `{"since":"` + since + `","until":"` + until + `"}` }

func TestStatsAgreeWithReports(t *testing.T) {
	c := newClient(t, Options{Seed: 9, Accounts: 2})
	ad, _ := c.sim.Truth(c.customer, "AD", "20260519")
	byID := map[string]Totals{} // of campaigns, groups, keywords and ads
	for _, f := range ad.Rows {
		for _, id := range f[2:6] {
			sum := byID[id]
			sum.add("AD", f)
			byID[id] = sum
		}
	}
	for _, k := range []string{"cmp", "grp", "nkw", "nad"} {
		var ids []string
		for id := range byID {
			if e, ok := c.sim.parseID(0, id); ok && string(e.kind) == k && len(ids) < 100 {
				ids = append(ids, id)
			}
		}
		var a statAnswer
		c.get("GET", statPath("ids", strings.Join(ids, ","), "timeRange", span("2026-05-19", "2026-05-19")), "", &a)
		if len(a.Data) != len(ids) || len(ids) < 4 {
			t.Errorf("%s: %d rows for %d ids", k, len(a.Data), len(ids))
		}
		for _, d := range a.Data {
			want := byID[d.ID]
			if d.ImpCnt != want.Imp || d.ClkCnt != want.Clk+want.View || d.SalesAmt != want.Cost/2 {
				t.Errorf("%s: %+v, report %+v", d.ID, d, want)
			}
		}
	}
	// A conversion in three ways.
	conv, _ := c.sim.Truth(c.customer, "AD_CONVERSION", "20260519")
	var all, purchases int64
	for _, f := range conv.Rows {
		var one Totals
		one.add("AD_CONVERSION", f)
		all += one.CCnt
		if f[10] == "purchase" {
			purchases += one.CCnt
		}
	}
	var ids []string
	for e := range c.sim.entities(0, kCampaign) {
		ids = append(ids, c.sim.id(e))
	}
	var a statAnswer
	c.get("GET", statPath("ids", strings.Join(ids, ","), "datePreset", "yesterday", "breakdown", "hh24"), "", &a)
	var imps int64
	for _, d := range a.Data {
		all -= d.Ccnt
		purchases -= d.PurchaseCcnt
		for _, b := range d.Breakdowns {
			imps += b.ImpCnt
		}
	}
	if all != 0 || purchases != 0 || imps != ad.Sum.Imp || purchases == 0 && conv.Sum.CCnt == 0 {
		t.Errorf("conversions differ by %d, purchases by %d; %d impressions by hour, %d in all", all, purchases, imps, ad.Sum.Imp)
	}
}

func TestStatsAbsentAndDaily(t *testing.T) {
	c := newClient(t, Options{Seed: 9, Accounts: 2})
	var ids []string
	for e := range c.sim.entities(0, kKeyword) {
		if len(ids) < 100 {
			ids = append(ids, c.sim.id(e))
		}
	}
	var a statAnswer
	c.get("GET", statPath("ids", strings.Join(ids, ","), "timeRange", span("2026-05-19", "2026-05-19")), "", &a)
	if len(a.Data) == 0 || len(a.Data) == len(ids) {
		t.Errorf("%d of %d keywords have rows", len(a.Data), len(ids))
	}
	c.get("GET", statPath("id", a.Data[0].ID, "timeRange", span("2026-05-01", "2026-05-20"), "timeIncrement", "1"), "", &a)
	if len(a.Data) == 0 || len(a.Data) > 18 || a.Data[len(a.Data)-1].DateStart > "2026-05-19" || a.Summary.DateStart != "2026-05-01" {
		t.Errorf("daily: %+v", a)
	}
}

func TestStatsRefuses(t *testing.T) {
	c := newClient(t, Options{Accounts: 2})
	cmp, grp := c.sim.id(ent{0, kCampaign, 0}), c.sim.id(ent{0, kGroup, 0})
	day := span("2026-05-19", "2026-05-19")
	for name, path := range map[string]string{
		"two kinds":          statPath("ids", cmp+","+grp, "timeRange", day),
		"id and ids":         statPath("ids", cmp, "id", cmp, "timeRange", day),
		"no id":              statPath("timeRange", day),
		"fields not JSON":    statPath("id", cmp, "timeRange", day, "fields", "impCnt"),
		"unknown field":      statPath("id", cmp, "timeRange", day, "fields", `["cost"]`),
		"no period":          statPath("id", cmp),
		"unknown preset":     statPath("id", cmp, "datePreset", "tomorrow"),
		"93 days":            statPath("id", cmp, "timeRange", span("2026-02-16", "2026-05-19")),
		"backwards":          statPath("id", cmp, "timeRange", span("2026-05-19", "2026-05-18")),
		"three years back":   statPath("id", cmp, "timeRange", span("2023-05-19", "2023-05-19")),
		"daily for ids":      statPath("ids", cmp, "timeRange", day, "timeIncrement", "1"),
		"old breakdown":      statPath("ids", cmp, "timeRange", span("2026-05-01", "2026-05-02"), "breakdown", "hh24"),
		"unknown breakdown":  statPath("ids", cmp, "timeRange", day, "breakdown", "gender"),
		"channel is no kind": statPath("ids", c.sim.id(ent{0, kChannel, 0}), "timeRange", day),
		"no id at all":       statPath("ids", "a", "timeRange", day),
	} {
		if code, _, body := c.do("GET", path, ""); code != 400 || !strings.Contains(body, "11001") {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if code, _, body := c.do("GET", statPath("ids", c.sim.id(ent{1, kCampaign, 0}), "timeRange", day), ""); code != 404 || !strings.Contains(body, "1018") {
		t.Errorf("foreign: %d %s", code, body)
	}
	c.get("GET", statPath("id", cmp, "timeRange", span("2026-02-17", "2026-05-19")), "", nil)
}

func TestToday(t *testing.T) {
	c := newClient(t, Options{Seed: 9, Accounts: 2})
	cmp := c.sim.id(ent{0, kCampaign, 0})
	ask := func(preset string) (a statAnswer, imp int64) {
		c.get("GET", statPath("id", cmp, "datePreset", preset), "", &a)
		if len(a.Data) > 0 {
			imp = a.Data[0].ImpCnt
		}
		return a, imp
	}
	c.clock.t = time.Date(2026, 5, 19, 16, 30, 0, 0, time.UTC) // 01:30 KST on the 20th
	a, today := ask("today")
	_, yesterday := ask("yesterday")
	if a.CycleBaseTm != "202605192300" || today == 0 || today != yesterday {
		t.Errorf("just after midnight: %+v, today %d, yesterday %d", a, today, yesterday)
	}
	c.clock.t = c.clock.t.Add(time.Hour)
	if a, today = ask("today"); a.CycleBaseTm != "202605200000" || today != 0 {
		t.Errorf("02:30: %+v, %d", a, today)
	}
	c.clock.t = c.clock.t.Add(12 * time.Hour)
	a, noon := ask("today")
	c.clock.t = c.clock.t.Add(9 * time.Hour)
	if _, night := ask("today"); a.CycleBaseTm != "202605201200" || noon == 0 || night <= noon {
		t.Errorf("14:30: %+v %d, 23:30: %d", a, noon, night)
	}
}

func TestShoppingTermsAndMoney(t *testing.T) {
	c := newClient(t, Options{Seed: 9, Accounts: 2})
	var terms struct{ Data []struct{ SchKeyword string } }
	c.get("GET", "/stats?statType=NPLA_SCH_KEYWORD&id="+c.sim.id(ent{0, kGroup, 1}), "", &terms)
	if len(terms.Data) < 3 {
		t.Errorf("%+v", terms)
	}
	var money struct {
		CustomerID, Bizmoney int64
		BudgetLock           *bool
	}
	c.get("GET", "/billing/bizmoney", "", &money)
	if money.CustomerID != c.customer || money.BudgetLock == nil {
		t.Errorf("%+v", money)
	}
	var used []struct{ UseRefundableAmt int64 }
	c.get("GET", "/billing/bizmoney/histories/exhaust?searchStartDt=20260519&searchEndDt=20260519", "", &used)
	ad, _ := c.sim.Truth(c.customer, "AD", "20260519")
	sum := int64(0)
	for _, u := range used {
		sum += u.UseRefundableAmt
	}
	if sum != ad.Sum.Cost/2 {
		t.Errorf("exhausted %d, reported %d", sum, ad.Sum.Cost/2)
	}
	var tool struct {
		KeywordList []struct {
			RelKeyword         string
			MonthlyPcQcCnt     any
			MonthlyMobileQcCnt any
		}
	}
	c.get("GET", "/keywordstool?hintKeywords=%ED%85%90%ED%8A%B8&showDetail=1", "", &tool)
	if len(tool.KeywordList) == 0 || tool.KeywordList[0].RelKeyword != "텐트" {
		t.Errorf("%+v", tool)
	}
	c.get("GET", "/keywordstool?hintkeywords=a", "", &tool)
	if len(tool.KeywordList) != 0 {
		t.Errorf("%+v", tool)
	}
	for _, bad := range []string{"a", "A%20B", "A,B,C,D,E,F"} {
		if code, _, _ := c.do("GET", "/keywordstool?hintKeywords="+bad, ""); code != 400 {
			t.Errorf("%s: %d", bad, code)
		}
	}
}
