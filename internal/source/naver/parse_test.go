package naver

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"imreport/internal/table"
)

func day(s string) table.Day {
	d, err := table.ParseDay(s)
	if err != nil {
		panic(err)
	}
	return d
}

// parse reads a whole file and writes each row with | between its cells.
func parse(t testing.TB, report, on, customer, file string) ([]string, *parser, error) {
	t.Helper()
	rt, ok := typeOf(report)
	if !ok {
		t.Fatalf("no type %s", report)
	}
	p, err := newParser(strings.NewReader(file), rt, day(on), customer, false)
	if err != nil {
		return nil, nil, err
	}
	schema := p.Schema()
	var rows []string
	for {
		row, err := p.Next()
		if errors.Is(err, io.EOF) {
			return rows, p, nil
		}
		if err != nil {
			return rows, p, err
		}
		cells := []string{}
		for i, c := range schema {
			cells = append(cells, show(c.Kind, row[i]))
		}
		rows = append(rows, strings.Join(cells, "|"))
	}
}

func show(k table.Kind, v table.Value) string {
	if v.Null {
		return "∅"
	}
	switch k {
	case table.Int:
		return fmt.Sprint(v.Num)
	case table.Date:
		return table.Day(v.Num).String()
	case table.Money, table.Decimal, table.Percent:
		return fmt.Sprint(v.Dec)
	}
	return v.Str
}

const (
	adRow   = "20260401\t42\tcmp-a001-01-000000000000001\tgrp-a001-01-000000000000002\tnkw-a001-01-000000000000003\tnad-a001-01-000000000000004\tbsn-a001-00-000000000000005\t8753\tM\t10\t2\t330\t15\t1"
	termRow = "20260401\t42\tcmp-a001-01-000000000000001\tgrp-a001-01-000000000000002\t%s\t8753\tP\t0\t7\t1\t12.5\t0"
)

func TestParse(t *testing.T) {
	const ad = "2026-04-01|42|cmp-a001-01-000000000000001|grp-a001-01-000000000000002|nkw-a001-01-000000000000003|nad-a001-01-000000000000004|bsn-a001-00-000000000000005|8753|M|10|2|330|15|1"
	term := func(s string) string {
		return "2026-04-01|42|cmp-a001-01-000000000000001|grp-a001-01-000000000000002|" + s + "|8753|P|0|7|1|12.5|0"
	}
	for _, c := range []struct {
		name, report, file string
		rows               []string
		odd, repaired, bad int64
		unknown            int
	}{
		{name: "one row without a line end", report: "AD", file: adRow, rows: []string{ad}},
		{name: "byte order mark and CRLF", report: "AD", file: bom + adRow + "\r\n" + adRow + "\r\n", rows: []string{ad, ad}},
		{name: "empty lines", report: "AD", file: "\n" + adRow + "\n\n\r\n", rows: []string{ad}},
		{name: "missing ids", report: "AD", file: strings.NewReplacer("nkw-a001-01-000000000000003", "-", "nad-a001-01-000000000000004", "-").Replace(adRow) + "\n",
			rows: []string{strings.NewReplacer("nkw-a001-01-000000000000003", "∅", "nad-a001-01-000000000000004", "∅").Replace(ad)}},
		{name: "lone quotes", report: "EXPKEYWORD", file: fmt.Sprintf(termRow, "\"듀이듀이“") + "\n" + fmt.Sprintf(termRow, "'") + "\n",
			rows: []string{term("\"듀이듀이“"), term("'")}},
		{name: "a tab in a search term", report: "EXPKEYWORD", file: fmt.Sprintf(termRow, "a\tb") + "\n" + fmt.Sprintf(termRow, "c") + "\n",
			rows: []string{term("a\tb"), term("c")}, repaired: 1},
		{name: "tabs in every search term", report: "EXPKEYWORD", file: fmt.Sprintf(termRow, "\t8753\tM\t1") + "\n" + fmt.Sprintf(termRow, "x\ty\tz") + "\n",
			rows: []string{term("\t8753\tM\t1"), term("x\ty\tz")}, repaired: 2},
		{name: "columns that Naver added", report: "AD", file: adRow + "\tnew\t7\n" + adRow + "\tother\t-\n",
			rows: []string{ad + "|new|7", ad + "|other|∅"}, unknown: 2},
		{name: "added columns and a tab in a term", report: "EXPKEYWORD", file: fmt.Sprintf(termRow, "c") + "\tn\n" + fmt.Sprintf(termRow, "a\tb") + "\tn\n" + fmt.Sprintf(termRow, "d") + "\tn\n",
			rows: []string{term("c") + "|n", term("a\tb") + "|n", term("d") + "|n"}, repaired: 1, unknown: 1},
		{name: "a column inserted among the ids", report: "AD", file: strings.Replace(adRow, "\tnad-", "\tast-1\tnad-", 1) + "\n",
			rows: []string{ad + "|ast-1"}, unknown: 1},
		{name: "too few columns", report: "AD", file: adRow + "\n20260401\t42\tcmp-1\n", rows: []string{ad}, odd: 1},
		{name: "a number that is none", report: "AD", file: adRow + "\n" + strings.Replace(adRow, "\t10\t", "\tten\t", 1) + "\n", rows: []string{ad}, odd: 1},
		{name: "another day", report: "AD", file: adRow + "\n" + strings.Replace(adRow, "20260401", "20260402", 1) + "\n", rows: []string{ad}, odd: 1},
		{name: "another customer", report: "AD", file: adRow + "\n" + strings.Replace(adRow, "\t42\t", "\t43\t", 1) + "\n", rows: []string{ad}, odd: 1},
		{name: "invalid UTF-8", report: "EXPKEYWORD", file: fmt.Sprintf(termRow, "\xec\x84") + "\n", rows: []string{term("\uFFFD")}, bad: 1},
		{name: "a line that is far too long", report: "EXPKEYWORD", file: fmt.Sprintf(termRow, strings.Repeat("x", 2<<20)) + "\n" + fmt.Sprintf(termRow, "c") + "\n", rows: []string{term("c")}, odd: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, p, err := parse(t, c.report, "2026-04-01", "42", c.file)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := strings.Join(rows, "\n"), strings.Join(c.rows, "\n"); got != want {
				t.Errorf("rows\n%s\nwant\n%s", got, want)
			}
			if p.Odd != c.odd || p.Repaired != c.repaired || p.Replaced != c.bad || p.Unknown != c.unknown {
				t.Errorf("odd %d repaired %d replaced %d unknown %d, want %d %d %d %d", p.Odd, p.Repaired, p.Replaced, p.Unknown, c.odd, c.repaired, c.bad, c.unknown)
			}
		})
	}
}

func TestParseEveryType(t *testing.T) {
	samples := map[form]string{
		formDate: "20260401", formCustomer: "42", formCampaign: "cmp-a", formGroup: "grp-a", formKeyword: "nkw-a", formAd: "nad-a",
		formChannel: "bsn-a", formID: "grp-a~AG0013", formText: "말", formHour: "05", formRegion: "99", formCode: "2", formDevice: "M",
		formType: "purchase", formInt: "3", formCost: "0.5",
	}
	counts := map[string]int{"AD": 14, "AD_DETAIL": 16, "AD_CONVERSION": 13, "AD_CONVERSION_DETAIL": 15, "ADEXTENSION": 15,
		"ADEXTENSION_CONVERSION": 14, "EXPKEYWORD": 12, "SHOPPINGKEYWORD_DETAIL": 16, "SHOPPINGKEYWORD_CONVERSION_DETAIL": 15,
		"SHOPPINGBRANDPRODUCT": 12, "SHOPPINGBRANDPRODUCT_CONVERSION": 12, "CRITERION": 7, "CRITERION_CONVERSION": 8}
	if len(reportTypes) != len(counts) {
		t.Errorf("%d types, want %d", len(reportTypes), len(counts))
	}
	for _, rt := range reportTypes {
		if len(rt.fields) != counts[rt.name] {
			t.Errorf("%s has %d columns, want %d", rt.name, len(rt.fields), counts[rt.name])
		}
		cells := []string{}
		for _, f := range rt.fields {
			cells = append(cells, samples[f.form])
		}
		rows, p, err := parse(t, rt.name, "2026-04-01", "42", strings.Join(cells, "\t")+"\n")
		if err != nil || len(rows) != 1 || p.Odd != 0 {
			t.Errorf("%s: %v rows, %d odd, error %v", rt.name, rows, p.Odd, err)
		}
	}
}

func TestParseWhatIsNoReport(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want class
	}{
		"a page":        {"<html><body><h1>500</h1></body></html>", unreadable},
		"JSON":          {`{"code":500,"message":"Internal Server Error"}`, unreadable},
		"other columns": {strings.Repeat("20260401\t42\tcmp-a\n", 20), columnsChanged},
	} {
		_, _, err := parse(t, "AD", "2026-04-01", "42", c.file)
		if !is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestParseCutFile(t *testing.T) {
	rt, _ := typeOf("AD")
	p, err := newParser(strings.NewReader(adRow+"\n"+adRow[:40]), rt, day("2026-04-01"), "42", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = p.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err = p.Next(); !errors.Is(err, errCut) {
		t.Errorf("a stream that may be cut, and is: %v", err)
	}
}

// lines is an endless file cut after n lines; it never holds more than one.
type lines struct {
	line []byte
	n    int
	rest []byte
}

func (l *lines) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		if l.n == 0 {
			return 0, io.EOF
		}
		l.n--
		l.rest = l.line
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// 300,000 rows need no more memory than 3,000.
func TestParseKeepsMemoryConstant(t *testing.T) {
	rt, _ := typeOf("AD")
	allocated := func(n int) uint64 {
		p, err := newParser(&lines{line: []byte(adRow + "\n"), n: n}, rt, day("2026-04-01"), "42", false)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for {
			if _, err := p.Next(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		if p.Rows != int64(n) {
			t.Fatalf("%d rows, want %d", p.Rows, n)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	if small, large := allocated(3_000), allocated(300_000); large > small+4<<20 {
		t.Errorf("300,000 rows allocate %d kB, 3,000 rows %d kB", large>>10, small>>10)
	}
}

func FuzzParse(f *testing.F) {
	for i, rt := range reportTypes {
		cells := []string{}
		for _, fl := range rt.fields {
			cells = append(cells, map[form]string{formDate: "20260401", formCustomer: "42", formDevice: "P", formType: "1"}[fl.form])
		}
		f.Add(uint8(i), strings.Join(cells, "\t")+"\n")
	}
	f.Add(uint8(0), bom+adRow+"\r\n"+adRow+"\tx\n")
	f.Add(uint8(6), fmt.Sprintf(termRow, "a\tb\"")+"\n"+fmt.Sprintf(termRow, "\xff"))
	f.Add(uint8(0), "<html>")
	f.Fuzz(func(t *testing.T, which uint8, file string) {
		rt := reportTypes[int(which)%len(reportTypes)]
		rows, p, err := parse(t, rt.name, "2026-04-01", "42", file)
		if err != nil {
			if asFault(err) == nil {
				t.Fatalf("an error that is no fault: %v", err)
			}
			return
		}
		if int64(len(rows)) != p.Rows {
			t.Fatalf("%d rows, counted %d", len(rows), p.Rows)
		}
		lines := int64(0)
		for _, l := range strings.Split(strings.TrimPrefix(file, bom), "\n") {
			if strings.TrimSuffix(l, "\r") != "" {
				lines++
			}
		}
		if p.Rows+p.Odd != lines {
			t.Fatalf("%d rows and %d odd lines of %d lines", p.Rows, p.Odd, lines)
		}
	})
}
