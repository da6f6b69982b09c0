package api

import (
	"context"
	"time"

	"imreport/internal/errs"
	"imreport/internal/web"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

type workspaceDoc struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Zone      string    `json:"zone"`
	Lang      string    `json:"lang" enum:"ko,en"`
	CreatedAt time.Time `json:"created_at"`
}

// newWorkspaceDoc is a workspace just made, with its token.
type newWorkspaceDoc struct {
	workspaceDoc
	Token string `json:"token"`
}

// membershipDoc is a workspace as one of its people sees it.
type membershipDoc struct {
	workspaceDoc
	Role    string `json:"role" enum:"owner,admin,editor,viewer,client"`
	Current bool   `json:"current"`
}

type newWorkspaceBody struct {
	Name string `json:"name" required:"true"`
	Zone string `json:"zone" default:"Asia/Seoul"`
	Lang string `json:"lang" enum:"ko,en" default:"ko"`
}

type changeWorkspaceBody struct {
	Name *string `json:"name"`
	Zone *string `json:"zone"`
	Lang *string `json:"lang" enum:"ko,en"`
}

type auditDoc struct {
	ID       string    `json:"id"`
	PersonID *string   `json:"person_id"`
	Person   *string   `json:"person"`
	Via      string    `json:"via"`
	Action   string    `json:"action"`
	Subject  string    `json:"subject"`
	Detail   string    `json:"detail"`
	At       time.Time `json:"at"`
}

func (a *API) workspaceCalls() []rest.Operation {
	const tag = "workspaces"
	create := web.Access{Owner: true, Action: "workspace.create", Creates: true, Secret: true}
	return []rest.Operation{
		rest.Op("POST", "/workspaces", "createWorkspace", tag, 201, create, a.createWorkspace),
		rest.Op("GET", "/workspaces", "listWorkspaces", tag, 200, web.Access{}, a.listWorkspaces).With(rest.Paging...),
		rest.Op("GET", "/workspaces/{id}", "getWorkspace", tag, 200, web.Access{}, a.getWorkspace),
		rest.Op("PATCH", "/workspaces/{id}", "changeWorkspace", tag, 200, writes(workspace.WriteWorkspace, "workspace.change"), a.changeWorkspace),
		rest.Op("GET", "/audit", "getAudit", tag, 200, reads(workspace.ReadAudit), a.getAudit).With(rest.Paging...),
	}
}

func workspaceOf(w workspace.Workspace) workspaceDoc {
	return workspaceDoc{ID: w.ID, Name: w.Name, Zone: w.Zone, Lang: string(w.Lang), CreatedAt: w.CreatedAt}
}

// createWorkspace makes a workspace and a token of its own, which is shown
// once.
func (a *API) createWorkspace(ctx context.Context, c *rest.Call, in *newWorkspaceBody) (d newWorkspaceDoc, err error) {
	w, token, err := a.people.Create(ctx, c.Actor, workspace.NewWorkspace{Name: in.Name, Zone: in.Zone, Lang: in.Lang})
	if err != nil {
		return d, err
	}
	c.Created("/workspaces", w.ID, w.Name)
	return newWorkspaceDoc{workspaceOf(w), token}, nil
}

func (a *API) memberships(ctx context.Context, c *rest.Call) ([]membershipDoc, error) {
	all, err := a.people.Workspaces(ctx, c.Actor.PersonID)
	if err != nil {
		return nil, err
	}
	var docs []membershipDoc
	for _, m := range all {
		if c.Actor.Via == workspace.ViaToken && m.ID != c.Actor.WorkspaceID {
			continue // a token sees its own workspace and no other
		}
		docs = append(docs, membershipDoc{workspaceOf(m.Workspace), string(m.Role), m.ID == c.Actor.WorkspaceID})
	}
	return docs, nil
}

func (a *API) listWorkspaces(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[membershipDoc], error) {
	id := func(m membershipDoc) string { return m.ID }
	return rest.List(c, func(cursor string, limit int) ([]membershipDoc, error) {
		all, err := a.memberships(ctx, c)
		return rest.After(all, id, cursor, limit), err
	}, id, func(m membershipDoc) membershipDoc { return m })
}

func (a *API) getWorkspace(ctx context.Context, c *rest.Call, _ *rest.None) (membershipDoc, error) {
	all, err := a.memberships(ctx, c)
	for _, m := range all {
		if m.ID == c.ID() {
			return m, nil
		}
	}
	if err == nil {
		err = errs.E(errs.NotFound, "workspace.not_found", nil)
	}
	return membershipDoc{}, err
}

func (a *API) changeWorkspace(ctx context.Context, c *rest.Call, in *changeWorkspaceBody) (d workspaceDoc, err error) {
	if c.ID() != c.Workspace() {
		return d, errs.E(errs.NotFound, "workspace.not_found", nil)
	}
	w, err := a.people.Update(ctx, c.Actor, workspace.WorkspaceChange{Name: in.Name, Zone: in.Zone, Lang: in.Lang})
	if err != nil {
		return d, err
	}
	c.Subject(w.ID, w.Name)
	return workspaceOf(w), nil
}

func (a *API) getAudit(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[auditDoc], error) {
	return rest.List(c, func(cursor string, limit int) ([]workspace.AuditEntry, error) {
		return a.people.Audit(ctx, c.Actor, cursor, limit)
	}, func(e workspace.AuditEntry) string { return e.ID }, func(e workspace.AuditEntry) auditDoc {
		return auditDoc{ID: e.ID, PersonID: filled(e.PersonID), Person: filled(e.Person), Via: string(e.Via),
			Action: e.Action, Subject: e.Subject, Detail: e.Detail, At: e.At}
	})
}

// filled is nil for an empty text.
func filled(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
