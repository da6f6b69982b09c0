package naver

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The structure lists of fact sheet 2.2: what is not deleted now.

// list says how one /ncc list is asked for.
type list struct {
	kind kind
	// owner is the parameter that names the parent; needed tells that there is
	// no list without it (or without ids).
	owner  string
	needed bool
	paged  bool
	body   func(c *call, e ent, l life) obj
}

var lists = map[string]list{
	"campaigns":      {kCampaign, "", false, true, (*call).campaign},
	"adgroups":       {kGroup, "nccCampaignId", false, true, (*call).adgroup},
	"keywords":       {kKeyword, "nccAdgroupId", true, true, (*call).keyword},
	"ads":            {kAd, "nccAdgroupId", true, false, (*call).ad},
	"ad-extensions":  {kExt, "ownerId", true, false, (*call).adExtension},
	"channels":       {kChannel, "", false, false, (*call).channel},
	"product-groups": {kProdGrp, "", false, false, (*call).named},
	"labels":         {kLabel, "", false, false, (*call).named},
	"shared-budgets": {kBudget, "", false, false, (*call).named},
}

func (s *Server) nccRoutes(mux *http.ServeMux) {
	for name, l := range lists {
		s.handle(mux, "GET /ncc/"+name, func(c *call) { c.list(name, l) })
		s.handle(mux, "GET /ncc/"+name+"/{id}", func(c *call) {
			e, ok := s.parseID(c.acct, c.r.PathValue("id"))
			life := s.life(e, c.now)
			if !ok || e.kind != l.kind || !life.alive(c.now) {
				c.noPermission()
				return
			}
			c.json(200, l.body(c, e, life))
		})
	}
	s.handle(mux, "GET /ncc/criterion/{id}", s.criterionList)
	for _, path := range []string{"GET /ncc/time-contracts", "GET /ncc/brand-new/contracts"} {
		s.handle(mux, path, func(c *call) { c.json(200, []obj{}) })
	}
}

// maxRecords is the largest recordSize.
const maxRecords = 1000

// list answers GET /ncc/{name}: by ids, by owner, or all, a page at a time.
func (c *call) list(name string, l list) {
	q := c.r.URL.Query()
	if q.Has("ids") {
		c.listIDs(l, q)
		return
	}
	if q.Has("nccLabelId") {
		c.json(200, []obj{}) // labels hang on campaigns only
		return
	}
	owner := q.Get(l.owner)
	if l.owner == "" {
		owner = ""
	}
	if owner == "" && l.needed {
		c.ncc(400, 1002, "Invalid request.")
		return
	}
	var parent ent
	if owner != "" {
		var ok bool
		parent, ok = c.s.parseID(c.acct, owner)
		if !ok || !c.s.life(parent, c.now).alive(c.now) {
			c.noPermission()
			return
		}
	}
	size, from, ok := c.window(l, q)
	if !ok {
		return
	}
	back := q.Get("selector") == "PREVIOUS"
	out := []obj{}
	add := func(e ent) bool {
		if name == "campaigns" && q.Get("campaignType") != "" && q.Get("campaignType") != campaignTp[plan[e.i%len(plan)]] ||
			from >= 0 && (!back && e.i <= from || back && e.i >= from) {
			return true
		}
		if life := c.s.life(e, c.now); life.alive(c.now) {
			out = append(out, l.body(c, e, life))
		}
		return back || size == 0 || len(out) < size
	}
	if c.acct >= 0 {
		c.s.below(c.acct, l.kind, parent, add)
	}
	if back && size > 0 && len(out) > size {
		out = out[len(out)-size:]
	}
	c.json(200, out)
}

// below visits the entities of a kind whose parent is p (all if p is zero).
func (s *Server) below(acct int, k kind, p ent, fn func(ent) bool) {
	if p.kind == kGroup && k == kKeyword { // the common one, without a walk over all keywords
		more := true
		s.shape.keywordsOf(p.i, func(i int) { more = more && fn(ent{acct, k, i}) })
		return
	}
	for e := range s.entities(acct, k) {
		if p.kind != "" && s.parents(e)[0] != p {
			continue
		}
		if !fn(e) {
			return
		}
	}
}

// window reads recordSize and baseSearchId; from is the base's index or -1.
func (c *call) window(l list, q url.Values) (size, from int, ok bool) {
	from = -1
	if !l.paged {
		return 0, from, true
	}
	if q.Has("recordSize") {
		n, err := strconv.Atoi(q.Get("recordSize"))
		if err != nil || n < 1 || n > maxRecords {
			c.json(400, obj{"code": 1010, "status": 400, "title": "Invalid parameter.", "detail": "recordSize: must be between 1 and 1000"})
			return 0, 0, false
		}
		size = n
	}
	switch q.Get("selector") {
	case "", "NEXT", "PREVIOUS":
	default:
		c.json(400, obj{"code": 1010, "status": 400, "title": "Invalid parameter.", "detail": "selector"})
		return 0, 0, false
	}
	if base := q.Get("baseSearchId"); base != "" {
		e, known := c.s.parseID(c.acct, base)
		if !known || e.kind != l.kind {
			c.noPermission()
			return 0, 0, false
		}
		from = e.i
	}
	return size, from, true
}

// listIDs answers ?ids=a,b or ?ids=a&ids=b; deleted and unknown ones are left
// out, foreign ones refuse the call.
func (c *call) listIDs(l list, q url.Values) {
	out := []obj{}
	for _, id := range splitIDs(q["ids"]) {
		e, ok := c.s.parseID(c.acct, id)
		if !ok || e.kind != l.kind {
			c.noPermission()
			return
		}
		if life := c.s.life(e, c.now); life.alive(c.now) {
			out = append(out, l.body(c, e, life))
		}
	}
	c.json(200, out)
}

func splitIDs(values []string) []string {
	var out []string
	for _, v := range values {
		for id := range strings.SplitSeq(v, ",") {
			if id != "" {
				out = append(out, id)
			}
		}
	}
	return out
}

// base are the fields that all entities have.
func (c *call) base(e ent, l life, id string) obj {
	off := mix(c.s.hash(e), 40)%12 == 0
	status, reason := "ELIGIBLE", "ELIGIBLE"
	if off {
		status, reason = "PAUSED", "PAUSED_BY_USER_LOCK"
	}
	return obj{id: c.s.id(e), "customerId": c.customer, "userLock": off, "status": status, "statusReason": reason,
		"regTm": stamp(l.reg), "editTm": stamp(l.edit)}
}

// merge adds the fields of more to o.
func merge(o, more obj) obj {
	maps.Copy(o, more)
	return o
}

func (c *call) campaign(e ent, l life) obj {
	return merge(c.base(e, l, "nccCampaignId"), obj{"name": c.s.name(e), "campaignTp": campaignTp[plan[e.i%len(plan)]],
		"deliveryMethod": "ACCELERATED", "useDailyBudget": true, "dailyBudget": c.s.daily(e, l), "usePeriod": false,
		"periodStartDt": nil, "periodEndDt": nil, "trackingMode": "TRACKING_DISABLED", "sharedBudgetId": c.s.sharedBudget(e), "numberInUse": 0})
}

func (c *call) adgroup(e ent, l life) obj {
	campaign := c.s.shape.campaign(e.i)
	channel := c.s.id(ent{e.acct, kChannel, campaign % 3})
	_, typ := c.s.groupType(e.i)
	return merge(c.base(e, l, "nccAdgroupId"), obj{"nccCampaignId": c.s.id(ent{e.acct, kCampaign, campaign}), "name": c.s.name(e),
		"adgroupType": typ, "bidAmt": c.s.bid(e, l), "useDailyBudget": true, "dailyBudget": c.s.daily(e, l), "budgetLock": false,
		"pcChannelId": channel, "mobileChannelId": channel, "pcNetworkBidWeight": 100, "mobileNetworkBidWeight": 100,
		"useCntsNetworkBidAmt": false, "contentsNetworkBidAmt": 0, "useExpSearch": typ == "WEB_SITE", "adRollingType": "PERFORMANCE",
		"systemBiddingType": "NONE"})
}

func (c *call) keyword(e ent, l life) obj {
	g := c.s.shape.keywordGroup(e.i)
	h := c.s.hash(e)
	return merge(c.base(e, l, "nccKeywordId"), obj{"keyword": c.s.name(e), "nccAdgroupId": c.s.id(ent{e.acct, kGroup, g}),
		"nccCampaignId": c.s.id(ent{e.acct, kCampaign, c.s.shape.campaign(g)}), "bidAmt": c.s.bid(e, l), "useGroupBidAmt": h%3 == 0,
		"inspectStatus": "APPROVED", "nccQi": obj{"qiGrade": 1 + mix(h, 44)%7}, "adRelevanceScore": 1 + mix(h, 45)%3,
		"expectedClickScore": 1 + mix(h, 46)%3})
}

func (c *call) ad(e ent, l life) obj {
	return merge(c.base(e, l, "nccAdId"), obj{"nccAdgroupId": c.s.id(ent{e.acct, kGroup, e.i / adsPerGroup}), "type": c.s.adType(e.i),
		"ad": obj{"headline": c.s.name(e), "description": "오늘 주문하면 내일 도착"}, "inspectStatus": "APPROVED", "enable": true})
}

func (c *call) adExtension(e ent, l life) obj {
	typ, owner, channel := c.s.extensionAbout(e)
	return merge(c.base(e, l, "nccAdExtensionId"), obj{"ownerId": owner, "type": typ, "adExtension": obj{}, "schedule": obj{},
		"pcChannelId": channel, "mobileChannelId": channel, "inspectStatus": "APPROVED", "enable": true})
}

func (c *call) channel(e ent, l life) obj {
	return merge(c.base(e, l, "nccBusinessChannelId"), obj{"name": c.s.name(e), "channelTp": [...]string{"SITE", "MALL", "PLACE"}[e.i%3],
		"channelKey": "https://shop.example", "enabled": true})
}

// named serves the small lists with id and name.
func (c *call) named(e ent, l life) obj {
	id := map[kind]string{kProdGrp: "nccProductGroupId", kLabel: "nccLabelId", kBudget: "sharedBudgetId"}[e.kind]
	name := map[kind]string{kProdGrp: "상품 그룹 " + strconv.Itoa(e.i+1), kLabel: [...]string{"중요", "테스트"}[e.i%2], kBudget: "공유예산 1"}[e.kind]
	return obj{id: c.s.id(e), "customerId": c.customer, "name": name, "regTm": stamp(l.reg), "editTm": stamp(l.edit)}
}

// criterionList answers the targeting of one group.
func (s *Server) criterionList(c *call) {
	e, ok := s.parseID(c.acct, c.r.PathValue("id"))
	if !ok || !s.life(e, c.now).alive(c.now) {
		c.noPermission()
		return
	}
	out := []obj{}
	if e.kind == kGroup && e.i%2 == 0 {
		for _, code := range criteria {
			if t := c.r.URL.Query().Get("type"); t == "" || t == code[:2] {
				out = append(out, obj{"ownerId": s.id(e), "customerId": c.customer, "type": code[:2], "dictionaryCode": code, "bidWeight": 100, "negative": false, "enable": true})
			}
		}
	}
	slices.SortFunc(out, func(a, b obj) int { return cmp.Compare(a["dictionaryCode"].(string), b["dictionaryCode"].(string)) })
	c.json(200, out)
}
