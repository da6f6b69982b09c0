package ui

import (
	"net"
	"net/http"

	"imreport/internal/i18n"
	"imreport/internal/web"
	"imreport/internal/web/page"
	"imreport/internal/workspace"
)

// public is the access of pages before anybody has signed in.
var public = web.Access{Public: true}

func (u *UI) mountSign() {
	u.site.Page("GET /{$}", public, func(w http.ResponseWriter, r *http.Request) error { return to(w, r, "/raw-data", "") })
	u.site.Page("GET /sign-in", public, u.signInPage)
	u.site.Page("POST /sign-in", public, u.signIn)
	u.site.Page("POST /sign-out", public, u.signOut)
	u.site.Page("GET "+workspace.LinkPath+"{token}", public, u.linkPage)
	u.site.Page("POST "+workspace.LinkPath+"{token}", public, u.useLink)
	u.site.Page("GET "+workspace.PasswordPath+"{token}", public, u.passwordPage)
	u.site.Page("POST "+workspace.PasswordPath+"{token}", public, u.usePassword)
	u.site.Page("GET "+workspace.InvitePath+"{token}", public, u.invitationPage)
	u.site.Page("POST "+workspace.InvitePath+"{token}", public, u.acceptInvitation)
	u.site.Page("POST /language", public, u.language)
	u.site.Page("POST /workspace", member, u.switchWorkspace)
}

// signForm is what the pages around signing in show.
type signForm struct {
	Email, Next, Name string
	Workspace, Role   string
	Known             bool // an invited person who has a sign-in already
	Wrong             mistakes
}

func (u *UI) signInPage(w http.ResponseWriter, r *http.Request) error {
	next := web.LocalPath(r.URL.Query().Get("next"))
	if web.Of(r.Context()).Known {
		return to(w, r, next, "")
	}
	return u.showSign(w, r, http.StatusOK, "sign_in", signForm{Next: next})
}

func (u *UI) showSign(w http.ResponseWriter, r *http.Request, status int, name string, f signForm) error {
	w.Header().Set("Cache-Control", "no-store")
	// These pages stand alone also for somebody who has signed in.
	return u.pages.Render(w, r, status, name, page.Page{Title: i18n.T(web.Of(r.Context()).Lang, "ui."+name), Data: f})
}

func (u *UI) signIn(w http.ResponseWriter, r *http.Request) error {
	f := signForm{Email: r.PostFormValue("email"), Next: web.LocalPath(r.PostFormValue("next"))}
	s, err := u.d.People.SignIn(r.Context(), f.Email, r.PostFormValue("password"), origin(r))
	if err != nil {
		return u.refused(w, r, "sign_in", f, err)
	}
	u.site.SetSession(w, r, s.Token, s.ExpiresAt)
	return to(w, r, f.Next, "")
}

// refused shows the form again with what is wrong; what is no mistake of the
// person's goes on as an error.
func (u *UI) refused(w http.ResponseWriter, r *http.Request, name string, f signForm, err error) error {
	info := web.Of(r.Context())
	m, ok := mistakesOf(info.Lang, err)
	if !ok {
		return err
	}
	f.Wrong = m
	return u.showSign(w, r, web.ProblemOf(err, info.Lang, info.ID).Status, name, f)
}

// origin is the address from which somebody tries to sign in.
func origin(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (u *UI) signOut(w http.ResponseWriter, r *http.Request) error {
	if s := web.Of(r.Context()).Session; s != "" {
		if err := u.d.People.SignOut(r.Context(), s); err != nil {
			return err
		}
	}
	u.site.EndSession(w, r)
	return to(w, r, "/sign-in", "")
}

// linkPage asks for one click before a link is used up: mail scanners and
// chat previews open links as well.
func (u *UI) linkPage(w http.ResponseWriter, r *http.Request) error {
	return u.showSign(w, r, http.StatusOK, "link", signForm{})
}

func (u *UI) useLink(w http.ResponseWriter, r *http.Request) error {
	s, err := u.d.People.UseSignInLink(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	u.site.SetSession(w, r, s.Token, s.ExpiresAt)
	return to(w, r, "/raw-data", "")
}

func (u *UI) passwordPage(w http.ResponseWriter, r *http.Request) error {
	p, err := u.d.People.LinkPerson(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	return u.showSign(w, r, http.StatusOK, "password", signForm{Name: p.Name, Email: p.Email})
}

func (u *UI) usePassword(w http.ResponseWriter, r *http.Request) error {
	token := r.PathValue("token")
	s, err := u.d.People.UsePasswordLink(r.Context(), token, r.PostFormValue("password"))
	if err != nil {
		p, perr := u.d.People.LinkPerson(r.Context(), token)
		if perr != nil {
			return perr
		}
		return u.refused(w, r, "password", signForm{Name: p.Name, Email: p.Email}, err)
	}
	u.site.SetSession(w, r, s.Token, s.ExpiresAt)
	return to(w, r, "/raw-data", "password_set")
}

func (u *UI) invitation(r *http.Request) (signForm, error) {
	v, err := u.d.People.Invitation(r.Context(), r.PathValue("token"))
	if err != nil {
		return signForm{}, err
	}
	return signForm{Email: v.Email, Workspace: v.Workspace, Role: string(v.Role), Known: v.Known}, nil
}

func (u *UI) invitationPage(w http.ResponseWriter, r *http.Request) error {
	f, err := u.invitation(r)
	if err != nil {
		return err
	}
	return u.showSign(w, r, http.StatusOK, "invitation", f)
}

func (u *UI) acceptInvitation(w http.ResponseWriter, r *http.Request) error {
	info := web.Of(r.Context())
	s, err := u.d.People.AcceptInvitation(r.Context(), r.PathValue("token"), workspace.Accept{
		Name: r.PostFormValue("name"), Password: r.PostFormValue("password"), Lang: info.Lang, Signed: info.Actor,
	})
	if err != nil {
		f, ferr := u.invitation(r)
		if ferr != nil {
			return ferr
		}
		f.Name = r.PostFormValue("name")
		return u.refused(w, r, "invitation", f, err)
	}
	u.site.SetSession(w, r, s.Token, s.ExpiresAt)
	return to(w, r, "/raw-data", "welcome")
}

func (u *UI) language(w http.ResponseWriter, r *http.Request) error {
	if l, ok := i18n.Parse(r.PostFormValue("lang")); ok {
		u.site.SetLang(w, r, l)
	}
	return to(w, r, web.LocalPath(r.PostFormValue("back")), "")
}

func (u *UI) switchWorkspace(w http.ResponseWriter, r *http.Request) error {
	_, err := u.d.People.Switch(r.Context(), web.Of(r.Context()).Session, r.PostFormValue("id"))
	if err != nil {
		return err
	}
	return to(w, r, "/raw-data", "")
}
