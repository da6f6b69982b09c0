package ui

import (
	"net/http"
	"strings"

	"imreport/internal/i18n"
	"imreport/internal/web"
	"imreport/internal/web/page"
	"imreport/internal/workspace"
)

func (u *UI) mountPeople() {
	write := workspace.WritePeople
	u.site.Page("GET /people", may(workspace.ReadPeople), u.peoplePage)
	u.site.Page("POST /people/invite", does(write, "invitation.create"), u.invite)
	u.site.Page("POST /people/invitations/{id}/delete", does(write, "invitation.delete"), u.uninvite)
	u.site.Page("POST /people/{id}/role", does(write, "member.change"), u.setRole)
	u.site.Page("POST /people/{id}/remove", web.Access{Action: "member.remove"}, u.removePerson)
	u.site.Page("POST /people/{id}/password-link", does(write, "member.password_link"), u.passwordLink)
}

type peoplePage struct {
	Members     []workspace.Member
	Invitations []workspace.Invitation
	Roles       []workspace.Role // that the actor may give
	CanWrite    bool
	Me          string
	Link        string // shown once: of an invitation or for a password
	LinkFor     string
	Invite      bool // the link is an invitation
	Email       string
	Role        string
	Wrong       mistakes
}

func (u *UI) people(r *http.Request) (p peoplePage, err error) {
	a := web.Of(r.Context()).Actor
	p.Me, p.CanWrite, p.Role = a.PersonID, a.May(workspace.WritePeople), string(workspace.Editor)
	for _, role := range workspace.Roles {
		if a.Role.AtLeast(role) && (role != workspace.Owner || a.May(workspace.WriteOwners)) {
			p.Roles = append(p.Roles, role)
		}
	}
	if p.Members, err = u.d.People.Members(r.Context(), a); err != nil {
		return p, err
	}
	if p.CanWrite {
		p.Invitations, err = u.d.People.Invitations(r.Context(), a)
	}
	return p, err
}

func (u *UI) showPeople(w http.ResponseWriter, r *http.Request, status int, p peoplePage) error {
	if p.Link != "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	return u.pages.Render(w, r, status, "people", page.Page{
		Title: i18n.T(web.Of(r.Context()).Lang, "ui.nav.people"), Section: "people", Data: p,
	})
}

func (u *UI) peoplePage(w http.ResponseWriter, r *http.Request) error {
	p, err := u.people(r)
	if err != nil {
		return err
	}
	return u.showPeople(w, r, http.StatusOK, p)
}

// invite shows the link once: there may be no mail server to send it.
func (u *UI) invite(w http.ResponseWriter, r *http.Request) error {
	info := web.Of(r.Context())
	email, role := r.PostFormValue("email"), r.PostFormValue("role")
	v, token, err := u.d.People.Invite(r.Context(), info.Actor, email, workspace.Role(role))
	if err != nil {
		m, ok := mistakesOf(info.Lang, err)
		if !ok {
			return err
		}
		p, perr := u.people(r)
		if perr != nil {
			return perr
		}
		p.Email, p.Role, p.Wrong = email, role, m
		return u.showPeople(w, r, http.StatusUnprocessableEntity, p)
	}
	web.Subject(r.Context(), v.ID, v.Email)
	p, err := u.people(r)
	if err != nil {
		return err
	}
	p.Link, p.LinkFor, p.Invite = u.link(r, workspace.InvitePath+token), v.Email, true
	return u.showPeople(w, r, http.StatusOK, p)
}

func (u *UI) link(r *http.Request, path string) string {
	return strings.TrimSuffix(u.site.PublicURL(r), "/") + path
}

func (u *UI) uninvite(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := u.d.People.Uninvite(r.Context(), web.Of(r.Context()).Actor, id); err != nil {
		return err
	}
	web.Subject(r.Context(), id, "")
	return to(w, r, "/people", "uninvited")
}

func (u *UI) setRole(w http.ResponseWriter, r *http.Request) error {
	id, role := r.PathValue("id"), r.PostFormValue("role")
	if err := u.d.People.SetRole(r.Context(), web.Of(r.Context()).Actor, id, workspace.Role(role)); err != nil {
		return err
	}
	web.Subject(r.Context(), id, role)
	return to(w, r, "/people", "role_changed")
}

// removePerson is also how somebody leaves.
func (u *UI) removePerson(w http.ResponseWriter, r *http.Request) error {
	a, id := web.Of(r.Context()).Actor, r.PathValue("id")
	if err := u.d.People.Remove(r.Context(), a, id); err != nil {
		return err
	}
	web.Subject(r.Context(), id, "")
	if id == a.PersonID {
		return to(w, r, "/", "left")
	}
	return to(w, r, "/people", "removed")
}

func (u *UI) passwordLink(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	token, err := u.d.People.PasswordLink(r.Context(), web.Of(r.Context()).Actor, id)
	if err != nil {
		return err
	}
	web.Subject(r.Context(), id, "")
	p, err := u.people(r)
	if err != nil {
		return err
	}
	for _, m := range p.Members {
		if m.PersonID == id {
			p.LinkFor = orElse(m.Name, m.Email)
		}
	}
	p.Link = u.link(r, workspace.PasswordPath+token)
	return u.showPeople(w, r, http.StatusOK, p)
}
