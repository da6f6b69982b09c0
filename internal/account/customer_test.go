package account

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"imreport/internal/errs"
)

func TestAddAccount(t *testing.T) {
	each(t, func(f *fixture) {
		k := f.key(f.a)
		a, created, err := f.AddAccount(bg, f.a, NewAccount{APIKeyID: k.ID, CustomerID: "\u202a123-4567\u202c", Name: " 광고주 "}, t0)
		f.ok(err)
		if !created || a.CustomerID != "1234567" || a.Name != "광고주" || a.Platform != NaverSearchAd || !a.ProvedAt.IsZero() {
			f.t.Errorf("added %v %+v", created, a)
		}
		again, created, err := f.AddAccount(bg, f.a, NewAccount{APIKeyID: f.key(f.a).ID, CustomerID: "1234567", Name: "다른 이름"}, t0.Add(time.Hour))
		f.ok(err)
		if created || again != a {
			f.t.Errorf("known, but %v %+v", created, again)
		}
		if other := f.account(f.key(f.b), "1234567"); other.ID == a.ID || other.Name != "1234567" {
			f.t.Errorf("in another workspace: %+v", other)
		}
		for name, c := range map[string]struct {
			in   NewAccount
			want string
		}{
			"nothing":       {NewAccount{APIKeyID: k.ID}, "account.customer.required"},
			"no digits":     {NewAccount{APIKeyID: k.ID, CustomerID: "광고주"}, "account.customer.malformed"},
			"19 digits":     {NewAccount{APIKeyID: k.ID, CustomerID: "1234567890123456789"}, "account.customer.malformed"},
			"no key":        {NewAccount{CustomerID: "1"}, "account.api_key.required"},
			"unknown key":   {NewAccount{APIKeyID: "x", CustomerID: "1"}, "account.api_key.unknown"},
			"a blank name":  {NewAccount{APIKeyID: k.ID, CustomerID: "1", Name: "  "}, "account.name.required"},
			"somebody's":    {NewAccount{APIKeyID: f.key(f.b).ID, CustomerID: "1"}, "account.api_key.unknown"},
			"two at a time": {NewAccount{CustomerID: ""}, "request.invalid"},
		} {
			_, _, err := f.AddAccount(bg, f.a, c.in, t0)
			if !errs.Is(err, c.want) {
				f.t.Errorf("%s: %v, want %s", name, err, c.want)
			}
		}
		_, err = f.AccountIn(bg, f.b, a.ID)
		f.refused(err, "account.not_found")
		if got, err := f.Account(bg, f.db, a.ID); err != nil || got != a {
			f.t.Errorf("by id: %+v %v", got, err)
		}
	})
}

func TestAddAccountAtOnce(t *testing.T) {
	each(t, func(f *fixture) {
		k := f.key(f.a)
		var wg sync.WaitGroup
		var mu sync.Mutex
		ids, made := map[string]bool{}, 0
		for range 8 {
			wg.Go(func() {
				a, created, err := f.AddAccount(bg, f.a, NewAccount{APIKeyID: k.ID, CustomerID: "1"}, t0)
				if err != nil {
					f.t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				ids[a.ID] = true
				if created {
					made++
				}
			})
		}
		wg.Wait()
		if len(ids) != 1 || made != 1 {
			f.t.Errorf("%d accounts, made %d times", len(ids), made)
		}
	})
}

func TestAccountLists(t *testing.T) {
	each(t, func(f *fixture) {
		k, other := f.key(f.a), f.key(f.a)
		one, two, three := f.account(k, "1"), f.account(other, "2"), f.account(k, "3")
		foreign := f.account(f.key(f.b), "4")
		ids := func(keyID, cursor string, limit int) (s []string) {
			f.t.Helper()
			l, err := f.Accounts(bg, f.a, keyID, cursor, limit)
			f.ok(err)
			for _, a := range l {
				s = append(s, a.CustomerID)
			}
			return s
		}
		for name, c := range map[string]struct{ got, want []string }{
			"all":        {ids("", "", 10), []string{"3", "2", "1"}},
			"page":       {ids("", "", 2), []string{"3", "2"}},
			"next":       {ids("", two.ID, 2), []string{"1"}},
			"of one key": {ids(k.ID, "", 10), []string{"3", "1"}},
		} {
			if fmt.Sprint(c.got) != fmt.Sprint(c.want) {
				f.t.Errorf("%s: %v, want %v", name, c.got, c.want)
			}
		}
		by, err := f.AccountsByID(bg, f.a, []string{one.ID, three.ID, foreign.ID, "x"})
		f.ok(err)
		if len(by) != 2 || by[one.ID] != one || by[three.ID] != three {
			f.t.Errorf("by id: %+v", by)
		}
	})
}

func TestUpdateAccount(t *testing.T) {
	each(t, func(f *fixture) {
		k, other := f.key(f.a), f.key(f.a)
		a := f.account(k, "1")
		f.ok(f.MarkProved(bg, a.ID, t0))
		name := " 이름 "
		got, err := f.UpdateAccount(bg, f.a, a.ID, AccountChange{Name: &name, APIKeyID: &k.ID}, t0)
		f.ok(err)
		if got.Name != "이름" || got.ProvedAt.IsZero() || f.wakes() != 0 {
			f.t.Errorf("named: %+v, %d wakes", got, f.wakes())
		}
		got, err = f.UpdateAccount(bg, f.a, a.ID, AccountChange{APIKeyID: &other.ID}, t0)
		f.ok(err)
		if kept, err := f.AccountIn(bg, f.a, a.ID); err != nil || kept != got || kept.APIKeyID != other.ID || !kept.ProvedAt.IsZero() || f.wakes() != 2 {
			f.t.Errorf("moved: %+v %v, %d wakes", kept, err, f.wakes())
		}
		foreign := f.key(f.b)
		_, err = f.UpdateAccount(bg, f.a, a.ID, AccountChange{APIKeyID: &foreign.ID}, t0)
		f.refused(err, "account.api_key.unknown")
		_, err = f.UpdateAccount(bg, f.b, a.ID, AccountChange{Name: &name}, t0)
		f.refused(err, "account.not_found")
	})
}

func TestMarkProved(t *testing.T) {
	each(t, func(f *fixture) {
		k := f.key(f.a)
		a := f.account(k, "1")
		proved := func() time.Time {
			f.t.Helper()
			got, err := f.AccountIn(bg, f.a, a.ID)
			f.ok(err)
			return got.ProvedAt
		}
		f.ok(f.MarkProved(bg, a.ID, t0))
		f.ok(f.MarkProved(bg, a.ID, t0.Add(time.Minute)))
		if !proved().Equal(t0) || !f.again(k).ProvedAt.Equal(t0) {
			f.t.Errorf("proved at %v, its key %v", proved(), f.again(k).ProvedAt)
		}
		f.ok(f.MarkProved(bg, a.ID, t0.Add(provedEvery)))
		f.ok(f.MarkProved(bg, a.ID, t0.Add(-time.Hour))) // somebody's clock
		if !proved().Equal(t0.Add(provedEvery)) {
			f.t.Errorf("proved at %v", proved())
		}
		// Of a key that is dead a late success says nothing.
		f.invalid(k, errors.New("x"))
		f.ok(f.MarkProved(bg, a.ID, t0.Add(time.Hour)))
		if f.again(k).Valid {
			f.t.Error("a proof of an account revived a dead key")
		}
		f.refused(f.MarkProved(bg, "x", t0), "account.not_found")
	})
}

// discovered is a platform that knows some accounts.
type discovered struct {
	found []Found
	err   error
	asked []Credential
}

func (d *discovered) Discover(_ context.Context, c Credential) ([]Found, error) {
	d.asked = append(d.asked, c)
	return d.found, d.err
}

func TestSync(t *testing.T) {
	each(t, func(f *fixture) {
		k := f.key(f.a)
		d := &discovered{}
		f.Discover(NaverSearchAd, d)
		mine, _, err := f.AddAccount(bg, f.a, NewAccount{APIKeyID: k.ID, CustomerID: "1", Name: "우리 이름"}, t0)
		f.ok(err)
		unnamed := f.account(k, "2")
		for i := range 450 {
			d.found = append(d.found, Found{CustomerID: fmt.Sprint(i + 1), Name: fmt.Sprintf("네이버 %d", i+1), Role: "MASTER"})
		}
		d.found = append(d.found, Found{CustomerID: "1"}, Found{CustomerID: ""}) // twice, and none
		r, err := f.Sync(bg, f.a, k.ID, t0)
		f.ok(err)
		if r != (Synced{Found: 450, Added: 448}) {
			f.t.Errorf("first sync %+v", r)
		}
		if got := f.again(k); !got.ProvedAt.Equal(t0) {
			f.t.Errorf("the key is not proved: %+v", got)
		}
		for id, want := range map[string]string{mine.ID: "우리 이름", unnamed.ID: "네이버 2"} {
			if a, err := f.AccountIn(bg, f.a, id); err != nil || a.Name != want || a.Role != "MASTER" {
				f.t.Errorf("%+v %v, want name %q", a, err, want)
			}
		}
		if r, err = f.Sync(bg, f.a, k.ID, t0); err != nil || r != (Synced{Found: 450}) {
			f.t.Errorf("second sync %+v %v", r, err)
		}
		d.found = nil
		if r, err = f.Sync(bg, f.a, k.ID, t0); err != nil || r != (Synced{}) {
			f.t.Errorf("a key that sees nothing: %+v %v", r, err)
		}
		_, err = f.Sync(bg, f.b, k.ID, t0)
		f.refused(err, "account.key_not_found")
		if len(d.asked) != 3 || d.asked[0].Secrets[0] != secretA {
			f.t.Errorf("asked %d times", len(d.asked))
		}
	})
}

func TestSyncOfARefusedKey(t *testing.T) {
	each(t, func(f *fixture) {
		k := f.key(f.a)
		d := &discovered{}
		f.Discover(NaverSearchAd, d)
		for reason, want := range map[Reason]string{
			ReasonLicense: "account.license_refused", ReasonSecret: "account.secret_refused", ReasonRefused: "account.key_refused",
		} {
			d.err = fmt.Errorf("naver: %w", &Refused{Reason: reason, Revision: 1, Err: errors.New("403")})
			_, err := f.Sync(bg, f.a, k.ID, t0)
			f.refused(err, want)
			if got := f.again(k); got.Valid || got.Reason != reason || len(f.open(f.a)) != 1 {
				f.t.Errorf("%s: %+v", reason, got)
			}
			f.valid(k, 1, t0)
		}
		// A fault that has nothing to do with the key leaves it.
		d.err = errors.New("connection reset")
		if _, err := f.Sync(bg, f.a, k.ID, t0); !errors.Is(err, d.err) || !f.again(k).Valid {
			f.t.Errorf("%v; %+v", err, f.again(k))
		}
		// A sync that works revives a key.
		f.invalid(k, errors.New("x"))
		d.err, d.found = nil, []Found{{CustomerID: "7"}}
		if _, err := f.Sync(bg, f.a, k.ID, t0); err != nil || !f.again(k).Valid || len(f.open(f.a)) != 0 {
			f.t.Errorf("%v; %+v", err, f.again(k))
		}
	})
}

// prover is a platform that answers as it is told.
type prover struct {
	discovered
	says error
	n    int
}

func (p *prover) Prove(ctx context.Context, c Credential, customer string) error {
	p.n++
	if _, bounded := ctx.Deadline(); !bounded || customer != "1" || c.Secrets[0] != secretA {
		return errors.New("asked wrongly")
	}
	return p.says
}

func TestReach(t *testing.T) {
	each(t, func(f *fixture) {
		k := f.key(f.a)
		a := f.account(k, "1")
		reach := func(want Access, now time.Time) error {
			t.Helper()
			a, err := f.AccountIn(bg, f.a, a.ID)
			f.ok(err)
			got, why, err := f.Reach(bg, a, now)
			f.ok(err)
			if got != want {
				t.Errorf("%s (%v), want %s", got, why, want)
			}
			return why
		}
		reach(NotChecked, t0) // nobody to ask
		p := &prover{}
		f.Discover(NaverSearchAd, p)
		p.says = errs.E(errs.Invalid, "naver.forbidden", nil)
		if why := reach(OutOfReach, t0); !errs.Is(why, "naver.forbidden") {
			t.Errorf("it is not said why: %v", why)
		}
		p.says = errs.E(errs.Unavailable, "naver.unreachable", nil)
		reach(NotChecked, t0)
		p.says = nil
		reach(Reached, t0)
		n := p.n
		p.says = errors.New("must not be asked")
		reach(Reached, t0.Add(ProofFor-time.Minute))
		if p.n != n {
			t.Error("asked though it was seen lately")
		}
		reach(NotChecked, t0.Add(ProofFor))
		p.says = &Refused{Reason: ReasonLicense, Revision: 1}
		reach(OutOfReach, t0.Add(ProofFor))
		if f.again(k).Valid {
			t.Error("a dead key is still thought valid")
		}
	})
}

// An account is out of reach while its key is dead, and from when the platform
// refused it until it or its key is proved or changed.
func TestUnreachable(t *testing.T) {
	each(t, func(f *fixture) {
		k := f.key(f.a)
		a := f.account(k, "1")
		other := f.account(f.key(f.b), "1")
		barred := func(want bool, refused map[string]time.Time) {
			t.Helper()
			got, err := f.Unreachable(bg, f.a, refused)
			f.ok(err)
			if got[a.ID] != want || got[other.ID] {
				t.Errorf("%v, want %v", got, want)
			}
		}
		refused := map[string]time.Time{a.ID: t0.Add(time.Hour)}
		barred(false, nil)
		barred(true, refused)
		f.ok(f.MarkProved(bg, a.ID, t0.Add(2*time.Hour)))
		barred(false, refused)
		refused[a.ID] = t0.Add(3 * time.Hour)
		barred(true, refused)
		secret := secretB
		_, err := f.UpdateKey(bg, f.a, k.ID, KeyChange{Secret: &secret}, t0.Add(4*time.Hour))
		f.ok(err)
		barred(false, refused)
		f.invalid(k, nil)
		barred(true, nil)
	})
}
