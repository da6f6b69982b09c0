package naver

import (
	"context"
	"slices"
	"strings"

	"imreport/internal/archive"
	"imreport/internal/errs"
	"imreport/internal/run"
	"imreport/internal/table"
)

// tabNameMax is how long a sheet's name may be, so that " (2)" and more still
// fits behind it: spreadsheets take 31.
const tabNameMax = 27

// tabName is what the sheet of a report type is called.
func tabName(report string) string {
	if len(report) <= tabNameMax {
		return report
	}
	return strings.ReplaceAll(report, "CONVERSION", "CONV")
}

// Tabs opens the stored pieces of o as sheets. See run.Source. Names and
// computed columns are made while the rows pass: the archive keeps what Naver
// said.
func (s *Source) Tabs(ctx context.Context, o run.Order) ([]run.Tab, error) {
	sets, err := s.stored(ctx, o)
	if err != nil {
		return nil, err
	}
	items := map[string]bool{}
	for _, set := range sets {
		for _, c := range set.raw {
			items[itemOf(c.Name)] = true
		}
	}
	if items[itemCriterion] {
		items[itemGroup], items[itemCampaign] = true, true
	}
	snap, err := s.names(ctx, o.CustomerID, func(id string) bool { return items[itemOfID(id)] })
	if err != nil {
		return nil, err
	}
	tabs := make([]run.Tab, 0, len(sets))
	for _, set := range sets {
		out := outputs(set.raw, snap.names)
		schema := make(table.Schema, 0, len(out))
		for _, x := range out {
			schema = append(schema, x.Column)
		}
		tabs = append(tabs, run.Tab{Report: set.report, Name: tabName(set.report), Schema: schema, Rows: set.rows,
			Open: func(ctx context.Context) (table.Reader, error) {
				return &tabReader{in: s.stream(ctx, set.pieces, set.raw), out: out, row: make(table.Row, len(out))}, nil
			}})
	}
	return tabs, nil
}

// storedSet is what is stored of one report type of an order.
type storedSet struct {
	report string
	pieces []archive.Piece
	raw    table.Schema
	rows   int64
}

// stored are the pieces of an order by report. A piece that is missing, because
// its file was damaged after it had been collected, is collected again: a
// sheet that lacks a day without a word would be worse than waiting.
func (s *Source) stored(ctx context.Context, o run.Order) ([]storedSet, error) {
	for again := false; ; again = true {
		var sets []storedSet
		missing := false
		for _, name := range o.Reports {
			t, ok := typeOf(name)
			if !ok {
				return nil, errs.E(errs.Invalid, "naver.report_unknown", nil, name)
			}
			pieces, err := s.o.Archive.Current(ctx, Platform, o.CustomerID, []string{name}, o.From, o.To)
			if err != nil {
				return nil, err
			}
			missing = missing || len(pieces)+lacking(o, name) < int(o.To-o.From)+1
			set := storedSet{report: name, pieces: pieces, raw: t.rawSchema(pieces)}
			for _, p := range pieces {
				set.rows += p.Rows
			}
			sets = append(sets, set)
		}
		if !missing || again {
			return sets, nil
		}
		if err := s.Collect(ctx, o, silent{}); err != nil {
			return nil, err
		}
	}
}

// lacking is how many pieces of a report the order does without.
func lacking(o run.Order, report string) (n int) {
	if o.Late == nil {
		return 0
	}
	for _, p := range o.Late.Pieces {
		if p.Report == report {
			n++
		}
	}
	return n
}

// silent is a run.Progress that nobody looks at.
type silent struct{}

func (silent) Plan(int) {}
func (silent) Done(int) {}

// rawSchema is the columns of all pieces: the type's, then what Naver has
// added in any of them.
func (t reportType) rawSchema(pieces []archive.Piece) table.Schema {
	raw := t.schema(0)
	for _, c := range archive.Union(pieces) {
		if raw.Index(c.Name) < 0 {
			raw = append(raw, c)
		}
	}
	return raw
}

// stream reads pieces one after the other.
func (s *Source) stream(ctx context.Context, pieces []archive.Piece, want table.Schema) table.Reader {
	open := make([]func() (table.Reader, error), 0, len(pieces))
	for _, p := range pieces {
		if p.Rows == 0 {
			continue
		}
		open = append(open, func() (table.Reader, error) {
			r, err := s.o.Archive.Rows(ctx, p, want)
			if err != nil {
				return nil, s.readable(ctx, p, err)
			}
			return &pieceReader{r, s, ctx, p}, nil
		})
	}
	return table.Concat(open...)
}

// pieceReader tells the source about rows that cannot be read.
type pieceReader struct {
	table.Reader
	s     *Source
	ctx   context.Context
	piece archive.Piece
}

func (r *pieceReader) Next() (table.Row, error) {
	row, err := r.Reader.Next()
	if archive.IsDamaged(err) {
		err = r.s.readable(r.ctx, r.piece, err)
	}
	return row, err
}

// readable is err, which reading a piece gave. One that is damaged counts as
// never collected from now on, and whoever wants it tries again.
func (s *Source) readable(ctx context.Context, p archive.Piece, err error) error {
	if !archive.IsDamaged(err) {
		return err
	}
	s.o.Log.ErrorContext(ctx, "stored rows cannot be read any more and are collected anew", "piece", p.Key.String(), "error", err)
	if derr := s.o.Archive.Discard(context.WithoutCancel(ctx), p, s.o.Now()); derr != nil {
		return derr
	}
	return &run.Stop{Do: run.Retry, Reason: run.CodeInternal, Err: err}
}

// output is a column of a sheet and how it comes from a raw row.
type output struct {
	table.Column
	value func(raw table.Row) table.Value
}

// tabReader makes the rows of a sheet.
type tabReader struct {
	in  table.Reader
	out []output
	row table.Row
}

func (r *tabReader) Next() (table.Row, error) {
	raw, err := r.in.Next()
	if err != nil {
		return nil, err
	}
	for i := range r.out {
		r.row[i] = r.out[i].value(raw)
	}
	return r.row, nil
}

func (r *tabReader) Close() error { return r.in.Close() }

// itemOfID is the list that an id belongs to, by its form.
func itemOfID(id string) string {
	switch {
	case strings.Contains(id, "~"):
		return itemCriterion
	case strings.HasPrefix(id, "cmp-"):
		return itemCampaign
	case strings.HasPrefix(id, "grp-"):
		return itemGroup
	case strings.HasPrefix(id, "nkw-"):
		return itemKeyword
	case strings.HasPrefix(id, "nad-"):
		return itemAd
	case strings.HasPrefix(id, "bsn-"):
		return itemChannel
	case digits([]byte(id)):
		return itemMedia
	}
	return ""
}

// nameColumns are the columns of names, by the column of the id.
var nameColumns = map[string]string{
	"campaign_id": "campaign", "adgroup_id": "adgroup", "keyword_id": "keyword", "ad_id": "ad",
	"channel_id": "channel", "ext_channel_id": "ext_channel", "media": "media_name",
}

// outputs are the columns of the sheet of a report with these columns.
func outputs(raw table.Schema, n *names) (all []output) {
	add := func(name string, kind table.Kind, value func(table.Row) table.Value) {
		all = append(all, output{table.Column{Name: name, Kind: kind}, value})
	}
	at := raw.Index
	for i, c := range raw {
		add(c.Name, c.Kind, func(r table.Row) table.Value { return r[i] })
		if name, ok := nameColumns[c.Name]; ok {
			add(name, table.Text, func(r table.Row) table.Value { return n.value(r[i]) })
		}
		switch c.Name {
		case "criterion_id":
			add("criterion", table.Text, func(r table.Row) table.Value {
				v := n.value(r[i])
				if _, code, ok := strings.Cut(r[i].Str, "~"); ok && v.Null {
					return table.S(code) // it says what kind of criterion it is
				}
				return v
			})
			for _, x := range []struct{ id, name, item string }{{"campaign_id", "campaign", itemCampaign}, {"adgroup_id", "adgroup", itemGroup}} {
				add(x.id, table.ID, func(r table.Row) table.Value { return n.owner(r[i], x.item) })
				add(x.name, table.Text, func(r table.Row) table.Value { return n.value(n.owner(r[i], x.item)) })
			}
		case "clicks":
			if imp := at("impressions"); imp >= 0 {
				add("ctr", table.Percent, func(r table.Row) table.Value { return ratio(whole(r[i]), whole(r[imp])) })
			}
		case "cost":
			date, clk := at("date"), at("clicks")
			add("cost_vat_incl", table.Money, vat(date, i, true))
			add("cost_vat_excl", table.Money, vat(date, i, false))
			add("cpc", table.Money, func(r table.Row) table.Value {
				if r[i].Null {
					return table.Null
				}
				incl, _ := costs(table.Day(r[date].Num), r[i].Dec)
				v := ratio(incl, whole(r[clk]))
				if !v.Null {
					v.Dec = half(v.Dec)
				}
				return v
			})
		case "rank_sum":
			imp := at("impressions")
			add("average_rank", table.Decimal, func(r table.Row) table.Value { return ratio(whole(r[i]), whole(r[imp])) })
		case "conversion_value":
			kind, count := at("conversion_type"), at("conversions")
			add("purchases", table.Int, func(r table.Row) table.Value {
				if !purchase(r[kind]) {
					return table.I(0)
				}
				return r[count]
			})
			add("purchase_value", table.Money, func(r table.Row) table.Value {
				if !purchase(r[kind]) {
					return table.F(0)
				}
				return r[i]
			})
		}
	}
	return all
}

// purchase reports whether a conversion is one: until 2024-07-02 types were
// numbers.
func purchase(v table.Value) bool { return v.Str == "purchase" || v.Str == "1" }

func vat(date, cost int, included bool) func(table.Row) table.Value {
	return func(r table.Row) table.Value {
		if r[cost].Null {
			return table.Null
		}
		incl, excl := costs(table.Day(r[date].Num), r[cost].Dec)
		if included {
			return table.F(incl)
		}
		return table.F(excl)
	}
}

// whole is a count as a float; 0 for an empty cell.
func whole(v table.Value) float64 {
	if v.Null {
		return 0
	}
	return float64(v.Num)
}

// ratio is a/b; empty when b is 0.
func ratio(a, b float64) table.Value {
	if b == 0 {
		return table.Null
	}
	return table.F(a / b)
}

// value is the name of the id in a cell; empty when there is none.
func (n *names) value(id table.Value) table.Value {
	if id.Null {
		return table.Null
	}
	name := n.name(id.Str)
	if name == "" {
		return table.Null
	}
	return table.S(name)
}

// owner is the campaign or ad group that a criterion belongs to.
func (n *names) owner(criterion table.Value, item string) table.Value {
	if criterion.Null {
		return table.Null
	}
	id, _, _ := strings.Cut(criterion.Str, "~")
	if item == itemCampaign && itemOfID(id) == itemGroup {
		id = n.of[id].parent
	}
	if id == "" || itemOfID(id) != item {
		return table.Null
	}
	return table.S(id)
}

// Columns are the columns of a report type's sheet, in order.
func Columns(reportType string) table.Schema {
	t, ok := typeOf(reportType)
	if !ok {
		return nil
	}
	var s table.Schema
	for _, x := range outputs(t.schema(0), newNames()) {
		s = append(s, x.Column)
	}
	return slices.Clip(s)
}
