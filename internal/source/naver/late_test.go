package naver

import (
	"context"
	"slices"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/run"
	"imreport/internal/table"
	vendor "imreport/sim/naver"
)

// TestGoesOnWithoutALateType: conversions come hours after clicks. A run that
// may do without waits two probes for them, then is filled with what there is,
// and says what it lacks; the next one brings it.
func TestGoesOnWithoutALateType(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, func(o *Options) { o.Parallel = 1 }) // AD asks first
	if err := st.sim.SetReady("20261124", "AD_CONVERSION", st.clock.now().Add(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	order := func() run.Order {
		o := st.order(st.busy()[0], 3, "AD", "AD_CONVERSION")
		o.Late = &run.Lacking{}
		return o
	}
	if s := st.fails(order()); s.Reason != run.CodePlatformPreparing {
		t.Fatalf("%+v", s)
	}
	var o run.Order
	for i := 0; ; i++ { // until the grace is over
		st.clock.forward(time.Minute + 10*time.Second)
		o = order()
		if err := st.Collect(context.Background(), o, &progress{t: t}); err == nil {
			break
		}
		if i > 4 {
			t.Fatal("it waits for ever")
		}
	}
	if p := o.Late.Pieces; len(p) != 1 || p[0].Report != "AD_CONVERSION" || p[0].Day != o.To || p[0].Doubtful || !p[0].Again.After(st.clock.now()) {
		t.Errorf("lacks %+v", p)
	}
	schema, rows := st.rows(o, "AD_CONVERSION") // two days of three, without asking again
	for _, r := range rows {
		if r[schema.Index("date")] == o.To.String() {
			t.Fatal("a row of the day that is late")
		}
	}
	rt, _ := typeOf("AD")
	st.compare(o, rt)
	if s := st.fails(st.order(o.CustomerID, 3, "AD", "AD_CONVERSION")); s.Reason != run.CodePlatformPreparing {
		t.Errorf("a run that wants all goes on: %+v", s)
	}
	st.clock.forward(3 * time.Hour)
	o = order()
	st.must(o)
	if len(o.Late.Pieces) != 0 {
		t.Errorf("lacks %+v", o.Late.Pieces)
	}
	rt, _ = typeOf("AD_CONVERSION")
	st.compare(o, rt)
}

// TestGoesOnWithoutADoubtfulReport: a report of yesterday that contradicts
// /stats is left out, and marked for repair.
func TestGoesOnWithoutADoubtfulReport(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	if _, err := st.sim.AddFault(vendor.Fault{Kind: "none", Report: "AD_DETAIL", Day: "20261124", Times: 1}); err != nil {
		t.Fatal(err)
	}
	o := st.order(st.busy()[0], 2, "AD", "AD_DETAIL")
	o.Late = &run.Lacking{}
	if err := st.Collect(context.Background(), o, &progress{t: t}); err != nil {
		t.Fatal(err)
	}
	if p := o.Late.Pieces; len(p) != 1 || p[0].Report != "AD_DETAIL" || !p[0].Doubtful {
		t.Errorf("lacks %+v", p)
	}
}

// TestRestatedIsToldWithThePiece: others who show the old numbers hear of it in
// the transaction that stores the new ones.
func TestRestatedIsToldWithThePiece(t *testing.T) {
	var heard []string
	st := newStage(t, nil, vendor.Options{}, func(o *Options) {
		o.Restated = func(_ context.Context, tx *db.Tx, customer, report string, day table.Day, raw string) error {
			if tx == nil {
				t.Error("no transaction")
			}
			heard = append(heard, customer+" "+report+" "+day.Compact()+" "+raw)
			return nil
		}
	})
	o := st.order(st.busy()[0], 6, "AD")
	st.must(o)
	if len(heard) != 0 {
		t.Errorf("heard %v", heard)
	}
	if _, err := st.sim.Changed(customerID(o.CustomerID), "AD", "20261120"); err != nil {
		t.Fatal(err)
	}
	st.must(st.order(o.CustomerID, 6, "AD"))
	if want := []string{o.CustomerID + " AD 20261120 raw"}; !slices.Equal(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
}
