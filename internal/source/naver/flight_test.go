package naver

import (
	"context"
	"testing"
	"testing/synctest"

	"imreport/internal/quota"
)

// TestWhoWaitsLendsItsUrgency: somebody waits for a piece that the bulk
// fetches: from then on it is fetched as for somebody who waits.
func TestWhoWaitsLendsItsUrgency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := quota.New(quota.Options{})
		bulk := g.Flow(quota.FlowOptions{ID: "bulk", Class: quota.Bulk})
		person := g.Flow(quota.FlowOptions{ID: "person", Class: quota.Interactive})
		third := g.Flow(quota.FlowOptions{ID: "third", Class: quota.Backfill})
		var f flights
		p := piece{"1", "AD", 1}
		leave, waited, err := f.enter(context.Background(), p, bulk)
		if err != nil || waited {
			t.Fatal(waited, err)
		}
		done := make(chan bool)
		go func() {
			leave, waited, err := f.enter(context.Background(), p, person)
			if err != nil {
				t.Error(err)
				return
			}
			leave()
			done <- waited
		}()
		synctest.Wait()
		third.Lend(bulk) // less urgent: nothing changes
		if c := bulk.Class(); c != quota.Interactive {
			t.Errorf("the fetch is %v", c)
		}
		leave()
		if !<-done {
			t.Error("did not wait")
		}
		ctx, cancel := context.WithCancel(context.Background())
		leave, _, err = f.enter(ctx, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, _, err := f.enter(ctx, p, nil); err == nil {
			t.Error("entered twice")
		}
		leave()
	})
}
