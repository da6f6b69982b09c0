package review

import (
	"testing"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/shop"
)

// A message that would go but for its shop says why it does not, and is itself
// again when the shop goes on.
func TestHeldByItsShop(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := newFixture(t, d, Options{}, shop.Input{})
		f.put(f.fulfilled("1", "jimin@example.com"))
		if m := f.only(); m.State != Scheduled || m.Reason != "" {
			t.Fatalf("%s %s", m.State, m.Reason)
		}
		uninstalled := func(us int64) {
			if _, err := d.Exec(f.ctx, `UPDATE shop SET uninstalled_us = $2 WHERE id = $1`, f.shop.ID, us); err != nil {
				t.Fatal(err)
			}
		}
		uninstalled(db.US(f.clock.now()))
		m := f.only()
		if one, err := f.Get(f.ctx, f.shop.ID, m.ID); err != nil || m.State != Scheduled || m.Reason != Uninstalled || one.Reason != Uninstalled {
			t.Errorf("%s %s, alone %s %v", m.State, m.Reason, one.Reason, err)
		}
		uninstalled(0)
		if m := f.only(); m.Reason != "" {
			t.Errorf("still %s", m.Reason)
		}
	})
}
