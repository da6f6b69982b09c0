package quota

import (
	"fmt"
	"testing"
)

// Where two workspaces have had as much, a flow that had more than others of
// its own does not win for its workspace.
func TestEqualWorkspacesHideNoFlow(t *testing.T) {
	d := &desk{}
	inner := &instance{}
	ahead, behind := &tenant{name: "a"}, &tenant{name: "b"}
	rich := &line{flow: &flow{id: 1, inner: inner}, tenant: ahead, served: 10}
	poor := &line{flow: &flow{id: 3, inner: inner}, tenant: ahead}
	other := &line{flow: &flow{id: 2, inner: inner}, tenant: behind}
	for _, lines := range [][]*line{{rich, poor, other}, {poor, other, rich}, {other, rich, poor}, {other, poor, rich}} {
		best := lines[0]
		for _, l := range lines[1:] {
			if l.before(d, best, 0, 0) {
				best = l
			}
		}
		if best == rich {
			t.Errorf("the flow with most service won over %d and %d", lines[0].flow.id, lines[1].flow.id)
		}
	}
}

// twoLicences is a server that gives 10/s to the licence "slow" and 40/s to
// "fast".
func twoLicences() *play {
	slow, fast := newPlay(func(float64) float64 { return 10 }), newPlay(func(float64) float64 { return 40 })
	p := newPlay(nil)
	p.allow = func(now float64, t *Ticket) bool {
		if t.call.Scopes[1].ID == "slow" {
			return slow.allow(now, t)
		}
		return fast.allow(now, t)
	}
	return p
}

// Flows whose licence is slow lag far behind those of a fast one; among
// themselves they take turns all the same.
func TestLaggardsTakeTurns(t *testing.T) {
	p := twoLicences()
	taken := map[string]int{}
	p.onAnswer = func(_ float64, tk *Ticket, refused bool) {
		if !refused {
			taken[tk.line.flow.ID]++
		}
	}
	for c := range 40 {
		id, licence := fmt.Sprint(c), "slow"
		if c%2 == 1 {
			licence = "fast"
		}
		p.enqueue(p.e.Open(FlowOptions{ID: id, Tenant: "one", Class: Bulk, Left: 400}), 400, naver(licence, id)...)
	}
	p.until(120)
	for _, first := range []int{0, 1} {
		least, most := 1000, 0
		for c := first; c < 40; c += 2 {
			n := taken[fmt.Sprint(c)]
			least, most = min(least, n), max(most, n)
		}
		if least < most*7/10 {
			t.Errorf("flows of one licence had from %d to %d calls", least, most)
		}
	}
}
