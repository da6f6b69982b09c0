package naver

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestJobLife(t *testing.T) {
	c := newClient(t, Options{Seed: 1, Accounts: 20, BuildMin: 10 * time.Second, BuildMax: 10 * time.Second})
	j := c.post("AD", "20260519")
	if j.StatDt != "2026-05-18T15:00:00Z" || j.DownloadURL != "" {
		t.Errorf("new job: %+v", j)
	}
	var states []string
	for range 12 {
		if s := c.state(j.ReportJobID).Status; len(states) == 0 || states[len(states)-1] != s {
			states = append(states, s)
		}
		c.clock.add(time.Second)
	}
	if want := []string{stRegist, stWaiting, stRunning, stBuilt}; !slices.Equal(states, want) {
		t.Errorf("states %v, want %v", states, want)
	}
	c.clock.t = time.Date(2026, 5, 20, 20, 0, 0, 0, time.UTC) // 05:00 KST
	j = c.post("AD", "20260520")
	c.clock.add(2 * time.Second)
	if s := c.state(j.ReportJobID).Status; s != stAggregating {
		t.Errorf("early in the morning: %s", s)
	}
	c.customer = c.sim.Customers()[19].ID // the quiet one
	j = c.post("AD", "20260519")
	c.clock.add(11 * time.Second)
	if j = c.state(j.ReportJobID); j.Status != stNone || j.DownloadURL != "" {
		t.Errorf("quiet account: %+v", j)
	}
}

func TestCreateErrors(t *testing.T) {
	c := newClient(t, Options{Accounts: 2})
	for _, tc := range []struct{ report, day, want string }{
		{"AD", "20260520", "10004"}, {"AD", "20260601", "10004"}, {"AD", "20250520", ""}, {"AD", "20250519", "10004"},
		{"AD_DETAIL", "20251121", ""}, {"AD_DETAIL", "20251120", "10004"},
		{"AD_CONVERSION_DETAIL", "20260405", ""}, {"AD_CONVERSION_DETAIL", "20260404", "10004"},
		{"NAVERPAY_CONVERSION", "20260519", "11001"}, {"ad", "20260519", "11001"}, {"AD", "yesterday", "11001"},
		{"AD", "2026-05-19T00:00:00+09:00", ""},
	} {
		code, _, body := c.do("POST", "/stat-reports", fmt.Sprintf(`{"reportTp":%q,"statDt":%q}`, tc.report, tc.day))
		if tc.want == "" && code/100 != 2 || tc.want != "" && (code != 400 || !strings.Contains(body, `"code":`+tc.want)) {
			t.Errorf("%s %s: %d %s", tc.report, tc.day, code, body)
		}
	}
	c.sim.SetReady("20260519", "AD", c.clock.now().Add(time.Minute))
	if code, _, body := c.do("POST", "/stat-reports", `{"reportTp":"AD","statDt":"20260519"}`); code != 400 || !strings.Contains(body, "20007") {
		t.Errorf("not ready: %d %s", code, body)
	}
	c.post("AD_DETAIL", "20260519") // another type is ready
	c.clock.add(time.Minute)
	c.post("AD", "20260519")
	c.sim.SetPublished(false)
	if code, _, body := c.do("POST", "/stat-reports", `{"reportTp":"AD","statDt":"20260519"}`); code != 400 || !strings.Contains(body, "20007") {
		t.Errorf("held back: %d %s", code, body)
	}
	c.post("AD", "20260518")
	c.sim.SetPublished(true)
	c.post("AD", "20260519")
	if code, _, body := c.do("GET", "/stat-reports/999999999", ""); code != 404 || !strings.Contains(body, "20011") {
		t.Errorf("unknown job: %d %s", code, body)
	}
}

func TestStatJobsEvicted(t *testing.T) {
	c := newClient(t, Options{Accounts: 2})
	first := c.post("CRITERION", "20260519")
	for range maxJobs {
		c.post("CRITERION", "20260519")
	}
	var all []statJob
	c.get("GET", "/stat-reports", "", &all)
	if code, _, body := c.do("GET", fmt.Sprintf("/stat-reports/%d", first.ReportJobID), ""); len(all) != 100 || code != 403 || !strings.Contains(body, "20005") {
		t.Errorf("%d jobs; the first: %d %s", len(all), code, body)
	}
	c.get("DELETE", fmt.Sprintf("/stat-reports/%d", all[0].ReportJobID), "", nil)
	c.get("GET", "/stat-reports", "", &all)
	if len(all) != 99 {
		t.Errorf("%d jobs after a delete", len(all))
	}
	c.clock.add(statLife)
	c.get("GET", "/stat-reports", "", &all)
	if len(all) != 0 {
		t.Errorf("%d jobs after 14 days", len(all))
	}
}

func TestChanged(t *testing.T) {
	c := newClient(t, Options{Seed: 4, Accounts: 2})
	before := c.rows("AD", "20260519")
	conv := c.rows("AD_CONVERSION", "20260519")
	n, err := c.sim.Changed(c.customer, "AD", "20260519")
	if err != nil || n != 1 {
		t.Fatalf("%d jobs changed, %v", n, err)
	}
	var all []statJob
	c.get("GET", "/stat-reports", "", &all)
	if all[0].Status != stBuilt || all[1].Status != stChanged || all[1].DownloadURL != "" {
		t.Errorf("jobs: %+v", all)
	}
	if after := c.rows("AD", "20260519"); reflect.DeepEqual(before, after) || len(after) != len(before) {
		t.Error("a restated day has the same numbers, or other rows")
	}
	if again := c.rows("AD_CONVERSION", "20260519"); !reflect.DeepEqual(conv, again) {
		t.Error("conversions changed as well")
	}
	if _, err := c.sim.Changed(1, "AD", "20260519"); err == nil {
		t.Error("unknown customer accepted")
	}
}

func TestDownloadURLAsItIs(t *testing.T) {
	c := newClient(t, Options{Accounts: 2})
	j := c.post("AD", "20260519")
	c.clock.add(time.Minute)
	link := c.state(j.ReportJobID).DownloadURL
	u, err := url.Parse(link)
	if err != nil || !strings.Contains(link, "%2B") || !strings.Contains(link, "%2F") || !strings.HasSuffix(link, "&fileVersion=v2") {
		t.Fatalf("link %q: %v", link, err)
	}
	if code, _, _ := c.do("GET", link, ""); code != 200 {
		t.Errorf("as it is: %d", code)
	}
	unescaped := u.Scheme + "://" + u.Host + u.Path + "?" + strings.NewReplacer("%2B", "+", "%2F", "/").Replace(u.RawQuery)
	for _, bad := range []string{strings.TrimSuffix(link, "&fileVersion=v2"), link + "&x=1", unescaped} {
		if code, _, body := c.do("GET", bad, ""); code != 500 || !strings.Contains(body, "InternalServerError") {
			t.Errorf("%s: %d %s", bad, code, body)
		}
	}
	c.customer = c.sim.Customers()[1].ID
	if code, _, _ := c.do("GET", link, ""); code != 403 {
		t.Errorf("another customer's: %d", code)
	}
}

func TestContentType(t *testing.T) {
	c := newClient(t, Options{Accounts: 2})
	for _, types := range [][]string{nil, {"text/plain"}, {"application/json", "application/json; charset=UTF-8"}} {
		r := c.request("POST", "/stat-reports", `{"reportTp":"AD","statDt":"20260519"}`)
		r.Header["Content-Type"] = types
		if code, _, body := c.send(r); code != 400 || !strings.Contains(body, "11005") {
			t.Errorf("%q: %d %s", types, code, body)
		}
	}
	var j statJob
	c.get("POST", "/stat-reports", `{"reportTp":"AD","statDt":"20260519","memo":"x"}`, &j)
	c.clock.add(time.Minute)
	if j = c.state(j.ReportJobID); j.Status != stBuilt || j.DownloadURL != "" {
		t.Errorf("unknown field: %+v", j)
	}
}
