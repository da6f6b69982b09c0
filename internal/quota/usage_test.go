package quota

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"imreport/internal/db/dbtest"
)

// The names of the outer contract (design, section 9) must not change.
func TestUsageKeepsItsContract(t *testing.T) {
	p := newPlay(func(float64) float64 { return 25 })
	f := p.e.Open(FlowOptions{ID: "r", Tenant: "w", Class: Bulk, Left: 3000})
	for i := range 8 {
		p.enqueue(f, 400, naver("l", fmt.Sprint("c", i))...)
	}
	p.until(60)
	b, err := json.Marshal(p.e.Usage(at(p.now), Scope{Licence, "l"}))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Scopes []map[string]any `json:"scopes"`
		Queue  map[string]int   `json:"queue"`
		End    *Range           `json:"expected_end"`
		Ends   map[string]Range `json:"ends"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	kinds := []string{}
	binding := 0
	for _, s := range doc.Scopes {
		for _, k := range []string{"scope", "id", "rate_per_s", "binding", "refused_share_1m", "refused_share_24h"} {
			if _, ok := s[k]; !ok {
				t.Errorf("%q is missing in %v", k, s)
			}
		}
		kinds = append(kinds, s["scope"].(string))
		if s["binding"] == true {
			binding++
			if s["scope"] != Licence || s["why"] != WhyRefused {
				t.Errorf("binding is %v because of %v", s["scope"], s["why"])
			}
		}
	}
	slices.Sort(kinds)
	if want := []string{Customer, IP, Licence}; !slices.Equal(slices.Compact(kinds), want) || binding != 1 {
		t.Errorf("scopes %v, %d bind", kinds, binding)
	}
	if doc.Queue["bulk"] == 0 || doc.Queue["interactive"] != 0 || doc.End == nil || len(doc.Ends) != 1 {
		t.Errorf("queue %v, end %v, ends %v", doc.Queue, doc.End, doc.Ends)
	}
	if !doc.End.From.Before(doc.End.To) || !doc.End.From.After(at(p.now)) {
		t.Errorf("expected to end within %v", doc.End)
	}
}

func TestUsageOfAnUnknownLicence(t *testing.T) {
	b, err := json.Marshal(NewEngine(Options{}, t0).Usage(t0, Scope{Licence, "?"}))
	if err != nil || string(b) != `{"scopes":[],"queue":{"bulk":0,"interactive":0}}` {
		t.Errorf("%s, %v", b, err)
	}
}

// What waits outside of the gate is foreseen to share with what is in it; and
// so it does.
func TestForeseenWorkQueuesUp(t *testing.T) {
	p := newPlay(func(float64) float64 { return 20 })
	for _, c := range []string{"c1", "c2", "c3"} {
		p.enqueue(p.e.Open(FlowOptions{ID: c, Class: Bulk, Left: 2000}), 2000, naver("l", c)...)
	}
	if _, ok := p.e.Foresee(at(p.now), naver("l", "x"), 100, 0); ok {
		t.Error("foreseen before anything is known")
	}
	p.until(50)
	r, ok := p.e.Foresee(at(p.now), naver("l", "x"), 100, 0)
	left, end := 100, 0.
	p.onAnswer = func(now float64, tk *Ticket, refused bool) {
		if tk.line.flow.ID == "x" && !refused {
			if left--; left == 0 {
				end = now
			}
		}
	}
	p.enqueue(p.e.Open(FlowOptions{ID: "x", Class: Bulk, Left: 100}), 100, naver("l", "x")...)
	p.until(100)
	if !ok || end == 0 || at(end).Before(r.From) || at(end).After(r.To) {
		t.Errorf("from %.1f to %.1f s, %v; it ended at %.1f s", r.From.Sub(t0).Seconds(), r.To.Sub(t0).Seconds(), ok, end)
	}
}

func TestOwnerTellsOthersOfUsage(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	a, b := startProcess(t, d, "a"), startProcess(t, d, "b")
	defer a.close(t)
	defer b.close(t)
	if o := ownerOf(t, d, a, "l"); o != "a" {
		t.Fatalf("owner is %q", o)
	}
	w := &wire{rate: 1000, tokens: 3}
	for range 3 {
		if err := a.g.Do(t.Context(), nil, Call{Scopes: naver("l", "c")}, w.send); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the other process knows", func() bool {
		u, err := b.k.Usage(t.Context(), "l")
		return err == nil && len(u.Scopes) == 3 && u.Scopes[0].Sent == 3
	})
}

func TestMetricsShowNoCustomers(t *testing.T) {
	g := New(Options{})
	w := &wire{rate: 1000, tokens: 100, at: time.Now()}
	f := g.Flow(FlowOptions{ID: "r", Tenant: "w1"})
	for _, c := range []string{"c1", "c2"} {
		if err := g.Do(t.Context(), f, Call{Scopes: naver("secret", c)}, w.send); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 { // some of them wait
		g.enqueue(f, Call{Scopes: naver("secret", "c1")})
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(g.Collector(func(s Scope) string { return strings.ToUpper(s.ID[:2]) }))
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, f := range families {
		text += f.String() + "\n"
	}
	for _, want := range []string{"imreport_gate_rate_per_second", "imreport_gate_queue", "imreport_gate_workspace_queue", "imreport_gate_workspace_slots_total", "imreport_gate_expected_end_seconds", `"SE"`, `"customer"`, `"w1"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not shown", want)
		}
	}
	for _, hidden := range []string{"secret", "c1"} {
		if strings.Contains(text, hidden) {
			t.Errorf("%s is shown", hidden)
		}
	}
}
