// Package morning plays mornings of an agency in virtual time: the real
// source, gate, archive, runs and schedule over SQLite, before the simulated
// Naver. Time passes as package testing/synctest lets it: what waits costs
// nothing, so a month takes minutes; what computes takes no virtual time.
//
// Not real are the network (wire: 60 ms a request), the spreadsheet (paper:
// it takes Options.Write and keeps nothing), and the size of the accounts,
// which changes the length of the files but not the number of requests; the
// scenario "full size" shows that.
package morning

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"imreport/internal/source/naver"
)

// Options of the benchmark.
type Options struct {
	// Accounts and PerAccount raw data each; 0 means 300 (30 of full size) and 3.
	Accounts, PerAccount int
	// Mornings of the scenarios "month"; 0 means 30. Those of full size are
	// not more than that, and not more than 3.
	Mornings int
	// Only these scenarios, by the beginning of their names; none means all.
	Only []string
	Seed uint64 // 0 means 1

	full int // accounts of full size
}

// Scenario is some mornings of one agency.
type Scenario struct {
	Name                          string
	Profile                       string
	Accounts, PerAccount          int
	Campaigns, AdGroups, Keywords int
	LastDays                      int // period of each raw data
	Refetch                       int // days before today that are fetched anew
	Mornings                      int
	// Ready is when yesterday is published on the n-th morning, as a time
	// after midnight; what is missing is at 04:00.
	Ready map[int]time.Duration
	// ReadyType is the same for AD_CONVERSION alone.
	ReadyType map[int]time.Duration
	// Forgo are ways of asking for less that the source does without.
	Forgo naver.Forgo
	// Apart: each raw data of an account is kept by an imreport of its own,
	// with its own database and archive; they share nothing but the gate.
	Apart bool
	// Changed: before each second morning Naver restates a day of 5 days ago
	// for the first account.
	Changed bool
	Write   time.Duration
	Seed    uint64
	Debug   bool

	told func(Day) // hears of each morning; may be nil
}

// Figures are those of all scenarios.
type Figures struct {
	Seed      uint64    `json:"seed"`
	Accounts  int       `json:"accounts"`
	RawData   int       `json:"raw_data"`
	Scenarios []*Result `json:"scenarios"`
	Levers    []Lever   `json:"levers"`
}

// scenarios are what is played.
func (o Options) scenarios() []Scenario {
	base := Scenario{Profile: "perlicence", Accounts: o.Accounts, PerAccount: o.PerAccount, Campaigns: 2, AdGroups: 4, Keywords: 10,
		LastDays: 7, Refetch: 3, Mornings: 3, Write: 500 * time.Millisecond, Seed: o.Seed}
	with := func(name string, change func(*Scenario)) Scenario {
		s := base
		s.Name = name
		change(&s)
		return s
	}
	late := map[int]time.Duration{1: 7*time.Hour + 50*time.Minute, 2: 12 * time.Hour}
	// A lever is worth as much per account in any agency.
	lever := func(name string, change func(*Scenario)) Scenario {
		return with(name, func(s *Scenario) {
			s.Accounts = min(s.Accounts, leverAccounts)
			change(s)
		})
	}
	return []Scenario{
		with("month perlicence", func(s *Scenario) { s.Mornings, s.Changed = o.Mornings, true }),
		with("month documented", func(s *Scenario) { s.Profile, s.Mornings, s.Changed = "documented", o.Mornings, true }),
		with("late perlicence", func(s *Scenario) { s.Ready = late }),
		with("late documented", func(s *Scenario) { s.Profile, s.Ready = "documented", late }),
		with("late type", func(s *Scenario) { s.ReadyType = map[int]time.Duration{2: 9 * time.Hour} }),
		with("storm", func(s *Scenario) { s.Profile, s.Mornings = "storm", 2 }),
		with("D-1 and CHANGED", func(s *Scenario) { s.Refetch = 1 }),
		lever(allLevers, func(*Scenario) {}),
		lever("lever: one raw data per account", func(s *Scenario) { s.PerAccount = 1 }),
		lever(notShared, func(s *Scenario) { s.Apart = true }),
		lever("lever: nothing kept", func(s *Scenario) { s.Refetch = s.LastDays }),
		lever("lever: D-1 and CHANGED", func(s *Scenario) { s.Refetch = 1 }),
		lever("lever: each job looked at", func(s *Scenario) { s.Forgo.OneLook = true }),
		lever("lever: whole lists each time", func(s *Scenario) { s.Forgo.DailyLists = true }),
		with("full size", func(s *Scenario) {
			s.Accounts, s.Campaigns, s.AdGroups, s.Keywords, s.LastDays = o.full, 20, 400, 8000, 4
			s.Mornings = min(o.Mornings, 3)
		}),
	}
}

const (
	// leverAccounts is how many accounts the scenarios of levers have at most,
	// and allLevers the one in which nothing is forgone.
	leverAccounts = 60
	allLevers     = "lever: none forgone"
	notShared     = "lever: nothing shared"
	// fullAccounts is how many those of full size have, unless told: making
	// and storing their files takes the time.
	fullAccounts = 30
)

// Run plays the scenarios, as many at once as there are cores, and prints what
// they showed. Each is a process of its own: synctest needs a testing.T, which
// only package testing can make, and it ends the process.
func Run(ctx context.Context, o Options, out io.Writer) (*Figures, error) {
	o.full = cmp.Or(o.Accounts, fullAccounts)
	o.Accounts, o.PerAccount, o.Mornings, o.Seed = cmp.Or(o.Accounts, 300), cmp.Or(o.PerAccount, 3), cmp.Or(o.Mornings, 30), cmp.Or(o.Seed, 1)
	all := o.scenarios()
	if len(o.Only) > 0 {
		all = slices.DeleteFunc(all, func(s Scenario) bool {
			return !slices.ContainsFunc(o.Only, func(name string) bool { return strings.HasPrefix(s.Name, name) })
		})
	}
	if len(all) == 0 {
		return nil, errors.New("no such scenario")
	}
	f := &Figures{Seed: o.Seed, Accounts: o.Accounts, RawData: o.Accounts * o.PerAccount, Scenarios: make([]*Result, len(all))}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, runtime.NumCPU()))
	for i, s := range all {
		g.Go(func() (err error) {
			f.Scenarios[i], err = apart(ctx, s)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	f.Levers = levers(f.Scenarios)
	f.print(out)
	return f, nil
}

// scenarioVar hands a child its scenario, resultVar the file for the result.
const (
	scenarioVar = "IMREPORT_BENCH_MORNING"
	resultVar   = "IMREPORT_BENCH_MORNING_RESULT"
)

// apart plays s in a process of its own.
func apart(ctx context.Context, s Scenario) (*Result, error) {
	dir, err := os.MkdirTemp(memory(), "imreport-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "result.json")
	c := exec.CommandContext(ctx, self, "bench", "morning")
	c.Env = append(os.Environ(), scenarioVar+"="+string(text), resultVar+"="+file, "TMPDIR="+dir)
	c.Stderr = os.Stderr // a line for each morning
	if said, err := c.Output(); err != nil {
		return nil, fmt.Errorf("scenario %s: %w\n%s", s.Name, err, said)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(Result)
	return r, json.Unmarshal(b, r)
}

// memory is a folder in memory where there is one, else the usual one for
// what is temporary. A disk takes no virtual time, but real one.
func memory() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return ""
}

// Child plays a scenario if this process is there for that; then it does not
// return.
func Child() {
	text := os.Getenv(scenarioVar)
	if text == "" {
		return
	}
	os.Args = os.Args[:1]   // testing reads them
	debug.SetGCPercent(800) // it lives on 100 MB
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(6 << 30) // in full size on more
	}
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "morning", F: func(t *testing.T) {
			var s Scenario
			if err := json.Unmarshal([]byte(text), &s); err != nil {
				t.Fatal(err)
			}
			s.told = func(d Day) {
				fmt.Fprintf(os.Stderr, "%s %s: %.1f requests per account, at most %d; %d refused; %s to %s; %d done, %d failed\n",
					s.Name, d.Day, d.PerAccount, d.MaxPerAccount, d.Refused, d.Start, d.Ready, d.Done, d.Failed)
			}
			r, err := Play(t, s)
			if err != nil {
				t.Fatal(err)
			}
			b, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(os.Getenv(resultVar), b, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	}}, nil, nil)
}

// Play plays one scenario.
func Play(t *testing.T, s Scenario) (r *Result, err error) {
	dir := t.TempDir()
	bubble(t, func(*testing.T) { r, err = s.play(context.Background(), dir) })
	return r, err
}

// bubble is synctest.Test, without what earlier bubbles left in pools: the
// encoders of zstd hold channels, which no other bubble may touch. Two
// collections empty every sync.Pool.
func bubble(t *testing.T, f func(*testing.T)) {
	runtime.GC()
	runtime.GC()
	synctest.Test(t, f)
}
