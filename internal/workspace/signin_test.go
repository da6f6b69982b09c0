package workspace

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
)

func TestSignIn(t *testing.T) {
	each(t, func(f *fixture) {
		f.join(f.owner, "p@example.kr", Editor)
		v := must(f.SignIn(bg, " P@Example.KR", goodPassword, "10.0.0.1"))(f.t)
		if v.Actor.Role != Editor || !strings.HasPrefix(v.Token, "ims_") {
			f.t.Errorf("signed in as %+v", v.Actor)
		}
		for _, c := range [][2]string{
			{"p@example.kr", "wrong"}, {"nobody@example.kr", goodPassword}, {"", ""}, {"p@example.kr", ""},
			{"p@example.kr", strings.Repeat("x", 10_000)}, {strings.Repeat("x", 10_000), "x"},
		} {
			_, err := f.SignIn(bg, c[0], c[1], "10.0.0.2")
			f.refused(err, "workspace.sign_in_failed")
		}
		// The first owner has no password: nothing matches it.
		_, err := f.SignIn(bg, "", "", "10.0.0.3")
		f.refused(err, "workspace.sign_in_failed")
	})
}

func TestFailedSignInsSlowDown(t *testing.T) {
	each(t, func(f *fixture) {
		f.join(f.owner, "p@example.kr", Editor)
		for range 5 {
			_, err := f.SignIn(bg, "p@example.kr", "wrong", "10.0.0.1")
			f.refused(err, "workspace.sign_in_failed")
		}
		_, err := f.SignIn(bg, "p@example.kr", goodPassword, "10.0.0.1")
		f.refused(err, "workspace.sign_in_throttled")
		if e := errs.As(err); e.Kind != errs.TooMany || e.Extra["retry_after_s"] != 6 {
			f.t.Errorf("throttled with %v %v, want 6 s", e.Kind, e.Extra)
		}
		// Asking meanwhile makes it no longer, another origin is free.
		_, err = f.SignIn(bg, "p@example.kr", goodPassword, "10.0.0.1")
		f.refused(err, "workspace.sign_in_throttled")
		must(f.SignIn(bg, "p@example.kr", goodPassword, "10.0.0.2"))(f.t)
		f.advance(6 * time.Second)
		must(f.SignIn(bg, "p@example.kr", goodPassword, "10.0.0.1"))(f.t)
		// A success forgets the failures.
		for range 4 {
			_, err = f.SignIn(bg, "p@example.kr", "wrong", "10.0.0.1")
			f.refused(err, "workspace.sign_in_failed")
		}
		must(f.SignIn(bg, "p@example.kr", goodPassword, "10.0.0.1"))(f.t)
	})
}

func TestManyTriesAtOnceGainNothing(t *testing.T) {
	each(t, func(f *fixture) {
		f.join(f.owner, "p@example.kr", Editor)
		var wg sync.WaitGroup
		var mu sync.Mutex
		failed := 0
		for range 20 {
			wg.Go(func() {
				_, err := f.SignIn(bg, "p@example.kr", "wrong", "10.0.0.1")
				mu.Lock()
				defer mu.Unlock()
				if errs.Is(err, "workspace.sign_in_failed") {
					failed++
				}
			})
		}
		wg.Wait()
		if failed != 5 {
			f.t.Errorf("%d guesses were checked, want 5", failed)
		}
	})
}

func TestWaits(t *testing.T) {
	for name, c := range map[string]struct {
		kind     string
		failures int
		want     time.Duration
	}{
		"first":                    {"pair", 1, 0},
		"fourth":                   {"pair", 4, 0},
		"fifth":                    {"pair", 5, 5 * time.Second},
		"sixth":                    {"pair", 6, 10 * time.Second},
		"hundredth":                {"pair", 100, 15 * time.Minute},
		"many origins, one person": {"email", 10_000, time.Minute},
		"many people, one origin":  {"origin", 29, 0},
	} {
		if got := throttles[c.kind].wait(c.failures); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestPasswords(t *testing.T) {
	h := newHasher()
	phc := h.make("pass word 🔑")
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("PHC text %q", phc)
	}
	if phc == h.make("pass word 🔑") {
		t.Error("two hashes of one password are alike: no salt")
	}
	for name, c := range map[string]struct {
		stored, password string
		ok, stale        bool
	}{
		"right":             {phc, "pass word 🔑", true, false},
		"wrong":             {phc, "pass word", false, false},
		"empty":             {phc, "", false, false},
		"no password yet":   {"", "", false, false},
		"unreadable":        {"$argon2id$v=19$m=1,t=1,p=1$x$y", "x", false, false},
		"another algorithm": {"$2a$10$abcdefghijklmnopqrstuv", "x", false, false},
		"greedy parameters": {"$argon2id$v=19$m=99999999,t=1,p=1$AAAA$" + strings.Repeat("A", 43), "x", false, false},
	} {
		if ok, stale := h.check(c.stored, c.password); ok != c.ok || stale != c.stale {
			t.Errorf("%s: %v %v, want %v %v", name, ok, stale, c.ok, c.stale)
		}
	}
	old := hasher{slots: h.slots, cost: cost{memory: 8, passes: 1, threads: 1}}.make("x")
	if ok, stale := h.check(old, "x"); !ok || !stale {
		t.Errorf("a hash of former cost: %v %v, want right and stale", ok, stale)
	}
}

func TestAStaleHashIsMadeAgain(t *testing.T) {
	each(t, func(f *fixture) {
		f.join(f.owner, "p@example.kr", Editor)
		f.hash.cost.passes++
		must(f.SignIn(bg, "p@example.kr", goodPassword, ""))(f.t)
		p := must(personByEmail(bg, f.db, "p@example.kr"))(f.t)
		if ok, stale := f.hash.check(p.password, goodPassword); !ok || stale {
			f.t.Errorf("after signing in: right %v, stale %v", ok, stale)
		}
	})
}

func TestPasswordRules(t *testing.T) {
	for name, c := range map[string]struct{ password, want string }{
		"good":              {"correct horse", ""},
		"korean":            {"봄여름가을겨울그리고봄", ""},
		"none":              {"", "workspace.password.required"},
		"short":             {"abc123!@#", "workspace.password.too_short"},
		"long":              {strings.Repeat("abcdefgh", 33), "workspace.password.too_long"},
		"broken bytes":      {"abcdefghij\xff", "workspace.password.too_long"},
		"one letter":        {"aaaaaaaaaaaaaaa", "workspace.password.too_easy"},
		"four letters":      {"abcdabcdabcd", "workspace.password.too_easy"},
		"the address":       {"kimdaeri@example.kr", "workspace.password.too_easy"},
		"address and digit": {"kimdaeri2026!", "workspace.password.too_easy"},
		"the name":          {"Kim Dae Ri Choi", "workspace.password.too_easy"},
	} {
		got := ""
		if bad := checkPassword("password", c.password, "kimdaeri@example.kr", "kim dae ri choi"); bad != nil {
			got = bad[0].Key
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		" A.B+c@Example.KR ": "a.b+c@example.kr",
		"":                   "",
		"x":                  "",
		"Kim <a@b.kr>":       "",
		"a@b.kr, c@d.kr":     "",
		"a b@c.kr":           "",
		"a@b.kr\r\nBcc: x@y": "",
	} {
		if got, _ := checkEmail("email", in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSessionsEndWithThePasswordLink(t *testing.T) {
	each(t, func(f *fixture) {
		v := f.join(f.owner, "p@example.kr", Editor)
		link := must(f.PasswordLink(bg, f.owner, v.Actor.PersonID))(f.t)
		if p := must(f.LinkPerson(bg, link))(f.t); p.Email != "p@example.kr" {
			f.t.Errorf("the page greets %+v", p)
		}
		_, err := f.UseSignInLink(bg, link)
		f.refused(err, "workspace.link_unknown") // made for something else
		_, err = f.UsePasswordLink(bg, link, "short")
		f.refused(err, "workspace.password.too_short")
		in := must(f.UsePasswordLink(bg, link, "brand new password"))(f.t)
		if in.Actor.PersonID != v.Actor.PersonID {
			f.t.Errorf("signed in as %+v", in.Actor)
		}
		_, err = f.BySession(bg, v.Token)
		f.refused(err, "workspace.session_ended")
		_, err = f.UsePasswordLink(bg, link, "brand new password 2")
		f.refused(err, "workspace.link_expired")
		_, err = f.SignIn(bg, "p@example.kr", goodPassword, "")
		f.refused(err, "workspace.sign_in_failed")
		must(f.SignIn(bg, "p@example.kr", "brand new password", ""))(f.t)

		link = must(f.PasswordLink(bg, f.owner, v.Actor.PersonID))(f.t)
		f.advance(linkLife)
		_, err = f.UsePasswordLink(bg, link, "brand new password 3")
		f.refused(err, "workspace.link_expired")
	})
}

func TestWhoMayMakePasswordLinks(t *testing.T) {
	each(t, func(f *fixture) {
		_, there := f.another("B")
		admin := f.join(there, "admin@b.example", Admin).Actor
		only := f.join(there, "only@b.example", Editor).Actor
		// Somebody of A is lured into B: B's admin must not get at A.
		both := f.join(f.owner, "both@a.example", Admin)
		_, token, err := f.Invite(bg, there, "both@a.example", Viewer)
		f.ok(err)
		must(f.AcceptInvitation(bg, token, Accept{Signed: both.Actor}))(f.t)

		_, err = f.PasswordLink(bg, admin, both.Actor.PersonID)
		f.refused(err, "workspace.person_elsewhere")
		_, err = f.PasswordLink(bg, admin, f.owner.PersonID)
		f.refused(err, "workspace.forbidden") // an owner is above an admin
		_, err = f.PasswordLink(bg, there, f.owner.PersonID)
		f.refused(err, "workspace.person_elsewhere")
		_, err = f.PasswordLink(bg, only, admin.PersonID)
		f.refused(err, "workspace.forbidden")
		_, err = f.PasswordLink(bg, admin, "nobody")
		f.refused(err, "workspace.member_not_found")
		must(f.PasswordLink(bg, admin, only.PersonID))(f.t)
		must(f.PasswordLink(bg, f.owner, both.Actor.PersonID))(f.t)
		_, err = f.SignInLink(bg, admin)
		f.refused(err, "workspace.needs_session")
		local := must(f.Local(bg))(f.t)
		if v := must(f.UseSignInLink(bg, must(f.SignInLink(bg, local))(f.t)))(f.t); v.Actor.PersonID != f.owner.PersonID {
			f.t.Errorf("the local link signs in %+v", v.Actor)
		}
	})
}

func TestALinkWorksOnceHoweverManyTry(t *testing.T) {
	each(t, func(f *fixture) {
		for range 5 { // from the second round on, all connections are open
			link := must(f.SignInLink(bg, must(f.Local(bg))(f.t)))(f.t)
			var wg sync.WaitGroup
			var in atomic.Int64
			for range 8 {
				wg.Go(func() {
					if _, err := f.UseSignInLink(bg, link); err == nil {
						in.Add(1)
					}
				})
			}
			wg.Wait()
			if in.Load() != 1 {
				f.t.Errorf("%d got in by one link", in.Load())
			}
		}
	})
}

func TestProfile(t *testing.T) {
	each(t, func(f *fixture) {
		a := f.join(f.owner, "a@example.kr", Viewer)
		f.join(f.owner, "b@example.kr", Viewer)
		taken, fresh, name, lang := "b@example.kr", "a2@example.kr", "새 이름", "en"
		_, err := f.UpdateProfile(bg, a.Actor, ProfileChange{Email: &fresh})
		f.refused(err, "workspace.password.wrong")
		_, err = f.UpdateProfile(bg, a.Actor, ProfileChange{Email: &taken, Password: goodPassword})
		f.refused(err, "workspace.email.taken")
		p := must(f.UpdateProfile(bg, a.Actor, ProfileChange{Email: &fresh, Name: &name, Lang: &lang, Password: goodPassword}))(f.t)
		if p.Email != fresh || p.Name != name || p.Lang != "en" || !p.HasPassword {
			f.t.Errorf("profile %+v", p)
		}
		f.refused(f.SetPassword(bg, a.Actor, a.Token, "wrong", "another fine password"), "workspace.password.wrong")
		_, text, err := f.CreateToken(bg, a.Actor, NewToken{Name: "x"})
		f.ok(err)
		program := must(f.ByToken(bg, text))(f.t)
		_, err = f.UpdateProfile(bg, program, ProfileChange{Name: &name})
		f.refused(err, "workspace.needs_session")
		f.refused(f.SetPassword(bg, program, "", goodPassword, "another fine password"), "workspace.needs_session")
		must(f.SignIn(bg, fresh, goodPassword, ""))(f.t)
		if n := must(f.SignOutOthers(bg, a.Actor, a.Token))(f.t); n != 1 {
			f.t.Errorf("%d other sessions ended, want 1", n)
		}
	})
}

func TestClean(t *testing.T) {
	each(t, func(f *fixture) {
		f.join(f.owner, "p@example.kr", Viewer)
		_, _, err := f.Invite(bg, f.owner, "never@example.kr", Viewer)
		f.ok(err)
		_, _ = f.SignIn(bg, "p@example.kr", "wrong", "10.0.0.1")
		_, _, err = f.Begin(bg, f.first.WorkspaceID, "k", "h")
		f.ok(err)
		rows := func() (n int) {
			f.ok(f.db.QueryRow(bg, `SELECT (SELECT count(*) FROM session) + (SELECT count(*) FROM sign_in_link) +
				(SELECT count(*) FROM invitation) + (SELECT count(*) FROM sign_in_attempt) + (SELECT count(*) FROM idempotency)`).Scan(&n))
			return n
		}
		before := rows()
		f.ok(f.Clean(bg))
		if n := rows(); n != before {
			f.t.Errorf("%d rows, then %d: something young was cleaned away", before, n)
		}
		f.advance(100 * 24 * time.Hour)
		f.ok(f.Clean(bg))
		if n := rows(); n != 0 {
			f.t.Errorf("%d rows are left after 100 days", n)
		}
	})
}

func TestAudit(t *testing.T) {
	each(t, func(f *fixture) {
		_, there := f.another("B")
		f.ok(f.Record(bg, nil, f.owner, "raw_data.create", "rd-1", strings.Repeat("가", 300)))
		f.ok(f.db.InTx(bg, func(tx *db.Tx) error { return f.Record(bg, tx, System(f.first.WorkspaceID), "run.end", "r-1", "") }))
		f.ok(f.Record(bg, nil, there, "raw_data.create", "rd-2", ""))
		l := must(f.Audit(bg, f.owner, "", 10))(f.t)
		if len(l) != 2 || l[0].Via != ViaSystem || l[0].Person != "" || l[1].Action != "raw_data.create" || l[1].Person != f.owner.Name ||
			len(l[1].Detail) > auditDetailMax || !strings.HasPrefix(l[1].Detail, "가가") {
			f.t.Errorf("audit log %+v", l)
		}
		if l = must(f.Audit(bg, f.owner, l[0].ID, 10))(f.t); len(l) != 1 {
			f.t.Errorf("second page %+v", l)
		}
		editor := f.join(f.owner, "e@example.kr", Editor).Actor
		_, err := f.Audit(bg, editor, "", 10)
		f.refused(err, "workspace.forbidden")
	})
}
