package ui

import (
	"net/http"
	"strings"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/web"
	"imreport/internal/web/page"
	"imreport/internal/workspace"
)

func (u *UI) mountSettings() {
	u.site.Page("GET /settings", member, u.settingsPage)
	u.site.Page("POST /settings/profile", web.Access{Action: "profile.change"}, u.saveProfile)
	u.site.Page("POST /settings/password", web.Access{Action: "profile.password"}, u.savePassword)
	u.site.Page("POST /settings/sign-out-others", member, u.signOutOthers)
	u.site.Page("POST /settings/workspace", does(workspace.WriteWorkspace, "workspace.change"), u.saveWorkspace)
	u.site.Page("POST /settings/tokens", does(workspace.OwnTokens, "token.create"), u.createToken)
	u.site.Page("POST /settings/tokens/{id}/revoke", does(workspace.OwnTokens, "token.revoke"), u.revokeToken)
}

// settingsPage is what a person and, who may, a workspace can set.
type settingsPage struct {
	Profile   workspace.Profile
	Workspace workspace.Workspace
	Tokens    []workspace.Token
	Audit     []workspace.AuditEntry
	Roles     []workspace.Role
	CanWrite  bool
	CanToken  bool
	Token     string   // shown once
	Wrong     mistakes // of the form named by In
	In        string
}

// auditShow bounds the page.
const auditShow = 30

func (u *UI) settings(r *http.Request) (p settingsPage, err error) {
	a := web.Of(r.Context()).Actor
	p.CanWrite, p.CanToken = a.May(workspace.WriteWorkspace), a.May(workspace.OwnTokens)
	if p.Profile, err = u.d.People.Profile(r.Context(), a); err != nil {
		return p, err
	}
	if p.Workspace, err = u.d.People.Get(r.Context(), a.WorkspaceID); err != nil {
		return p, err
	}
	for _, role := range workspace.Roles {
		if a.Role.AtLeast(role) {
			p.Roles = append(p.Roles, role)
		}
	}
	if p.CanToken {
		if p.Tokens, err = u.d.People.Tokens(r.Context(), a, "", listRead); err != nil {
			return p, err
		}
	}
	if a.May(workspace.ReadAudit) {
		p.Audit, err = u.d.People.Audit(r.Context(), a, "", auditShow)
	}
	return p, err
}

func (u *UI) showSettings(w http.ResponseWriter, r *http.Request, status int, p settingsPage) error {
	if p.Token != "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	return u.pages.Render(w, r, status, "settings", page.Page{
		Title: i18n.T(web.Of(r.Context()).Lang, "ui.nav.settings"), Section: "settings", Data: p,
	})
}

func (u *UI) settingsPage(w http.ResponseWriter, r *http.Request) error {
	p, err := u.settings(r)
	if err != nil {
		return err
	}
	return u.showSettings(w, r, http.StatusOK, p)
}

// saved goes back to the settings, or shows what is wrong in the form called
// in.
func (u *UI) saved(w http.ResponseWriter, r *http.Request, in string, err error) error {
	if err == nil {
		return to(w, r, "/settings", "saved")
	}
	m, ok := mistakesOf(web.Of(r.Context()).Lang, err)
	if !ok {
		return err
	}
	p, perr := u.settings(r)
	if perr != nil {
		return perr
	}
	p.In, p.Wrong = in, m
	if in == "profile" {
		p.Profile.Name, p.Profile.Email = r.PostFormValue("name"), r.PostFormValue("email")
	}
	return u.showSettings(w, r, http.StatusUnprocessableEntity, p)
}

func (u *UI) saveProfile(w http.ResponseWriter, r *http.Request) error {
	a := web.Of(r.Context()).Actor
	name, email, lang := r.PostFormValue("name"), strings.TrimSpace(r.PostFormValue("email")), r.PostFormValue("lang")
	c := workspace.ProfileChange{Name: &name, Lang: &lang, Password: r.PostFormValue("password")}
	if email != "" {
		c.Email = &email
	}
	_, err := u.d.People.UpdateProfile(r.Context(), a, c)
	if l, ok := i18n.Parse(lang); ok && err == nil {
		u.site.SetLang(w, r, l)
	}
	return u.saved(w, r, "profile", err)
}

func (u *UI) savePassword(w http.ResponseWriter, r *http.Request) error {
	info := web.Of(r.Context())
	err := u.d.People.SetPassword(r.Context(), info.Actor, info.Session, r.PostFormValue("old_password"), r.PostFormValue("new_password"))
	if e := errs.As(err); e != nil {
		for i, f := range e.Fields { // the form asks for the password elsewhere too
			if f.Name == "password" {
				e.Fields[i].Name = "new_password"
			}
		}
	}
	return u.saved(w, r, "password", err)
}

func (u *UI) signOutOthers(w http.ResponseWriter, r *http.Request) error {
	info := web.Of(r.Context())
	if _, err := u.d.People.SignOutOthers(r.Context(), info.Actor, info.Session); err != nil {
		return err
	}
	return to(w, r, "/settings", "signed_out_others")
}

func (u *UI) saveWorkspace(w http.ResponseWriter, r *http.Request) error {
	name, zone, lang := r.PostFormValue("name"), r.PostFormValue("zone"), r.PostFormValue("lang")
	v, err := u.d.People.Update(r.Context(), web.Of(r.Context()).Actor, workspace.WorkspaceChange{Name: &name, Zone: &zone, Lang: &lang})
	if err == nil {
		web.Subject(r.Context(), v.ID, v.Name)
	}
	return u.saved(w, r, "workspace", err)
}

func (u *UI) createToken(w http.ResponseWriter, r *http.Request) error {
	a := web.Of(r.Context()).Actor
	t, text, err := u.d.People.CreateToken(r.Context(), a, workspace.NewToken{Name: r.PostFormValue("name"), Role: workspace.Role(r.PostFormValue("role"))})
	if err != nil {
		return u.saved(w, r, "token", err)
	}
	web.Subject(r.Context(), t.ID, t.Name)
	p, err := u.settings(r)
	if err != nil {
		return err
	}
	p.Token = text
	return u.showSettings(w, r, http.StatusOK, p)
}

func (u *UI) revokeToken(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := u.d.People.RevokeToken(r.Context(), web.Of(r.Context()).Actor, id); err != nil {
		return err
	}
	web.Subject(r.Context(), id, "")
	return to(w, r, "/settings", "revoked")
}
