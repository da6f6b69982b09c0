package api

import (
	"context"

	"imreport/internal/errs"
	"imreport/internal/web"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

type profileDoc struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Email       *string      `json:"email"`
	Lang        string       `json:"lang" enum:"ko,en"`
	HasPassword bool         `json:"has_password"`
	Role        string       `json:"role" enum:"owner,admin,editor,viewer,client"`
	Instance    bool         `json:"instance"`
	Workspace   workspaceDoc `json:"workspace"`
}

type changeProfileBody struct {
	Name     *string `json:"name"`
	Email    *string `json:"email"`
	Lang     *string `json:"lang" enum:"ko,en"`
	Password string  `json:"password"`
}

type passwordBody struct {
	Old string `json:"old"`
	New string `json:"new" required:"true"`
}

func (a *API) profileCalls() []rest.Operation {
	const tag = "profile"
	return []rest.Operation{
		rest.Op("GET", "/profile", "getProfile", tag, 200, web.Access{}, a.getProfile),
		rest.Op("PATCH", "/profile", "changeProfile", tag, 200, web.Access{Action: "profile.change"}, a.changeProfile).
			Secured(rest.BySession).Fails(403, "needs_session"),
		rest.Op("POST", "/profile/password", "changePassword", tag, 204, web.Access{Action: "profile.password"}, a.changePassword).
			Secured(rest.BySession).Fails(403, "needs_session"),
	}
}

func (a *API) profile(ctx context.Context, c *rest.Call) (profileDoc, error) {
	p, err := a.people.Profile(ctx, c.Actor)
	if err != nil {
		return profileDoc{}, err
	}
	w, err := a.people.Get(ctx, c.Workspace())
	return profileDoc{ID: p.ID, Name: p.Name, Email: filled(p.Email), Lang: string(p.Lang), HasPassword: p.HasPassword,
		Role: string(c.Actor.Role), Instance: c.Actor.InstanceOwner, Workspace: workspaceOf(w)}, err
}

func (a *API) getProfile(ctx context.Context, c *rest.Call, _ *rest.None) (profileDoc, error) {
	return a.profile(ctx, c)
}

func (a *API) changeProfile(ctx context.Context, c *rest.Call, in *changeProfileBody) (d profileDoc, err error) {
	p, err := a.people.UpdateProfile(ctx, c.Actor, workspace.ProfileChange{Name: in.Name, Email: in.Email, Lang: in.Lang, Password: in.Password})
	if err != nil {
		return d, err
	}
	c.Subject(p.ID, p.Name)
	return a.profile(ctx, c)
}

func (a *API) changePassword(ctx context.Context, c *rest.Call, in *passwordBody) (none rest.None, err error) {
	session := web.Of(ctx).Session
	if session == "" {
		return none, errs.E(errs.Forbidden, "workspace.needs_session", nil)
	}
	c.Subject(c.Actor.PersonID, "")
	return none, a.people.SetPassword(ctx, c.Actor, session, in.Old, in.New)
}
