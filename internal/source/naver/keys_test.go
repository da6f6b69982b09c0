package naver

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"imreport/internal/account"
	"imreport/internal/run"
	vendor "imreport/sim/naver"
)

// TestDeadKey: a licence that was re-issued stops the whole key, with few
// requests, and a repaired one goes on.
func TestDeadKey(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	st.sim.RevokeLicense(vendor.DefaultLicense)
	var wg sync.WaitGroup
	for _, c := range st.busy() {
		o := st.order(c, 3, "AD")
		wg.Go(func() {
			var s *run.Stop
			if err := st.Collect(context.Background(), o, &progress{t: t}); !errors.As(err, &s) || s.Do != run.Park || s.Reason != run.CodeKeyInvalid || s.Subject != st.cred.ID {
				t.Errorf("%v", err)
			}
			var dead *account.Refused
			if !errors.As(s, &dead) || dead.Reason != account.ReasonLicense || dead.Revision != st.cred.Revision {
				t.Errorf("%v does not say which key", s)
			}
		})
	}
	wg.Wait()
	st.seen.take()
	st.fails(st.order(st.busy()[0], 3, "AD"))
	if calls, _ := st.seen.take(); sum(calls) != 0 {
		t.Errorf("a dead key was knocked at: %v", calls)
	}
	license := "01000000009999"
	st.sim.AddLicense(license, "secret-2")
	st.cred.License, st.cred.Secrets, st.cred.Revision = license, []string{"secret-2"}, 2
	st.must(st.order(st.busy()[0], 1, "AD"))
}

// TestSecrets: Naver rotates secrets by itself; a key may carry several.
func TestSecrets(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	customer := st.busy()[0]
	fresh := st.sim.RotateSecret(vendor.DefaultLicense)
	s := st.fails(st.order(customer, 1, "AD"))
	var dead *account.Refused
	if s.Do != run.Park || s.Reason != run.CodeKeyInvalid || !errors.As(s, &dead) || dead.Reason != account.ReasonSecret {
		t.Errorf("%+v", s)
	}
	st.cred.Secrets, st.cred.Revision = append(st.cred.Secrets, fresh), 2
	st.seen.take()
	o := st.order(customer, 2, "AD")
	st.must(o)
	rt, _ := typeOf("AD")
	st.compare(o, rt)
	// The good one is known now: it is tried first.
	st.seen.take()
	st.must(st.order(customer, 2, "AD"))
	if calls, _ := st.seen.take(); sum(calls) != 1 {
		t.Errorf("%v", calls)
	}
}

// TestForbidden: one account without rights ends; the others go on.
func TestForbidden(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	st.sim.Forbid(customerID(st.busy()[0]), true)
	s := st.fails(st.order(st.busy()[0], 1, "AD"))
	if s.Do != run.Fail || s.Reason != run.CodeAccountForbidden || s.Args[0] != "naver.forbidden" || s.Args[1] != st.busy()[0] {
		t.Errorf("%+v", s)
	}
	// Not even whether days that are gone are stored.
	old := st.order(st.busy()[0], 500, "AD")
	if s := st.fails(old); s.Reason != run.CodeAccountForbidden {
		t.Errorf("%+v", s)
	}
	old.CustomerID = st.busy()[1]
	if s := st.fails(old); s.Reason != run.CodePeriodUnavailable {
		t.Errorf("%+v", s)
	}
	if err := st.Prove(context.Background(), st.cred, st.busy()[0]); !is(err, forbidden) {
		t.Errorf("proof: %v", err)
	}
	st.must(st.order(st.busy()[1], 1, "AD"))
	if err := st.Prove(context.Background(), st.cred, st.busy()[1]); err != nil {
		t.Error(err)
	}
}

// TestAStoredPieceIsNoRight: who has lost the right on a customer does not get
// what others have stored.
func TestAStoredPieceIsNoRight(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	customer := st.busy()[0]
	st.must(st.order(customer, 1, "AD"))
	st.sim.AddLicense("0100stranger", "s", customerID(st.busy()[1]))
	st.cred = account.Credential{ID: "other", WorkspaceID: "ws2", License: "0100stranger", Secrets: []string{"s"}}
	if s := st.fails(st.order(customer, 1, "AD")); s.Reason != run.CodeAccountForbidden {
		t.Errorf("%+v", s)
	}
}

// TestClock: five minutes off either way, corrected by the Date of the answer.
func TestClock(t *testing.T) {
	for _, skew := range []time.Duration{5 * time.Minute, -5 * time.Minute, 8 * 24 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			st := newStage(t, nil, vendor.Options{}, nil)
			st.sim.SetSkew(skew)
			o := st.order(st.busy()[0], 1, "AD")
			o.From, o.To = o.From-9, o.To-9 // such that the day exists by either clock
			st.must(o)
			if off := (st.Skew() - skew).Abs(); off > 2*time.Second {
				t.Errorf("skew %v, want %v", st.Skew(), skew)
			}
			rt, _ := typeOf("AD")
			st.compare(o, rt)
		})
	}
}

// TestMaintenance: closed for all, with one request a minute, then open.
func TestMaintenance(t *testing.T) {
	st := newStage(t, nil, vendor.Options{}, nil)
	st.sim.SetMaintenance(true)
	for _, c := range st.busy()[:3] {
		if s := st.fails(st.order(c, 2, "AD")); s.Do != run.Park || s.Reason != run.CodePlatformClosed {
			t.Errorf("%+v", s)
		}
	}
	if calls, _ := st.seen.take(); sum(calls) != 1 {
		t.Errorf("a closed door was knocked at: %v", calls)
	}
	st.clock.forward(70 * time.Second)
	st.fails(st.order(st.busy()[0], 2, "AD"))
	if calls, _ := st.seen.take(); sum(calls) != 1 {
		t.Errorf("%v", calls)
	}
	st.sim.SetMaintenance(false)
	st.clock.forward(70 * time.Second)
	for _, c := range st.busy()[:3] {
		st.must(st.order(c, 2, "AD"))
	}
}

// TestDiscover finds every account once, directly or below a manager, and the
// old list when the newer ones are gone.
func TestDiscover(t *testing.T) {
	st := newStage(t, nil, vendor.Options{Accounts: 45}, nil)
	want := []string{}
	for _, c := range st.sim.Customers() {
		want = append(want, strconv.FormatInt(c.ID, 10))
	}
	slices.Sort(want)
	check := func(name string, found []account.Found, err error, extra ...string) {
		t.Helper()
		got := []string{}
		for _, f := range found {
			if f.Name == "" && !slices.Contains(extra, f.CustomerID) {
				t.Errorf("%s: %s has no name", name, f.CustomerID)
			}
			got = append(got, f.CustomerID)
		}
		slices.Sort(got)
		all := append(slices.Clone(want), extra...)
		slices.Sort(all)
		if err != nil || !slices.Equal(got, all) {
			t.Errorf("%s: %v, %d accounts, want %d", name, err, len(got), len(all))
		}
	}
	found, err := st.Discover(context.Background(), st.cred)
	check("newer calls", found, err)

	owner := strconv.FormatInt(vendor.DefaultOwner, 10)
	st.cred.OwnerCustomer = owner
	for _, path := range []string{"/ad-accounts", "/manager-accounts"} {
		if _, err := st.sim.AddFault(vendor.Fault{Kind: "500", Path: path}); err != nil {
			t.Fatal(err)
		}
	}
	want = want[:0] // the old list has never heard of some accounts
	for _, c := range st.sim.Customers() {
		if c.AdAccountNo%10 != 9 {
			want = append(want, strconv.FormatInt(c.ID, 10))
		}
	}
	found, err = st.Discover(context.Background(), st.cred)
	check("old links", found, err, owner)

	st.sim.ClearFaults()
	st.sim.RevokeLicense(vendor.DefaultLicense)
	var dead *account.Refused
	if _, err := st.Discover(context.Background(), st.cred); !errors.As(err, &dead) || dead.Reason != account.ReasonLicense {
		t.Errorf("%v", err)
	}
	if err := st.Check(context.Background(), st.cred); !errors.As(err, &dead) {
		t.Errorf("%v", err)
	}
}
