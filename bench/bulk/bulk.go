// Package bulk plays the morning's bulk against servers whose limits nobody
// tells, with the gate of package quota and with the clients that others
// build, in virtual time; and shorter ones over HTTP and with several
// processes. docs/quota.md shows what comes out.
package bulk

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
)

// Options of Run. The zero value plays everything in virtual time.
type Options struct {
	// Worlds by name; none: all.
	Worlds []string
	// Clients by name; none: all.
	Clients []string
	// Seeds is how many mornings each mean is made of; 0 means 10. They are
	// FirstSeed, FirstSeed+1, …; 0 means 9001, which nothing was tuned on.
	Seeds     int
	FirstSeed uint64
	// HTTP plays a short morning over a real connection as well.
	HTTP bool
	// Postgres is a server on which three processes play against one, in real
	// time; empty: not.
	Postgres string
	// Pairs is how many times three are measured after one; 0 means 5.
	Pairs int
}

// Figures are what Run measured.
type Figures struct {
	Seeds     int       `json:"seeds"`
	FirstSeed uint64    `json:"first_seed"`
	Rows      []Row     `json:"rows,omitempty"`
	HTTP      *Wire     `json:"http,omitempty"`
	Processes *Together `json:"processes,omitempty"`
}

// Row is a client in a world, the mean of all seeds.
type Row struct {
	World    string  `json:"world"`
	Client   string  `json:"client"`
	Punish   bool    `json:"refusals_count"`
	Drift    bool    `json:"drift"`
	Makespan float64 `json:"makespan_to_ideal"` // of those that finished
	Refused  float64 `json:"refused_percent"`
	P95      float64 `json:"interactive_p95_s"` // 30 calls of a person
	Jain     float64 `json:"jain"`
	DNF      int     `json:"dnf"` // mornings given up at six times the ideal
	// Of the gate: raw data that ended inside the range they were first
	// shown, the median width of these ranges, and those that were shown one
	// before they ended, all in percent; and the median time until then.
	Inside float64 `json:"forecast_inside_percent"`
	Width  float64 `json:"forecast_width_percent"`
	Shown  float64 `json:"forecast_shown_percent"`
	Wait   float64 `json:"forecast_shown_after_s"`
	// Of the world "drop": means over all falls and returns.
	FallRefusals float64 `json:"refusals_until_right,omitempty"`
	FallMost     int     `json:"refusals_until_right_most,omitempty"`
	Back         float64 `json:"seconds_until_back,omitempty"`
	BackMost     float64 `json:"seconds_until_back_most,omitempty"`
	Aim          *Aim    `json:"aim,omitempty"`
}

// player is a client that plays.
type player struct {
	name  string
	make  func(*setup) client
	seeds int // at most; 0: as many as asked for
	rough bool
}

func players() []player {
	return []player{
		{name: "gate", make: newGate},
		{name: "naive retry", make: naive, seeds: 1, rough: true},
		{name: "exponential back-off", make: backoff, seeds: 3, rough: true},
		{name: "one import at a time", make: oneAtATime, rough: true},
		{name: "fixed bucket 20/s", make: pacedBy(func() controller { return fixed(20) })},
		{name: "AIMD +1/s x0.7", make: pacedBy(newAIMD)},
		{name: "CUBIC (AWS)", make: pacedBy(newCubic)},
		{name: "oracle 100 %", make: newOracle(1)},
		{name: "oracle 95 %", make: newOracle(0.95)},
	}
}

// variants are how a world is played: the two, and for an agency's worlds
// drifting limits as well.
func (w world) variants() []variant {
	vs := []variant{{}, {punish: true}}
	if w.agency {
		vs = append(vs, variant{drift: true}, variant{punish: true, drift: true})
	}
	return vs
}

// Run plays and prints a table.
func Run(ctx context.Context, o Options, out io.Writer) (Figures, error) {
	o.Seeds = cmp.Or(o.Seeds, 10)
	o.FirstSeed = cmp.Or(o.FirstSeed, 9001)
	f := Figures{Seeds: o.Seeds, FirstSeed: o.FirstSeed}
	known := map[string]bool{}
	for _, w := range worlds() {
		known[w.name] = true
	}
	for _, name := range o.Worlds {
		if !known[name] {
			return f, fmt.Errorf("no world %q; there are: %s", name, strings.Join(worldNames(), ", "))
		}
	}
	if !o.HTTP && o.Postgres == "" || len(o.Worlds) > 0 {
		fmt.Fprintf(out, "Makespan ÷ ideal @ share of refused calls; mean of %d mornings, seeds %d-%d.\n"+
			"40 raw data × 300 calls, or 300 accounts; a person's 30 calls every minute.\n", o.Seeds, o.FirstSeed, o.FirstSeed+uint64(o.Seeds)-1)
		for _, w := range worlds() {
			if len(o.Worlds) > 0 && !slices.Contains(o.Worlds, w.name) {
				continue
			}
			rows, err := playWorld(ctx, w, o)
			if err != nil {
				return f, err
			}
			f.Rows = append(f.Rows, rows...)
			printWorld(out, w, rows)
		}
	}
	if o.HTTP {
		w, err := OverHTTP(ctx, HTTPOptions{})
		if err != nil {
			return f, err
		}
		f.HTTP = &w
		w.print(out)
	}
	if o.Postgres != "" {
		t, err := Processes(ctx, o.Postgres, cmp.Or(o.Pairs, 5), out)
		if err != nil {
			return f, err
		}
		f.Processes = &t
	}
	return f, nil
}

func worldNames() (all []string) {
	for _, w := range worlds() {
		all = append(all, w.name)
	}
	return all
}

// playWorld plays every client and variant of a world.
func playWorld(ctx context.Context, w world, o Options) ([]Row, error) {
	var rows []Row
	for _, v := range w.variants() {
		for _, p := range players() {
			if len(o.Clients) > 0 && !slices.Contains(o.Clients, p.name) {
				continue
			}
			if p.rough && w.agency && (v.punish || v.drift) {
				continue // they do not end where refusals count, as above
			}
			n := o.Seeds
			if p.seeds > 0 {
				n = min(n, p.seeds)
			}
			outs := make([]outcome, n)
			sem := make(chan struct{}, runtime.GOMAXPROCS(0))
			var wg sync.WaitGroup
			for i := range outs {
				sem <- struct{}{}
				wg.Go(func() {
					defer func() { <-sem }()
					if ctx.Err() == nil {
						outs[i] = play(w, v, p.make, o.FirstSeed+uint64(i))
					}
				})
			}
			wg.Wait()
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			r := mean(outs)
			r.World, r.Client, r.Punish, r.Drift = w.name, p.name, v.punish, v.drift
			if p.name == "gate" {
				r.Aim = aimOf(w, v)
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// mean is what several mornings have in common.
func mean(outs []outcome) (r Row) {
	var ended, falls, jobs, shown, inside float64
	var people, widths, waits []float64
	for _, o := range outs {
		r.Refused += 100 * o.refused / float64(len(outs))
		people = append(people, o.interactive...)
		if o.dnf {
			r.DNF++
			continue
		}
		ended++
		r.Makespan += o.makespan / o.ideal
		r.Jain += o.jain
		jobs, shown, inside = jobs+float64(o.jobs), shown+float64(o.shown), inside+float64(o.inside)
		widths, waits = append(widths, o.widths...), append(waits, o.waits...)
		for _, s := range o.steps {
			r.Back += s.back
			r.BackMost = max(r.BackMost, s.back)
			r.FallRefusals += float64(max(0, s.refusals))
			r.FallMost = max(r.FallMost, s.refusals)
			falls++
		}
	}
	if ended > 0 {
		r.Makespan, r.Jain = r.Makespan/ended, r.Jain/ended
	}
	if falls > 0 {
		r.Back, r.FallRefusals = r.Back/falls, r.FallRefusals/falls
	}
	if shown > 0 {
		slices.Sort(widths)
		slices.Sort(waits)
		r.Inside, r.Width = 100*inside/shown, 100*widths[len(widths)/2]
		r.Shown, r.Wait = 100*shown/jobs, waits[len(waits)/2]
	}
	if len(people) > 0 {
		slices.Sort(people)
		r.P95 = people[min(len(people)-1, len(people)*95/100)]
	}
	return r
}

// printWorld prints the rows of one world, variants side by side.
func printWorld(out io.Writer, w world, rows []Row) {
	fmt.Fprintf(out, "\n%s: %s\n", w.name, w.about)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	head := []string{"client"}
	for _, v := range w.variants() {
		head = append(head, v.String(), "p95", "Jain")
	}
	fmt.Fprintln(t, strings.Join(head, "\t"))
	var names []string
	for _, r := range rows {
		if !slices.Contains(names, r.Client) {
			names = append(names, r.Client)
		}
	}
	for _, name := range names {
		cells := []string{name}
		var aims []string
		for _, v := range w.variants() {
			i := slices.IndexFunc(rows, func(r Row) bool { return r.Client == name && r.Punish == v.punish && r.Drift == v.drift })
			if i < 0 {
				cells, aims = append(cells, "-", "", ""), append(aims, "", "", "")
				continue
			}
			r := rows[i]
			cells = append(cells, r.cell(), fmt.Sprintf("%.1f s", r.P95), fmt.Sprintf("%.3f", r.Jain))
			if a := r.Aim; a != nil {
				aims = append(aims, fmt.Sprintf("≤ %.2f@%.1f%s", a.Makespan, a.Refused, a.verdict(r)), fmt.Sprintf("≤ %.1f s", a.P95), "≥ 0.990")
			}
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
		if len(aims) > 0 && name == "gate" {
			fmt.Fprintln(t, strings.Join(append([]string{"  aim"}, aims...), "\t"))
		}
	}
	_ = t.Flush()
	for _, r := range rows {
		if r.Client != "gate" {
			continue
		}
		if r.Width > 0 {
			fmt.Fprintf(out, "%s: %.0f %% of the ends in the range first shown (aim ≥ 80), median width %.0f %% of the time left (aim ≤ 40); %.0f %% shown one, after %.0f s\n",
				variant{r.Punish, r.Drift}, r.Inside, r.Width, r.Shown, r.Wait)
		}
		if r.Back > 0 {
			fmt.Fprintf(out, "%s: after a fall %.1f refusals until the rate is right, most %d (aim ≤ 12); back at 95 %% after %.1f s, most %.1f s (aim ≤ 6)\n",
				variant{r.Punish, r.Drift}, r.FallRefusals, r.FallMost, r.Back, r.BackMost)
		}
	}
}

func (r Row) cell() string {
	if r.Makespan == 0 {
		return fmt.Sprintf("DNF@%.0f", r.Refused)
	}
	s := fmt.Sprintf("%.3f@%.2f", r.Makespan, r.Refused)
	if r.Refused >= 10 {
		s = fmt.Sprintf("%.2f@%.0f", r.Makespan, r.Refused)
	}
	if r.DNF > 0 {
		s += fmt.Sprintf(" (%d DNF)", r.DNF)
	}
	return s
}

// String names the variant in tables.
func (v variant) String() string {
	switch v {
	case variant{}:
		return "refusals free"
	case variant{punish: true}:
		return "refusals count"
	case variant{drift: true}:
		return "drifting"
	}
	return "drifting, count"
}
