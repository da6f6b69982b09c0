package naver

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Products, the middle pair of an id.
const (
	powerlink = 1
	shopping  = 2
	contents  = 3
	brand     = 4
	place     = 6
)

// plan is which product campaign i of each account is of, repeating.
var plan = [...]int{powerlink, shopping, powerlink, place, brand, contents, powerlink, shopping, powerlink, shopping}

// kind is a kind of entity, written as it begins an id.
type kind string

const (
	kCampaign kind = "cmp"
	kGroup    kind = "grp"
	kKeyword  kind = "nkw"
	kAd       kind = "nad"
	kExt      kind = "ext"
	kChannel  kind = "bsn"
	kProdGrp  kind = "pdg"
)

// adsPerGroup bounds how many ads a group has: ad index = group*adsPerGroup + n.
const adsPerGroup = 16

// shape is the outline that all accounts share. Entities are indexes:
// group g belongs to campaign g % campaigns.
type shape struct {
	campaigns, groups, keywords int
	kwGroups                    []int // groups that have keywords; keyword k belongs to kwGroups[k % len]
	kwPlace                     []int // position in kwGroups by group, -1
}

func newShape(o Options) shape {
	s := shape{campaigns: o.Campaigns, groups: max(o.AdGroups, o.Campaigns), keywords: o.Keywords}
	for g := range s.groups {
		s.kwPlace = append(s.kwPlace, -1)
		if p := s.product(g); p == powerlink || p == contents || p == brand {
			s.kwPlace[g] = len(s.kwGroups)
			s.kwGroups = append(s.kwGroups, g)
		}
	}
	return s
}

func (s *shape) campaign(g int) int { return g % s.campaigns }

// product of group g.
func (s *shape) product(g int) int { return plan[s.campaign(g)%len(plan)] }

func (s *shape) keywordGroup(k int) int { return s.kwGroups[k%len(s.kwGroups)] }

// keywordsOf visits the keywords of group g.
func (s *shape) keywordsOf(g int, fn func(k int)) {
	if s.kwPlace[g] < 0 {
		return
	}
	for k := s.kwPlace[g]; k < s.keywords; k += len(s.kwGroups) {
		fn(k)
	}
}

// shoppingBrand tells whether a shopping group is of type SHOPPING_BRAND.
func (s *shape) shoppingBrand(g int) bool {
	return s.product(g) == shopping && g/s.campaigns%4 == 3
}

// ads is how many ads group g has.
func (s *shape) ads(g int) int {
	switch s.product(g) {
	case shopping:
		return 8
	case brand, place:
		return 1
	}
	return 2
}

// ent is one entity of one account.
type ent struct {
	acct int
	kind kind
	i    int
}

// idBase keeps the numbers of accounts apart inside the 15 digits of an id.
const idBase = 10_000_000

// id spells e as the vendor does: cmp-a001-01-000000001234567.
func (s *Server) id(e ent) string { return string(s.appendID(make([]byte, 0, 32), e)) }

func (s *Server) appendID(b []byte, e ent) []byte {
	p := 0
	switch e.kind {
	case kCampaign:
		p = plan[e.i%len(plan)]
	case kGroup:
		p = s.shape.product(e.i)
	case kKeyword:
		p = s.shape.product(s.shape.keywordGroup(e.i))
	case kAd:
		p = s.shape.product(e.i / adsPerGroup)
	case kExt:
		p = plan[s.extOwner(e.i).campaign%len(plan)]
	}
	b = append(b, e.kind...)
	b = append(b, "-a001-0"...)
	b = append(b, byte('0'+p), '-')
	b = append(b, "000000000000000"...)
	for n, i := (e.acct+1)*idBase+e.i, len(b)-1; n > 0; n, i = n/10, i-1 {
		b[i] = byte('0' + n%10)
	}
	return b
}

// parseID is the reverse of id for an account, whether or not the entity is
// alive; ok is false for foreign and impossible ones.
func (s *Server) parseID(acct int, text string) (e ent, ok bool) {
	parts := strings.Split(text, "-")
	if len(parts) != 4 || len(parts[3]) != 15 {
		return e, false
	}
	n, err := strconv.Atoi(parts[3])
	if err != nil || n < 0 || n/idBase-1 != acct || acct < 0 {
		return e, false
	}
	e = ent{acct, kind(parts[0]), n % idBase}
	return e, s.exists(e) && s.id(e) == text
}

func (s *Server) exists(e ent) bool {
	switch e.kind {
	case kCampaign:
		return e.i < s.shape.campaigns
	case kGroup:
		return e.i < s.shape.groups
	case kKeyword:
		return e.i < s.shape.keywords && len(s.shape.kwGroups) > 0
	case kAd:
		g := e.i / adsPerGroup
		return g < s.shape.groups && e.i%adsPerGroup < s.shape.ads(g)
	case kExt:
		return e.i < s.shape.campaigns+(s.shape.groups+2)/3
	case kChannel:
		return e.i < 3
	case kAsset:
		ad := ent{e.acct, kAd, e.i / 2}
		return s.exists(ad) && s.adType(ad.i) == adRSA
	case kCriterion:
		g := e.i / len(criteria)
		return g < s.shape.groups && g%2 == 0
	case kLabel, kProdGrp:
		return e.i < 2
	case kBudget:
		return e.i < 1
	case kRelation:
		return e.i < s.shape.groups && s.shape.shoppingBrand(e.i)
	}
	return false
}

// extension is who owns an ad extension: a campaign, or a group of it.
type extension struct {
	campaign, group int // group is -1 for a campaign's
}

// extOwner: the first extensions are one per campaign, the others one per third group.
func (s *Server) extOwner(i int) extension {
	if i < s.shape.campaigns {
		return extension{i, -1}
	}
	g := (i - s.shape.campaigns) * 3
	return extension{s.shape.campaign(g), g}
}

// hash is the root of everything that is random about e.
func (s *Server) hash(e ent) uint64 {
	return mix(mix(mixString(s.o.Seed, string(e.kind)), uint64(e.acct)), uint64(e.i))
}

// override is what an admin call changed about an entity.
type override struct {
	deleted, edited time.Time
	name            string
}

// life is when an entity was made, last changed and deleted (zero: it lives).
type life struct {
	reg, edit, del time.Time
}

// alive at an instant.
func (l life) alive(t time.Time) bool {
	return !t.Before(l.reg) && (l.del.IsZero() || t.Before(l.del))
}

// The years over which entities are made and deleted, in Unix seconds; before
// setupTo all accounts are being set up.
var (
	setupFrom = time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)
	setupTo   = time.Date(2023, 6, 1, 0, 0, 0, 0, time.UTC).Unix()
	lifeTo    = time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
)

func second(from, to int64, h uint64) int64 { return from + int64(unit(h)*float64(to-from)) }

// span is when e is made and deleted (0: never) in Unix seconds, without
// regard of its parents and of admin calls: one entity in ten is made later
// than the account, one in twelve is deleted some day.
func (s *Server) span(e ent) (reg, del int64) {
	h := s.hash(e)
	reg = second(setupFrom.Unix(), setupTo, mix(h, 1))
	late, mortal := e.i > 1, e.i > 1
	if e.kind == kCampaign || e.kind == kChannel {
		late, mortal = false, e.kind == kCampaign && e.i >= len(plan) // the plan's first round stays
	}
	if late && mix(h, 2)%10 == 0 {
		reg = second(setupTo, lifeTo, mix(h, 3))
	}
	if mortal && mix(h, 4)%12 == 0 {
		del = second(reg, lifeTo, mix(h, 5))
	}
	return reg, del
}

// ownLife is e's life until now without regard of its parents. An entity is
// edited each 20 to 220 days.
func (s *Server) ownLife(e ent, now time.Time) life {
	reg, del := s.span(e)
	l := life{reg: time.Unix(reg, 0).UTC()}
	until := now
	if del != 0 {
		l.del = time.Unix(del, 0).UTC()
		if l.del.Before(now) {
			until = l.del
		}
	}
	every := time.Duration((20 + unit(mix(s.hash(e), 6))*200) * 24 * float64(time.Hour))
	l.edit = l.reg
	if n := until.Sub(l.reg) / every; n > 0 {
		l.edit = l.reg.Add(n * every).Truncate(time.Second)
	}
	return l
}

// ran tells whether e, taken for itself, existed at some time of day d.
func (s *Server) ran(e ent, d day) bool {
	from := d.start().Unix()
	reg, del := s.span(e)
	if o := s.overridden(e); !o.deleted.IsZero() && (del == 0 || o.deleted.Unix() < del) {
		del = o.deleted.Unix()
	}
	return reg < from+86400 && (del == 0 || del > from)
}

// parents of e, nearest first.
func (s *Server) parents(e ent) [2]ent {
	switch e.kind {
	case kGroup:
		return [2]ent{{e.acct, kCampaign, s.shape.campaign(e.i)}}
	case kKeyword:
		g := s.shape.keywordGroup(e.i)
		return [2]ent{{e.acct, kGroup, g}, {e.acct, kCampaign, s.shape.campaign(g)}}
	case kAd, kAsset, kCriterion, kRelation:
		g := e.i / map[kind]int{kAd: adsPerGroup, kAsset: 2 * adsPerGroup, kCriterion: len(criteria), kRelation: 1}[e.kind]
		return [2]ent{{e.acct, kGroup, g}, {e.acct, kCampaign, s.shape.campaign(g)}}
	case kExt:
		o := s.extOwner(e.i)
		if o.group < 0 {
			return [2]ent{{e.acct, kCampaign, o.campaign}}
		}
		return [2]ent{{e.acct, kGroup, o.group}, {e.acct, kCampaign, o.campaign}}
	}
	return [2]ent{}
}

// life of e with admin changes; it neither begins before nor outlives its
// parents.
func (s *Server) life(e ent, now time.Time) life { return s.lifeIn(e, now, nil) }

// lifeIn is life, with the parents' own lives kept in seen (nil: not kept).
func (s *Server) lifeIn(e ent, now time.Time, seen map[ent]life) life {
	l := s.withOverride(e, s.ownLife(e, now))
	for _, p := range s.parents(e) {
		if p.kind == "" {
			break
		}
		pl, ok := seen[p]
		if !ok {
			pl = s.withOverride(p, s.ownLife(p, now))
			if seen != nil {
				seen[p] = pl
			}
		}
		if pl.reg.After(l.reg) {
			l.reg = pl.reg
		}
		if !pl.del.IsZero() && (l.del.IsZero() || pl.del.Before(l.del)) {
			l.del = pl.del
		}
	}
	if l.del.After(now) {
		l.del = time.Time{} // nobody knows yet
	}
	if l.edit.Before(l.reg) {
		l.edit = l.reg
	}
	return l
}

func (s *Server) withOverride(e ent, l life) life {
	o := s.overridden(e)
	if !o.deleted.IsZero() && (l.del.IsZero() || o.deleted.Before(l.del)) {
		l.del = o.deleted
	}
	if o.edited.After(l.edit) {
		l.edit = o.edited
	}
	return l
}

// ErrUnknown is returned for a customer, entity, report or day that is not there.
var ErrUnknown = errors.New("naver: unknown")

func (s *Server) find(customer int64, id string) (ent, error) {
	i, ok := s.byID[customer]
	if ok {
		if e, ok := s.parseID(i, id); ok {
			return e, nil
		}
	}
	return ent{}, fmt.Errorf("%w entity %s of customer %d", ErrUnknown, id, customer)
}

// Delete deletes an entity and what is in it, now. Reports of earlier days
// keep its rows; lists lose it; master deltas show it with its deletion time.
func (s *Server) Delete(customer int64, id string) error {
	return s.override(customer, id, func(o *override, now time.Time) { o.deleted = now })
}

// Rename gives an entity another name, now.
func (s *Server) Rename(customer int64, id, name string) error {
	return s.override(customer, id, func(o *override, now time.Time) { o.name, o.edited = name, now })
}

func (s *Server) override(customer int64, id string, fn func(*override, time.Time)) error {
	if _, err := s.find(customer, id); err != nil {
		return err
	}
	now := s.now().Truncate(time.Second)
	s.change(func(w *world) {
		o := w.over[id]
		fn(&o, now)
		w.over[id] = o
	})
	return nil
}
