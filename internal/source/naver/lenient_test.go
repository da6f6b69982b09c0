package naver

import (
	"encoding/json"
	"testing"
	"time"
)

func TestDecodersTakeWhatNaverSends(t *testing.T) {
	var j job
	for body, want := range map[string]job{
		`{"reportJobId":1766060434,"statDt":"2023-02-26T15:00:00Z","reportTp":"AD","status":"REGIST","downloadUrl":"","regTm":"2023-02-27T22:42:49Z","loginId":"x"}`: {ID: 1766060434, Report: "AD", Day: statDay{day("2023-02-27")}, Status: "REGIST"},
		`{"reportJobId":"17","statDt":"20230227","reportTp":"AD","status":"BUILT","downloadUrl":null,"more":{"a":[1]}}`:                                              {ID: 17, Report: "AD", Day: statDay{day("2023-02-27")}, Status: "BUILT"},
		`{"reportJobId":17.0,"statDt":"2022-03-14T15:00:00.000Z","status":5,"reportTp":null}`:                                                                        {ID: 17, Day: statDay{day("2022-03-15")}, Status: "5"},
		`{"reportJobId":{},"statDt":[],"status":false}`:                                                                                                              {Status: "false"},
	} {
		j = job{}
		if err := json.Unmarshal([]byte(body), &j); err != nil {
			t.Fatal(body, err)
		}
		j.Made = instant{}
		if j != want {
			t.Errorf("%s\n got %+v\nwant %+v", body, j, want)
		}
	}
	for s, want := range map[string]time.Time{
		"2022-09-02T05:31:12Z":     time.Date(2022, 9, 2, 5, 31, 12, 0, time.UTC),
		"2022-03-14T11:15:50.000Z": time.Date(2022, 3, 14, 11, 15, 50, 0, time.UTC),
		"2022-09-02T05:31:12":      time.Date(2022, 9, 2, 5, 31, 12, 0, time.UTC),
		"1687141399277":            time.UnixMilli(1687141399277).UTC(),
		"soon":                     {},
	} {
		if got := parseTime(s); !got.Equal(want) {
			t.Errorf("%q is %v, want %v", s, got, want)
		}
	}
}

func TestDecodeList(t *testing.T) {
	for body, want := range map[string]int{
		`[]`: 0, `null`: 0, "\ufeff[{\"nccCampaignId\":\"a\"}]": 1,
		`[{"nccCampaignId":"a"},null,7,{"nccCampaignId":"b"}]`: 2,
	} {
		all, _, err := decodeList[campaign]([]byte(body))
		if err != nil || len(all) != want {
			t.Errorf("%q: %v, %v; want %d", body, all, err, want)
		}
	}
	for _, body := range []string{``, `<html>`, `{"code":1}`, `"x"`, `[1`} {
		if _, _, err := decodeList[campaign]([]byte(body)); err == nil {
			t.Errorf("%q is no list", body)
		}
	}
	all, _, err := decodeList[activity]([]byte(`{"data":[{"impCnt":"3","clkCnt":1.0}],"compTm":"202309110219"}`), "data")
	if err != nil || len(all) != 1 || all[0] != (activity{Impressions: 3, Clicks: 1}) {
		t.Errorf("%v, %v", all, err)
	}
}

func TestAdTitles(t *testing.T) {
	for body, want := range map[string]string{
		`{"nccAdId":"nad-1","ad":{"headline":"제목","description":"d"}}`:                                                                                "제목",
		`{"nccAdId":"nad-1","ad":{},"assets":[{"linkType":"DESCRIPTION","assetData":{"text":"d"}},{"linkType":"TITLE","assetData":{"text":"첫 제목"}}]}`: "첫 제목",
		`{"nccAdId":"nad-1","ad":{"productName":"상품"}}`:                                                                                               "상품",
		`{"nccAdId":"nad-1","referenceData":{"productTitle":"카탈로그"}}`:                                                                                 "카탈로그",
		`{"nccAdId":"nad-1","ad":"text","assets":5,"referenceData":[1]}`:                                                                              "",
	} {
		var a ad
		if err := json.Unmarshal([]byte(body), &a); err != nil || a.title() != want {
			t.Errorf("%s: %q, %v; want %q", body, a.title(), err, want)
		}
	}
}

// FuzzDecoders gives any bytes to every decoder of a JSON body.
func FuzzDecoders(f *testing.F) {
	for _, seed := range []string{
		`[{"reportJobId":1,"statDt":"2023-02-26T15:00:00Z","regTm":"2023-02-27T22:42:49Z"}]`,
		`{"content":[{"roleName":"OWNER","adAccount":{"name":"a","masterCustomerId":1,"disabled":false}}],"last":true,"totalPages":"1"}`,
		`{"data":[{"impCnt":1}]}`, `[{"id":"a","updateTime":1687141399277}]`, `{"content":null,"last":null}`,
		`[{"nccAdId":"x","ad":{"headline":1},"assets":[{"assetData":[]}]}]`, `null`, `{`, "\xff",
		`[{"clientCustomerId":"12","roleId":3}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		any := func(v any) { _ = json.Unmarshal(b, v) } // an error is a good answer; a panic is not
		any(&job{})
		any(&master{})
		any(&problem{})
		any(&ad{})
		any(&page[adAccount]{})
		any(&page[managerAccount]{})
		any(&page[childAccount]{})
		_, _, _ = decodeList[job](b)
		_, _, _ = decodeList[master](b)
		_, _, _ = decodeList[campaign](b)
		_, _, _ = decodeList[adgroup](b)
		_, _, _ = decodeList[keyword](b)
		_, _, _ = decodeList[ad](b)
		_, _, _ = decodeList[channel](b)
		_, _, _ = decodeList[link](b)
		_, _, _ = decodeList[activity](b, "data")
		contentName(string(b))
	})
}
