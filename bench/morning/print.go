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

// Lever is what one way of asking for less is worth: the requests per account
// of an ordinary morning without it, and with it and all others.
type Lever struct {
	Name    string  `json:"name"`
	Without float64 `json:"requests_per_account_without"`
	With    float64 `json:"requests_per_account_with"`
}

// levers compares the scenarios in which one lever is missing with the one in
// which none is.
func levers(all []*Result) (out []Lever) {
	perAccount := func(name string) float64 {
		i := slices.IndexFunc(all, func(r *Result) bool { return r != nil && r.Name == name })
		if i < 0 || len(all[i].ordinary()) == 0 {
			return 0
		}
		return all[i].mean(func(d Day) float64 { return d.PerAccount })
	}
	with := perAccount(allLevers)
	if with == 0 {
		return nil
	}
	add := func(name string, without, with float64) {
		if without > 0 && with > 0 {
			out = append(out, Lever{name, without, with})
		}
	}
	add("pieces are shared by all three raw data", perAccount(notShared), with)
	add("closed days are kept (period of 7 days)", perAccount("lever: nothing kept"), with)
	add("one list of jobs for all, when they are likely to be ready", perAccount("lever: each job looked at"), with)
	add("lists of entities once a day, changes only", perAccount("lever: whole lists each time"), with)
	add("(setting) D-1 and CHANGED in place of D-1..D-3", with, perAccount("lever: D-1 and CHANGED"))
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
			requests, refused, most, failed = requests+d.Requests-d.Probes, refused+d.Refused, max(most, d.MaxPerAccount), failed+d.Failed
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
		fmt.Fprintf(out, "\n%-78s %10s %10s %6s\n", "requests per account, an ordinary morning", "without", "with", "times")
		for _, l := range f.Levers {
			fmt.Fprintf(out, "%-78s %10.1f %10.1f %6.1f\n", l.Name, l.Without, l.With, l.Without/max(l.With, 1))
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
				late = append(late, fmt.Sprintf("%-26s %s published %s, released after %3.0f s, %2.0f s after the probe that passed, ready %s, %3d probes, at most %d a minute, %d failed",
					r.Name, d.Day, d.Published, d.Released, d.AfterProbe, d.Ready, d.Probes, d.ProbesPerMinute, d.Failed))
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
