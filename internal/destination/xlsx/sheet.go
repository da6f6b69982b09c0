package xlsx

import (
	"context"
	"fmt"
	"strconv"

	"imreport/internal/table"
)

// Formula is a cell that is computed, and its result.
type Formula struct {
	Expr  string // without the leading =
	Value float64
}

// Sheet is a tab of a layer: made in memory, cell by cell, then written.
type Sheet struct {
	Name   string    // as the workbook has it
	Widths []float64 // of the columns, in digits
	Show   bool      // the tab that is seen when the file is opened

	rows    [][]cell
	heights map[int]float64
	merged  []string
	links   []string
	charts  []placed
}

type cell struct {
	value any
	style Style
}

type placed struct {
	chart                   Chart
	row, col, width, height int // the corner's cell, from 0; size in pixels
}

// Sheet begins a tab; no tab has its name yet or it is changed.
func (b *Book) Sheet(name string) *Sheet {
	return &Sheet{Name: b.b.names.take(name), heights: map[int]float64{}}
}

// Set fills the cell in a row and column, both from 0, with a string, an int,
// an int64, a float64, a table.Day, a Formula, or nothing (nil).
func (s *Sheet) Set(row, col int, value any, st Style) {
	for len(s.rows) <= row {
		s.rows = append(s.rows, nil)
	}
	for len(s.rows[row]) <= col {
		s.rows[row] = append(s.rows[row], cell{})
	}
	if text, ok := value.(string); ok && text != "" && formulaLike(text) {
		st.Quote = true
	}
	s.rows[row][col] = cell{value, st}
}

// Fill gives the cells from col to last of a row one style.
func (s *Sheet) Fill(row, col, last int, st Style) {
	for i := col; i <= last; i++ {
		s.Set(row, i, nil, st)
	}
}

// Height sets the height of a row, in points.
func (s *Sheet) Height(row int, points float64) { s.heights[row] = points }

// Merge makes one cell of those from col to last of a row.
func (s *Sheet) Merge(row, col, last int) {
	if last > col {
		s.merged = append(s.merged, cellName(row, col)+":"+cellName(row, last))
	}
}

// Link makes a cell lead to another cell of the tab.
func (s *Sheet) Link(row, col, toRow int) {
	s.links = append(s.links, fmt.Sprintf(`<hyperlink ref="%s" location="%s"/>`, cellName(row, col),
		appendText(nil, quoted(s.Name)+"!"+cellName(toRow, 0))))
}

// Draw puts a chart with its upper left corner on a cell.
func (s *Sheet) Draw(c Chart, row, col, widthPx, heightPx int) {
	s.charts = append(s.charts, placed{c, row, col, widthPx, heightPx})
}

// cellName is the name of a cell, both from 0: A1.
func cellName(row, col int) string { return columnName(col) + strconv.Itoa(row+1) }

// Add writes a tab after those that are there.
func (b *Book) Add(ctx context.Context, s *Sheet) error {
	if err := context.Cause(ctx); err != nil {
		return readError{err}
	}
	i := len(b.b.sheets)
	if err := b.b.c.put(b.b.nextSheet(), s.xml(b.b.styles)); err != nil {
		return err
	}
	b.b.sheets = append(b.b.sheets, sheetPart{name: s.Name, show: s.Show})
	if len(s.charts) == 0 {
		return nil
	}
	return b.b.draw(i, s.charts)
}

func (s *Sheet) xml(st *styles) []byte {
	x := []byte(xmlHeader + `<worksheet xmlns="` + nsMain + `" xmlns:r="` + nsRel + `">` + fitPage + `<sheetViews><sheetView showGridLines="0"`)
	if s.Show { // on two tabs it would bind them together for editing
		x = append(x, ` tabSelected="1"`...)
	}
	x = append(x, ` workbookViewId="0"/></sheetViews><sheetFormatPr defaultRowHeight="16.5"/>`...)
	if len(s.Widths) > 0 {
		x = append(x, `<cols>`...)
		for i, w := range s.Widths {
			x = appendCol(x, i, w)
		}
		x = append(x, `</cols>`...)
	}
	x = append(x, `<sheetData>`...)
	for i, r := range s.rows {
		x = fmt.Appendf(x, `<row r="%d"`, i+1)
		if h, ok := s.heights[i]; ok {
			x = fmt.Appendf(x, ` ht="%s" customHeight="1"`, num(h))
		}
		x = append(x, '>')
		for j, c := range r {
			if c.value != nil || c.style != (Style{}) {
				x = c.append(x, cellName(i, j), st.id(c.style))
			}
		}
		x = append(x, `</row>`...)
	}
	x = append(x, `</sheetData>`...)
	if len(s.merged) > 0 {
		x = fmt.Appendf(x, `<mergeCells count="%d">`, len(s.merged))
		for _, m := range s.merged {
			x = append(x, `<mergeCell ref="`+m+`"/>`...)
		}
		x = append(x, `</mergeCells>`...)
	}
	if len(s.links) > 0 {
		x = append(x, `<hyperlinks>`...)
		for _, l := range s.links {
			x = append(x, l...)
		}
		x = append(x, `</hyperlinks>`...)
	}
	x = append(x, pageSetup...)
	if len(s.charts) > 0 {
		x = append(x, `<drawing r:id="rId1"/>`...)
	}
	return append(x, `</worksheet>`...)
}

func (c cell) append(x []byte, ref string, style int) []byte {
	x = append(x, `<c r="`+ref+`"`...)
	if style > 0 {
		x = fmt.Appendf(x, ` s="%d"`, style)
	}
	number := func(f float64) []byte { return append(appendFloat(append(x, `><v>`...), f), `</v></c>`...) }
	switch v := c.value.(type) {
	case string:
		text, _ := fit(v)
		return append(appendT(append(x, ` t="inlineStr"><is>`...), text), `</is></c>`...)
	case int:
		return number(float64(v))
	case int64:
		return number(float64(v))
	case float64:
		return number(v)
	case table.Day:
		return number(float64(v - dateZero))
	case Formula:
		x = append(appendText(append(x, `><f>`...), v.Expr), `</f><v>`...)
		return append(appendFloat(x, v.Value), `</v></c>`...)
	}
	return append(x, `/>`...)
}
