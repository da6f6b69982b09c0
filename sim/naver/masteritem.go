package naver

import (
	"fmt"
	"iter"
)

// Kinds that only masters and lists know.
const (
	kAsset     kind = "ast" // index = ad*2 + n, of responsive ads
	kCriterion kind = "crt" // index = group*len(criteria) + code
	kLabel     kind = "lbl"
	kBudget    kind = "bgt"
	kRelation  kind = "pgr" // product group to ad group; index = group
)

// entities visits all of a kind, alive or not, by id.
func (s *Server) entities(acct int, k kind) iter.Seq[ent] {
	n := map[kind]int{kCampaign: s.shape.campaigns, kGroup: s.shape.groups, kKeyword: s.shape.keywords, kAd: s.shape.groups * adsPerGroup,
		kExt: s.shape.campaigns + (s.shape.groups+2)/3, kChannel: 3, kAsset: s.shape.groups * adsPerGroup * 2,
		kCriterion: s.shape.groups * len(criteria), kLabel: 2, kBudget: 1, kProdGrp: 2, kRelation: s.shape.groups}[k]
	return func(yield func(ent) bool) {
		for i := range n {
			if e := (ent{acct, k, i}); s.exists(e) && !yield(e) {
				return
			}
		}
	}
}

// Types of ads, by group and number.
const (
	adText    = "TEXT_45"
	adRSA     = "RSA_AD"
	adProduct = "SHOPPING_PRODUCT_AD"
	adCatalog = "CATALOG_AD"
	adBrand   = "SHOPPING_BRAND_AD"
	adThumb   = "SHOPPING_BRAND_IMAGE_THUMBNAIL_AD"
	adBanner  = "SHOPPING_BRAND_IMAGE_BANNER_AD"
	adContent = "CONTENTS_AD_INFORMATION"
	adSearch  = "BRAND_SEARCH_AD"
	adPlace   = "PLACE_AD"
)

func (s *Server) adType(ad int) string {
	g, n := ad/adsPerGroup, ad%adsPerGroup
	switch s.shape.product(g) {
	case powerlink:
		return [...]string{adText, adRSA}[n%2]
	case shopping:
		switch {
		case s.shape.shoppingBrand(g):
			return [...]string{adBrand, adThumb, adBanner}[n%3]
		case s.shape.catalog(g):
			return adCatalog
		}
		return adProduct
	case contents:
		return adContent
	case brand:
		return adSearch
	}
	return adPlace
}

// catalog tells whether a shopping group is of type CATALOG.
func (s *shape) catalog(g int) bool { return s.product(g) == shopping && g/s.campaigns%4 == 2 }

// groupType is a group's type in masters and in the API.
func (s *Server) groupType(g int) (number, name string) {
	switch s.shape.product(g) {
	case powerlink:
		return "1", "WEB_SITE"
	case shopping:
		switch {
		case s.shape.shoppingBrand(g):
			return "9", "SHOPPING_BRAND"
		case s.shape.catalog(g):
			return "7", "CATALOG"
		}
		return "2", "SHOPPING"
	case contents:
		return "3", "INFORMATION"
	case brand:
		return "5", "BRAND_SEARCH"
	}
	return "10", "PLACE"
}

// isAd picks the ads of one type.
func isAd(typ string) func(*Server, ent) bool {
	return func(s *Server, e ent) bool { return s.adType(e.i) == typ }
}

func (s *Server) groupID(m *masterRow, g int) string { return s.id(ent{m.e.acct, kGroup, g}) }

func (s *Server) adGroupID(m *masterRow) string { return s.groupID(m, m.e.i/adsPerGroup) }

func (s *Server) channelID(m *masterRow, campaign int) string {
	return s.id(ent{m.e.acct, kChannel, campaign % 3})
}

const landing = "https://shop.example/p/"

func (m *masterRow) url() string { return fmt.Sprintf("%s%d", landing, m.h%1_000_000) }

// masterItems are the items with their columns (fact sheet 3.3). PlaceAd and
// AdQi are items without documented columns: those here are a guess. There are
// no hospital ads, so that HospitalAd always ends as NONE.
var masterItems = map[string]masterItem{
	"Campaign": {columns: 12, kind: kCampaign, fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, m.id, m.name, itoa(int64(plan[m.e.i%len(plan)])), "1", "0", "", "", m.reg, m.del, m.off(), s.sharedBudget(m.e)}
	}},
	"CampaignBudget": {columns: 6, kind: kCampaign, fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, m.id, "1", itoa(s.daily(m.e, m.life)), m.reg, m.del}
	}},
	"Adgroup": {columns: 18, kind: kGroup, fill: func(s *Server, m *masterRow) []string {
		c := s.shape.campaign(m.e.i)
		typ, _ := s.groupType(m.e.i)
		return []string{m.cust, m.id, s.id(ent{m.e.acct, kCampaign, c}), m.name, itoa(s.bid(m.e, m.life)), m.off(), "0", "0", "100", "100",
			s.channelID(m, c), s.channelID(m, c), m.reg, m.del, "0", typ, "", flag(typ == "1")}
	}},
	"AdgroupBudget": {columns: 7, kind: kGroup, fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, m.id, "1", itoa(s.daily(m.e, m.life)), "", "", "100"}
	}},
	"SharedBudget": {columns: 9, kind: kBudget, fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, m.id, "공유예산 1", itoa(s.daily(m.e, m.life)), "", "1", m.reg, m.del, "100"}
	}},
	"Keyword": {columns: 13, kind: kKeyword, fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, s.groupID(m, s.shape.keywordGroup(m.e.i)), m.id, m.name, itoa(s.bid(m.e, m.life)), m.url(), m.url(), m.off(),
			m.inspect(), flag(m.h%3 == 0), m.reg, m.del, "0"}
	}},
	"Ad": {columns: 11, kind: kAd, only: isAd(adText), fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, s.adGroupID(m), m.id, m.inspect(), m.name, "오늘 주문하면 내일 도착", m.url(), m.url(), m.off(), m.reg, m.del}
	}},
	"RsaAd": {columns: 9, kind: kAd, only: isAd(adRSA), fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, s.adGroupID(m), m.id, m.inspect(), m.url(), m.url(), m.off(), m.reg, m.del}
	}},
	"Asset": {columns: 7, kind: kAsset, fill: func(s *Server, m *masterRow) []string {
		typ := [...]string{"TITLE", "DESCRIPTION"}[m.e.i%2]
		return []string{m.cust, m.id, typ, m.inspect(), fmt.Sprintf(`{"text":"%s 특가"}`, pick(goods, m.h)), m.reg, m.del}
	}},
	"AdAssetLink": {columns: 8, kind: kAsset, fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, "lnk" + m.id[3:], m.id, s.id(ent{m.e.acct, kAd, m.e.i / 2}), itoa(int64(m.e.i%2 + 1)), "0", m.reg, m.del}
	}},
	"HospitalAd": {columns: 14},
	"ContentsAd": {columns: 15, kind: kAd, only: isAd(adContent), fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, s.adGroupID(m), m.id, m.inspect(), m.name, "직접 써 본 후기", m.url(), m.url(), "https://img.example/c.jpg",
			s.accts[m.e.acct].Name, "2025-01-01", "2025-01-02", m.off(), m.reg, m.del}
	}},
	"ShoppingProduct": {columns: 29, kind: kAd, only: isAd(adProduct), fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, s.adGroupID(m), m.id, m.inspect(), m.off(), m.name, "https://img.example/p.jpg", itoa(s.bid(m.e, m.life)), "TRUE", "1",
			m.reg, m.del, itoa(s.nvMid(m.e.acct, m.e.i)), fmt.Sprintf("P%07d", m.h%10_000_000), m.name, "https://img.example/p.jpg", m.url(), m.url(),
			itoa(5000 + int64(m.h%200)*100), "3000", "생활/건강", "주방용품", "보온병", "", "50000008", "50000061", "50000214", "", "주방"}
	}},
	"CatalogAd": {columns: 30, kind: kAd, only: isAd(adCatalog), fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, s.adGroupID(m), m.id, m.inspect(), m.off(), itoa(s.bid(m.e, m.life)), "TRUE", "1", m.reg, m.del,
			itoa(s.nvMid(m.e.acct, m.e.i)), m.name, m.name, "한빛", "한빛제조", "202401", "https://img.example/p.jpg", m.url(),
			itoa(5000 + int64(m.h%200)*100), "12", "345", "4.7", "디지털/가전", "생활가전", "청소기", "", "50000003", "50000151", "50000212", ""}
	}},
	"BrandAd": {columns: 12, kind: kAd, only: isAd(adBrand), fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, s.adGroupID(m), m.id, m.inspect(), m.off(), m.name, "브랜드 공식몰", "/logo.png", m.url(), "/image.png", m.reg, m.del}
	}},
	"BrandThumbnailAd": {columns: 13, kind: kAd, only: isAd(adThumb), fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, s.adGroupID(m), m.id, m.inspect(), m.off(), m.name, "브랜드 공식몰", "신상 입고", "/logo.png", m.url(), "/thumb.png", m.reg, m.del}
	}},
	"BrandBannerAd": {columns: 12, kind: kAd, only: isAd(adBanner), fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, s.adGroupID(m), m.id, m.inspect(), m.off(), m.name, "브랜드 공식몰", "/logo.png", m.url(), "/banner.png", m.reg, m.del}
	}},
	"PlaceAd": {columns: 7, kind: kAd, only: isAd(adPlace), fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, s.adGroupID(m), m.id, m.inspect(), m.off(), m.reg, m.del}
	}},
	"ProductGroup": {columns: 9, kind: kProdGrp, fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, m.id, s.channelID(m, m.e.i), fmt.Sprintf("상품 그룹 %d", m.e.i+1), "1", "1", "{}", m.reg, m.del}
	}},
	"ProductGroupRel": {columns: 6, kind: kRelation, fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, m.id, s.id(ent{m.e.acct, kProdGrp, m.e.i % 2}), s.groupID(m, m.e.i), m.reg, m.del}
	}},
	"AdExtension": {columns: 17, kind: kExt, fill: func(s *Server, m *masterRow) []string {
		typ, owner, _ := s.extensionAbout(m.e)
		all := "111111111111111111111111"
		return []string{m.cust, m.id, typ, owner, s.channelID(m, m.e.i), s.channelID(m, m.e.i), all, all, all, all, all, all, all, m.off(), m.inspect(), m.reg, m.del}
	}},
	"BusinessChannel": {columns: 9, kind: kChannel, fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, m.name, m.id, [...]string{"1", "6", "8"}[m.e.i%3], fmt.Sprintf("https://shop%d.example", m.e.acct+1), "20", "20", m.reg, m.del}
	}},
	"Criterion": {columns: 10, kind: kCriterion, fill: func(s *Server, m *masterRow) []string {
		code := criteria[m.e.i%len(criteria)]
		return []string{m.cust, code, code[:2], s.groupID(m, m.e.i/len(criteria)), "100", "0", "1", "{}", m.reg, m.del}
	}},
	"Qi": {columns: 5, kind: kKeyword, fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, s.groupID(m, s.shape.keywordGroup(m.e.i)), m.id, m.name, itoa(1 + int64(mix(m.h, 44)%7))}
	}},
	"AdQi": {columns: 4, kind: kAd, fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, s.adGroupID(m), m.id, itoa(1 + int64(mix(m.h, 44)%7))}
	}},
	"Label": {columns: 5, kind: kLabel, fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, m.id, [...]string{"중요", "테스트"}[m.e.i%2], m.reg, stamp(m.life.edit)}
	}},
	"LabelRef": {columns: 5, kind: kLabel, fill: func(s *Server, m *masterRow) []string {
		return []string{m.cust, m.id, s.id(ent{m.e.acct, kCampaign, m.e.i % s.shape.campaigns}), m.reg, stamp(m.life.edit)}
	}},
	"Media": {columns: 13, noDelta: true, global: [][]string{
		{"media", "8753", "네이버 통합검색 - 모바일", "m.search.naver.com", "TRUE", "TRUE", "FALSE", "TRUE", "TRUE", "FALSE", "", "", ""},
		{"media", "27758", "네이버 통합검색 - PC", "search.naver.com", "TRUE", "TRUE", "TRUE", "FALSE", "TRUE", "FALSE", "", "", ""},
		{"media", "33421", "네이버 쇼핑 - 모바일", "m.shopping.naver.com", "TRUE", "FALSE", "FALSE", "TRUE", "TRUE", "FALSE", "", "", ""},
		{"media", "11068", "네이버 쇼핑 - PC", "shopping.naver.com", "TRUE", "FALSE", "TRUE", "FALSE", "TRUE", "FALSE", "", "", ""},
		{"media", "122875", "네이버 블로그 - 모바일", "m.blog.naver.com", "TRUE", "FALSE", "FALSE", "TRUE", "FALSE", "TRUE", "", "", ""},
		{"media", "38367", "줌", "zum.com", "FALSE", "TRUE", "TRUE", "FALSE", "TRUE", "FALSE", "9", "20190101", ""},
		{"group", "9", "검색 파트너", "", "FALSE", "FALSE", "TRUE", "TRUE", "TRUE", "FALSE", "", "", ""},
	}},
	"Biz": {columns: 4, noDelta: true, global: [][]string{{"1", "가구/인테리어", "", "1"}, {"2", "침실가구", "1", "2"}, {"3", "의료/건강", "", "1"}}},
	"SeasonalEvent": {columns: 5, noDelta: true, global: [][]string{
		{"1", "설날", "", "1", "1,2"}, {"2", "추석", "", "1", "9,10"}, {"3", "여름휴가", "", "1", "7,8"}}},
}

// sharedBudget is the id of the budget a campaign shares, "" for most.
func (s *Server) sharedBudget(e ent) string {
	if e.kind == kCampaign && e.i == 2 {
		return s.id(ent{e.acct, kBudget, 0})
	}
	return ""
}

// extensionAbout tells type, owner's id and owner's channel of an extension.
func (s *Server) extensionAbout(e ent) (typ, owner, channel string) {
	o := s.extOwner(e.i)
	owner = s.id(ent{e.acct, kCampaign, o.campaign})
	typ = [...]string{"SUB_LINKS", "PHONE"}[e.i%2]
	if o.group >= 0 {
		owner = s.id(ent{e.acct, kGroup, o.group})
		typ = [...]string{"DESCRIPTION", "POWER_LINK_IMAGE"}[e.i%2]
	}
	return typ, owner, s.id(ent{e.acct, kChannel, e.i % 3})
}
