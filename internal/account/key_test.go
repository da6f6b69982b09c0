package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		" 0100 abc\r\n":                   "0100abc",
		"\ufeff0100\u200babc\u200d":       "0100abc", // marks of a paste
		"0100\u00a0\u3000\u2009abc":       "0100abc", // wide and narrow spaces
		"01\u00ad00\u2060abc\u202e":       "0100abc", // soft hyphen, joiner, direction
		"\u3164\uffa0\u115f0100abc\u2800": "0100abc", // fillers that count as letters
		"０１００ａｂｃ":                         "0100abc", // full width
		"0100\ufe0fabc":                   "0100abc", // variation selector
		"비밀":                              "비밀",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%+q) = %+q, want %+q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"1234567": "1234567", "123-45 67": "1234567", "CID: 1234567": "1234567", "\u202a1234567\u202c": "1234567",
		"１２３": "123", "1,234,567": "1234567", "광고주": "", "": "",
		"1234567.0": "", "12x34": "", "1.234567E+06": "", // would be another's
	} {
		if got := CleanCustomer(in); got != want {
			t.Errorf("CleanCustomer(%+q) = %q, want %q", in, got, want)
		}
	}
}

func TestAddKey(t *testing.T) {
	each(t, func(f *fixture) {
		k, err := f.AddKey(bg, f.a, NewKey{
			Name: " 본사 ", Platform: NaverSearchAd, License: "\u200b" + license + "\n", Secret: " " + secretA, OwnerCustomer: "12-34", HeadRoom: 20,
		}, t0)
		f.ok(err)
		got := f.again(k)
		if got != k || got.License != license || got.Name != "본사" || got.OwnerCustomer != "1234" || !got.Valid || got.HeadRoom != 20 || got.Secrets != 1 {
			f.t.Errorf("kept   %+v\nreturned %+v", got, k)
		}
		c, err := f.Credential(bg, f.a, k.ID)
		f.ok(err)
		if c.License != license || !slices.Equal(c.Secrets, []string{secretA}) || c.Revision != 1 || c.OwnerCustomer != "1234" {
			f.t.Errorf("credential %s %v", c, c.Secrets)
		}
		if c := f.changes(); !slices.Equal(c, []Change{Tuned}) {
			f.t.Errorf("told of %v", c)
		}
		// The same licence again, here and elsewhere, is a key of its own.
		for _, ws := range []string{f.a, f.b} {
			if again := f.key(ws); again.ID == k.ID {
				f.t.Error("a licence that is known was not registered again")
			}
		}
		_, err = f.Credential(bg, f.b, k.ID)
		f.refused(err, "account.key_not_found")
		_, err = f.Key(bg, f.b, k.ID)
		f.refused(err, "account.key_not_found")
		l, err := f.Keys(bg, f.a, "", 1)
		f.ok(err)
		if len(l) != 1 || l[0].ID == k.ID {
			f.t.Errorf("first page %+v", l)
		}
		if l, err = f.Keys(bg, f.a, l[0].ID, 10); err != nil || len(l) != 1 || l[0].ID != k.ID {
			f.t.Errorf("second page %+v %v", l, err)
		}
	})
}

func TestWhatIsWrongWithAKey(t *testing.T) {
	each(t, func(f *fixture) {
		good := NewKey{Name: "x", License: license, Secret: secretA}
		for name, c := range map[string]struct {
			change func(*NewKey)
			want   []string
		}{
			"nothing":           {func(*NewKey) {}, nil},
			"a simple licence":  {func(k *NewKey) { k.License, k.Secret = "LIC-1", "secret" }, nil},
			"everything":        {func(k *NewKey) { *k = NewKey{} }, []string{"account.name.required", "account.license.required", "account.secret.required"}},
			"swapped":           {func(k *NewKey) { k.License, k.Secret = k.Secret, k.License }, []string{"account.license.is_secret", "account.secret.is_license"}},
			"platform":          {func(k *NewKey) { k.Platform = "meta" }, []string{"account.platform.unknown"}},
			"only invisible":    {func(k *NewKey) { k.License = "\u200b\u3164 " }, []string{"account.license.required"}},
			"Korean letters":    {func(k *NewKey) { k.Secret = "비밀키" }, []string{"account.secret.malformed"}},
			"a whole page":      {func(k *NewKey) { k.License = strings.Repeat("a", 201) }, []string{"account.license.malformed"}},
			"head room":         {func(k *NewKey) { k.HeadRoom = 91 }, []string{"account.head_room.out_of_range"}},
			"negative":          {func(k *NewKey) { k.HeadRoom = -1 }, []string{"account.head_room.out_of_range"}},
			"owner's customer":  {func(k *NewKey) { k.OwnerCustomer = "나" }, []string{"account.customer.malformed"}},
			"a name of 101":     {func(k *NewKey) { k.Name = strings.Repeat("가", 101) }, []string{"account.name.too_long"}},
			"a name of 100 x 가": {func(k *NewKey) { k.Name = strings.Repeat("가", 100) }, nil},
		} {
			in := good
			c.change(&in)
			_, err := f.AddKey(bg, f.a, in, t0)
			var got []string
			if e := errs.As(err); e != nil {
				for _, fl := range e.Fields {
					got = append(got, fl.Key)
				}
			} else if err != nil {
				f.t.Errorf("%s: %v", name, err)
			}
			if !slices.Equal(got, c.want) {
				f.t.Errorf("%s: %v, want %v", name, got, c.want)
			}
			if err != nil && in.Secret != "" && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, errs.As(err)), in.Secret) {
				f.t.Errorf("%s: the error quotes the secret", name)
			}
		}
	})
}

func TestSecretsStayHidden(t *testing.T) {
	each(t, func(f *fixture) {
		k := f.key(f.a)
		c, err := f.Credential(bg, f.a, k.ID)
		f.ok(err)
		j, err := json.Marshal(map[string]any{"c": c, "p": &c})
		f.ok(err)
		var logged strings.Builder
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "c", c, "p", &c)
		kj, err := json.Marshal(k)
		f.ok(err)
		for name, text := range map[string]string{
			"%v": fmt.Sprintf("%v %v", c, &c), "%+v": fmt.Sprintf("%+v %+v", c, &c), "%#v": fmt.Sprintf("%#v %#v", c, &c), "%s": fmt.Sprint(c),
			"nested": fmt.Sprintf("%+v", struct{ C Credential }{c}), "json": string(j), "log": logged.String(), "key": string(kj) + fmt.Sprintf("%+v", k),
		} {
			if strings.Contains(text, secretA) || strings.Contains(text, secretA[8:20]) {
				f.t.Errorf("%s shows the secret: %s", name, text)
			}
			if name != "key" && strings.Contains(text, license) {
				f.t.Errorf("%s shows the whole licence", name)
			}
		}
		// At rest it is sealed, and only where it belongs.
		var sealed string
		f.ok(f.db.QueryRow(bg, `SELECT secrets FROM api_key WHERE id = $1`, k.ID).Scan(&sealed))
		if strings.Contains(sealed, "AQAAAA") {
			f.t.Errorf("kept in the open: %s", sealed)
		}
		other := f.key(f.b)
		_, err = f.db.Exec(bg, `UPDATE api_key SET secrets = $2 WHERE id = $1`, other.ID, sealed)
		f.ok(err)
		_, err = f.Credential(bg, f.b, other.ID)
		f.refused(err, "seal.wrong_key")
		_, err = f.db.Exec(bg, `UPDATE api_key SET secrets = $2 WHERE id = $1`, other.ID, f.box.Seal("["+secretA, subject(other.ID)))
		f.ok(err)
		if _, err = f.Credential(bg, f.b, other.ID); err == nil || strings.Contains(err.Error(), "AQAAAA") {
			f.t.Errorf("damaged: %v", err)
		}
	})
}

func TestRotation(t *testing.T) {
	each(t, func(f *fixture) {
		k := f.key(f.a)
		acc := f.account(k, "1")
		f.valid(k, 1, t0)
		f.ok(f.MarkProved(bg, acc.ID, t0))
		f.events = nil
		set := func(c KeyChange) Key {
			f.t.Helper()
			k, err := f.UpdateKey(bg, f.a, k.ID, c, t0.Add(time.Hour))
			f.ok(err)
			if got := f.again(k); got != k {
				f.t.Errorf("kept   %+v\nreturned %+v", got, k)
			}
			return k
		}
		secrets := func() []string {
			c, err := f.Credential(bg, f.a, k.ID)
			f.ok(err)
			return c.Secrets
		}
		name, room := "새 이름", 10
		if got := set(KeyChange{Name: &name}); got.Name != name || got.Revision != 1 || got.ProvedAt.IsZero() || f.wakes() != 0 {
			f.t.Errorf("a new name did more: %+v, %d wakes", got, f.wakes())
		}
		if got := set(KeyChange{HeadRoom: &room}); got.HeadRoom != 10 || got.Revision != 1 || !slices.Equal(f.changes(), []Change{Tuned}) {
			f.t.Errorf("head room: %+v", got)
		}
		b := " " + secretB + "\u200b"
		if got := set(KeyChange{Secret: &b}); got.Revision != 2 || got.Secrets != 2 || !slices.Equal(secrets(), []string{secretB, secretA}) {
			f.t.Errorf("a new secret: %+v %v", got, secrets())
		}
		if a, err := f.AccountIn(bg, f.a, acc.ID); err != nil || a.ProvedAt.IsZero() {
			f.t.Errorf("a new secret forgot the proof: %+v %v", a, err)
		}
		a := secretA
		set(KeyChange{Secret: &a})
		if !slices.Equal(secrets(), []string{secretA, secretB}) {
			f.t.Errorf("back to the old one: %v", secrets())
		}
		for i := range 3 {
			s := fmt.Sprintf("secret-%d", i)
			set(KeyChange{Secret: &s})
		}
		if !slices.Equal(secrets(), []string{"secret-2", "secret-1", "secret-0"}) {
			f.t.Errorf("more than are kept: %v", secrets())
		}
		other := strings.Replace(license, "ff00", "ff01", 1)
		if got := set(KeyChange{License: &other}); got.License != other || len(secrets()) != 3 {
			f.t.Errorf("a mistyped licence: %+v %v", got, secrets())
		}
		if got, err := f.AccountIn(bg, f.a, acc.ID); err != nil || !got.ProvedAt.IsZero() {
			f.t.Errorf("another licence kept the proof: %+v %v", got, err)
		}
		first := license
		set(KeyChange{License: &first, Secret: &b})
		if !slices.Equal(secrets(), []string{secretB}) {
			f.t.Errorf("another licence with its secret: %v", secrets())
		}
		empty := ""
		_, err := f.UpdateKey(bg, f.a, k.ID, KeyChange{Secret: &empty, Name: &empty}, t0)
		if e := errs.As(err); e == nil || len(e.Fields) != 2 {
			f.t.Errorf("two faults: %v", err)
		}
		_, err = f.UpdateKey(bg, f.b, k.ID, KeyChange{Name: &name}, t0)
		f.refused(err, "account.key_not_found")
	})
}

func TestADeadKeyIsRepaired(t *testing.T) {
	each(t, func(f *fixture) {
		k, bystander := f.key(f.a), f.key(f.b)
		why := fmt.Errorf("collect: %w", &Refused{Reason: ReasonSecret, Revision: 1, Err: errors.New("invalid-signature")})
		f.invalid(k, why)
		f.invalid(k, why) // 200 runs meet it
		got := f.again(k)
		if got.Valid || got.Reason != ReasonSecret || !got.InvalidAt.Equal(t0) {
			f.t.Errorf("dead key %+v", got)
		}
		if usable, err := f.Usable(bg, f.db, k.ID); err != nil || usable {
			f.t.Errorf("usable %v %v", usable, err)
		}
		if !f.again(bystander).Valid {
			f.t.Error("the same licence elsewhere died along")
		}
		open := f.open(f.a)
		if len(open) != 1 || open[0].Subject != k.ID || open[0].Args[0] != "키" || strings.Contains(open[0].Args[1], license) {
			f.t.Errorf("incidents %+v", open)
		}
		if c := f.changes(); !slices.Equal(c, []Change{BecameInvalid}) {
			f.t.Errorf("told of %v", c)
		}
		b := secretB
		fixed, err := f.UpdateKey(bg, f.a, k.ID, KeyChange{Secret: &b}, t0.Add(time.Hour))
		f.ok(err)
		if !fixed.Valid || fixed.Reason != "" || !fixed.InvalidAt.IsZero() || len(f.open(f.a)) != 0 || f.wakes() != 2 {
			f.t.Errorf("repaired: %+v, open %v, %d wakes", fixed, f.open(f.a), f.wakes())
		}
		if c := f.changes(); !slices.Equal(c, []Change{BecameValid}) {
			f.t.Errorf("told of %v", c)
		}
		// A run that used the old secret is refused late: the key stays, and
		// the run, which is being parked for it, is woken.
		f.invalid(k, why)
		if !f.again(k).Valid || len(f.open(f.a)) != 0 || f.wakes() != 4 {
			f.t.Errorf("a late refusal stopped a repaired key: %+v, %d wakes", f.again(k), f.wakes())
		}
		// Of an error that names no revision the key dies.
		f.invalid(k, errors.New("boom"))
		if got := f.again(k); got.Valid || got.Reason != ReasonRefused {
			f.t.Errorf("refused without a reason: %+v", got)
		}
		// A request of the old revision that went through proves nothing.
		f.valid(k, 1, t0)
		if f.again(k).Valid {
			f.t.Error("an old success revived the key")
		}
		f.valid(k, 2, t0.Add(2*time.Hour))
		if got := f.again(k); !got.Valid || !got.ProvedAt.Equal(t0.Add(2*time.Hour)) || len(f.open(f.a)) != 0 {
			f.t.Errorf("after a success: %+v", got)
		}
		f.invalid(Key{ID: "never was"}, why)
		f.valid(Key{ID: "never was"}, 1, t0)
	})
}

// What hooks do belongs to the change: their error undoes it.
func TestAHooksErrorUndoesTheChange(t *testing.T) {
	each(t, func(f *fixture) {
		k := f.key(f.a)
		boom := errors.New("boom")
		f.OnChange(func(ctx context.Context, tx *db.Tx, e Event) error { return boom })
		err := f.db.InTx(bg, func(tx *db.Tx) error { return f.MarkInvalid(bg, tx, k.ID, boom, t0) })
		if !errors.Is(err, boom) || !f.again(k).Valid || len(f.open(f.a)) != 0 {
			f.t.Errorf("%v; key %+v; incidents %v", err, f.again(k), f.open(f.a))
		}
	})
}

func TestWhatWaitsForAKeyGoesOn(t *testing.T) {
	each(t, func(f *fixture) {
		k := f.key(f.a)
		woken := make(chan string, 10)
		f.OnUsable(func(_ context.Context, id string) error { woken <- id; return nil })
		f.invalid(k, errors.New("x"))
		f.ok(f.handleUsable(bg, usableArgs{KeyID: k.ID})) // the job of a former repair
		if len(woken) != 0 {
			f.t.Error("woken for a dead key")
		}
		f.valid(k, 1, t0)
		f.ok(f.jobs.Start(bg))
		defer func() { _ = f.jobs.Stop(bg) }()
		select {
		case id := <-woken:
			if id != k.ID {
				f.t.Errorf("woken for %s", id)
			}
		case <-time.After(20 * time.Second):
			f.t.Error("nothing was woken")
		}
	})
}

func TestHeadRoom(t *testing.T) {
	each(t, func(f *fixture) {
		room := func(want int) {
			f.t.Helper()
			if got, err := f.HeadRoom(bg, nil, NaverSearchAd, license); err != nil || got != want {
				f.t.Errorf("head room %d %v, want %d", got, err, want)
			}
		}
		room(0)
		k, err := f.AddKey(bg, f.a, NewKey{Name: "x", License: license, Secret: secretA, HeadRoom: 10}, t0)
		f.ok(err)
		stranger, err := f.AddKey(bg, f.b, NewKey{Name: "x", License: license, Secret: "wrong", HeadRoom: 90}, t0)
		f.ok(err)
		room(0) // nobody has proved that the licence is theirs
		f.valid(k, 1, t0)
		room(10)
		f.invalid(stranger, errors.New("x"))
		room(10)
		f.valid(stranger, 1, t0)
		room(90)
	})
}

func TestDeleteKey(t *testing.T) {
	each(t, func(f *fixture) {
		raw := map[string]int{}
		f.DependsOn(func(_ context.Context, _ *db.Tx, id string) ([]Dependent, error) {
			return []Dependent{{"raw_data", raw[id]}, {"run", 0}}, nil
		})
		k := f.key(f.a)
		one, two := f.account(k, "1"), f.account(k, "2")
		raw[one.ID], raw[two.ID] = 2, 1
		f.invalid(k, errors.New("x"))
		hanging := func(err error) []Dependent {
			f.t.Helper()
			f.refused(err, "account.key_in_use")
			d, _ := errs.As(err).Extra["dependents"].([]Dependent)
			return d
		}
		want := []Dependent{{"ad_account", 2}, {"raw_data", 3}}
		for _, with := range []bool{false, true} {
			if got := hanging(f.DeleteKey(bg, f.a, k.ID, with, t0)); !slices.Equal(got, want) {
				f.t.Errorf("with accounts %v: %v, want %v", with, got, want)
			}
		}
		f.refused(f.DeleteAccount(bg, f.a, one.ID, t0), "account.in_use")
		f.refused(f.DeleteAccount(bg, f.b, one.ID, t0), "account.not_found")
		delete(raw, one.ID)
		f.ok(f.DeleteAccount(bg, f.a, one.ID, t0))
		delete(raw, two.ID)
		if got := hanging(f.DeleteKey(bg, f.a, k.ID, false, t0)); !slices.Equal(got, []Dependent{{"ad_account", 1}}) {
			f.t.Errorf("without raw data: %v", got)
		}
		f.refused(f.DeleteKey(bg, f.b, k.ID, true, t0), "account.key_not_found")
		f.ok(f.DeleteKey(bg, f.a, k.ID, true, t0))
		_, err := f.Key(bg, f.a, k.ID)
		f.refused(err, "account.key_not_found")
		_, err = f.Account(bg, f.db, two.ID)
		f.refused(err, "account.not_found")
		if ok, err := f.Usable(bg, f.db, k.ID); ok || err != nil {
			f.t.Errorf("a deleted key is usable: %v %v", ok, err)
		}
		if len(f.open(f.a)) != 0 {
			f.t.Error("the incident of a deleted key stays open")
		}
	})
}
