package run

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/jobs"
	"imreport/internal/quota"
)

// Runs go where their licence is owned: the worker of the former owner stops,
// and the run is finished by the new one in its next epoch.
func TestRunsMoveWithTheirLicence(t *testing.T) {
	d := dbtest.Postgres(t)
	var owner atomic.Value
	owner.Store("a")
	route := func(o *Options) {
		o.Route = func(context.Context, *db.Tx, string, quota.Class) (jobs.Queue, error) {
			return jobs.ProcessQueue(owner.Load().(string)), nil
		}
	}
	a := newHouse(t, d, route, func(o *Options) { o.Process = "a" })
	b := newHouse(t, d, route, func(o *Options) { o.Process = "b" })
	var began atomic.Int32
	stuck := func(ctx context.Context, _ Order, _ Progress) error {
		began.Add(1)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	a.src.set(stuck)
	a.start(t)
	b.start(t)
	_, r := a.rawData(t, "l1", quota.Bulk)
	await(t, "the first owner works", func() bool { return began.Load() == 1 })
	owner.Store("b")
	if err := a.Yield(bg, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if v := b.ended(t, r.ID); v.State != Success {
		t.Fatalf("ended in %v %s", v.State, v.Reason)
	}
	if n := began.Load(); n != 1 {
		t.Errorf("the former owner began %d times", n)
	}
}

// The runs of a process that is known to be dead do not wait for their leases.
func TestRunsOfADeadProcessAreTakenOver(t *testing.T) {
	d := dbtest.Postgres(t)
	a := newHouse(t, d, func(o *Options) { o.Process = "a" })
	_, r := a.rawData(t, "l1", quota.Bulk)
	if _, err := d.Exec(bg, `UPDATE run SET lease_owner = 'dead', lease_until_us = $2 WHERE id = $1`, r.ID,
		db.US(time.Now().Add(leaseFor))); err != nil {
		t.Fatal(err)
	}
	if err := a.TakeOver(bg, "dead"); err != nil {
		t.Fatal(err)
	}
	if again, err := get(bg, d, r.ID); err != nil || again.Epoch != 2 {
		t.Fatalf("epoch %d, %v", again.Epoch, err)
	}
	a.start(t)
	if v := a.ended(t, r.ID); v.State != Success {
		t.Fatalf("ended in %v %s", v.State, v.Reason)
	}
}
