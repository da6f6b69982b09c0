package naver

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

type masterJobT struct {
	ID          string `json:"id"`
	Status      string `json:"status"`
	DownloadURL string `json:"downloadUrl"`
	UpdateTime  string `json:"updateTime"`
}

// master makes, waits for and downloads a master report.
func (c *client) master(body string) [][]string {
	c.t.Helper()
	var j masterJobT
	c.get("POST", "/master-reports", body, &j)
	c.clock.add(5 * time.Second)
	c.get("GET", "/master-reports/"+j.ID, "", &j)
	if j.Status == stNone {
		return nil
	}
	code, _, raw := c.do("GET", j.DownloadURL, "")
	if code != 200 {
		c.t.Fatalf("master %s (%s): %d %s", body, j.Status, code, raw)
	}
	c.get("DELETE", "/master-reports/"+j.ID, "", nil)
	return tsv(raw)
}

func TestEveryMasterItem(t *testing.T) {
	c := newClient(t, Options{Seed: 1, Accounts: 4})
	for _, item := range MasterItems() {
		rows := c.master(fmt.Sprintf(`{"item":%q}`, item))
		if (len(rows) == 0) != (item == "HospitalAd") {
			t.Errorf("%s has %d rows", item, len(rows))
		}
		truth, err := c.sim.TruthMaster(c.customer, item)
		if err != nil || len(truth) != len(rows) {
			t.Errorf("%s: %d rows, truth %d (%v)", item, len(rows), len(truth), err)
		}
		for _, f := range rows {
			if len(f) != masterItems[item].columns {
				t.Fatalf("%s has %d columns instead of %d: %q", item, len(f), masterItems[item].columns, f)
			}
		}
	}
	c.customer = c.sim.Customers()[1].ID // the odd one: a tab, formulas
	tabs, formulas := 0, 0
	for _, f := range c.master(`{"item":"Adgroup"}`) {
		if len(f) > 18 {
			tabs++
		}
		if strings.HasPrefix(f[3], "+82") {
			formulas++
		}
	}
	if tabs == 0 || formulas == 0 {
		t.Errorf("names with tabs %d, like formulas %d", tabs, formulas)
	}
}

func TestMasterDelta(t *testing.T) {
	c := newClient(t, Options{Seed: 1, Accounts: 4})
	full := c.master(`{"item":"Keyword"}`)
	from := c.clock.now().Format(time.RFC3339)
	c.clock.add(2 * time.Second)
	if rows := c.master(`{"item":"Keyword","fromTime":"` + from + `"}`); len(rows) != 0 {
		t.Fatalf("a delta over nothing has %d rows", len(rows))
	}
	if err := c.sim.Delete(c.customer, full[3][2]); err != nil {
		t.Fatal(err)
	}
	if err := c.sim.Rename(c.customer, full[4][2], "새 이름"); err != nil {
		t.Fatal(err)
	}
	c.clock.add(time.Second)
	rows := c.master(`{"item":"Keyword","fromTime":"` + from + `"}`)
	if len(rows) != 2 || rows[0][11] == "" || rows[1][3] != "새 이름" {
		t.Errorf("delta: %q", rows)
	}
	if now := c.master(`{"item":"Keyword"}`); len(now) != len(full)-1 {
		t.Errorf("%d keywords, before %d", len(now), len(full))
	}
	year := c.master(`{"item":"Keyword","fromTime":"2025-05-20T00:00:00Z"}`)
	deleted := 0
	for _, f := range year {
		if f[11] != "" {
			deleted++
		}
	}
	if deleted < 2 {
		t.Errorf("a year's delta has %d deleted keywords of %d", deleted, len(year))
	}
	for _, bad := range []string{`{"item":"Keyword","fromTime":"2020-01-01T00:00:00Z"}`, `{"item":"Media","fromTime":"` + from + `"}`, `{"item":"Account"}`} {
		if code, _, body := c.do("POST", "/master-reports", bad); code != 400 || !strings.Contains(body, "BadRequest") {
			t.Errorf("%s: %d %s", bad, code, body)
		}
	}
}

func TestMasterCap(t *testing.T) {
	c := newClient(t, Options{Accounts: 2})
	for range maxJobs {
		c.get("POST", "/master-reports", `{"item":"Campaign"}`, nil)
	}
	full := func(want bool) {
		t.Helper()
		code, _, body := c.do("POST", "/master-reports", `{"item":"Campaign"}`)
		if (code == 400) != want {
			t.Errorf("%d %s", code, body)
		}
		if want && !strings.Contains(body, "exceeded limit of '100' numbers of 'job'") {
			t.Error(body)
		}
	}
	full(true)
	c.get("DELETE", "/master-reports", "", nil)
	full(false)
	c.sim.SetMasterStuck(c.customer, 100)
	c.get("DELETE", "/master-reports", "", nil)
	full(true)
	c.sim.SetMasterStuck(c.customer, 0)
	full(false)
}
