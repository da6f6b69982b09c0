package xlsx

import (
	"fmt"
	"strconv"
	"time"
)

const (
	xmlHeader = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	nsMain    = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	nsRel     = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	nsPackRel = "http://schemas.openxmlformats.org/package/2006/relationships"
	typeSheet = "application/vnd.openxmlformats-officedocument.spreadsheetml."
)

// begin writes the parts that need to know nothing. Programs that guess a
// file's type from its first bytes want one of these names first and a name
// below xl/ third.
func (b *book) begin() error {
	if err := b.c.put("_rels/.rels", []byte(xmlHeader+`<Relationships xmlns="`+nsPackRel+`">`+
		`<Relationship Id="rId1" Type="`+nsRel+`/officeDocument" Target="xl/workbook.xml"/>`+
		`<Relationship Id="rId2" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/>`+
		`</Relationships>`)); err != nil {
		return err
	}
	at := b.o.now.UTC().Format(time.RFC3339)
	return b.c.put("docProps/core.xml", []byte(xmlHeader+`<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" `+
		`xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`+
		`<dc:title>`+string(appendText(nil, b.o.work.Title))+`</dc:title><dc:creator>imreport</dc:creator>`+
		`<dcterms:created xsi:type="dcterms:W3CDTF">`+at+`</dcterms:created></cp:coreProperties>`))
}

// nextSheet is the part name of the tab that comes next.
func (b *book) nextSheet() string { return sheetName(len(b.sheets)) }

func sheetName(i int) string { return "xl/worksheets/sheet" + strconv.Itoa(i+1) + ".xml" }

// end writes the parts that list the others.
func (b *book) end() error {
	if len(b.sheets) == 0 { // a workbook without a tab does not open
		if err := b.c.put(b.nextSheet(), []byte(xmlHeader+`<worksheet xmlns="`+nsMain+`"><sheetData/></worksheet>`)); err != nil {
			return err
		}
		b.sheets = append(b.sheets, sheetPart{name: b.names.take("Sheet1")})
	}
	if err := b.c.put("xl/workbook.xml", b.workbookXML()); err != nil {
		return err
	}
	n := len(b.sheets)
	rels := []byte(xmlHeader + `<Relationships xmlns="` + nsPackRel + `">`)
	for i := range n {
		rels = fmt.Appendf(rels, `<Relationship Id="rId%d" Type="%s/worksheet" Target="worksheets/sheet%d.xml"/>`, i+1, nsRel, i+1)
	}
	rels = fmt.Appendf(rels, `<Relationship Id="rId%d" Type="%s/styles" Target="styles.xml"/>`, n+1, nsRel)
	rels = fmt.Appendf(rels, `<Relationship Id="rId%d" Type="%s/sharedStrings" Target="sharedStrings.xml"/></Relationships>`, n+2, nsRel)
	if err := b.c.put("xl/_rels/workbook.xml.rels", rels); err != nil {
		return err
	}
	if err := b.c.put("xl/styles.xml", b.styles.xml()); err != nil {
		return err
	}
	w, err := b.c.part("xl/sharedStrings.xml")
	if err != nil {
		return err
	}
	if err := b.shared.write(w); err != nil {
		return err
	}
	return b.c.put("[Content_Types].xml", b.contentTypes())
}

func (b *book) workbookXML() []byte {
	x := []byte(xmlHeader + `<workbook xmlns="` + nsMain + `" xmlns:r="` + nsRel + `"><workbookPr defaultThemeVersion="124226"/><bookViews><workbookView`)
	for i, s := range b.sheets {
		if s.show {
			x = fmt.Appendf(x, ` activeTab="%d"`, i)
			break
		}
	}
	x = append(x, `/></bookViews><sheets>`...)
	filters := []byte(nil)
	for i, s := range b.sheets {
		x = fmt.Appendf(x, `<sheet name="%s" sheetId="%d" r:id="rId%d"/>`, appendText(nil, s.name), i+1, i+1)
		if s.filter != "" {
			filters = fmt.Appendf(filters, `<definedName name="_xlnm._FilterDatabase" localSheetId="%d" hidden="1">%s!%s</definedName>`,
				i, appendText(nil, quoted(s.name)), s.filter)
		}
	}
	x = append(x, `</sheets>`...)
	if filters != nil {
		x = append(append(append(x, `<definedNames>`...), filters...), `</definedNames>`...)
	}
	// The results of all formulas stand in the file. With the number of the
	// current calculation engine Excel believes them, and opens a large file
	// without computing for minutes.
	return append(x, `<calcPr calcId="191029"/></workbook>`...)
}

func (b *book) contentTypes() []byte {
	x := []byte(xmlHeader + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
		`<Default Extension="xml" ContentType="application/xml"/>` +
		`<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>` +
		`<Override PartName="/xl/workbook.xml" ContentType="` + typeSheet + `sheet.main+xml"/>` +
		`<Override PartName="/xl/styles.xml" ContentType="` + typeSheet + `styles+xml"/>` +
		`<Override PartName="/xl/sharedStrings.xml" ContentType="` + typeSheet + `sharedStrings+xml"/>`)
	for i := range b.sheets {
		x = fmt.Appendf(x, `<Override PartName="/%s" ContentType="%sworksheet+xml"/>`, sheetName(i), typeSheet)
	}
	for _, p := range b.extra {
		x = fmt.Appendf(x, `<Override PartName="/%s" ContentType="%s"/>`, p.name, p.contentType)
	}
	return append(x, `</Types>`...)
}
