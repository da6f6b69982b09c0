package api

import (
	"context"
	"time"

	"imreport/internal/web"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

type tokenDoc struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Role      string     `json:"role" enum:"owner,admin,editor,viewer,client"`
	Instance  bool       `json:"instance"`
	PersonID  string     `json:"person_id"`
	Person    string     `json:"person"`
	CreatedAt time.Time  `json:"created_at"`
	UsedAt    *time.Time `json:"used_at"`
}

// newTokenDoc is a token just made, with its text.
type newTokenDoc struct {
	tokenDoc
	Token string `json:"token"`
}

type newTokenBody struct {
	Name     string `json:"name" required:"true"`
	Role     string `json:"role" enum:"owner,admin,editor,viewer,client"`
	Instance bool   `json:"instance"`
}

func (a *API) tokenCalls() []rest.Operation {
	const tag = "tokens"
	create := web.Access{Needs: workspace.OwnTokens, Action: "token.create", Creates: true, Secret: true}
	return []rest.Operation{
		rest.Op("POST", "/tokens", "createToken", tag, 201, create, a.createToken),
		rest.Op("GET", "/tokens", "listTokens", tag, 200, reads(workspace.OwnTokens), a.listTokens).With(rest.Paging...),
		rest.Op("DELETE", "/tokens/{id}", "revokeToken", tag, 204, writes(workspace.OwnTokens, "token.revoke"), a.revokeToken),
	}
}

func tokenOf(t workspace.Token) tokenDoc {
	return tokenDoc{ID: t.ID, Name: t.Name, Role: string(t.Role), Instance: t.Instance, PersonID: t.PersonID, Person: t.Person,
		CreatedAt: t.CreatedAt, UsedAt: instant(t.UsedAt)}
}

func (a *API) createToken(ctx context.Context, c *rest.Call, in *newTokenBody) (d newTokenDoc, err error) {
	var role workspace.Role
	if in.Role != "" {
		if role, err = roleOf(in.Role); err != nil {
			return d, err
		}
	}
	t, text, err := a.people.CreateToken(ctx, c.Actor, workspace.NewToken{Name: in.Name, Role: role, Instance: in.Instance})
	if err != nil {
		return d, err
	}
	c.Created("/tokens", t.ID, t.Name)
	return newTokenDoc{tokenOf(t), text}, nil
}

func (a *API) listTokens(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[tokenDoc], error) {
	return rest.List(c, func(cursor string, limit int) ([]workspace.Token, error) {
		return a.people.Tokens(ctx, c.Actor, cursor, limit)
	}, func(t workspace.Token) string { return t.ID }, tokenOf)
}

func (a *API) revokeToken(ctx context.Context, c *rest.Call, _ *rest.None) (none rest.None, err error) {
	c.Subject(c.ID(), "")
	return none, a.people.RevokeToken(ctx, c.Actor, c.ID())
}
