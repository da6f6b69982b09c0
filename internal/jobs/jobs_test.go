package jobs_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/jobs"
)

type hello struct {
	N int `json:"n"`
}

func (hello) Kind() string { return "test.hello" }

// The contract of the package; another engine would have to pass it too.
func TestJobs(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := jobs.New(d, jobs.Options{Process: "p1"})
		got := make(chan int, 10)
		snoozed := false
		jobs.Handle(j, func(_ context.Context, a hello) error {
			if a.N == 4 && !snoozed {
				snoozed = true
				return jobs.Snooze(time.Millisecond)
			}
			got <- a.N
			return nil
		})
		boom := errors.New("boom")
		enqueue := func(fail error, n int, o ...jobs.Option) {
			err := d.InTx(ctx, func(tx *db.Tx) error {
				if err := j.Enqueue(ctx, tx, hello{n}, o...); err != nil {
					return err
				}
				return fail
			})
			if !errors.Is(err, fail) {
				t.Fatal(err)
			}
		}
		enqueue(boom, 1) // rolled back: never seen
		enqueue(nil, 2)  // before Start
		if err := j.Start(ctx); err != nil {
			t.Fatal(err)
		}
		enqueue(nil, 3, jobs.In(jobs.ProcessQueue("p1")))
		enqueue(nil, 4, jobs.In(jobs.Bulk))
		enqueue(nil, 5, jobs.In(jobs.Interactive))
		seen := map[int]bool{}
		for len(seen) < 4 {
			select {
			case n := <-got:
				seen[n] = true
			case <-ctx.Done():
				t.Fatalf("seen only %v", seen)
			}
		}
		if seen[1] {
			t.Error("a job of a transaction that was rolled back was handled")
		}
		if err := j.Stop(ctx); err != nil {
			t.Fatal(err)
		}
	})
}
