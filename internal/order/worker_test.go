package order

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestWorkerTakesWhatIsUploaded(t *testing.T) {
	each(t, func(f *fixture) {
		f.ok(f.Start(bg))
		var ids []string
		for n := range 3 {
			data := eleven + fmt.Sprintf("555000000000%d,#%d,2026-11-02,paid,,김,a@example.com,MUG,머그컵,1,yes\n", n, n)
			i, err := f.Upload(bg, f.shop.ID, strings.NewReader(data), UploadOptions{})
			f.ok(err)
			ids = append(ids, i.ID)
		}
		for _, id := range ids {
			i, err := f.WaitImport(bg, f.shop.ID, id, time.Minute)
			f.ok(err)
			f.want(i, "done new 1 updated 0 unchanged 0 refused 0/0")
		}
		f.ok(f.Stop(bg))
		all, err := f.Imports(bg, f.shop.ID, "", 10)
		f.ok(err)
		if len(all) != 3 || all[0].ID != ids[2] || f.count() != 3 {
			f.t.Errorf("%d imports, %d orders", len(all), f.count())
		}
	})
}

func TestImportIsTakenOverFromADeadProcess(t *testing.T) {
	each(t, func(f *fixture) {
		i, err := f.Upload(bg, f.shop.ID, strings.NewReader(eleven+"5550000000001,#1,2026-11-02,paid,,김,a@example.com,MUG,머그컵,1,yes\n"), UploadOptions{})
		f.ok(err)
		dead, err := f.claimImport(bg)
		f.ok(err)
		if worked, err := f.RunNext(bg); worked || err != nil {
			f.t.Fatalf("taken from a living process: %v", err)
		}
		_, err = f.db.Exec(bg, `UPDATE order_import SET lease_us = 1 WHERE id = $1`, i.ID)
		f.ok(err)
		if worked, err := f.RunNext(bg); !worked || err != nil {
			f.t.Fatalf("not taken over: %v, %v", worked, err)
		}
		// The first one was only slow: what it does now comes to nothing.
		if err := f.runImport(context.Background(), dead); !errors.Is(err, errTaken) {
			f.t.Errorf("the late one: %v", err)
		}
		got, err := f.Import(bg, f.shop.ID, i.ID)
		f.ok(err)
		f.want(got, "done new 1 updated 0 unchanged 0 refused 0/0")
	})
}

func TestLists(t *testing.T) {
	each(t, func(f *fixture) {
		for n := range 5 {
			f.apply(snap(fmt.Sprint(100+n), int64(n), 1, func(s *Snapshot) {
				s.Created += int64(n/2) * 1e6 // pairs of one instant
				s.Email = fmt.Sprintf("Buyer%d@example.com", n)
				if n == 3 {
					s.Cancelled = s.Updated
				}
			}))
		}
		f.apply(Event{ExternalID: "900", Refunds: []Refund{{ID: "1"}}}, Event{ExternalID: "104", DeletedAt: epoch})
		var seen []string
		for cursor := ""; ; {
			page, next, err := f.List(bg, f.shop.ID, Filter{}, cursor, 2)
			f.ok(err)
			for _, o := range page {
				seen = append(seen, o.ExternalID)
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		if got := strings.Join(seen, " "); got != "103 102 101 100" {
			f.t.Errorf("listed %s", got)
		}
		for want, filter := range map[string]Filter{"101": {Search: "BUYER1"}, "102": {Search: "#102"}, "103": {Status: "cancelled"}, "": {Source: CSV}} {
			page, _, err := f.List(bg, f.shop.ID, filter, "", 10)
			f.ok(err)
			got := ""
			if len(page) > 0 {
				got = page[0].ExternalID
			}
			if got != want || len(page) > 1 {
				f.t.Errorf("%+v: %d orders, %s", filter, len(page), got)
			}
		}
		if _, _, err := f.List(bg, f.shop.ID, Filter{}, "nonsense", 10); err == nil {
			f.t.Error("a wrong cursor was taken")
		}
		if _, err := f.Get(bg, f.shop.ID, "900"); err == nil {
			f.t.Error("a refund without its order is shown")
		}
	})
}
