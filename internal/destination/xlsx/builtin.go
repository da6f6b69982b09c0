package xlsx

import (
	"context"
	"strings"

	"imreport/internal/i18n"
	"imreport/internal/table"
)

// Builtin is the template that every workbook gets: a summary and an info tab.
type Builtin struct{}

// Lay adds the tabs.
func (Builtin) Lay(ctx context.Context, b *Book) error {
	if err := b.summarize(ctx); err != nil {
		return err
	}
	return b.inform(ctx)
}

// period is the period of the rows, in words; empty if it is not known.
func (b *Book) period() string {
	if b.Info.From == 0 {
		return ""
	}
	return b.Info.From.String() + " ~ " + b.Info.To.String()
}

// platform is the platform's name.
func (b *Book) platform() string {
	if key := "xlsx.platform." + b.Info.Platform; i18n.Has(key) {
		return i18n.T(b.Work.Lang, key)
	}
	return b.Info.Platform
}

// about is one line that says whose rows these are.
func (b *Book) about() string {
	var parts []string
	for _, p := range []string{b.platform(), b.Info.Account, b.Info.CustomerID} {
		if p != "" && (len(parts) == 0 || parts[len(parts)-1] != p) {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " · ")
}

const infoColumns = 6

// inform adds the info tab: what the rows are, where they stand, and what is
// to be known about them.
func (b *Book) inform(ctx context.Context) error {
	t := func(key string, args ...any) string { return i18n.T(b.Work.Lang, key, args...) }
	s := b.Sheet(t("xlsx.info"))
	s.Widths = []float64{34, 34, 14, 14, 16, 16}
	s.Set(0, 0, t("xlsx.info"), Style{Bold: true, Size: 16, Color: ink, Middle: true})
	s.Height(0, 30)
	row := 2
	field := func(key string, value any) {
		if value == "" || value == table.Day(0) {
			return
		}
		st := Style{Color: ink, Line: gridColor, Align: "left"}
		if _, ok := value.(table.Day); ok {
			st.Format = ISODate
		}
		s.Set(row, 0, t(key), Style{Color: quiet, Line: gridColor})
		s.Fill(row, 1, infoColumns-1, st)
		s.Set(row, 1, value, st)
		row++
	}
	in := b.Info
	field("xlsx.info.title", b.Work.Title)
	field("xlsx.info.account", in.Account)
	field("xlsx.info.customer_id", in.CustomerID)
	field("xlsx.info.platform", b.platform())
	field("xlsx.info.period", b.period())
	field("xlsx.info.data_through", in.DataThrough)
	for _, p := range in.Late {
		field("xlsx.info.late", p.Report+" "+p.Day.String())
	}
	if !in.FilledAt.IsZero() {
		field("xlsx.info.filled_at", in.FilledAt.In(table.KST).Format("2006-01-02 15:04")+" KST")
	}

	head := func(title string, columns ...string) {
		row++
		s.Set(row, 0, title, Style{Bold: true, Size: 13, Color: ink, Middle: true})
		s.Height(row, 24)
		row++
		if len(columns) == 0 {
			return
		}
		s.Fill(row, 0, infoColumns-1, headerStyle)
		for i, c := range columns {
			st := headerStyle
			switch {
			case c == t("xlsx.info.note"):
				st.Align, st.Indent = "left", 1
			case i >= 2:
				st.Align = "right"
			}
			s.Set(row, i, c, st)
		}
		s.Height(row, 21)
		row++
	}
	line := Style{Line: gridColor}
	number := Style{Line: gridColor, Format: Whole}
	head(t("xlsx.info.tabs"), t("xlsx.info.tab"), t("xlsx.info.report"), t("xlsx.info.rows"), t("xlsx.info.note"))
	for _, r := range b.Raw {
		for i, tab := range r.Tabs {
			s.Fill(row, 0, infoColumns-1, line)
			s.Set(row, 0, tab.Name, line)
			s.Set(row, 1, r.Report, line)
			s.Set(row, 2, tab.Rows, number)
			var notes []string
			if i+1 < len(r.Tabs) {
				notes = append(notes, t("xlsx.note.goes_on", r.Tabs[i+1].Name))
			}
			if i > 0 {
				notes = append(notes, t("xlsx.note.continues", r.Tabs[i-1].Name))
			}
			if i == 0 && r.Cut > 0 {
				notes = append(notes, t("xlsx.note.cut", r.Cut, maxText))
			}
			if i == 0 && r.Unfit > 0 {
				notes = append(notes, t("xlsx.note.unfit", r.Unfit))
			}
			s.Set(row, 3, strings.Join(notes, " "), Style{Line: gridColor, Color: quiet, Align: "left", Indent: 1})
			row++
		}
	}
	if len(in.Revisions) == 0 {
		head(t("xlsx.info.revisions"))
		s.Set(row, 0, t("xlsx.info.no_revisions"), Style{Color: quiet})
		return b.Add(ctx, s)
	}
	head(t("xlsx.info.revisions"), t("xlsx.info.report"), columnTitle(b.Work.Lang, dateColumn), t("xlsx.info.rows_before"), t("xlsx.info.rows_after"),
		t("xlsx.info.cost_before"), t("xlsx.info.cost_after"))
	for _, r := range in.Revisions {
		s.Set(row, 0, r.Report, line)
		s.Set(row, 1, r.Day, Style{Line: gridColor, Format: ISODate, Align: "left"})
		for i, v := range []any{r.RowsBefore, r.RowsAfter, r.CostBefore, r.CostAfter} {
			s.Set(row, 2+i, v, number)
		}
		row++
	}
	return b.Add(ctx, s)
}
