package xlsx

import (
	"fmt"
	"slices"
	"strconv"

	"imreport/internal/i18n"
	"imreport/internal/table"
)

// Style is how a cell looks. The zero Style is that of a cell that says
// nothing.
type Style struct {
	Bold   bool
	Size   float64 // points; 0 is 11
	Color  string  // of the letters, RRGGBB
	Fill   string  // RRGGBB
	Format Format
	Align  string // "left", "center", "right"; empty leaves it to the value
	Middle bool   // in the middle of the height
	Indent int
	Line   string // RRGGBB of a line below the cell
	Top    string // RRGGBB of a line above the cell
	// Quote marks text that looks like a formula, so that it stays text when
	// a person enters it again.
	Quote bool
	Link  bool // underlined
}

// Format is a number format.
type Format string

// The formats that are used. Excel knows the first ones by number.
const (
	General  Format = ""
	Whole    Format = "#,##0"
	TwoPlace Format = "#,##0.00"
	Share    Format = "0.00%"
	AsText   Format = "@"
	ISODate  Format = "yyyy-mm-dd"
)

var builtinFormats = map[Format]int{General: 0, Whole: 3, TwoPlace: 4, Share: 10, AsText: 49}

// styles numbers the styles of a workbook, in the order in which they appear.
type styles struct {
	lang i18n.Lang
	all  []Style
}

func newStyles(l i18n.Lang) *styles { return &styles{lang: l, all: []Style{{}}} }

func (s *styles) id(st Style) int {
	if i := slices.Index(s.all, st); i >= 0 {
		return i
	}
	s.all = append(s.all, st)
	return len(s.all) - 1
}

// colours of the sheets.
const (
	ink      = "1F2933" // titles
	quiet    = "6B7785" // what is beside the matter
	paleFill = "EAF1F8" // headers
	sumFill  = "F6F8FA" // totals
	hairline = "D5DBE1"
	rule     = "8FA3B5"
	linkBlue = "1F5FA8"

	sundayRed = "C0392B"
)

var headerStyle = Style{Bold: true, Color: ink, Fill: paleFill, Line: rule, Middle: true}

// formatOf is the number format of a column's values. Money is whole unless a
// value has decimals.
func formatOf(k table.Kind) Format {
	switch k {
	case table.ID:
		return AsText
	case table.Int, table.Money:
		return Whole
	case table.Decimal:
		return TwoPlace
	case table.Percent:
		return Share
	case table.Date:
		return ISODate
	}
	return General
}

// xml is the part xl/styles.xml.
func (s *styles) xml() []byte {
	fonts, fills, borders, formats := new(set), new(set), new(set), []Format{}
	family := "Calibri"
	if s.lang == i18n.Korean {
		family = "맑은 고딕"
	}
	font := func(st Style) string {
		x := "<font>"
		if st.Bold {
			x += "<b/>"
		}
		if st.Link {
			x += "<u/>"
		}
		size, color := st.Size, st.Color
		if size == 0 {
			size = 11
		}
		if color == "" {
			color = "000000"
		}
		return x + fmt.Sprintf(`<sz val="%s"/><color rgb="FF%s"/><name val="%s"/><family val="2"/></font>`, num(size), color, family)
	}
	fill := func(st Style) string {
		if st.Fill == "" {
			return `<fill><patternFill patternType="none"/></fill>`
		}
		return `<fill><patternFill patternType="solid"><fgColor rgb="FF` + st.Fill + `"/><bgColor indexed="64"/></patternFill></fill>`
	}
	edge := func(side, color string) string {
		if color == "" {
			return "<" + side + "/>"
		}
		return `<` + side + ` style="thin"><color rgb="FF` + color + `"/></` + side + `>`
	}
	border := func(st Style) string {
		return `<border><left/><right/>` + edge("top", st.Top) + edge("bottom", st.Line) + `<diagonal/></border>`
	}
	fills.add(fill(Style{}))
	fills.add(`<fill><patternFill patternType="gray125"/></fill>`) // Excel keeps the second for itself
	var xfs []byte
	for _, st := range s.all {
		format, ok := builtinFormats[st.Format]
		if !ok {
			i := slices.Index(formats, st.Format)
			if i < 0 {
				i = len(formats)
				formats = append(formats, st.Format)
			}
			format = 164 + i // the first that a file may define
		}
		xfs = fmt.Appendf(xfs, `<xf numFmtId="%d" fontId="%d" fillId="%d" borderId="%d" xfId="0"`,
			format, fonts.add(font(st)), fills.add(fill(st)), borders.add(border(st)))
		xfs = append(xfs, flags(st)...)
	}
	b := []byte(xmlHeader + `<styleSheet xmlns="` + nsMain + `">`)
	if len(formats) > 0 {
		b = fmt.Appendf(b, `<numFmts count="%d">`, len(formats))
		for i, f := range formats {
			b = fmt.Appendf(b, `<numFmt numFmtId="%d" formatCode="%s"/>`, 164+i, appendText(nil, string(f)))
		}
		b = append(b, `</numFmts>`...)
	}
	b = fonts.append(b, "fonts")
	b = fills.append(b, "fills")
	b = borders.append(b, "borders")
	b = append(b, `<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>`...)
	b = fmt.Appendf(b, `<cellXfs count="%d">%s</cellXfs>`, len(s.all), xfs)
	return append(b, `<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>`...)
}

// flags is the rest of an <xf> element: which parts of the style apply, and
// the alignment.
func flags(st Style) string {
	x := ""
	if st.Quote {
		x += ` quotePrefix="1"`
	}
	if st.Format != General {
		x += ` applyNumberFormat="1"`
	}
	if st.Bold || st.Size != 0 || st.Color != "" || st.Link {
		x += ` applyFont="1"`
	}
	if st.Fill != "" {
		x += ` applyFill="1"`
	}
	if st.Line != "" || st.Top != "" {
		x += ` applyBorder="1"`
	}
	align := ""
	if st.Align != "" {
		align += ` horizontal="` + st.Align + `"`
	}
	if st.Middle {
		align += ` vertical="center"`
	}
	if st.Indent > 0 {
		align += ` indent="` + strconv.Itoa(st.Indent) + `"`
	}
	if align == "" {
		return x + `/>`
	}
	return x + ` applyAlignment="1"><alignment` + align + `/></xf>`
}

// set is XML elements, each once.
type set struct{ all []string }

func (s *set) add(x string) int {
	if i := slices.Index(s.all, x); i >= 0 {
		return i
	}
	s.all = append(s.all, x)
	return len(s.all) - 1
}

func (s *set) append(b []byte, name string) []byte {
	b = fmt.Appendf(b, `<%s count="%d">`, name, len(s.all))
	for _, x := range s.all {
		b = append(b, x...)
	}
	return fmt.Appendf(b, `</%s>`, name)
}

func num(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
