package naver

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// reportType is what is known of one kind of stat report.
type reportType struct {
	columns int
	// back is how many days before today may be asked (fact sheet 2.5).
	back int
	// conversions tells which restatement touches it.
	conversions bool
	lines       func(*reporter)
}

// reportTypes are the 13 live ones. NAVERPAY_CONVERSION has ended.
var reportTypes = map[string]reportType{
	"AD":                                {14, 365, false, (*reporter).ad},
	"AD_DETAIL":                         {16, 180, false, (*reporter).adDetail},
	"AD_CONVERSION":                     {13, 365, true, (*reporter).adConversion},
	"AD_CONVERSION_DETAIL":              {15, 45, true, (*reporter).adConversionDetail},
	"ADEXTENSION":                       {15, 365, false, (*reporter).extension},
	"ADEXTENSION_CONVERSION":            {14, 365, true, (*reporter).extensionConversion},
	"EXPKEYWORD":                        {12, 365, false, (*reporter).expKeyword},
	"SHOPPINGKEYWORD_DETAIL":            {16, 180, false, (*reporter).shoppingKeyword},
	"SHOPPINGKEYWORD_CONVERSION_DETAIL": {15, 45, true, (*reporter).shoppingKeywordConversion},
	"SHOPPINGBRANDPRODUCT":              {12, 365, false, (*reporter).brandProduct},
	"SHOPPINGBRANDPRODUCT_CONVERSION":   {12, 365, true, (*reporter).brandProductConversion},
	"CRITERION":                         {7, 365, false, (*reporter).criterion},
	"CRITERION_CONVERSION":              {8, 365, true, (*reporter).criterionConversion},
}

// ReportTypes lists the stat reports that can be made.
func ReportTypes() []string {
	var out []string
	for t := range reportTypes {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

// reporter writes the lines of one report: fields are added with its small
// methods, end closes a line.
type reporter struct {
	s     *Server
	q     query
	emit  func(line []byte) // a line without its end; reused
	line  []byte
	date  string
	cust  string
	spoil spoil
}

// spoil is what a fault does to a file.
type spoil struct {
	// keep is the share of the lines that are there, 0 to 1; 1 or 0 is all.
	keep float64
	// column appends one unknown column; badUTF8 puts an invalid byte into a line.
	column, badUTF8 bool
	// noNames empties the names in a master (maintenance of 2024-11-28).
	noNames bool
}

// lines makes report typ of q and hands out each line.
func (s *Server) lines(typ string, q query, sp spoil, emit func([]byte)) {
	rep := &reporter{s: s, q: q, emit: emit, date: q.d.String(), spoil: sp}
	if q.acct >= 0 {
		rep.cust = strconv.FormatInt(s.accts[q.acct].ID, 10)
	}
	reportTypes[typ].lines(rep)
}

// writeReport streams the file.
func (s *Server) writeReport(w io.Writer, typ string, q query, sp spoil) error {
	bw := bufio.NewWriterSize(w, 64<<10)
	var err error
	s.lines(typ, q, sp, func(line []byte) {
		if err == nil {
			_, _ = bw.Write(line)
			err = bw.WriteByte('\n')
		}
	})
	if err == nil {
		err = bw.Flush()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", typ, err)
	}
	return nil
}

// any tells whether the report has a line.
func (s *Server) any(typ string, q query) bool {
	found := false
	q.enough = &found
	s.lines(typ, q, spoil{}, func([]byte) { found = true })
	return found
}

func (p *reporter) text(t string) *reporter {
	if len(p.line) > 0 {
		p.line = append(p.line, '\t')
	}
	p.line = append(p.line, t...)
	return p
}

func (p *reporter) num(n int64) *reporter {
	if len(p.line) > 0 {
		p.line = append(p.line, '\t')
	}
	p.line = strconv.AppendInt(p.line, n, 10)
	return p
}

// two writes a two-digit hour or region.
func (p *reporter) two(n int) *reporter {
	p.line = append(p.line, '\t', byte('0'+n/10), byte('0'+n%10))
	return p
}

// won writes half won as the vendor writes cost.
func (p *reporter) won(half int64) *reporter {
	p.num(half / 2)
	if half%2 != 0 {
		p.line = append(p.line, ".5"...)
	}
	return p
}

func (p *reporter) id(k kind, i int) *reporter {
	if i < 0 {
		return p.text("-")
	}
	p.line = p.s.appendID(append(p.line, '\t'), ent{p.q.acct, k, i})
	return p
}

func (p *reporter) device(mobile bool) *reporter {
	if mobile {
		return p.text("M")
	}
	return p.text("P")
}

// begin starts a line with date and customer.
func (p *reporter) begin() *reporter {
	p.line = p.line[:0]
	return p.text(p.date).text(p.cust)
}

func (p *reporter) end() {
	if k := p.spoil.keep; k > 0 && k < 1 && unit(mixString(p.s.o.Seed, string(p.line))) >= k {
		return
	}
	if p.spoil.column {
		p.text("0")
	}
	if p.spoil.badUTF8 {
		p.line = append(p.line, 0xff)
		p.spoil.badUTF8 = false
	}
	p.emit(p.line)
}

// owner writes campaign and group.
func (p *reporter) owner(r *row) *reporter { return p.id(kCampaign, r.campaign).id(kGroup, r.group) }

// channel writes the business channel of a row.
func (p *reporter) channel(r *row) *reporter { return p.id(kChannel, r.campaign%3) }

// where writes media and device.
func (p *reporter) where(r *row) *reporter { return p.num(int64(r.media)).device(r.mobile) }

// method writes CMeth, CType, CCnt, CSales.
func (p *reporter) method(c *conversion) *reporter {
	if c.indirect {
		p.num(2)
	} else {
		p.num(1)
	}
	if p.q.d < ctypeDay {
		p.num(int64(c.ctype + 1))
	} else {
		p.text(ctypes[c.ctype])
	}
	return p.num(c.count).num(c.sales)
}

func (p *reporter) ad() {
	p.s.each(p.q, func(r *row) {
		p.begin().owner(r).id(kKeyword, r.kw).id(kAd, r.ad).channel(r).where(r).
			num(r.imp).num(r.clk).won(r.cost).num(r.rank).num(r.view).end()
	})
}

func (p *reporter) adDetail() {
	buf := make([]cell, 0, 5)
	p.s.each(p.q, func(r *row) {
		buf = r.cells(buf)
		for _, c := range buf {
			p.begin().owner(r).id(kKeyword, r.kw).id(kAd, r.ad).channel(r).two(c.hour).two(c.region).where(r).
				num(c.imp).num(c.clk).won(c.cost).num(c.rank).num(c.view).end()
		}
	})
}

// eachConversion visits the conversions of all rows that keep accepts.
func (p *reporter) eachConversion(keep func(*row) bool, fn func(*row, *conversion)) {
	buf := make([]conversion, 0, 4)
	p.s.each(p.q, func(r *row) {
		if !keep(r) {
			return
		}
		buf = r.conversions(p.q.rev, buf)
		for i := range buf {
			fn(r, &buf[i])
		}
	})
}

func always(*row) bool { return true }

func (p *reporter) adConversion() {
	p.eachConversion(always, func(r *row, c *conversion) {
		p.begin().owner(r).id(kKeyword, r.kw).id(kAd, r.ad).channel(r).where(r).method(c).end()
	})
}

func (p *reporter) adConversionDetail() {
	p.eachConversion(always, func(r *row, c *conversion) {
		p.begin().owner(r).id(kKeyword, r.kw).id(kAd, r.ad).channel(r).two(c.hour).two(c.region).where(r).method(c).end()
	})
}
