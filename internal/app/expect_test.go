package app

import (
	"testing"
	"time"

	"imreport/internal/quota"
	"imreport/internal/run"
)

// A cost is asked for once, kept for its time, and an old one serves until the
// new one is there.
func TestCostsAreAskedForOnce(t *testing.T) {
	e := newExpectations()
	v := run.View{Run: run.Run{RawDataID: "r"}}
	now := time.Unix(1_800_000_000, 0)
	for range 3 {
		if _, ok := e.cost(v, now); ok {
			t.Fatal("known before anybody looked")
		}
	}
	if n := len(e.ask); n != 1 {
		t.Fatalf("asked %d times", n)
	}
	<-e.ask
	e.costs["r"] = cost{scopes: []quota.Scope{{Kind: quota.Licence, ID: "l"}}, requests: 7, at: now}
	if c, ok := e.cost(v, now.Add(costFor-1)); !ok || c.requests != 7 || c.licence() != "l" || len(e.ask) != 0 {
		t.Errorf("%+v %v, %d asked", c, ok, len(e.ask))
	}
	if c, ok := e.cost(v, now.Add(costFor)); !ok || c.requests != 7 || len(e.ask) != 1 {
		t.Errorf("%+v %v, %d asked", c, ok, len(e.ask))
	}
	// When too many wait to be answered, whoever asks is not held up.
	for i := range asksMost + 5 {
		e.cost(run.View{Run: run.Run{RawDataID: string(rune('a' + i))}}, now)
	}
}
