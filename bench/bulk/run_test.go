package bulk

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestTable(t *testing.T) {
	only := os.Getenv("WORLDS")
	seeds := 5
	for _, w := range worlds() {
		if only != "" && !slices.Contains(strings.Split(only, ","), w.name) {
			continue
		}
		vs := []variant{{}, {punish: true}}
		if w.agency {
			vs = append(vs, variant{drift: true}, variant{true, true})
		}
		line := fmt.Sprintf("%-12s", w.name)
		for _, v := range vs {
			outs := make([]outcome, seeds)
			var wg sync.WaitGroup
			for i := range seeds {
				wg.Go(func() {
					outs[i] = play(w, v, func(*setup) client { return newGate(true) }, uint64(1000+i))
				})
			}
			wg.Wait()
			var ms, ref, jn float64
			var inter []float64
			dnf := 0
			for _, o := range outs {
				ms += o.makespan / o.ideal / float64(seeds)
				ref += o.refused * 100 / float64(seeds)
				jn += o.jain / float64(seeds)
				inter = append(inter, o.interactive...)
				if o.dnf {
					dnf++
				}
			}
			slices.Sort(inter)
			p95 := 0.
			if len(inter) > 0 {
				p95 = inter[len(inter)*95/100]
			}
			line += fmt.Sprintf(" | %.3f@%.2f p95 %.1f J %.3f", ms, ref, p95, jn)
			if dnf > 0 {
				line += fmt.Sprintf(" DNF%d", dnf)
			}
		}
		fmt.Println(line)
	}
}
