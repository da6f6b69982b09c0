package naver

import (
	"strings"
)

// maxHints is how many hintKeywords a call may have.
const maxHints = 5

// keywordTool answers /keywordstool: a count is a number, or "< 10". Parameter
// names are case-sensitive: without hintKeywords the list is empty.
func (s *Server) keywordTool(c *call) {
	v := c.r.URL.Query()
	list := []obj{}
	hints := splitIDs(v["hintKeywords"])
	bad := len(hints) > maxHints
	for _, h := range hints {
		bad = bad || strings.ContainsAny(h, " \t") || strings.ToUpper(h) != h
	}
	if bad {
		c.json(400, obj{"title": "Invalid Parameter", "status": "BAD_REQUEST", "detail": "There are invalid parameters", "type": "about:blank",
			"parameters": obj{}, "instance": ""})
		return
	}
	for _, hint := range hints {
		for i, tail := range []string{"", "추천", "가격", "순위", "후기", "비교", "할인", "매장"} {
			h := mix(mixString(s.o.Seed, hint), uint64(i))
			row := obj{"relKeyword": hint + tail, "monthlyPcQcCnt": queries(h % 5000), "monthlyMobileQcCnt": queries(h >> 20 % 30000)}
			if v.Get("showDetail") == "1" {
				row = merge(row, obj{"monthlyAvePcClkCnt": ratio(int64(h%500), 10, 1, 1), "monthlyAveMobileClkCnt": ratio(int64(h%3000), 10, 1, 1),
					"monthlyAvePcCtr": ratio(int64(h%700), 100, 1, 2), "monthlyAveMobileCtr": ratio(int64(h%900), 100, 1, 2),
					"plAvgDepth": h % 16, "compIdx": [...]string{"높음", "중간", "낮음"}[h%3]})
			}
			list = append(list, row)
		}
	}
	c.json(200, obj{"keywordList": list})
}

// queries is a monthly count, rounded to tens, small ones as words.
func queries(n uint64) any {
	if n < 300 {
		return "< 10"
	}
	return n / 10 * 10
}
