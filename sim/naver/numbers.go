package naver

import (
	"math"
	"time"
)

// row is the atom of all numbers: a day of one keyword or ad in one media on
// one device, which is one line of an AD report. Everything else (detail,
// terms, extensions, conversions, /stats) is derived from rows, so that the
// reports agree with each other.
type row struct {
	campaign, group int
	kw, ad          int // -1: the report has "-"
	product         int
	media           int
	mobile          bool
	imp, clk, view  int64
	first           int64 // clicks before any restatement
	// cost is in half won: without VAT before vatDay, with VAT (whole won) from it.
	cost int64
	// rank is the sum of the ranks of all impressions.
	rank int64
	h    uint64 // identity of the row, root of what is derived from it
	n    int    // number of the row within its unit
	day  day
}

// media that the rows use, with the device they are on; the master "Media"
// knows more.
var media = [...]struct {
	code   int
	mobile bool
}{{27758, false}, {8753, true}, {33421, true}, {11068, false}, {122875, true}, {38367, false}}

// revKey names the restatements of one day of one customer: of clicks, or of conversions.
type revKey struct {
	acct        int
	d           day
	conversions bool
}

// revision is how often a day was restated; a file keeps the one it was built with.
type revision struct{ clicks, conversions int }

func (s *Server) revision(acct int, d day) revision {
	revs := s.world.Load().revs
	return revision{revs[revKey{acct, d, false}], revs[revKey{acct, d, true}]}
}

// query says which rows are wanted; groups nil means all.
type query struct {
	acct   int
	d      day
	rev    revision
	groups map[int]bool
	// enough, when set to true by the visitor, ends the visit after the group.
	enough *bool
}

// each visits the rows in a fixed order, group by group. The row is reused.
func (s *Server) each(q query, fn func(*row)) {
	if q.acct < 0 || s.accts[q.acct].Quiet {
		return
	}
	w := rowMaker{s: s, q: q, fn: fn, season: season(q.d)}
	for g := range s.shape.groups {
		if q.groups != nil && !q.groups[g] {
			continue
		}
		c := s.shape.campaign(g)
		if !s.ran(ent{q.acct, kCampaign, c}, q.d) || !s.ran(ent{q.acct, kGroup, g}, q.d) {
			continue
		}
		w.group(g)
		if q.enough != nil && *q.enough {
			return
		}
	}
}

// season is the traffic of a day: weekends are quieter, the year has a wave.
func season(d day) float64 {
	f := 1 + 0.2*math.Sin(float64(d)/58)
	if wd := d.weekday(); wd == time.Saturday || wd == time.Sunday {
		f *= 0.7
	}
	return f
}

// rowMaker makes the rows of one day.
type rowMaker struct {
	s      *Server
	q      query
	fn     func(*row)
	season float64
	r      row
}

// group makes the rows of group g: its keywords, the search beyond them, its ads.
func (w *rowMaker) group(g int) {
	sh := &w.s.shape
	w.r = row{campaign: sh.campaign(g), group: g, product: sh.product(g), day: w.q.d}
	firstAd := g * adsPerGroup
	switch w.r.product {
	case powerlink, contents, brand:
		sh.keywordsOf(g, func(k int) {
			if w.s.ran(ent{w.q.acct, kKeyword, k}, w.q.d) {
				w.unit(ent{w.q.acct, kKeyword, k}, k, firstAd+k%sh.ads(g), 0.4)
			}
		})
		if w.r.product == powerlink {
			w.unit(ent{w.q.acct, "exp", g}, -1, firstAd, 0.9) // extended search
			if w.q.d >= advoostDay && g%3 == 0 {
				w.unit(ent{w.q.acct, "ai", g}, -1, -1, 0.9)
			}
		}
	default:
		for n := range sh.ads(g) {
			if w.s.ran(ent{w.q.acct, kAd, firstAd + n}, w.q.d) {
				w.unit(ent{w.q.acct, kAd, firstAd + n}, -1, firstAd+n, 0.7)
			}
		}
	}
}

// unit makes the rows of one keyword or ad: none on most days of a keyword,
// else one to three in different media. chance is that of having any.
func (w *rowMaker) unit(e ent, kw, ad int, chance float64) {
	h := w.s.hash(e)
	r := rng(mix(h, uint64(w.q.d)))
	if r.float() >= chance {
		return
	}
	popular := math.Exp(unit(mix(h, 21)) * 5)  // 1 to 148 impressions
	perClick := 70 + int64(mix(h, 22)%1500)    // KRW without VAT
	ctr := 0.005 + 0.06*unit(mix(h, 23))       // of impressions
	place1 := 1 + 4*math.Abs(unit(mix(h, 24))) // average rank
	rows, first := 1+r.intn(3), r.intn(len(media))
	for n := range rows {
		m := media[(first+n)%len(media)]
		w.r.n, w.r.kw, w.r.ad, w.r.media, w.r.mobile = n, kw, ad, m.code, m.mobile
		w.r.h = mix(uint64(r), uint64(n))
		w.r.imp = 1 + int64(popular*w.season*r.between(0.3, 1.7))
		w.r.clk = min(int64(float64(w.r.imp)*ctr+r.float()), w.r.imp)
		w.r.first, w.r.view = w.r.clk, 0
		if w.r.product == shopping && r.float() < 0.1 {
			w.r.view = 1 + int64(r.intn(3))
		}
		w.r.rank = max(int64(float64(w.r.imp)*place1), w.r.imp)
		for i := range w.q.rev.clicks { // restated: invalid clicks are taken out
			if w.r.clk > 0 && mix(w.r.h, uint64(100+i))%4 == 0 {
				w.r.clk--
			}
		}
		w.r.cost = cost(w.q.d, perClick, &w.r)
		w.fn(&w.r)
	}
}

// cost of a row's clicks, in half won.
func cost(d day, perClick int64, r *row) int64 {
	if d >= vatDay {
		return r.clk * 2 * ((perClick*11 + 5) / 10)
	}
	c := r.clk * 2 * perClick
	if r.product == place && r.clk > 0 {
		c += int64(r.h & 1) // local ads have half won
	}
	return c
}

// cell is a row's part in one hour and region.
type cell struct {
	hour, region         int
	imp, clk, view, cost int64
	rank                 int64
}

// regions are the two-character codes; 99 is unknown.
var regions = [...]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 99}

// cells splits a row over at most five hours, into buf; the sums are the row's.
func (r *row) cells(buf []cell) []cell {
	n := min(1+int64(r.h%5), r.imp)
	buf = buf[:0]
	share := func(total, j int64) int64 {
		if j < total%n {
			return total/n + 1
		}
		return total / n
	}
	per, rest := int64(0), r.cost
	if r.clk > 0 {
		per = r.cost / r.clk &^ 1 // whole won per click; the rest goes to the first cell
		rest = r.cost - per*r.clk
	}
	for j := range n {
		c := cell{hour: int((r.h>>8 + uint64(j)*5) % 24), region: regions[mix(r.h, uint64(j))%uint64(len(regions))],
			imp: share(r.imp, j), clk: share(r.clk, j), view: share(r.view, j), rank: share(r.rank, j)}
		c.cost = per * c.clk
		if j == 0 {
			c.cost += rest
		}
		buf = append(buf, c)
	}
	return buf
}

// conversion is one line of an AD_CONVERSION report beside its row's dimensions.
type conversion struct {
	hour, region int
	indirect     bool
	ctype        int // index in ctypes
	count, sales int64
}

// ctypes are the conversion types since ctypeDay; before, the first five were
// the numbers 1 to 5.
var ctypes = [...]string{"purchase", "sign_up", "add_to_cart", "lead", "custom001", "custom002", "custom003", "custom004", "custom005",
	"custom006", "custom007", "custom008", "custom009", "custom010", "add_to_wishlist", "subscribe", "schedule", "view_content"}

// conversions of a row, into buf: at most one per method and type. A
// conversion is dated by its own time, so some fall on rows without clicks.
func (r *row) conversions(rev revision, buf []conversion) []conversion {
	buf = buf[:0]
	g := rng(mix(r.h, 0x636f6e76))
	cells := r.cells(make([]cell, 0, 5))
	for i, t := range [...]int{0, 0, 2, 5 + int(r.h%13)} {
		chance := min(0.4, 0.005+0.03*float64(r.first))
		if g.float() >= chance {
			continue
		}
		if r.day < ctypeDay {
			t = min(t, 4)
		}
		c := conversion{indirect: i == 1 || g.float() < 0.3 && i > 1, ctype: t, count: 1 + int64(g.intn(2))}
		at := cells[g.intn(len(cells))]
		c.hour, c.region = at.hour, at.region
		for k := range rev.conversions { // restated: late ones are added
			if mix(r.h, uint64(200+10*k+i))%3 == 0 {
				c.count++
			}
		}
		if t == 0 {
			c.sales = c.count * (5000 + 100*int64(g.intn(2000)))
		}
		buf = append(buf, c)
	}
	return buf
}
