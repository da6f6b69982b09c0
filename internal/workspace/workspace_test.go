package workspace

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/seal"
)

func TestFirstStart(t *testing.T) {
	each(t, func(f *fixture) {
		again := must(f.EnsureFirst(bg))(f.t)
		if again.WorkspaceID != f.first.WorkspaceID || again.OwnerID != f.first.OwnerID {
			f.t.Errorf("a second start made another workspace: %+v, %+v", f.first, again)
		}
		if again.Link != "" {
			f.t.Error("a link was made though the owner is signed in")
		}
		if !f.owner.InstanceOwner || f.owner.Role != Owner || f.owner.Via != ViaSession {
			f.t.Errorf("the first person is %+v", f.owner)
		}
		w := must(f.Get(bg, f.first.WorkspaceID))(f.t)
		if w.Zone != "Asia/Seoul" || w.Lang != i18n.Korean || w.Name == "" {
			f.t.Errorf("first workspace: %+v", w)
		}
		// Who never set a password and was away too long gets a link again.
		f.advance(sessionIdle)
		late := must(f.EnsureFirst(bg))(f.t)
		if late.Link == "" {
			f.t.Fatal("no link though nobody can sign in")
		}
		newest := must(f.EnsureFirst(bg))(f.t)
		_, err := f.UseSignInLink(bg, late.Link)
		f.refused(err, "workspace.link_unknown")
		v := must(f.UseSignInLink(bg, newest.Link))(f.t)
		f.ok(f.SetPassword(bg, v.Actor, v.Token, "", goodPassword))
		email := "Boss@Example.KR "
		p := must(f.UpdateProfile(bg, v.Actor, ProfileChange{Email: &email, Password: goodPassword}))(f.t)
		if p.Email != "boss@example.kr" {
			f.t.Errorf("address kept as %q", p.Email)
		}
		f.ok(f.SignOut(bg, v.Token))
		if link := must(f.EnsureFirst(bg))(f.t).Link; link != "" {
			f.t.Error("a link was made though the owner has a password")
		}
	})
}

func TestBootstrapToken(t *testing.T) {
	each(t, func(f *fixture) {
		const text = "a-token-from-the-environment"
		for range 2 {
			f.ok(f.Bootstrap(bg, text))
		}
		a := must(f.ByToken(bg, text))(f.t)
		if a.WorkspaceID != f.first.WorkspaceID || a.PersonID != f.first.OwnerID || !a.InstanceOwner || a.Role != Owner || a.Via != ViaToken {
			f.t.Errorf("bootstrap token is %+v", a)
		}
		if n := len(must(f.Tokens(bg, f.owner, "", 10))(f.t)); n != 1 {
			f.t.Errorf("%d tokens after two starts, want 1", n)
		}
		f.ok(f.Bootstrap(bg, ""))
		if _, err := f.ByToken(bg, text); err != nil {
			f.t.Errorf("a start without the variable ended the token: %v", err)
		}
		f.ok(f.Bootstrap(bg, "another-token-from-the-environment"))
		_, err := f.ByToken(bg, text)
		f.refused(err, "workspace.token_unknown")
		f.ok(f.Bootstrap(bg, text))
		if _, err := f.ByToken(bg, text); err != nil {
			f.t.Errorf("the former value came back and does not work: %v", err)
		}
	})
}

func TestTokens(t *testing.T) {
	each(t, func(f *fixture) {
		editor := f.join(f.owner, "ed@example.kr", Editor).Actor
		tok, text, err := f.CreateToken(bg, editor, NewToken{Name: "cron"})
		f.ok(err)
		if tok.Role != Editor || !strings.HasPrefix(text, "imr_") {
			f.t.Errorf("token %+v %q", tok, text[:4])
		}
		a := must(f.ByToken(bg, text))(f.t)
		if a.PersonID != editor.PersonID || a.Role != Editor || a.InstanceOwner || a.TokenID != tok.ID {
			f.t.Errorf("actor of the token: %+v", a)
		}
		for _, wrong := range []string{"", "imr_", text[:len(text)-1], text + "x", strings.ToUpper(text)} {
			_, err := f.ByToken(bg, wrong)
			f.refused(err, "workspace.token_unknown")
		}
		// A session's or link's text is not a token, whatever its bytes.
		_, err = f.BySession(bg, text)
		f.refused(err, "workspace.session_ended")

		// Nothing that works is stored. A hash may begin with "im" by chance, with
		// a whole prefix one time in 16 million.
		secret := regexp.MustCompile(`^im[rlsi]_`)
		for _, q := range []string{`SELECT hash FROM api_token`, `SELECT hash FROM session`, `SELECT hash FROM invitation`, `SELECT hash FROM sign_in_link`} {
			for _, h := range must(db.All(bg, f.db, db.Value[string], q))(f.t) {
				if strings.Contains(h, text[4:]) || secret.MatchString(h) {
					f.t.Errorf("%s stores %q", q, h)
				}
			}
		}

		_, _, err = f.CreateToken(bg, editor, NewToken{Name: "x", Role: Admin})
		f.refused(err, "workspace.token.role_above_own")
		_, _, err = f.CreateToken(bg, editor, NewToken{Name: "x", Role: "king"})
		f.refused(err, "workspace.role.unknown")
		_, _, err = f.CreateToken(bg, editor, NewToken{Name: " ", Role: Viewer})
		f.refused(err, "workspace.name.required")
		_, _, err = f.CreateToken(bg, editor, NewToken{Name: "x", Instance: true})
		f.refused(err, "workspace.instance_forbidden")
		client := f.join(f.owner, "client@example.kr", Client).Actor
		_, _, err = f.CreateToken(bg, client, NewToken{Name: "x"})
		f.refused(err, "workspace.forbidden")

		// The maker's fall takes the token along; their leaving ends it.
		f.ok(f.SetRole(bg, f.owner, editor.PersonID, Viewer))
		if a := must(f.ByToken(bg, text))(f.t); a.Role != Viewer {
			f.t.Errorf("token kept the role %s", a.Role)
		}
		f.ok(f.Remove(bg, f.owner, editor.PersonID))
		_, err = f.ByToken(bg, text)
		f.refused(err, "workspace.token_unknown")
	})
}

func TestTokensAreSeenAndRevoked(t *testing.T) {
	each(t, func(f *fixture) {
		viewer := f.join(f.owner, "v@example.kr", Viewer).Actor
		mine, text, err := f.CreateToken(bg, viewer, NewToken{Name: "mine"})
		f.ok(err)
		others, _, err := f.CreateToken(bg, f.owner, NewToken{Name: "others"})
		f.ok(err)
		if l := must(f.Tokens(bg, viewer, "", 10))(f.t); len(l) != 1 || l[0].ID != mine.ID || l[0].Person == "" {
			f.t.Errorf("a viewer sees %+v", l)
		}
		l := must(f.Tokens(bg, f.owner, "", 1))(f.t)
		if len(l) != 1 || l[0].ID != others.ID {
			f.t.Errorf("first page of the owner: %+v", l)
		}
		if l = must(f.Tokens(bg, f.owner, l[0].ID, 1))(f.t); len(l) != 1 || l[0].ID != mine.ID {
			f.t.Errorf("second page of the owner: %+v", l)
		}
		f.refused(f.RevokeToken(bg, viewer, others.ID), "workspace.token_not_found")
		_, there := f.another("B")
		f.refused(f.RevokeToken(bg, there, mine.ID), "workspace.token_not_found")
		admin := f.join(f.owner, "a@example.kr", Admin).Actor
		f.refused(f.RevokeToken(bg, admin, others.ID), "workspace.forbidden")
		f.ok(f.RevokeToken(bg, admin, mine.ID))
		f.ok(f.RevokeToken(bg, admin, mine.ID))
		_, err = f.ByToken(bg, text)
		f.refused(err, "workspace.token_unknown")
	})
}

func TestCreateWorkspace(t *testing.T) {
	each(t, func(f *fixture) {
		w, token, err := f.Create(bg, f.owner, NewWorkspace{Name: " 둘째 "})
		f.ok(err)
		a := must(f.ByToken(bg, token))(f.t)
		if a.WorkspaceID != w.ID || a.Role != Owner || w.Name != "둘째" {
			f.t.Errorf("new workspace %+v, its token %+v", w, a)
		}
		if a.InstanceOwner {
			f.t.Error("the token of a new workspace rules the instance")
		}
		_, _, err = f.Create(bg, a, NewWorkspace{Name: "third"})
		f.refused(err, "workspace.instance_forbidden")
		_, _, err = f.CreateToken(bg, a, NewToken{Name: "x", Instance: true})
		f.refused(err, "workspace.instance_forbidden")
		for key, in := range map[string]NewWorkspace{
			"workspace.name.required": {Name: " "},
			"workspace.name.too_long": {Name: strings.Repeat("가", 101)},
			"workspace.zone.unknown":  {Name: "x", Zone: "Mars/Base"},
			"workspace.lang.unknown":  {Name: "x", Lang: "fr"},
		} {
			_, _, err := f.Create(bg, f.owner, in)
			f.refused(err, key)
		}
		zone, lang := "Europe/Berlin", "en"
		got := must(f.Update(bg, a, WorkspaceChange{Zone: &zone, Lang: &lang}))(f.t)
		if got.Name != "둘째" || got.Zone != zone || got.Lang != i18n.English {
			f.t.Errorf("changed to %+v", got)
		}
		if z := must(f.Zone(bg, w.ID))(f.t); z != zone {
			f.t.Errorf("zone %s", z)
		}
		list := must(f.Workspaces(bg, f.owner.PersonID))(f.t)
		if len(list) != 2 || list[0].ID != f.first.WorkspaceID || list[1].ID != w.ID || list[1].Role != Owner {
			f.t.Errorf("workspaces of the owner: %+v", list)
		}
		viewer := f.join(a, "v@example.kr", Viewer).Actor
		_, err = f.Update(bg, viewer, WorkspaceChange{Zone: &zone})
		f.refused(err, "workspace.forbidden")
	})
}

func TestSessions(t *testing.T) {
	each(t, func(f *fixture) {
		v := f.join(f.owner, "p@example.kr", Editor)
		if a := must(f.BySession(bg, v.Token))(f.t); a.PersonID != v.Actor.PersonID || a.Via != ViaSession {
			f.t.Errorf("session of %+v", a)
		}
		// Used within two weeks it lives on, but not over sixty days in all.
		for range 5 {
			f.advance(sessionIdle - time.Minute)
			if f.t.Failed() {
				return
			}
			_, err := f.BySession(bg, v.Token)
			if f.clock.t.Before(v.ExpiresAt) {
				f.ok(err)
			} else {
				f.refused(err, "workspace.session_ended")
			}
		}
		idle := f.join(f.owner, "q@example.kr", Editor)
		f.advance(sessionIdle)
		_, err := f.BySession(bg, idle.Token)
		f.refused(err, "workspace.session_ended")

		in := must(f.SignIn(bg, "Q@example.kr", goodPassword, "10.0.0.1"))(f.t)
		other := must(f.SignIn(bg, "q@example.kr", goodPassword, "10.0.0.1"))(f.t)
		f.ok(f.SetPassword(bg, in.Actor, in.Token, goodPassword, "another fine password"))
		if _, err := f.BySession(bg, in.Token); err != nil {
			f.t.Errorf("the session that changed the password ended: %v", err)
		}
		_, err = f.BySession(bg, other.Token)
		f.refused(err, "workspace.session_ended")
		f.ok(f.SignOut(bg, in.Token))
		f.ok(f.SignOut(bg, in.Token))
		_, err = f.BySession(bg, in.Token)
		f.refused(err, "workspace.session_ended")
	})
}

func TestSwitch(t *testing.T) {
	each(t, func(f *fixture) {
		w, there := f.another("둘째")
		v := f.join(f.owner, "p@example.kr", Editor)
		_, err := f.Switch(bg, v.Token, w.ID)
		f.refused(err, "workspace.not_found")
		_, token, err := f.Invite(bg, there, "p@example.kr", Viewer)
		f.ok(err)
		joined := must(f.AcceptInvitation(bg, token, Accept{Signed: v.Actor}))(f.t)
		if joined.Actor.WorkspaceID != w.ID || joined.Actor.PersonID != v.Actor.PersonID || joined.Actor.Role != Viewer {
			f.t.Errorf("joined as %+v", joined.Actor)
		}
		a := must(f.Switch(bg, v.Token, w.ID))(f.t)
		if a.WorkspaceID != w.ID || a.Role != Viewer {
			f.t.Errorf("after the switch: %+v", a)
		}
		if a = must(f.BySession(bg, v.Token))(f.t); a.WorkspaceID != w.ID {
			f.t.Errorf("the session forgot the switch: %+v", a)
		}
		// Removed from where they look, they go on in the other.
		f.ok(f.Remove(bg, there, a.PersonID))
		if a = must(f.BySession(bg, v.Token))(f.t); a.WorkspaceID != f.first.WorkspaceID || a.Role != Editor {
			f.t.Errorf("after the removal: %+v", a)
		}
		f.ok(f.Remove(bg, a, a.PersonID)) // leaves
		_, err = f.BySession(bg, v.Token)
		f.refused(err, "workspace.session_ended")
		_, err = f.SignIn(bg, "p@example.kr", goodPassword, "")
		f.refused(err, "workspace.no_membership")
	})
}

func TestMembers(t *testing.T) {
	each(t, func(f *fixture) {
		admin := f.join(f.owner, "a@example.kr", Admin).Actor
		editor := f.join(f.owner, "e@example.kr", Editor).Actor
		f.refused(f.SetRole(bg, admin, f.owner.PersonID, Viewer), "workspace.forbidden")
		f.refused(f.SetRole(bg, admin, admin.PersonID, Owner), "workspace.forbidden")
		f.refused(f.SetRole(bg, editor, admin.PersonID, Viewer), "workspace.forbidden")
		f.refused(f.SetRole(bg, f.owner, f.owner.PersonID, Admin), "workspace.last_owner")
		f.refused(f.Remove(bg, f.owner, f.owner.PersonID), "workspace.last_owner")
		f.refused(f.Remove(bg, admin, f.owner.PersonID), "workspace.forbidden")
		f.refused(f.Remove(bg, editor, admin.PersonID), "workspace.forbidden")
		f.refused(f.SetRole(bg, f.owner, editor.PersonID, "king"), "workspace.role.unknown")
		_, there := f.another("B")
		f.refused(f.SetRole(bg, there, editor.PersonID, Viewer), "workspace.member_not_found")
		f.refused(f.Remove(bg, there, editor.PersonID), "workspace.member_not_found")

		f.ok(f.SetRole(bg, f.owner, admin.PersonID, Owner))
		f.ok(f.SetRole(bg, admin.with(Owner), f.owner.PersonID, Viewer))
		m := must(f.Members(bg, admin))(f.t)
		var roles []Role
		for _, v := range m {
			roles = append(roles, v.Role)
		}
		if len(roles) != 3 || roles[0] != Owner || roles[1] != Editor || roles[2] != Viewer {
			f.t.Errorf("roles %v", roles)
		}
		told := must(f.Told(bg, f.first.WorkspaceID))(f.t)
		if len(told) != 1 || told[0].Email != "a@example.kr" {
			f.t.Errorf("an incident is told to %+v", told)
		}
	})
}

func (a Actor) with(r Role) Actor { a.Role = r; return a }

func TestProcessesThatStartAtOnceMakeOneWorkspace(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		box := must(seal.New(bytes.Repeat([]byte{7}, seal.KeySize)))(t)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				s := New(d, box, Options{})
				if _, err := s.EnsureFirst(bg); err != nil {
					t.Error(err)
				}
				if err := s.Bootstrap(bg, "a-token-from-the-environment"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, table := range []string{"workspace", "person", "member", "api_token"} {
			var n int
			if err := d.QueryRow(bg, `SELECT count(*) FROM `+table).Scan(&n); err != nil || n != 1 {
				t.Errorf("%d rows in %s, %v; want 1", n, table, err)
			}
		}
		if _, err := New(d, box, Options{}).Local(bg); err != nil {
			t.Error(err)
		}
	})
}

func TestLocalNeedsAStart(t *testing.T) {
	d := dbtest.SQLite(t)
	box := must(seal.New(bytes.Repeat([]byte{7}, seal.KeySize)))(t)
	if _, err := New(d, box, Options{}).Local(bg); !errs.Is(err, "workspace.none") {
		t.Errorf("before the first start: %v", err)
	}
}
