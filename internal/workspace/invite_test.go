package workspace

import (
	"testing"

	"imreport/internal/errs"
)

func TestInvitations(t *testing.T) {
	each(t, func(f *fixture) {
		admin := f.join(f.owner, "a@example.kr", Admin).Actor
		_, _, err := f.Invite(bg, admin, "x@example.kr", Owner)
		f.refused(err, "workspace.token.role_above_own")
		_, _, err = f.Invite(bg, admin, "not an address", "king")
		if e := errs.As(err); e == nil || len(e.Fields) != 2 {
			f.t.Errorf("two faults give %v", err)
		}
		_, _, err = f.Invite(bg, admin, "A@example.kr", Viewer)
		f.refused(err, "workspace.already_member")
		_, _, err = f.Invite(bg, f.join(f.owner, "e@example.kr", Editor).Actor, "x@example.kr", Viewer)
		f.refused(err, "workspace.forbidden")

		_, first, err := f.Invite(bg, admin, "x@example.kr", Viewer)
		f.ok(err)
		v, second, err := f.Invite(bg, admin, "X@example.kr", Editor) // replaces it
		f.ok(err)
		_, err = f.Invitation(bg, first)
		f.refused(err, "workspace.link_unknown")
		page := must(f.Invitation(bg, second))(f.t)
		if page.Known || page.Email != "x@example.kr" || page.Role != Editor || page.Workspace == "" || page.InvitedBy != admin.Name {
			f.t.Errorf("page %+v", page)
		}
		if l := must(f.Invitations(bg, admin))(f.t); len(l) != 1 || l[0].ID != v.ID {
			f.t.Errorf("open invitations %+v", l)
		}
		_, err = f.AcceptInvitation(bg, second, Accept{Name: "", Password: "short"})
		if e := errs.As(err); e == nil || len(e.Fields) != 2 {
			f.t.Errorf("two faults give %v", err)
		}
		in := must(f.AcceptInvitation(bg, second, Accept{Name: "엑스", Password: goodPassword, Lang: "en"}))(f.t)
		if in.Actor.Role != Editor || in.Actor.Name != "엑스" || in.Actor.Lang != "en" || in.Actor.InstanceOwner {
			f.t.Errorf("joined as %+v", in.Actor)
		}
		_, err = f.AcceptInvitation(bg, second, Accept{Name: "엑스", Password: goodPassword})
		f.refused(err, "workspace.link_unknown") // used: there is no open one

		v, third, err := f.Invite(bg, admin, "y@example.kr", Viewer)
		f.ok(err)
		_, there := f.another("B")
		f.refused(f.Uninvite(bg, there, v.ID), "workspace.invitation_not_found")
		f.ok(f.Uninvite(bg, admin, v.ID))
		_, err = f.AcceptInvitation(bg, third, Accept{Name: "와이", Password: goodPassword})
		f.refused(err, "workspace.link_unknown")

		_, late, err := f.Invite(bg, admin, "z@example.kr", Viewer)
		f.ok(err)
		f.advance(invitationLife)
		_, err = f.AcceptInvitation(bg, late, Accept{Name: "제트", Password: goodPassword})
		f.refused(err, "workspace.link_expired")
		if l := must(f.Invitations(bg, admin))(f.t); len(l) != 0 {
			f.t.Errorf("expired invitations are listed: %+v", l)
		}
	})
}

// Whoever made the invitation knows its link. It must not let them in as
// somebody who exists, nor change that person's password.
func TestAnInvitationIsNoWayIntoAnotherAccount(t *testing.T) {
	each(t, func(f *fixture) {
		_, there := f.another("B")
		victim := f.join(f.owner, "victim@a.example", Admin)
		mallory := f.join(there, "mallory@b.example", Admin)
		_, link, err := f.Invite(bg, mallory.Actor, "victim@a.example", Viewer)
		f.ok(err)
		if page := must(f.Invitation(bg, link))(f.t); !page.Known {
			f.t.Error("the page offers to set a password")
		}
		_, err = f.AcceptInvitation(bg, link, Accept{Name: "M", Password: "a password of mallory"})
		f.refused(err, "workspace.password.wrong")
		_, err = f.AcceptInvitation(bg, link, Accept{Signed: mallory.Actor})
		f.refused(err, "workspace.password.wrong")
		forged := Actor{PersonID: victim.Actor.PersonID, Via: ViaToken}
		_, err = f.AcceptInvitation(bg, link, Accept{Signed: forged})
		f.refused(err, "workspace.password.wrong")
		must(f.SignIn(bg, "victim@a.example", goodPassword, ""))(f.t)
		in := must(f.AcceptInvitation(bg, link, Accept{Password: goodPassword}))(f.t)
		if in.Actor.PersonID != victim.Actor.PersonID || in.Actor.Role != Viewer {
			f.t.Errorf("the victim joins as %+v", in.Actor)
		}
	})
}

// A person who belongs nowhere any more has nothing to protect, and may be
// invited like somebody new.
func TestWhoHasLeftEverythingMayComeBack(t *testing.T) {
	each(t, func(f *fixture) {
		gone := f.join(f.owner, "p@example.kr", Viewer)
		f.ok(f.Remove(bg, f.owner, gone.Actor.PersonID))
		_, link, err := f.Invite(bg, f.owner, "p@example.kr", Editor)
		f.ok(err)
		in := must(f.AcceptInvitation(bg, link, Accept{Name: "다시", Password: "yet another password"}))(f.t)
		if in.Actor.PersonID != gone.Actor.PersonID || in.Actor.Role != Editor || in.Actor.Name != "다시" {
			f.t.Errorf("came back as %+v", in.Actor)
		}
		_, err = f.BySession(bg, gone.Token)
		f.refused(err, "workspace.session_ended")
		must(f.SignIn(bg, "p@example.kr", "yet another password", ""))(f.t)
	})
}
