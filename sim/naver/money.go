package naver

import (
	"net/http"
	"time"
)

func (s *Server) moneyRoutes(mux *http.ServeMux) {
	s.handle(mux, "GET /billing/bizmoney", s.bizmoney)
	s.handle(mux, "GET /billing/bizmoney/histories/{kind}", s.moneyHistory)
}

func (s *Server) bizmoney(c *call) {
	h := mix(mix(s.o.Seed, 0x62697a), uint64(c.customer))
	c.json(200, obj{"customerId": c.customer, "bizmoney": int64(h % 3_000_000), "budgetLock": h%40 == 0, "refundLock": false})
}

// moneyHistory answers charge, exhaust and period over at most a year of days.
// What is exhausted on a day is its cost with VAT, by product.
func (s *Server) moneyHistory(c *call) {
	v := c.r.URL.Query()
	from, err1 := time.ParseInLocation("20060102", v.Get("searchStartDt"), kst)
	to, err2 := time.ParseInLocation("20060102", v.Get("searchEndDt"), kst)
	what := c.r.PathValue("kind")
	if err1 != nil || err2 != nil || from.After(to) || to.Sub(from) > 366*24*time.Hour || what != "charge" && what != "exhaust" && what != "period" {
		c.ncc(400, 1002, "Invalid request.")
		return
	}
	out := []obj{}
	for d := dayOf(from); d <= min(dayOf(to), dayOf(c.now)-1); d++ {
		ms := d.start().UnixMilli()
		if what == "charge" {
			if d%7 == 0 {
				out = append(out, obj{"statDt": ms, "displayCd": "1", "displayName": "신용카드", "newRefundableAmt": 500000, "newNonRefundableAmt": 0})
			}
			continue
		}
		var sums [7]statSum
		all := int64(0)
		s.each(query{acct: c.acct, d: d, rev: s.revision(c.acct, d)}, func(r *row) {
			sums[r.product].add(r, cell{cost: r.cost})
		})
		for p := range sums {
			if sales := sums[p].sales(); sales > 0 {
				all += sales
				if what == "exhaust" {
					out = append(out, obj{"settleDt": ms, "customerId": c.customer, "activityCd": 1, "campaignTp": p, "prodInfoCd": 1,
						"useRefundableAmt": sales, "useNonrefundableAmt": 0})
				}
			}
		}
		if what == "period" {
			out = append(out, obj{"settleDt": ms, "refundableAmt": 1_000_000, "nonRefundableAmt": 0, "useRefundableAmt": all, "useNonRefundableAmt": 0,
				"addRefundableAmt": 0, "addNonRefundableAmt": 0, "refundAmt": 0, "returnAmt": 0})
		}
	}
	c.json(200, out)
}
