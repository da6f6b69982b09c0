package naver

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds of /stats (fact sheet 2.3).
const (
	maxStatDays      = 92
	maxStatBack      = 2 * 365
	maxBreakdownBack = 7
	statsLag         = 2 * time.Hour
)

func (s *Server) statsRoutes(mux *http.ServeMux) { s.handle(mux, "GET /stats", s.stats) }

// statQuery is a /stats call that was understood.
type statQuery struct {
	ids       []string
	kind      kind
	fields    []string
	from, to  day
	daily     bool
	breakdown string
	// cycle is the end of the last hour served; nothing after it is.
	cycle time.Time
}

// cycleBase is the end of the last hour that /stats serves.
func (s *Server) cycleBase(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Add(-statsLag - s.statsLag).Truncate(time.Hour)
}

func (s *Server) stats(c *call) {
	v := c.r.URL.Query()
	cycle := s.cycleBase(c.now)
	if v.Get("statType") != "" {
		s.statTerms(c, v.Get("statType"), v.Get("id"), cycle)
		return
	}
	q, ok := s.readStats(c, cycle)
	if !ok {
		return
	}
	ends := obj{"cycleBaseTm": cycle.In(kst).Format("200601021504"), "compTm": c.now.In(kst).Format("200601021504")}
	sums := s.sumStats(c.acct, q)
	data := []obj{}
	if q.daily {
		for d := q.from; d <= q.to; d++ {
			if t := sums[statKey{id: q.ids[0], d: d}]; t != nil && t.imp > 0 {
				text := d.format("2006-01-02")
				data = append(data, merge(obj{"dateStart": text, "dateEnd": text}, t.fields(q.fields)))
			}
		}
		delete(ends, "compTm")
		ends["summary"] = obj{"dateStart": q.from.format("2006-01-02"), "dateEnd": q.to.format("2006-01-02")}
	} else {
		for _, id := range q.ids {
			t := sums[statKey{id: id}]
			if t == nil || t.imp == 0 {
				continue // no impression, no row
			}
			row := merge(obj{"id": id}, t.fields(q.fields))
			if q.breakdown != "" {
				row["breakdowns"] = breakdowns(sums, id, q)
			}
			data = append(data, row)
		}
	}
	ends["data"] = data
	c.json(200, ends)
}

// readStats checks the parameters; what it refuses is answered.
func (s *Server) readStats(c *call, cycle time.Time) (statQuery, bool) {
	v := c.r.URL.Query()
	q := statQuery{cycle: cycle, breakdown: v.Get("breakdown")}
	no := func() (statQuery, bool) { c.badParam(); return q, false }
	single := v.Has("id")
	switch {
	case single == v.Has("ids"):
		return no()
	case single:
		q.ids = []string{v.Get("id")}
	default:
		q.ids = splitIDs(v["ids"])
	}
	if json.Unmarshal([]byte(v.Get("fields")), &q.fields) != nil || len(q.fields) == 0 || len(q.ids) == 0 {
		return no()
	}
	for _, f := range q.fields {
		if !statFields[f] {
			return no()
		}
	}
	switch v.Get("timeIncrement") {
	case "", "allDays":
	case "1":
		q.daily = true
	default:
		return no()
	}
	if !s.statRange(c, &q, v.Get("datePreset"), v.Get("timeRange")) || q.daily && (!single || q.breakdown != "") {
		return no()
	}
	if q.breakdown != "" && (!statBreakdowns[q.breakdown] || q.from < dayOf(c.now)-maxBreakdownBack) {
		return no()
	}
	for _, id := range q.ids {
		base, code, isCriterion := strings.Cut(id, "~")
		e, ok := s.parseID(c.acct, base)
		k := e.kind
		if isCriterion {
			k = "~"
			ok = ok && e.kind == kGroup && code != ""
		}
		switch {
		case !ok && len(strings.Split(base, "-")) == 4 || ok && single && !s.life(e, c.now).alive(c.now):
			c.noPermission() // foreign or deleted
			return q, false
		case !ok || k != kCampaign && k != kGroup && k != kKeyword && k != kAd && k != kExt && k != "~" || q.kind != "" && q.kind != k:
			return no()
		}
		q.kind = k
	}
	return q, true
}

// statRange reads the period; a preset wins over a range.
func (s *Server) statRange(c *call, q *statQuery, preset, timeRange string) bool {
	today := dayOf(c.now)
	if preset != "" {
		return presetRange(q, preset, today)
	}
	var r struct{ Since, Until string }
	if json.Unmarshal([]byte(timeRange), &r) != nil {
		return false
	}
	from, err1 := time.ParseInLocation("2006-01-02", r.Since, kst)
	to, err2 := time.ParseInLocation("2006-01-02", r.Until, kst)
	if err1 != nil || err2 != nil {
		return false
	}
	q.from, q.to = dayOf(from), dayOf(to)
	if q.from > q.to || q.to-q.from >= maxStatDays || q.from < today-maxStatBack {
		return false
	}
	q.to = min(q.to, today-1) // a range never contains today
	return true
}

func presetRange(q *statQuery, preset string, today day) bool {
	first := func(months int) day { // of the month so many before today's
		t := today.start().In(kst)
		return date(t.Year(), t.Month()-time.Month(months), 1)
	}
	quarter := int(today.start().In(kst).Month()-1) % 3 // months since the quarter began
	monday := today - day((int(today.weekday())+6)%7)
	switch preset {
	case "today":
		// While the last hour served is yesterday's, "today" is yesterday.
		q.from = dayOf(q.cycle)
		q.to = q.from
	case "yesterday":
		q.from, q.to = today-1, today-1
	case "last7days":
		q.from, q.to = today-7, today-1
	case "last30days":
		q.from, q.to = today-30, today-1
	case "lastweek":
		q.from, q.to = monday-7, monday-1
	case "lastmonth":
		q.from, q.to = first(1), first(0)-1
	case "lastquarter":
		q.from, q.to = first(quarter+3), first(quarter)-1
	default:
		return false
	}
	return true
}

// statKey names one sum: of an id, of one of its days, or of one breakdown.
type statKey struct {
	id   string
	d    day
	part string
}

// sumStats adds up the rows of all days asked for.
func (s *Server) sumStats(acct int, q statQuery) map[statKey]*statSum {
	sums := map[statKey]*statSum{}
	wanted := map[string]bool{}
	groups := map[int]bool{}
	for _, id := range q.ids {
		wanted[id] = true
		base, _, _ := strings.Cut(id, "~")
		e, _ := s.parseID(acct, base)
		switch e.kind {
		case kGroup:
			groups[e.i] = true
		case kKeyword, kAd:
			groups[s.parents(e)[0].i] = true
		default:
			c := e.i
			if e.kind == kExt {
				c = s.extOwner(e.i).campaign
			}
			for g := c; g < s.shape.groups; g += s.shape.campaigns {
				groups[g] = true
			}
		}
	}
	last := dayOf(q.cycle)
	for d := q.from; d <= min(q.to, last); d++ {
		hours := 24
		if d == last {
			hours = q.cycle.In(kst).Hour()
		}
		rev := s.revision(acct, d)
		s.each(query{acct: acct, d: d, rev: rev, groups: groups}, func(r *row) {
			id, ok := s.statID(acct, q.kind, r)
			if !ok || !wanted[id] {
				return
			}
			k := statKey{id: id}
			if q.daily {
				k.d = d
			}
			s.addRow(sums, k, q, r, rev, hours)
		})
	}
	return sums
}

// statID is the id of the kind asked for that a row counts under.
func (s *Server) statID(acct int, k kind, r *row) (string, bool) {
	i := -1
	switch k {
	case kCampaign:
		i = r.campaign
	case kGroup:
		i = r.group
	case kKeyword:
		i = r.kw
	case kAd:
		i = r.ad
	case kExt:
		var ok bool
		if i, ok = s.extensionOf(acct, r); !ok {
			return "", false
		}
	case "~":
		return s.id(ent{acct, kGroup, r.group}) + "~" + criteria[criterionOf(r)], targeted(r)
	}
	if i < 0 {
		return "", false
	}
	return s.id(ent{acct, k, i}), true
}

// addRow adds a row's cells, up to the hour served, to its sum and breakdown.
func (s *Server) addRow(sums map[statKey]*statSum, k statKey, q statQuery, r *row, rev revision, hours int) {
	x := *r
	if q.kind == kExt {
		x = extensionPart(r)
	}
	at := func(part string) *statSum {
		k.part = part
		if sums[k] == nil {
			sums[k] = &statSum{}
		}
		return sums[k]
	}
	for _, c := range x.cells(make([]cell, 0, 5)) {
		if c.hour >= hours {
			continue
		}
		at("").add(&x, c)
		if q.breakdown != "" {
			at(partName(q.breakdown, &x, c.hour, c.region)).add(&x, c)
		}
	}
	if q.kind == kExt && r.h>>21%2 != 0 {
		return // as in ADEXTENSION_CONVERSION
	}
	for _, c := range r.conversions(rev, make([]conversion, 0, 4)) {
		if c.hour >= hours {
			continue
		}
		at("").convert(c)
		if q.breakdown != "" {
			at(partName(q.breakdown, &x, c.hour, c.region)).convert(c)
		}
	}
}

// statBreakdowns that are left since 2024-11-07.
var statBreakdowns = map[string]bool{"pcMblTp": true, "dayw": true, "hh24": true, "regnNo": true}

// partName is the name of a breakdown's part; its form is inferred.
func partName(breakdown string, r *row, hour, region int) string {
	two := func(n int) string { return strconv.Itoa(n + 100)[1:] }
	switch breakdown {
	case "hh24":
		return two(hour) + "시~" + two(hour+1) + "시"
	case "regnNo":
		return two(region)
	case "dayw":
		return [...]string{"일요일", "월요일", "화요일", "수요일", "목요일", "금요일", "토요일"}[r.day.weekday()]
	}
	if r.mobile {
		return "모바일"
	}
	return "PC"
}
