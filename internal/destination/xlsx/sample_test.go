package xlsx

import (
	"fmt"
	"math"
	"math/rand/v2"

	"imreport/internal/i18n"
	"imreport/internal/run"
	"imreport/internal/table"
)

var adSchema = table.Schema{
	{Name: "date", Kind: table.Date}, {Name: "customer_id", Kind: table.ID}, {Name: "campaign_id", Kind: table.ID},
	{Name: "campaign", Kind: table.Text}, {Name: "keyword_id", Kind: table.ID}, {Name: "keyword", Kind: table.Text},
	{Name: "device", Kind: table.Text}, {Name: "impressions", Kind: table.Int}, {Name: "clicks", Kind: table.Int},
	{Name: "ctr", Kind: table.Percent}, {Name: "cost", Kind: table.Money}, {Name: "cost_vat_incl", Kind: table.Money},
	{Name: "average_rank", Kind: table.Decimal},
}

var conversionSchema = table.Schema{
	{Name: "date", Kind: table.Date}, {Name: "campaign_id", Kind: table.ID}, {Name: "campaign", Kind: table.Text},
	{Name: "conversion_type", Kind: table.Text}, {Name: "conversions", Kind: table.Int}, {Name: "conversion_value", Kind: table.Money},
	{Name: "purchases", Kind: table.Int}, {Name: "purchase_value", Kind: table.Money},
}

// sample is a month of an account: the tabs AD and AD_CONVERSION.
func sample(seed uint64, days, rows int) []run.Tab {
	rnd := rand.New(rand.NewPCG(seed, 1))
	names := []string{"파워링크_브랜드", "파워링크_일반", "쇼핑검색_신상품", "=특가 캠페인", "Brand search"}
	first, _ := table.ParseDay("2026-10-24")
	var ad, conv []table.Row
	for d := range days {
		weekly := 1 + 0.4*math.Sin(float64(d)*2*math.Pi/7)
		for i := range rows {
			n := i % len(names)
			day, id := first+table.Day(d), fmt.Sprintf("cmp-a001-01-00000000%07d", n+1)
			imp := rnd.Int64N(int64(3000 * weekly / float64(n+1)))
			clk := imp * rnd.Int64N(40) / 1000
			cost := float64(clk * (150 + rnd.Int64N(900)))
			ctr, rank := 0.0, table.Null
			if imp > 0 {
				ctr, rank = float64(clk)/float64(imp), table.F(math.Round(100+rnd.Float64()*900)/100)
			}
			keyword := table.S(fmt.Sprintf("키워드 %d", i))
			if i%7 == 0 {
				keyword = table.S("+무료배송")
			}
			ad = append(ad, table.Row{table.D(day), table.S("1649507"), table.S(id), table.S(names[n]), table.S(fmt.Sprintf("nkw-a001-01-%07d", i)), keyword,
				table.S([]string{"P", "M"}[i%2]), table.I(imp), table.I(clk), table.F(ctr), table.F(cost), table.F(math.Round(cost*110) / 100), rank})
			if i%3 == 0 {
				buys := rnd.Int64N(4)
				conv = append(conv, table.Row{table.D(day), table.S(id), table.S(names[n]), table.S("purchase"), table.I(buys), table.F(float64(buys * 29900)),
					table.I(buys), table.F(float64(buys * 29900))})
			}
		}
	}
	return []run.Tab{tab("AD", adSchema, ad...), tab("AD_CONVERSION", conversionSchema, conv...)}
}

func sampleInfo(days int) run.Info {
	first, _ := table.ParseDay("2026-10-24")
	last := first + table.Day(days-1)
	return run.Info{
		Account: "서울 꽃배달", CustomerID: "1649507", Platform: "naver_searchad", From: first, To: last, DataThrough: last, FilledAt: noon,
		Revisions: []run.Revision{{Report: "AD", Day: last - 2, RowsBefore: 118, RowsAfter: 120, CostBefore: 812300, CostAfter: 819940}},
	}
}

func sampleBook(l i18n.Lang, days int) made {
	return made{lang: l, layers: []Layer{Builtin{}}, info: sampleInfo(days)}
}

// oddCampaigns is a tab whose campaigns have ids that formulas could take for
// something else: none, a comparison, a wildcard, a lone dash.
func oddCampaigns() run.Tab {
	schema := table.Schema{{Name: "date", Kind: table.Date}, {Name: "campaign_id", Kind: table.ID}, {Name: "campaign", Kind: table.Text},
		{Name: "impressions", Kind: table.Int}, {Name: "clicks", Kind: table.Int}, {Name: "cost", Kind: table.Money}}
	first, _ := table.ParseDay("2026-10-24")
	var rows []table.Row
	for i, id := range []string{"", "<cmp-2", "cmp*", "cmp?x", "cmp~1", "-", "=cmp", "cmp-2", "cmpx", `c"q*`, ">0"} {
		rows = append(rows, table.Row{table.D(first + table.Day(i%3)), table.S(id), table.S("name " + id), table.I(int64(1) << i), table.I(int64(i)), table.F(float64(int64(1)<<i) / 4)})
	}
	rows = append(rows, table.Row{table.Null, table.Null, table.Null, table.I(5), table.Null, table.F(0.5)})
	return tab("AD", schema, rows...)
}
