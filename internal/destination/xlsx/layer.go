package xlsx

import (
	"context"

	"imreport/internal/run"
	"imreport/internal/table"
)

// Layer is something that is laid over the raw tabs of a workbook. It may add
// tabs after them, with formulas and charts over the raw ones. Builtin is one;
// a template that somebody uploads would be another.
type Layer interface {
	Lay(ctx context.Context, b *Book) error
}

// Raw is a report type as it stands in a workbook.
type Raw struct {
	Report string
	Schema table.Schema
	Tabs   []RawTab // more than one where the rows did not fit
	Totals *Totals
	Cut    int64 // texts that were too long for a cell
	Unfit  int64 // cells left empty because their number is none
}

// RawTab is one tab of a report type.
type RawTab struct {
	Name string
	Rows int64 // without the header
}

// Rows is the number of rows in all tabs.
func (r Raw) Rows() (n int64) {
	for _, t := range r.Tabs {
		n += t.Rows
	}
	return n
}

// Book is a workbook as layers see it.
type Book struct {
	Work run.Work
	Info run.Info
	Raw  []Raw

	b *book
}
