package naver

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/run"
	"imreport/internal/table"
	vendor "imreport/sim/naver"
)

// TestEveryTypeEndToEnd collects all 13 types over days on both sides of the
// change of VAT where the type reaches back that far, and compares each row
// with what the simulator says it should be.
func TestEveryTypeEndToEnd(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		st := newStage(t, d, vendor.Options{}, nil)
		customer := st.busy()[0]
		for _, rt := range reportTypes {
			t.Run(rt.name, func(t *testing.T) {
				st.t = t
				o := st.order(customer, 2, rt.name)
				st.must(o)
				st.compare(o, rt)
			})
		}
	})
}

// compare compares the sheet of an order with the truth.
func (st *stage) compare(o run.Order, rt reportType) {
	st.t.Helper()
	schema, rows := st.rows(o, rt.name)
	if want := Columns(rt.name); !slices.Equal(schema, want) {
		st.t.Errorf("columns %v, want %v", schema, want)
	}
	var got, want []string
	for _, row := range rows {
		var cells []string
		for _, f := range rt.fields {
			cells = append(cells, row[schema.Index(f.name)])
		}
		got = append(got, strings.Join(cells, "|"))
	}
	for d := o.From; d <= o.To; d++ {
		for _, fields := range st.truth(o.CustomerID, rt.name, d).Rows {
			var cells []string
			for i, f := range rt.fields {
				cells = append(cells, canonical(f.form, fields[i]))
			}
			want = append(want, strings.Join(cells, "|"))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		st.t.Errorf("%s: %d rows, want %d\n got %.300v\nwant %.300v", rt.name, len(got), len(want), first3(got), first3(want))
	}
	if len(want) == 0 {
		st.t.Errorf("%s: the simulator has no rows", rt.name)
	}
}

func first3(s []string) []string { return s[:min(len(s), 3)] }

// canonical is a field of a report as show writes it.
func canonical(f form, s string) string {
	switch {
	case s == "-" || s == "":
		return "∅"
	case f == formDate:
		d, _ := table.ParseDay(s)
		return d.String()
	case f == formHour || f == formInt:
		n, _ := strconv.ParseInt(s, 10, 64)
		return fmt.Sprint(n)
	case f == formCost:
		v, _ := strconv.ParseFloat(s, 64)
		return show(table.Money, table.F(v))
	}
	return s
}
