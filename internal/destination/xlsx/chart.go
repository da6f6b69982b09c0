package xlsx

import (
	"fmt"
	"strings"

	"imreport/internal/table"
)

// Chart shows two series by day: one as columns, one as a line with an axis of
// its own on the right.
type Chart struct {
	Title      string
	Days       Range
	Bars, Line Series
}

// Range is cells one below the other, and their values, which programs show
// until they compute themselves.
type Range struct {
	Ref    string // "'Summary'!$A$26:$A$56"
	Values []float64
}

// Series is a row of numbers with a name.
type Series struct {
	Name string
	Range
}

const (
	barColor  = "8DB3DC"
	lineColor = "E0703A"
	gridColor = "E4E8EC"

	nsChart   = "http://schemas.openxmlformats.org/drawingml/2006/chart"
	nsDrawing = "http://schemas.openxmlformats.org/drawingml/2006/main"
	nsPlace   = "http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing"
	emuPerPx  = 9525
)

// draw writes the charts of the i-th tab: the drawing that places them, and a
// part for each.
func (b *book) draw(i int, charts []placed) error {
	n := i + 1
	if err := b.c.put(fmt.Sprintf("xl/worksheets/_rels/sheet%d.xml.rels", n), fmt.Appendf(nil,
		`%s<Relationships xmlns="%s"><Relationship Id="rId1" Type="%s/drawing" Target="../drawings/drawing%d.xml"/></Relationships>`,
		xmlHeader, nsPackRel, nsRel, n)); err != nil {
		return err
	}
	place := []byte(xmlHeader + `<xdr:wsDr xmlns:xdr="` + nsPlace + `" xmlns:a="` + nsDrawing + `">`)
	rels := []byte(xmlHeader + `<Relationships xmlns="` + nsPackRel + `">`)
	for j, p := range charts {
		name := fmt.Sprintf("xl/charts/chart%d_%d.xml", n, j+1)
		if err := b.c.put(name, p.chart.xml()); err != nil {
			return err
		}
		b.extra = append(b.extra, extraPart{name, "application/vnd.openxmlformats-officedocument.drawingml.chart+xml"})
		rels = fmt.Appendf(rels, `<Relationship Id="rId%d" Type="%s/chart" Target="../charts/chart%d_%d.xml"/>`, j+1, nsRel, n, j+1)
		place = fmt.Appendf(place, `<xdr:oneCellAnchor><xdr:from><xdr:col>%d</xdr:col><xdr:colOff>0</xdr:colOff><xdr:row>%d</xdr:row><xdr:rowOff>0</xdr:rowOff></xdr:from>`+
			`<xdr:ext cx="%d" cy="%d"/><xdr:graphicFrame macro=""><xdr:nvGraphicFramePr><xdr:cNvPr id="%d" name="Chart %d" descr="%s"/><xdr:cNvGraphicFramePr/></xdr:nvGraphicFramePr>`+
			`<xdr:xfrm><a:off x="0" y="0"/><a:ext cx="0" cy="0"/></xdr:xfrm><a:graphic><a:graphicData uri="%s">`+
			`<c:chart xmlns:c="%s" xmlns:r="%s" r:id="rId%d"/></a:graphicData></a:graphic></xdr:graphicFrame><xdr:clientData/></xdr:oneCellAnchor>`,
			p.col, p.row, p.width*emuPerPx, p.height*emuPerPx, j+2, j+1, appendText(nil, p.chart.Title), nsChart, nsChart, nsRel, j+1)
	}
	name := fmt.Sprintf("xl/drawings/drawing%d.xml", n)
	b.extra = append(b.extra, extraPart{name, "application/vnd.openxmlformats-officedocument.drawing+xml"})
	if err := b.c.put(name, append(place, `</xdr:wsDr>`...)); err != nil {
		return err
	}
	return b.c.put(fmt.Sprintf("xl/drawings/_rels/drawing%d.xml.rels", n), append(rels, `</Relationships>`...))
}

// The axes of a chart.
const (
	daysLeft = iota + 1
	barsAxis
	daysRight
	lineAxis
)

func (c Chart) xml() []byte {
	x := []byte(xmlHeader + `<c:chartSpace xmlns:c="` + nsChart + `" xmlns:a="` + nsDrawing + `" xmlns:r="` + nsRel + `"><c:roundedCorners val="0"/><c:chart>` +
		`<c:title><c:tx><c:rich><a:bodyPr/><a:p><a:pPr>` + letters("defRPr", 1200, true) + `</a:pPr><a:r>` + letters("rPr", 1200, true) + `<a:t>`)
	x = append(appendText(x, c.Title), `</a:t></a:r></a:p></c:rich></c:tx><c:overlay val="0"/></c:title><c:autoTitleDeleted val="0"/><c:plotArea><c:layout/>`...)
	x = append(x, `<c:barChart><c:barDir val="col"/><c:grouping val="clustered"/><c:varyColors val="0"/>`...)
	x = c.series(x, 0, c.Bars, `<c:spPr><a:solidFill><a:srgbClr val="`+barColor+`"/></a:solidFill></c:spPr><c:invertIfNegative val="0"/>`)
	x = fmt.Appendf(x, `<c:gapWidth val="60"/><c:axId val="%d"/><c:axId val="%d"/></c:barChart>`, daysLeft, barsAxis)
	x = append(x, `<c:lineChart><c:grouping val="standard"/><c:varyColors val="0"/>`...)
	x = c.series(x, 1, c.Line, `<c:spPr><a:ln w="28575" cap="rnd"><a:solidFill><a:srgbClr val="`+lineColor+`"/></a:solidFill><a:round/></a:ln></c:spPr>`+c.marker())
	x = fmt.Appendf(x, `<c:marker val="1"/><c:axId val="%d"/><c:axId val="%d"/></c:lineChart>`, daysRight, lineAxis)
	x = c.dateAxis(x, daysLeft, barsAxis, false)
	x = c.valueAxis(x, barsAxis, daysLeft, c.Bars.Name, "l", `<c:majorGridlines><c:spPr><a:ln w="6350"><a:solidFill><a:srgbClr val="`+gridColor+`"/></a:solidFill></a:ln></c:spPr></c:majorGridlines>`, "autoZero")
	x = c.valueAxis(x, lineAxis, daysRight, c.Line.Name, "r", "", "max")
	x = c.dateAxis(x, daysRight, lineAxis, true)
	x = append(x, `</c:plotArea><c:legend><c:legendPos val="b"/><c:overlay val="0"/>`+textStyle(900)+`</c:legend><c:plotVisOnly val="1"/><c:dispBlanksAs val="gap"/></c:chart>`...)
	return append(x, `<c:spPr><a:solidFill><a:srgbClr val="FFFFFF"/></a:solidFill><a:ln w="9525"><a:solidFill><a:srgbClr val="`+hairline+`"/></a:solidFill></a:ln></c:spPr></c:chartSpace>`...)
}

// marker shows single days where a line would be too short to be seen.
func (c Chart) marker() string {
	if len(c.Days.Values) > 31 {
		return `<c:marker><c:symbol val="none"/></c:marker>`
	}
	fill := `<a:solidFill><a:srgbClr val="` + lineColor + `"/></a:solidFill>`
	return `<c:marker><c:symbol val="circle"/><c:size val="5"/><c:spPr>` + fill + `<a:ln w="9525">` + fill + `</a:ln></c:spPr></c:marker>`
}

func (c Chart) series(x []byte, i int, s Series, look string) []byte {
	x = fmt.Appendf(x, `<c:ser><c:idx val="%d"/><c:order val="%d"/><c:tx><c:v>%s</c:v></c:tx>%s<c:cat>`, i, i, appendText(nil, s.Name), look)
	x = append(c.Days.append(x, "yyyy\\-mm\\-dd"), `</c:cat><c:val>`...)
	x = append(s.append(x, "#,##0"), `</c:val>`...)
	if i == 1 {
		x = append(x, `<c:smooth val="0"/>`...)
	}
	return append(x, `</c:ser>`...)
}

func (r Range) append(x []byte, format string) []byte {
	x = fmt.Appendf(x, `<c:numRef><c:f>%s</c:f><c:numCache><c:formatCode>%s</c:formatCode><c:ptCount val="%d"/>`, appendText(nil, r.Ref), format, len(r.Values))
	for i, v := range r.Values {
		x = fmt.Appendf(x, `<c:pt idx="%d"><c:v>%s</c:v></c:pt>`, i, appendFloat(nil, v))
	}
	return append(x, `</c:numCache></c:numRef>`...)
}

func (c Chart) dateAxis(x []byte, id, cross int, hidden bool) []byte {
	x = fmt.Appendf(x, `<c:dateAx><c:axId val="%d"/><c:scaling><c:orientation val="minMax"/></c:scaling><c:delete val="%s"/><c:axPos val="b"/>`, id, bit(hidden))
	x = append(x, `<c:numFmt formatCode="m/d" sourceLinked="0"/><c:majorTickMark val="none"/><c:minorTickMark val="none"/><c:tickLblPos val="low"/>`...)
	x = append(x, axisLine+textStyle(900)...)
	return fmt.Appendf(x, `<c:crossAx val="%d"/><c:crosses val="autoZero"/><c:auto val="1"/><c:lblOffset val="100"/><c:baseTimeUnit val="days"/></c:dateAx>`, cross)
}

func (c Chart) valueAxis(x []byte, id, cross int, title, pos, grid, crosses string) []byte {
	x = fmt.Appendf(x, `<c:valAx><c:axId val="%d"/><c:scaling><c:orientation val="minMax"/><c:min val="0"/></c:scaling><c:delete val="0"/><c:axPos val="%s"/>%s`, id, pos, grid)
	x = append(x, `<c:title><c:tx><c:rich><a:bodyPr rot="-5400000" vert="horz"/><a:p><a:pPr>`+letters("defRPr", 900, false)+`</a:pPr><a:r>`+letters("rPr", 900, false)+`<a:t>`...)
	x = append(appendText(x, title), `</a:t></a:r></a:p></c:rich></c:tx><c:overlay val="0"/></c:title>`...)
	x = append(x, `<c:numFmt formatCode="#,##0" sourceLinked="0"/><c:majorTickMark val="none"/><c:minorTickMark val="none"/><c:tickLblPos val="nextTo"/>`+
		`<c:spPr><a:ln><a:noFill/></a:ln></c:spPr>`+textStyle(900)...)
	return fmt.Appendf(x, `<c:crossAx val="%d"/><c:crosses val="%s"/><c:crossBetween val="between"/></c:valAx>`, cross, crosses)
}

const axisLine = `<c:spPr><a:ln w="9525"><a:solidFill><a:srgbClr val="` + hairline + `"/></a:solidFill></a:ln></c:spPr>`

// letters is how text in a chart looks; size in hundredths of a point.
func letters(element string, size int, bold bool) string {
	return fmt.Sprintf(`<a:%s sz="%d" b="%s"><a:solidFill><a:srgbClr val="%s"/></a:solidFill></a:%s>`, element, size, bit(bold), ink, element)
}

func textStyle(size int) string {
	return `<c:txPr><a:bodyPr/><a:p><a:pPr>` + strings.ReplaceAll(letters("defRPr", size, false), ink, quiet) + `</a:pPr><a:endParaRPr lang="en-US"/></a:p></c:txPr>`
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// daysRange is the range of days in a column of a tab.
func daysRange(ref string, days []table.Day) Range {
	r := Range{Ref: ref}
	for _, d := range days {
		r.Values = append(r.Values, float64(d-dateZero))
	}
	return r
}
