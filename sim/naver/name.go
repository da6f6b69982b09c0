package naver

import "fmt"

// Words of the names.
var (
	firms  = []string{"한빛", "가온", "새봄", "푸른", "다온", "온누리", "미르", "해오름", "라온", "별하", "나래", "도담", "아라", "이든", "초록", "하람"}
	trades = []string{"인테리어", "치과의원", "법률사무소", "가구", "학원", "여행사", "렌터카", "펜션", "커피", "캠핑", "꽃배달", "화장품", "안경원", "피트니스", "정형외과", "반려동물", "이사", "웨딩", "골프", "건강식품"}
	goods  = []string{"운동화", "텐트", "원두", "샴푸", "청소기", "책상", "노트북", "이불", "유모차", "선크림", "비타민", "골프채", "안경테", "가습기", "식탁", "매트리스", "캐리어", "백팩", "모니터", "에어컨", "전기밥솥", "커튼", "조명", "러그"}
	adjs   = []string{"저렴한", "인기", "신상", "추천", "국산", "고급", "여성", "남성", "어린이", "사무실", "원룸", "여름", "겨울", "무료배송", "당일", "강남", "부산", "대구", "제주", "온라인"}
	lines  = []string{"브랜드", "대표키워드", "세부키워드", "프로모션", "시즌", "지역", "모바일", "PC", "신규", "재방문"}
)

func pick(list []string, h uint64) string { return list[h%uint64(len(list))] }

// odd tells whether an account has names that break careless readers: the
// second of each four accounts, or the only one.
func (s *Server) odd(acct int) bool { return acct%4 == 1 || s.o.Accounts == 1 }

// name of an entity. Unlike the vendor's console, an override takes anything.
func (s *Server) name(e ent) string {
	if o := s.overridden(e); o.name != "" {
		return o.name
	}
	h := s.hash(e)
	odd := s.odd(e.acct)
	switch e.kind {
	case kCampaign:
		if odd && e.i == 0 {
			return `=HYPERLINK("http://evil.example/","파워링크")`
		}
		return fmt.Sprintf("%s_%s_%02d", productName[plan[e.i%len(plan)]], pick(lines, h), e.i+1)
	case kGroup:
		switch {
		case odd && e.i == 2:
			return "여름\t세일 그룹"
		case odd && e.i == 3:
			return "+82-2-1234-5678 상담"
		}
		return fmt.Sprintf("%s %s %03d", pick(adjs, h), pick(goods, mix(h, 1)), e.i+1)
	case kKeyword:
		switch {
		case odd && e.i == 1:
			return "-50% 쿠폰"
		case odd && e.i == 2:
			return "@신상"
		}
		n := e.i + int(mix(s.o.Seed, uint64(e.acct))%480)
		word := adjs[n%len(adjs)] + goods[n/len(adjs)%len(goods)]
		if round := e.i / (len(adjs) * len(goods)); round > 0 {
			return fmt.Sprintf("%s%d", word, round+1)
		}
		return word
	case kAd:
		return fmt.Sprintf("%s %s 기획전 %d", pick(adjs, h), pick(goods, mix(h, 1)), e.i%adsPerGroup+1)
	case kChannel:
		return fmt.Sprintf("%s 채널 %d", s.accts[e.acct].Name, e.i+1)
	}
	return ""
}

var productName = map[int]string{powerlink: "파워링크", shopping: "쇼핑검색", contents: "파워컨텐츠", brand: "브랜드검색", place: "플레이스"}

// campaignTp are the product names of the API.
var campaignTp = map[int]string{powerlink: "WEB_SITE", shopping: "SHOPPING", contents: "POWER_CONTENTS", brand: "BRAND_SEARCH", place: "PLACE"}

// firmName is the name of account i: the first len(firms)*len(trades) = 320
// differ, because 7 and 12 walk through all trades of a firm; later ones are
// numbered.
func (s *Server) firmName(i int) string {
	n := firms[(i+int(mix(s.o.Seed, 3)%16))%len(firms)] + " " + trades[(i*7+i/80)%len(trades)]
	if round := i / (len(firms) * len(trades)); round > 0 {
		return fmt.Sprintf("%s %d", n, round+1)
	}
	return n
}
