package naver

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

type entity struct {
	NccCampaignID string `json:"nccCampaignId"`
	NccAdgroupID  string `json:"nccAdgroupId"`
	NccKeywordID  string `json:"nccKeywordId"`
	NccAdID       string `json:"nccAdId"`
	Name          string `json:"name"`
}

func TestListsPage(t *testing.T) {
	c := newClient(t, Options{Seed: 1, Accounts: 2, AdGroups: 50})
	var all []entity
	c.get("GET", "/ncc/adgroups", "", &all)
	var paged []entity
	for base := ""; ; {
		var part []entity
		c.get("GET", "/ncc/adgroups?recordSize=7&selector=NEXT&baseSearchId="+base, "", &part)
		if len(part) == 0 {
			break
		}
		paged = append(paged, part...)
		base = part[len(part)-1].NccAdgroupID
	}
	if len(all) < 40 || !slices.Equal(all, paged) {
		t.Errorf("%d groups at once, %d by pages", len(all), len(paged))
	}
	var before []entity
	c.get("GET", "/ncc/adgroups?recordSize=5&selector=PREVIOUS&baseSearchId="+all[20].NccAdgroupID, "", &before)
	if !slices.Equal(before, all[15:20]) {
		t.Errorf("before the 20th: %+v", before)
	}
	for _, bad := range []string{"recordSize=0", "recordSize=1001", "selector=BOTH"} {
		if code, _, body := c.do("GET", "/ncc/adgroups?"+bad, ""); code != 400 || !strings.Contains(body, "1010") {
			t.Errorf("%s: %d %s", bad, code, body)
		}
	}
}

func TestListsAgreeWithMasters(t *testing.T) {
	c := newClient(t, Options{Seed: 1, Accounts: 2})
	c.customer = c.sim.Customers()[1].ID
	var campaigns, groups, keywords, ads []entity
	c.get("GET", "/ncc/campaigns", "", &campaigns)
	for _, cmp := range campaigns {
		var part []entity
		c.get("GET", "/ncc/adgroups?nccCampaignId="+cmp.NccCampaignID, "", &part)
		groups = append(groups, part...)
	}
	for _, g := range groups {
		var part []entity
		c.get("GET", "/ncc/keywords?nccAdgroupId="+g.NccAdgroupID, "", &part)
		keywords = append(keywords, part...)
		c.get("GET", "/ncc/ads?nccAdgroupId="+g.NccAdgroupID, "", &part)
		ads = append(ads, part...)
	}
	for item, n := range map[string]int{"Campaign": len(campaigns), "Adgroup": len(groups), "Keyword": len(keywords)} {
		if rows := c.master(fmt.Sprintf(`{"item":%q}`, item)); len(rows) != n || n == 0 {
			t.Errorf("%s: list %d, master %d", item, n, len(rows))
		}
	}
	if len(ads) == 0 || !strings.HasPrefix(campaigns[0].Name, "=HYPERLINK(") || !slices.ContainsFunc(groups, func(e entity) bool { return strings.Contains(e.Name, "\t") }) {
		t.Errorf("%d ads; odd names are missing", len(ads))
	}
	var two []entity
	c.get("GET", "/ncc/keywords?ids="+keywords[0].NccKeywordID+"&ids="+keywords[9].NccKeywordID, "", &two)
	if len(two) != 2 || two[1] != keywords[9] {
		t.Errorf("by ids: %+v", two)
	}
	long := "/ncc/keywords?ids=" + strings.Repeat(keywords[0].NccKeywordID+",", 300)
	if code, h, body := c.do("GET", long, ""); code != 400 || !strings.HasPrefix(body, "<html>") || h.Get("X-Transaction-ID") != "" {
		t.Errorf("long URL: %d %s", code, body)
	}
	for _, path := range []string{"/ncc/campaigns/" + c.sim.id(ent{0, kCampaign, 0}), "/ncc/keywords?nccAdgroupId=grp-a001-01-000000000000001", "/ncc/ads/x"} {
		if code, _, body := c.do("GET", path, ""); code != 404 || !strings.Contains(body, `"code":1018`) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	for _, path := range []string{"/ncc/ad-extensions?ownerId=" + campaigns[0].NccCampaignID, "/ncc/channels", "/ncc/labels", "/ncc/criterion/" + groups[0].NccAdgroupID} {
		var list []any
		if c.get("GET", path, "", &list); len(list) == 0 {
			t.Errorf("%s is empty", path)
		}
	}
}

func TestAccountLists(t *testing.T) {
	c := newClient(t, Options{Seed: 1})
	c.customer = DefaultOwner
	type page struct {
		Content []struct {
			AdAccount        struct{ MasterCustomerID int64 }
			CustomerID       int64
			ManagerAccountNo int64
		}
		TotalElements, TotalPages int
		Last                      bool
	}
	found := map[int64]int{}
	for n := 0; ; n++ {
		var p page
		c.get("GET", fmt.Sprintf("/ad-accounts?page=%d&size=10", n), "", &p)
		for _, a := range p.Content {
			found[a.AdAccount.MasterCustomerID]++
		}
		if p.Last {
			break
		}
	}
	var managers page
	c.get("GET", "/manager-accounts?page=0&size=1000", "", &managers)
	for _, m := range managers.Content {
		var p page
		c.get("GET", fmt.Sprintf("/manager-accounts/%d/child-ad-accounts?size=1000", m.ManagerAccountNo), "", &p)
		for _, a := range p.Content {
			found[a.CustomerID]++
		}
	}
	both := 0
	for _, n := range found {
		both += n - 1
	}
	if len(found) != 40 || both == 0 {
		t.Errorf("%d accounts, %d of them twice", len(found), both)
	}
	for path, want := range map[string]int{"/ad-accounts?size=1001": 400, "/manager-accounts/1/child-ad-accounts": 403, "/customer-links": 400} {
		if code, _, body := c.do("GET", path, ""); code != want {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	for path, want := range map[string]int{"/ad-accounts": 200, "/manager-accounts": 200, "/ncc/campaigns": 403} {
		r := c.request("GET", path, "")
		r.Header.Del("X-Customer")
		if code, _, body := c.send(r); code != want {
			t.Errorf("%s without X-Customer: %d %s", path, code, body)
		}
	}
	names := map[string]bool{}
	for _, a := range New(Options{Accounts: 700}).Customers() {
		names[a.Name] = true
	}
	if len(names) != 700 {
		t.Errorf("700 accounts have %d names", len(names))
	}
	var links []struct{ ClientCustomerID int64 }
	c.get("GET", "/customer-links?type=MYCLIENTS", "", &links)
	if len(links) < 30 || len(links) >= 40 {
		t.Errorf("%d old links", len(links))
	}
}

func TestAdmin(t *testing.T) {
	c := newClient(t, Options{Accounts: 2})
	day := `"day":"20260519"`
	id := fmt.Sprintf(`"customer":%d`, c.customer)
	for _, tc := range []struct {
		path, body string
		want       int
	}{
		{"ready", `{` + day + `,"report":"AD","at":"2026-05-20T00:00:00Z"}`, 200}, {"published", `{"on":true}`, 200},
		{"changed", `{` + id + `,"report":"AD",` + day + `}`, 200}, {"changed", `{"customer":1,` + day + `}`, 404}, {"truth", `{` + id + `,"report":"AD",` + day + `}`, 200},
		{"truth", `{` + id + `,"item":"Campaign"}`, 200}, {"license", `{"license":"x","secret":"y"}`, 200}, {"forbid", `{` + id + `,"on":false}`, 200},
		{"rename", `{` + id + `,"id":"x","name":"y"}`, 404}, {"maintenance", `{"on":false}`, 200}, {"skew", `{"seconds":0.5}`, 200}, {"statslag", `{"seconds":60}`, 200},
		{"masterstuck", `{` + id + `,"extra":3}`, 200}, {"incident", `{"seconds":1}`, 200}, {"faults", `{"kind":"500","times":1,"path":"/nowhere"}`, 200},
		{"faults", `{"kind":"x"}`, 400}, {"clearfaults", `{}`, 200}, {"limits", `{"scopes":{}}`, 200}, {"resetmetrics", `{}`, 200}, {"rotate", `{"nonsense":1}`, 400},
		{"rotate", `{}`, 200}, {"revoke", `{}`, 200},
	} {
		r, _ := http.NewRequest("POST", c.url+"/_sim/"+tc.path, strings.NewReader(tc.body))
		if code, _, body := c.send(r); code != tc.want {
			t.Errorf("%s %s: %d %s", tc.path, tc.body, code, body)
		}
	}
	for _, path := range []string{"", "status", "metrics", "customers", "limits", "faults"} {
		r, _ := http.NewRequest("GET", c.url+"/_sim/"+path, nil)
		if code, _, body := c.send(r); code != 200 || len(body) < 10 {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}
