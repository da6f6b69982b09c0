package morning

import (
	"testing"
	"time"
)

// Two ordinary mornings and a late one of a small agency.
func TestPlay(t *testing.T) {
	if testing.Short() {
		t.Skip("plays three mornings")
	}
	r, err := Play(t, Scenario{Name: "small", Profile: "perlicence", Accounts: 6, PerAccount: 3, Campaigns: 2, AdGroups: 4, Keywords: 10,
		LastDays: 6, Refetch: 3, Mornings: 3, Changed: true, Write: time.Second, Seed: 1, Ready: map[int]time.Duration{2: 7*time.Hour + 20*time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range r.Mornings {
		t.Logf("%+v", d)
		if d.Failed != 0 || d.Done < r.RawData {
			t.Errorf("morning %d: %d done, %d failed", i, d.Done, d.Failed)
		}
		// A little more than of a large agency: how long builds take is
		// learned anew after each start, from a few reports only.
		if i > 0 && d.Published == "" && d.PerAccount > 48 {
			t.Errorf("morning %d: %.1f requests per account", i, d.PerAccount)
		}
		if !d.InTime {
			t.Errorf("morning %d was ready at %s", i, d.Ready)
		}
		if d.ProbesPerMinute > 1 {
			t.Errorf("morning %d: %d probes in a minute", i, d.ProbesPerMinute)
		}
	}
	if late := r.Mornings[2]; late.Released > 75 {
		t.Errorf("released after %.0f s", late.Released)
	}
	if second := r.Mornings[1]; second.Restated != 1 || second.Revisions < 1 {
		t.Errorf("%d restated, %d spreadsheets say so", second.Restated, second.Revisions)
	}
}

// Two raw data of one account ask for twice as much when they know nothing of
// each other, and for no more than one alone when they share.
func TestApart(t *testing.T) {
	if testing.Short() {
		t.Skip("plays three mornings")
	}
	took := map[string]float64{}
	for name, s := range map[string]Scenario{"alone": {PerAccount: 1}, "shared": {PerAccount: 2}, "apart": {PerAccount: 2, Apart: true}} {
		s.Name, s.Profile, s.Accounts, s.Campaigns, s.AdGroups, s.Keywords = name, "calm", 2, 2, 4, 10
		s.LastDays, s.Refetch, s.Mornings, s.Write, s.Seed = 4, 3, 1, time.Second, 1
		r, err := Play(t, s)
		if err != nil {
			t.Fatal(err)
		}
		d := r.Mornings[0]
		if d.Done != r.RawData || d.Failed != 0 {
			t.Errorf("%s: %d of %d done, %d failed", name, d.Done, r.RawData, d.Failed)
		}
		took[name] = d.PerAccount
	}
	// A look at the list of jobs more or less is chance.
	if took["shared"] > took["alone"]+2 {
		t.Errorf("a second raw data took %.1f requests more", took["shared"]-took["alone"])
	}
	if took["apart"] < 2*took["alone"]-4 {
		t.Errorf("two raw data that share nothing took %.1f requests, one %.1f", took["apart"], took["alone"])
	}
	t.Log(took)
}
