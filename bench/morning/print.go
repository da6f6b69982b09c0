package morning

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// ordinary are the mornings on which the deadline could be met, without the
// first: it comes after a day that fetched everything.
func (r *Result) ordinary() []Day {
	var out []Day
	for i, d := range r.Mornings {
		if i > 0 && d.Published == "" {
			out = append(out, d)
		}
	}
	return out
}

// mean of a figure over the ordinary mornings; 0 without any.
func (r *Result) mean(of func(Day) float64) float64 {
	days := r.ordinary()
	sum := 0.0
	for _, d := range days {
		sum += of(d)
	}
	return sum / float64(max(len(days), 1))
}

func requests(d Day) float64 { return float64(d.Requests) }

// Lever is what one way of asking for less is worth.
type Lever struct {
	Name string `json:"name"`
	// Without is the requests of an ordinary morning without the lever, With
	// those with it and all others.
	Without float64 `json:"requests_without"`
	With    float64 `json:"requests_with"`
	How     string  `json:"how"` // measured or computed, from what
}

// levers compares scenarios; what cannot be switched off is computed from the
// calls that were counted.
func levers(all []*Result) []Lever {
	of := func(name string) *Result {
		i := slices.IndexFunc(all, func(r *Result) bool { return r != nil && r.Name == name })
		if i < 0 || len(all[i].ordinary()) == 0 {
			return nil
		}
		return all[i]
	}
	base := of("month perlicence")
	if base == nil {
		return nil
	}
	with := base.mean(requests)
	call := func(name string) float64 { return base.mean(func(d Day) float64 { return float64(d.Calls[name]) }) }
	lists, jobs, masters := call("GET /stat-reports"), call("POST /stat-reports"), call("POST /master-reports")
	var out []Lever
	if one := of("one raw data per account"); one != nil {
		out = append(out, Lever{"pieces are shared by all raw data", one.mean(requests) * float64(base.RawData) / float64(one.RawData), with,
			"measured with one raw data per account, times the raw data"})
	}
	if none := of("nothing kept"); none != nil {
		out = append(out, Lever{"closed days are kept (period of 7 days)", none.mean(requests), with, "measured: every day is fetched each morning"})
	}
	if less := of("D-1 and CHANGED"); less != nil {
		out = append(out, Lever{"(setting) D-1 and CHANGED in place of D-1..D-3", with, less.mean(requests), "measured"})
	}
	out = append(out,
		Lever{"one list of jobs for all of a customer, looked at when they are likely ready", with - lists + 2.5*jobs, with,
			"computed: 2.5 looks at each job, as with a poll every second"},
		Lever{"lists of entities once a day, changes only", with + masters*4*float64(base.RawData/base.Accounts-1), with,
			"computed: each raw data reads them for itself, 4 requests a list"})
	return out
}

func (f *Figures) print(out io.Writer) {
	fmt.Fprintf(out, "%d accounts, %d raw data, 4 report types, seed %d; virtual time\n\n", f.Accounts, f.RawData, f.Seed)
	fmt.Fprintf(out, "%-26s %4s %9s %9s %6s %9s %9s %9s %6s %6s\n", "scenario", "days", "req/acct", "max/acct", "429 %", "start", "ready", "in time", "failed", "second")
	for _, r := range f.Scenarios {
		days := r.ordinary()
		if len(days) == 0 {
			days = r.Mornings
		}
		var requests, refused, most, failed, inTime, second int
		start, ready := "99", ""
		for _, d := range days {
			requests, refused, most, failed = requests+d.Requests, refused+d.Refused, max(most, d.MaxPerAccount), failed+d.Failed
			second += d.Second
			start, ready = min(start, d.Start), max(ready, d.Ready)
			if d.InTime {
				inTime++
			}
		}
		fmt.Fprintf(out, "%-26s %4d %9.1f %9d %6.2f %9s %9s %6d/%-2d %6d %6d\n", r.Name, len(days), float64(requests)/float64(len(days)*r.Accounts), most,
			100*float64(refused)/float64(max(requests+refused, 1)), start, ready, inTime, len(days), failed, second)
	}
	f.printLate(out)
	if len(f.Levers) > 0 {
		fmt.Fprintf(out, "\n%-78s %10s %10s %6s\n", "an ordinary morning without the lever", "without", "with", "times")
		for _, l := range f.Levers {
			fmt.Fprintf(out, "%-78s %10.0f %10.0f %6.1f\n", l.Name, l.Without, l.With, l.Without/max(l.With, 1))
		}
	}
}

// printLate prints the mornings on which Naver was late, and those with days
// that it restated.
func (f *Figures) printLate(out io.Writer) {
	var late, changed []string
	for _, r := range f.Scenarios {
		for _, d := range r.Mornings {
			if d.Published != "" {
				late = append(late, fmt.Sprintf("%-26s %s published %s, released after %3.0f s, ready %s, %3d probes, at most %d a minute, %d failed",
					r.Name, d.Day, d.Published, d.Released, d.Ready, d.Probes, d.ProbesPerMinute, d.Failed))
			}
			if d.Restated > 0 {
				changed = append(changed, fmt.Sprintf("%-26s %s %d piece restated, shown in %d spreadsheets of %d", r.Name, d.Day, d.Restated, d.Revisions, r.RawData/r.Accounts))
			}
		}
	}
	if len(late) > 0 {
		fmt.Fprintf(out, "\nlate mornings\n%s\n", strings.Join(late, "\n"))
	}
	if len(changed) > 0 {
		fmt.Fprintf(out, "\ndays that Naver restated\n%s\n", strings.Join(changed, "\n"))
	}
}
