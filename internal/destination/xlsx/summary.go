package xlsx

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"imreport/internal/i18n"
	"imreport/internal/table"
)

// maxListed is how many campaigns the summary lists; the others stand in one
// row. Each row has formulas that go over all raw rows.
const maxListed = 300

// measure is a column of the summary.
type measure struct {
	name   string // of the raw column that it sums; a ratio's own name
	over   string // a ratio: what is divided …
	by     string // … by what
	title  string // key of what people read; empty is "column.NAME"
	format Format
}

var measures = []measure{
	{name: "impressions", format: Whole},
	{name: "clicks", format: Whole},
	{name: "ctr", over: "clicks", by: "impressions", format: Share},
	{name: "cost", format: Whole},
	{name: "cost_vat_incl", format: Whole},
	{name: "cpc", over: "cost_vat_incl", by: "clicks", format: Whole},
	{name: "cpc", over: "cost", by: "clicks", title: "xlsx.cpc", format: Whole},
	{name: "conversions", format: Whole},
	{name: "conversion_value", format: Whole},
	{name: "purchases", format: Whole},
	{name: "purchase_value", format: Whole},
}

// group is the columns of the summary that come from one report.
type group struct {
	raw      *Raw
	first    int // column
	measures []measure
}

func (g *group) last() int { return g.first + len(g.measures) - 1 }

// column is where a measure stands; -1: nowhere.
func (g *group) column(name string) int {
	i := slices.IndexFunc(g.measures, func(m measure) bool { return m.name == name })
	if i < 0 {
		return -1
	}
	return g.first + i
}

// groupOf chooses the measures of a report.
func groupOf(r *Raw, first int) *group {
	g := &group{raw: r, first: first}
	for _, m := range measures {
		has := r.Totals.metric(m.name) >= 0
		if m.over != "" {
			has = r.Totals.metric(m.over) >= 0 && r.Totals.metric(m.by) >= 0 && g.column(m.name) < 0
		}
		if has {
			g.measures = append(g.measures, m)
		}
	}
	return g
}

// summary lays out the summary tab: figures of the whole period, a chart by
// day, a table by day and one by campaign. Reports that can be summed stand
// side by side in the same rows.
type summary struct {
	*Sheet
	b      *Book
	lang   i18n.Lang
	groups []*group
	lastAt int // last column
}

const firstMeasure = 2 // column; before it stand the name and the id or weekday

// summarize adds the summary tab, unless no report has anything to sum.
func (b *Book) summarize(ctx context.Context) error {
	s := &summary{b: b, lang: b.Work.Lang, lastAt: firstMeasure}
	next := firstMeasure
	for i := range b.Raw {
		if g := groupOf(&b.Raw[i], next); len(g.measures) > 0 {
			s.groups = append(s.groups, g)
			s.lastAt = g.last()
			next = g.last() + 1
		}
	}
	if len(s.groups) == 0 {
		return nil
	}
	s.Sheet = b.Sheet(s.t("xlsx.summary"))
	s.Show = true
	s.Widths = []float64{30, 31}
	for _, g := range s.groups {
		for _, m := range g.measures {
			s.Widths = append(s.Widths, max(15, float64(textWidth(s.title(m)))+3))
		}
	}
	row := s.heading()
	chartAt := row
	days, campaigns := s.days(), s.campaigns()
	if s.charted() != nil && len(days) > 0 {
		row += chartRows + 1
	}
	dayAt, campaignAt := row, row
	if len(days) > 0 {
		row = s.byDay(row, days, chartAt) + 1
		campaignAt = row
	}
	if len(campaigns) > 0 {
		s.byCampaign(row, campaigns)
	}
	if len(days) > 0 && len(campaigns) > 0 {
		for i, to := range []struct {
			key string
			row int
		}{{"xlsx.by_day", dayAt}, {"xlsx.by_campaign", campaignAt}} {
			s.Set(2, i, s.t(to.key)+" ↓", Style{Color: linkBlue, Link: true})
			s.Link(2, i, to.row)
		}
	}
	return b.Add(ctx, s.Sheet)
}

func (s *summary) t(key string, args ...any) string { return i18n.T(s.lang, key, args...) }

func (s *summary) title(m measure) string {
	if m.title != "" {
		return s.t(m.title)
	}
	return columnTitle(s.lang, m.name)
}

// heading says whose figures these are, and gives those of the whole period.
// It returns the next free row.
func (s *summary) heading() int {
	w, in := s.b.Work, s.b.Info
	s.Set(0, 0, cmp.Or(w.Title, in.Account, s.t("xlsx.summary")), Style{Bold: true, Size: 16, Color: ink, Middle: true})
	s.Height(0, 30)
	s.Set(1, 0, s.b.about(), Style{Color: quiet})
	const names, figures = 4, 5
	s.Height(figures, 27)
	for _, g := range s.groups {
		s.Set(3, g.first, tabList(g.raw), Style{Bold: true, Color: quiet, Size: 9, Align: "center"})
		s.Merge(3, g.first, g.last())
		for i, m := range g.measures {
			s.Set(names, g.first+i, s.title(m), Style{Color: quiet, Size: 9, Align: "right", Top: hairline, Fill: sumFill, Middle: true})
			s.Set(figures, g.first+i, s.total(g, m, figures), Style{Bold: true, Size: 14, Color: ink, Format: m.format, Fill: sumFill, Line: hairline, Middle: true})
		}
	}
	for i, r := range []string{s.t("xlsx.whole_period"), ""} {
		s.Set(names, i, r, Style{Color: quiet, Size: 9, Top: hairline, Fill: sumFill, Middle: true})
		s.Set(figures, i, nil, Style{Fill: sumFill, Line: hairline})
	}
	s.Set(figures, 0, s.b.period(), Style{Bold: true, Size: 12, Color: ink, Fill: sumFill, Line: hairline, Middle: true})
	return figures + 2
}

// tabList names the tabs of a report: "AD, AD (2)".
func tabList(r *Raw) string {
	var names []string
	for _, t := range r.Tabs {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}

// head writes the title and headers of a table and the row of its totals, and
// returns the row after them.
func (s *summary) head(row int, title, what, second string) int {
	s.Set(row, 0, title, Style{Bold: true, Size: 13, Color: ink, Middle: true})
	s.Height(row, 24)
	above := Style{Bold: true, Size: 9, Color: quiet, Fill: paleFill, Middle: true, Align: "center"}
	below := headerStyle
	s.Fill(row+1, 0, s.lastAt, above)
	s.Set(row+2, 0, what, below)
	s.Set(row+2, 1, second, below)
	s.Height(row+2, 21)
	below.Align = "right"
	for _, g := range s.groups {
		s.Set(row+1, g.first, tabList(g.raw), above)
		s.Merge(row+1, g.first, g.last())
		for i, m := range g.measures {
			s.Set(row+2, g.first+i, s.title(m), below)
			s.Set(row+3, g.first+i, s.total(g, m, row+3), sumStyle(m.format))
		}
	}
	s.Set(row+3, 0, s.t("xlsx.total"), sumStyle(General))
	s.Set(row+3, 1, nil, sumStyle(General))
	return row + 4
}

func sumStyle(f Format) Style {
	return Style{Bold: true, Color: ink, Fill: sumFill, Line: hairline, Format: f}
}

// days are those of the period, and any other that has rows.
func (s *summary) days() []table.Day {
	all := map[table.Day]bool{}
	dated := false
	for _, g := range s.groups {
		dated = dated || g.raw.Totals.date >= 0
		for d := range g.raw.Totals.Days {
			all[d] = true
		}
	}
	if !dated {
		return nil
	}
	if in := s.b.Info; in.From != 0 {
		for d := in.From; d <= in.To; d++ {
			all[d] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (s *summary) byDay(row int, days []table.Day, chartAt int) int {
	first := s.head(row, s.t("xlsx.by_day"), columnTitle(s.lang, dateColumn), s.t("xlsx.weekday"))
	for i, d := range days {
		at := first + i
		st := Style{Format: ISODate, Align: "left", Line: gridColor}
		s.Set(at, 0, d, st)
		s.weekday(at, d)
		for _, g := range s.groups {
			if g.raw.Totals.date < 0 {
				s.Fill(at, g.first, g.last(), Style{Line: gridColor})
				continue
			}
			sums := g.raw.Totals.Days[d]
			for j, m := range g.measures {
				f := s.formula(g, m, at, sums, g.raw.Totals.date, "$A"+strconv.Itoa(at+1))
				s.Set(at, g.first+j, f, Style{Format: m.format, Line: gridColor})
			}
		}
	}
	last := first + len(days) - 1
	if g := s.charted(); g != nil {
		s.chart(g, first, last, days, chartAt)
	}
	return last + 1
}

// weekday names the day's weekday; weekends have their usual colours.
func (s *summary) weekday(row int, d table.Day) {
	st, day := Style{Color: quiet, Line: gridColor}, d.Start().Weekday()
	switch day {
	case time.Saturday:
		st.Color = linkBlue
	case time.Sunday:
		st.Color = sundayRed
	}
	s.Set(row, 1, s.t("xlsx.weekday."+strconv.Itoa(int(day))), st)
}

// listed is a campaign in the summary.
type listed struct {
	id, name string
	rank     []float64 // what comes first: cost, clicks, …
}

// campaigns are those of all reports, the dearest first.
func (s *summary) campaigns() []listed {
	all := map[string]*listed{}
	for _, g := range s.groups {
		for id, c := range g.raw.Totals.Campaigns {
			l := all[id]
			if l == nil {
				l = &listed{id: id, rank: make([]float64, len(summed))}
				all[id] = l
			}
			l.name = cmp.Or(l.name, c.Name)
			for i, m := range []string{"cost", "clicks", "impressions", "conversion_value", "conversions"} {
				if at := g.raw.Totals.metric(m); at >= 0 && l.rank[i] == 0 {
					l.rank[i] = c.Sums[at]
				}
			}
		}
	}
	var sorted []listed
	for _, l := range all {
		sorted = append(sorted, *l)
	}
	slices.SortFunc(sorted, func(a, b listed) int {
		return cmp.Or(-slices.Compare(a.rank, b.rank), cmp.Compare(a.id, b.id))
	})
	return sorted
}

func (s *summary) byCampaign(row int, all []listed) {
	first := s.head(row, s.t("xlsx.by_campaign"), columnTitle(s.lang, campaignColumn), columnTitle(s.lang, campaignID))
	shown := all[:min(len(all), maxListed)]
	for i, c := range shown {
		at := first + i
		s.Set(at, 0, cmp.Or(c.name, c.id, s.t("xlsx.no_campaign")), Style{Line: gridColor})
		s.Set(at, 1, c.id, Style{Format: AsText, Color: quiet, Line: gridColor})
		for _, g := range s.groups {
			t := g.raw.Totals
			if t.id < 0 {
				continue
			}
			var sums []float64
			if has := t.Campaigns[c.id]; has != nil {
				sums = has.Sums
			}
			for j, m := range g.measures {
				f := s.formula(g, m, at, sums, t.id, campaignCriterion(c.id, at))
				s.Set(at, g.first+j, f, Style{Format: m.format, Line: gridColor})
			}
		}
	}
	last := first + len(shown) - 1
	if over := slices.ContainsFunc(s.groups, func(g *group) bool { return g.raw.Totals.Overflow }); over || len(all) > len(shown) {
		s.others(first, last, shown, len(all)-len(shown), over)
	}
}

// others is the row of the campaigns that are not listed.
func (s *summary) others(first, last int, shown []listed, n int, more bool) {
	at := last + 1
	label := s.t("xlsx.other_campaigns", n)
	if more {
		label = s.t("xlsx.many_campaigns")
	}
	s.Set(at, 0, label, Style{Color: quiet})
	for _, g := range s.groups {
		t := g.raw.Totals
		if t.id < 0 {
			continue
		}
		rest := slices.Clone(t.All)
		for _, c := range shown {
			if has := t.Campaigns[c.id]; has != nil {
				for i, v := range has.Sums {
					rest[i] -= v
				}
			}
		}
		for j, m := range g.measures {
			col := columnName(g.first + j)
			var f Formula
			if m.over != "" {
				f = s.ratio(g, m, at, rest)
			} else {
				r := strconv.Itoa
				f = Formula{col + r(first) + "-SUM(" + col + r(first+1) + ":" + col + r(last+1) + ")", rest[t.metric(m.name)]}
			}
			s.Set(at, g.first+j, f, Style{Format: m.format, Color: quiet})
		}
	}
}

// campaignCriterion finds the rows of the campaign whose id stands in column
// B. "=" before it finds rows without an id too, and keeps "<…" from being a
// comparison.
func campaignCriterion(id string, row int) string {
	if strings.ContainsAny(id, "*?~") { // would be wildcards
		id = strings.NewReplacer("*", "~*", "?", "~?", "~", "~~", `"`, `""`).Replace(id)
		return `"=` + id + `"`
	}
	return `"="&$B` + strconv.Itoa(row+1)
}

// formula is a measure of the raw rows in whose column key stands what
// criterion says.
func (s *summary) formula(g *group, m measure, row int, sums []float64, key int, criterion string) Formula {
	if m.over != "" {
		return s.ratio(g, m, row, sums)
	}
	var parts []string
	for _, t := range g.raw.Tabs {
		parts = append(parts, "SUMIFS("+wholeColumn(t.Name, g.raw.Schema.Index(m.name))+","+wholeColumn(t.Name, key)+","+criterion+")")
	}
	return Formula{strings.Join(parts, "+"), at(sums, g.raw.Totals.metric(m.name))}
}

// total is a measure of all raw rows.
func (s *summary) total(g *group, m measure, row int) Formula {
	if m.over != "" {
		return s.ratio(g, m, row, g.raw.Totals.All)
	}
	var parts []string
	for _, t := range g.raw.Tabs {
		parts = append(parts, wholeColumn(t.Name, g.raw.Schema.Index(m.name)))
	}
	return Formula{"SUM(" + strings.Join(parts, ",") + ")", g.raw.Totals.All[g.raw.Totals.metric(m.name)]}
}

// ratio divides two measures of the same row; 0 where there is nothing to
// divide by.
func (s *summary) ratio(g *group, m measure, row int, sums []float64) Formula {
	over, by := cellName(row, g.column(m.over)), cellName(row, g.column(m.by))
	f := Formula{Expr: "IF(" + by + "=0,0," + over + "/" + by + ")"}
	if n := at(sums, g.raw.Totals.metric(m.by)); n != 0 {
		f.Value = at(sums, g.raw.Totals.metric(m.over)) / n
	}
	return f
}

func at(sums []float64, i int) float64 {
	if sums == nil {
		return 0
	}
	return sums[i]
}

// wholeColumn is a column of a raw tab, to its end: rows that somebody adds
// count too.
func wholeColumn(tab string, col int) string {
	c := columnName(col)
	return quoted(tab) + "!$" + c + ":$" + c
}

// Size of the chart. A row has 22 pixels, a digit of a column's width 7.
const (
	chartRows   = 15
	chartHeight = chartRows * 22
	chartWidth  = 1100 // at most
)

// charted is the report that the chart shows: the first with cost and clicks,
// else the first with conversions; nil: none.
func (s *summary) charted() *group {
	for _, pair := range [][2]string{{"cost", "clicks"}, {"conversion_value", "conversions"}} {
		for _, g := range s.groups {
			if g.raw.Totals.date >= 0 && g.column(pair[0]) >= 0 && g.column(pair[1]) >= 0 {
				return g
			}
		}
	}
	return nil
}

func (s *summary) chart(g *group, first, last int, days []table.Day, row int) {
	bars, line, key := "cost", "clicks", "xlsx.chart"
	if g.column(bars) < 0 || g.column(line) < 0 {
		bars, line, key = "conversion_value", "conversions", "xlsx.chart_conversions"
	}
	span := func(col int) string {
		c := columnName(col)
		return quoted(s.Name) + "!$" + c + "$" + strconv.Itoa(first+1) + ":$" + c + "$" + strconv.Itoa(last+1)
	}
	series := func(metric string) Series {
		sr := Series{Name: columnTitle(s.lang, metric), Range: Range{Ref: span(g.column(metric))}}
		for _, d := range days {
			sr.Values = append(sr.Values, at(g.raw.Totals.Days[d], g.raw.Totals.metric(metric)))
		}
		return sr
	}
	width := 0.0
	for _, w := range s.Widths {
		width += w*7 + 5
	}
	s.Draw(Chart{Title: s.t(key), Days: daysRange(span(0), days), Bars: series(bars), Line: series(line)},
		row, 0, min(int(width), chartWidth), chartHeight)
}
