package naver

import (
	"context"
	"sync/atomic"
	"testing"

	"imreport/internal/run"
	vendor "imreport/sim/naver"
)

// TestOutage: the first good answer after Naver has failed for everybody is
// told once, so that runs need not wait out their pauses. One failure here and
// there is no outage.
func TestOutage(t *testing.T) {
	var back atomic.Int64
	st := newStage(t, nil, vendor.Options{}, func(o *Options) { o.Back = func() { back.Add(1) } })
	fail := func(times int) {
		t.Helper()
		if _, err := st.sim.AddFault(vendor.Fault{Kind: "500", Times: times}); err != nil {
			t.Fatal(err)
		}
	}
	o := st.order(st.busy()[0], 1, "AD")
	fail(2)
	st.must(o)
	if back.Load() != 0 {
		t.Error("two failures are told as an outage")
	}
	fail(outageAfter + 3)
	other := st.order(st.busy()[1], 1, "AD")
	for {
		err := st.Collect(context.Background(), other, &progress{t: t})
		if err == nil {
			break
		}
		if s, ok := err.(*run.Stop); !ok || s.Do != run.Retry || s.Subject != Outage {
			t.Fatalf("%+v", err)
		}
	}
	if back.Load() != 1 {
		t.Errorf("told %d times", back.Load())
	}
}
