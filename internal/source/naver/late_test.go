package naver

import (
	"context"
	"strconv"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/run"
	"imreport/internal/table"
	vendor "imreport/sim/naver"
)

// TestLateType: while one type is late, a run waits a little, then goes on
// without it and says so; one that was asked for because of it waits.
func TestLateType(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	yesterday := (table.DayOf(st.clock.now()) - 1).Start()
	if err := st.sim.SetReady(yesterday.In(table.KST).Format("20060102"), "AD_CONVERSION", st.clock.now().Add(5*time.Hour)); err != nil {
		t.Fatal(err)
	}
	o := st.order(st.busy()[0], 2, "AD", "AD_CONVERSION")
	o.Late = &run.Lacking{}
	if s := st.fails(o); s.Reason != run.CodePlatformPreparing || len(o.Late.Pieces) != 0 {
		t.Fatalf("%v, late %v", s, o.Late.Pieces)
	}
	// Which type was asked for first decides whether the day was seen to be
	// published at once or by the next probe; the run waits from then.
	var err error
	for range 2 {
		st.clock.forward(3 * time.Minute)
		if err = st.Collect(context.Background(), o, &progress{t: t}); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if p := o.Late.Pieces; len(p) != 1 || p[0].Report != "AD_CONVERSION" || p[0].Day != o.To || p[0].Doubtful {
		t.Fatalf("late %v", p)
	}
	st.seen.take()
	tabs, err := st.Tabs(context.Background(), o)
	if err != nil || len(tabs) != 2 {
		t.Fatalf("%d tabs, %v", len(tabs), err)
	}
	if calls, _ := st.seen.take(); sum(calls) != 0 {
		t.Errorf("opening the tabs cost %v", calls)
	}
	o.Late = nil
	if s := st.fails(o); s.Reason != run.CodePlatformPreparing {
		t.Fatal(s)
	}
	st.clock.forward(5 * time.Hour)
	st.must(o)
}

// TestOnlyLateType: with nothing of the day there, a run waits.
func TestOnlyLateType(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	yesterday := (table.DayOf(st.clock.now()) - 1).Start()
	if err := st.sim.SetReady(yesterday.In(table.KST).Format("20060102"), "AD_CONVERSION", st.clock.now().Add(5*time.Hour)); err != nil {
		t.Fatal(err)
	}
	st.must(st.order(st.busy()[0], 1, "AD"))
	st.clock.forward(10 * time.Minute)
	o := st.order(st.busy()[0], 2, "AD_CONVERSION")
	o.Late = &run.Lacking{}
	if s := st.fails(o); s.Reason != run.CodePlatformPreparing || len(o.Late.Pieces) != 0 {
		t.Fatalf("%v, late %v", s, o.Late.Pieces)
	}
}

// TestRestated: who fetches a restated day tells of it, and the routine of a
// morning looks at a customer's jobs once.
func TestRestated(t *testing.T) {
	var told []string
	st := newStage(t, nil, vendor.Options{}, func(o *Options) {
		o.Restated = func(_ context.Context, _ *db.Tx, customer, report string, day table.Day, rawData string) error {
			told = append(told, customer+" "+report+" "+day.String()+" "+rawData)
			return nil
		}
	})
	customer := st.busy()[0]
	st.must(st.order(customer, 8, "AD"))
	st.clock.forward(24 * time.Hour)
	day := table.DayOf(st.clock.now()) - 6
	id, err := strconv.ParseInt(customer, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := st.sim.Changed(id, "AD", day.Start().In(table.KST).Format("20060102")); err != nil || n != 1 {
		t.Fatalf("%d jobs changed, %v", n, err)
	}
	o := st.order(customer, 8, "AD")
	o.Routine = true
	st.must(o)
	if want := customer + " AD " + day.String() + " raw"; len(told) != 1 || told[0] != want {
		t.Errorf("told %q, want %q", told, want)
	}
	for _, c := range []struct {
		routine, force, prove, want bool
	}{{routine: true, want: true}, {}, {routine: true, force: true}, {routine: true, prove: true}} {
		o.Routine, o.Force = c.routine, c.force
		if got := (&collector{s: st.Source, o: o}).seenLately(plan{prove: c.prove}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	st.clock.forward(2 * lookFor)
	o.Routine, o.Force = true, false
	if (&collector{s: st.Source, o: o}).seenLately(plan{}) {
		t.Error("a look of hours ago counts")
	}
}
