package naver

import (
	"math"
	"slices"
	"time"
)

// statSum is what /stats adds up.
type statSum struct {
	imp, clk, view, rank     int64
	cost                     [2]int64 // in half won: without VAT (old days), with VAT
	deviceImp, deviceRank    [2]int64 // PC, mobile
	deviceClk, deviceCost    [2]int64 // cost with VAT in won
	ccnt, convAmt            int64
	purchaseCcnt, purchaseAm int64
}

func (t *statSum) add(r *row, c cell) {
	t.imp += c.imp
	t.clk += c.clk + c.view // clkCnt is click + view count
	t.view += c.view
	t.rank += c.rank
	old, dev := 1, 0
	if r.day < vatDay {
		old = 0
	}
	if r.mobile {
		dev = 1
	}
	t.cost[old] += c.cost
	t.deviceImp[dev] += c.imp
	t.deviceRank[dev] += c.rank
	t.deviceClk[dev] += c.clk + c.view
	t.deviceCost[dev] += c.cost / 2
}

func (t *statSum) convert(c conversion) {
	t.ccnt += c.count
	t.convAmt += c.sales
	if c.ctype == 0 {
		t.purchaseCcnt += c.count
		t.purchaseAm += c.sales
	}
}

// sales is the cost with VAT in whole won: 1.1 times the reports' before vatDay.
func (t *statSum) sales() int64 {
	return int64(math.Round(float64(t.cost[0])*1.1/2)) + t.cost[1]/2
}

// ratio is a/b*by to d decimals, 0 without b.
func ratio(a, b int64, by float64, d int) float64 {
	if b == 0 {
		return 0
	}
	p := math.Pow10(d)
	return math.Round(float64(a)/float64(b)*by*p) / p
}

// statFields are the names that fields takes.
var statFields = map[string]bool{"impCnt": true, "clkCnt": true, "salesAmt": true, "ctr": true, "cpc": true, "avgRnk": true, "ccnt": true,
	"crto": true, "convAmt": true, "ror": true, "cpConv": true, "viewCnt": true, "pcNxAvgRnk": true, "mblNxAvgRnk": true,
	"recentAvgRnk": true, "recentAvgCpc": true, "pcNxAvgCpc": true, "mblNxAvgCpc": true, "purchaseCcnt": true, "purchaseConvAmt": true,
	"purchaseRor": true}

// fields answers the fields asked for.
func (t *statSum) fields(names []string) obj {
	sales := t.sales()
	all := obj{"impCnt": t.imp, "clkCnt": t.clk, "salesAmt": sales, "ctr": ratio(t.clk, t.imp, 100, 2), "cpc": ratio(sales, t.clk, 1, 0),
		"avgRnk": ratio(t.rank, t.imp, 1, 1), "ccnt": t.ccnt, "crto": ratio(t.ccnt, t.clk, 100, 2), "convAmt": t.convAmt,
		"ror": ratio(t.convAmt, sales, 100, 2), "cpConv": ratio(sales, t.ccnt, 1, 0), "viewCnt": t.view,
		"pcNxAvgRnk": ratio(t.deviceRank[0], t.deviceImp[0], 1, 1), "mblNxAvgRnk": ratio(t.deviceRank[1], t.deviceImp[1], 1, 1),
		"recentAvgRnk": 0, "recentAvgCpc": 0, // always 0 since 2025-10-27
		"pcNxAvgCpc": ratio(t.deviceCost[0], t.deviceClk[0], 1, 0), "mblNxAvgCpc": ratio(t.deviceCost[1], t.deviceClk[1], 1, 0),
		"purchaseCcnt": t.purchaseCcnt, "purchaseConvAmt": t.purchaseAm, "purchaseRor": ratio(t.purchaseAm, sales, 100, 2)}
	out := obj{}
	for _, n := range names {
		out[n] = all[n]
	}
	return out
}

// breakdowns lists the parts of an id's sum by name.
func breakdowns(sums map[statKey]*statSum, id string, q statQuery) []obj {
	var parts []string
	for k := range sums {
		if k.id == id && k.part != "" {
			parts = append(parts, k.part)
		}
	}
	slices.Sort(parts)
	out := []obj{}
	for _, p := range parts {
		out = append(out, merge(obj{"name": p}, sums[statKey{id: id, part: p}].fields(q.fields)))
	}
	return out
}

// termDays is how far back the rolling list of shopping terms reaches.
const termDays = 28

// statTerms answers statType=NPLA_SCH_KEYWORD: the terms of a shopping group.
func (s *Server) statTerms(c *call, statType, id string, cycle time.Time) {
	e, ok := s.parseID(c.acct, id)
	if statType != "NPLA_SCH_KEYWORD" || !ok || e.kind != kGroup || s.shape.product(e.i) != shopping {
		c.badParam()
		return
	}
	sums := map[string]*statSum{}
	var terms []string
	for d := dayOf(cycle) - termDays; d < dayOf(cycle); d++ {
		q := query{acct: c.acct, d: d, rev: s.revision(c.acct, d), groups: map[int]bool{e.i: true}}
		s.each(q, func(r *row) {
			term, _, ok := s.term(c.acct, r)
			if !ok {
				return
			}
			if sums[term] == nil {
				sums[term] = &statSum{}
				terms = append(terms, term)
			}
			for _, part := range r.cells(make([]cell, 0, 5)) {
				sums[term].add(r, part)
			}
			for _, v := range r.conversions(q.rev, make([]conversion, 0, 4)) {
				if !v.indirect {
					sums[term].convert(v)
				}
			}
		})
	}
	data := []obj{}
	for _, term := range terms {
		t := sums[term]
		data = append(data, obj{"schKeyword": term, "impCnt": t.imp, "clkCnt": t.clk, "drtCrto": ratio(t.ccnt, t.clk, 100, 2), "salesAmt": t.sales()})
	}
	c.json(200, obj{"data": data})
}
