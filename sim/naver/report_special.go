package naver

// Reports that show a part of the rows under another dimension: ad extensions,
// search terms, brand products, targeting criteria.

// extensionOf is the extension shown with a row: the group's, else the
// campaign's, on every second row.
func (s *Server) extensionOf(acct int, r *row) (i int, ok bool) {
	if r.ad < 0 || r.h>>20%2 == 0 {
		return 0, false
	}
	i = r.campaign
	if r.group%3 == 0 {
		i = s.shape.campaigns + r.group/3
	}
	return i, s.ran(ent{acct, kExt, i}, r.day)
}

// extensionPart is the part of a row in which its extension was shown.
func extensionPart(r *row) row {
	x := *r
	x.imp = (r.imp + 1) / 2
	x.clk = min(r.clk/2, x.imp)
	x.view = 0
	x.rank = max(r.rank/2, x.imp)
	x.cost = 0
	if r.clk > 0 {
		x.cost = r.cost / r.clk &^ 1 * x.clk
	}
	return x
}

// extBsn writes an extension's own business channel; text extensions have none.
func (p *reporter) extBsn(ext int) *reporter {
	if ext%2 == 0 {
		return p.text("-")
	}
	return p.id(kChannel, ext%3)
}

func (p *reporter) extension() {
	p.s.each(p.q, func(r *row) {
		ext, ok := p.s.extensionOf(p.q.acct, r)
		if !ok {
			return
		}
		x := extensionPart(r)
		p.begin().owner(r).id(kKeyword, r.kw).id(kAd, r.ad).id(kExt, ext).extBsn(ext).where(r).
			num(x.imp).num(x.clk).won(x.cost).num(x.rank).num(x.view).end()
	})
}

func (p *reporter) extensionConversion() {
	shown := func(r *row) bool {
		_, ok := p.s.extensionOf(p.q.acct, r)
		return ok && r.h>>21%2 == 0
	}
	p.eachConversion(shown, func(r *row, c *conversion) {
		ext, _ := p.s.extensionOf(p.q.acct, r)
		p.begin().owner(r).id(kKeyword, r.kw).id(kAd, r.ad).id(kExt, ext).extBsn(ext).where(r).method(c).end()
	})
}

// term is the search term of a row; ok is false for the rows without one,
// because of which these reports sum to less than AD (fact sheet 3.2). Terms
// differ for different units of a group.
func (s *Server) term(acct int, r *row) (term string, searchType int64, ok bool) {
	if r.h>>24%4 == 0 || r.ad < 0 {
		return "", 0, false
	}
	switch {
	case r.product == shopping:
		if r.ad%adsPerGroup == 0 {
			return `"듀이듀이“`, 0, true // a lone quote, as in a row of issue 950
		}
		return s.name(ent{acct, kAd, r.ad}), 0, true
	case r.kw < 0:
		return "비슷한 " + goods[r.group%len(goods)], 1, true
	}
	word := s.name(ent{acct, kKeyword, r.kw})
	switch r.h >> 28 % 4 {
	case 0:
		return word + " 추천", 2, true
	case 1:
		return word + " 가격", 1, true
	}
	if r.day < termOnlyDay {
		return word, 5, true
	}
	return word, 0, true
}

func (p *reporter) expKeyword() {
	p.s.each(p.q, func(r *row) {
		term, st, ok := p.s.term(p.q.acct, r)
		if r.product != powerlink || !ok {
			return
		}
		p.begin().owner(r).text(term).where(r).num(st).num(r.imp).num(r.clk).won(r.cost).num(r.view).end()
	})
}

func (p *reporter) shoppingKeyword() {
	buf := make([]cell, 0, 5)
	p.s.each(p.q, func(r *row) {
		term, _, ok := p.s.term(p.q.acct, r)
		if r.product != shopping || !ok {
			return
		}
		buf = r.cells(buf)
		for _, c := range buf {
			p.begin().owner(r).text(term).id(kAd, r.ad).channel(r).two(c.hour).two(c.region).where(r).
				num(c.imp).num(c.clk).won(c.cost).num(c.rank).num(c.view).end()
		}
	})
}

func (p *reporter) shoppingKeywordConversion() {
	with := func(r *row) bool {
		_, _, ok := p.s.term(p.q.acct, r)
		return ok && r.product == shopping
	}
	p.eachConversion(with, func(r *row, c *conversion) {
		term, _, _ := p.s.term(p.q.acct, r)
		p.begin().owner(r).text(term).id(kAd, r.ad).channel(r).two(c.hour).two(c.region).where(r).method(c).end()
	})
}

// nvMid is the product number of a shopping ad.
func (s *Server) nvMid(acct, ad int) int64 {
	return 80_000_000_000 + int64(s.hash(ent{acct, kAd, ad})%9_000_000_000)
}

func (p *reporter) brandRow(r *row) bool { return p.s.shape.shoppingBrand(r.group) }

func (p *reporter) brandProduct() {
	p.s.each(p.q, func(r *row) {
		if p.brandRow(r) {
			p.begin().owner(r).num(p.s.nvMid(p.q.acct, r.ad)).channel(r).where(r).num(r.imp).num(r.clk).won(r.cost).num(r.view).end()
		}
	})
}

func (p *reporter) brandProductConversion() {
	p.eachConversion(p.brandRow, func(r *row, c *conversion) {
		p.begin().owner(r).num(p.s.nvMid(p.q.acct, r.ad)).channel(r).where(r).method(c).end()
	})
}

// criteria are the dictionary codes that every second group is targeted by:
// a row belongs to one of them.
var criteria = [...]string{"AG0013", "AG0014", "GN000F"}

func targeted(r *row) bool { return r.group%2 == 0 }

// critSum is a group's numbers under one criterion on one device.
type critSum struct{ imp, clk, cost int64 }

type critKey struct {
	code     int
	mobile   bool
	indirect bool
	ctype    int
}

// byGroup sums the rows of each group with add and writes a group's sums with
// flush once its last row is seen.
func (p *reporter) byGroup(add func(*row), flush func(group int)) {
	last := -1
	p.s.each(p.q, func(r *row) {
		if !targeted(r) {
			return
		}
		if last >= 0 && last != r.group {
			flush(last)
		}
		last = r.group
		add(r)
	})
	if last >= 0 {
		flush(last)
	}
}

func (p *reporter) criterionID(group, code int) *reporter {
	return p.text(p.s.id(ent{p.q.acct, kGroup, group}) + "~" + criteria[code])
}

// criterionOf is the criterion a row counts under.
func criterionOf(r *row) int { return int(r.h >> 32 % uint64(len(criteria))) }

func (p *reporter) criterion() {
	sums := map[critKey]critSum{}
	p.byGroup(func(r *row) {
		k := critKey{code: criterionOf(r), mobile: r.mobile}
		s := sums[k]
		sums[k] = critSum{s.imp + r.imp, s.clk + r.clk, s.cost + r.cost}
	}, func(group int) {
		for code := range criteria {
			for _, mobile := range []bool{false, true} {
				if s, ok := sums[critKey{code: code, mobile: mobile}]; ok {
					p.begin().criterionID(group, code).device(mobile).num(s.imp).num(s.clk).won(s.cost).end()
				}
			}
		}
		clear(sums)
	})
}

func (p *reporter) criterionConversion() {
	sums := map[critKey]conversion{}
	var keys []critKey
	buf := make([]conversion, 0, 4)
	p.byGroup(func(r *row) {
		if r.product == brand {
			return // lacks brand search (fact sheet 3.2)
		}
		buf = r.conversions(p.q.rev, buf)
		for _, c := range buf {
			k := critKey{criterionOf(r), r.mobile, c.indirect, c.ctype}
			s, ok := sums[k]
			if !ok {
				keys = append(keys, k)
			}
			c.count += s.count
			c.sales += s.sales
			sums[k] = c
		}
	}, func(group int) {
		for _, k := range keys {
			c := sums[k]
			p.begin().criterionID(group, k.code).device(k.mobile).method(&c).end()
		}
		clear(sums)
		keys = keys[:0]
	})
}
