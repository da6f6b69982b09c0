package naver

import (
	"sync"
	"testing"
	"time"
)

// Many callers at once, with admin calls between; run it with -race.
func TestManyCallers(t *testing.T) {
	c := newClient(t, Options{Accounts: 4, Profile: "strict", Now: time.Now, PublishedFromStart: true, BuildMin: -1})
	c.clock.t = time.Now()
	yesterday := (dayOf(time.Now()) - 1).String()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			mine := *c
			mine.customer = c.sim.Customers()[i].ID
			for range 5 {
				for _, path := range []string{"/ncc/campaigns", "/stat-reports", "/master-reports", "/billing/bizmoney"} {
					mine.do("GET", path, "")
				}
				mine.do("POST", "/stat-reports", `{"reportTp":"AD","statDt":"`+yesterday+`"}`)
				mine.do("POST", "/master-reports", `{"item":"Keyword"}`)
				mine.sim.Metrics()
				if _, err := mine.sim.Changed(mine.customer, "", yesterday); err != nil {
					t.Error(err)
				}
				if err := mine.sim.Rename(mine.customer, mine.sim.id(ent{i, kCampaign, 0}), "새 이름"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if m := c.sim.Metrics(); m.Arrivals != 4*5*6 {
		t.Errorf("%d arrivals", m.Arrivals)
	}
}
