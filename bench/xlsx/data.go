package xlsx

import (
	"fmt"
	"io"
	"strings"

	"imreport/internal/table"
)

// The table that all write: a date over a year, four Korean texts of which
// 200, 2,000, 20,000 and 50,000 differ, seven numbers.
var schema = table.Schema{
	{Name: "date", Kind: table.Date}, {Name: "campaign", Kind: table.Text}, {Name: "adgroup", Kind: table.Text}, {Name: "keyword", Kind: table.Text},
	{Name: "search_term", Kind: table.Text}, {Name: "impressions", Kind: table.Int}, {Name: "clicks", Kind: table.Int}, {Name: "cost", Kind: table.Money},
	{Name: "cost_vat_incl", Kind: table.Money}, {Name: "ctr", Kind: table.Percent}, {Name: "average_rank", Kind: table.Decimal}, {Name: "conversions", Kind: table.Int},
}

// texts are the formats of the text columns and how many of each differ; the
// programs in other languages get them from here.
var texts = []struct {
	format string
	n      int
}{
	{"파워링크 캠페인 %d", 200},
	{"광고그룹 %d 모바일", 2_000},
	{"꽃배달 키워드 %d", 20_000},
	{"강남 당일 꽃배달 검색어 %d", 50_000},
}

const firstDay = 20454 // 2026-01-01

// random is a linear congruential generator (Knuth's MMIX), which each
// language can do.
type random uint64

func (r *random) next(n uint64) int64 {
	*r = *r*6364136223846793005 + 1442695040888963407
	return int64(uint64(*r) >> 33 % n)
}

// rows is the table as a stream.
type rows struct {
	n, i  int
	rnd   random
	words [4]*words
	row   table.Row
}

// words are texts in one piece of memory, so that they take little of it.
type words struct {
	all  strings.Builder
	ends []int32
}

func makeWords(format string, n int) *words {
	w := &words{ends: make([]int32, 0, n)}
	w.all.Grow(n * (len(format) + 4))
	for i := range n {
		fmt.Fprintf(&w.all, format, i)
		w.ends = append(w.ends, int32(w.all.Len()))
	}
	return w
}

func (w *words) at(i int64) string {
	from := int32(0)
	if i > 0 {
		from = w.ends[i-1]
	}
	return w.all.String()[from:w.ends[i]]
}

func newRows(n int) *rows {
	r := &rows{n: n, rnd: 1, row: make(table.Row, len(schema))}
	for i, t := range texts {
		r.words[i] = makeWords(t.format, t.n)
	}
	return r
}

func (r *rows) Next() (table.Row, error) {
	if r.i >= r.n {
		return nil, io.EOF
	}
	r.row[0] = table.D(table.Day(firstDay + r.i*365/r.n))
	for i, w := range r.words {
		r.row[1+i] = table.S(w.at(r.rnd.next(uint64(len(w.ends)))))
	}
	impressions := r.rnd.next(20_000)
	clicks := r.rnd.next(1_000)
	cost := r.rnd.next(900_000)
	r.row[5], r.row[6], r.row[7] = table.I(impressions), table.I(clicks), table.F(float64(cost))
	r.row[8] = table.F(float64(cost*110) / 100)
	r.row[9] = table.F(float64(clicks) / float64(impressions+1))
	r.row[10] = table.F(float64(100+r.rnd.next(1_400)) / 100)
	r.row[11] = table.I(r.rnd.next(50))
	r.i++
	return r.row, nil
}

func (r *rows) Close() error { return nil }
