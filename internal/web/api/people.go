package api

import (
	"context"
	"strings"
	"time"

	"imreport/internal/errs"
	"imreport/internal/web"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

type memberDoc struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Email       *string   `json:"email"`
	Lang        string    `json:"lang" enum:"ko,en"`
	Role        string    `json:"role" enum:"owner,admin,editor,viewer,client"`
	HasPassword bool      `json:"has_password"`
	JoinedAt    time.Time `json:"joined_at"`
}

type changeMemberBody struct {
	Role string `json:"role" enum:"owner,admin,editor,viewer,client" required:"true"`
}

// linkDoc is a link that is shown once.
type linkDoc struct {
	URL string `json:"url"`
}

type invitationDoc struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Role      string    `json:"role" enum:"owner,admin,editor,viewer,client"`
	InvitedBy string    `json:"invited_by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// newInvitationDoc is an invitation just made, with its link.
type newInvitationDoc struct {
	invitationDoc
	URL string `json:"url"`
}

type newInvitationBody struct {
	Email string `json:"email" required:"true"`
	Role  string `json:"role" enum:"owner,admin,editor,viewer,client" required:"true"`
}

func (a *API) peopleCalls() []rest.Operation {
	const tag = "people"
	link := web.Access{Needs: workspace.WritePeople, Action: "member.password_link", Creates: true, Secret: true}
	invite := web.Access{Needs: workspace.WritePeople, Action: "invitation.create", Creates: true, Secret: true}
	// Anybody may leave; package workspace looks at the roles.
	leave := web.Access{Action: "member.remove"}
	return []rest.Operation{
		rest.Op("GET", "/members", "listMembers", tag, 200, reads(workspace.ReadPeople), a.listMembers).With(rest.Paging...),
		rest.Op("PATCH", "/members/{id}", "changeMember", tag, 200, writes(workspace.WritePeople, "member.change"), a.changeMember).
			Fails(409, "last_owner"),
		rest.Op("DELETE", "/members/{id}", "removeMember", tag, 204, leave, a.removeMember).Fails(409, "last_owner"),
		rest.Op("POST", "/members/{id}/password-link", "createPasswordLink", tag, 201, link, a.passwordLink).
			Fails(403, "person_elsewhere"),
		rest.Op("POST", "/invitations", "createInvitation", tag, 201, invite, a.invite).Fails(409, "already_member"),
		rest.Op("GET", "/invitations", "listInvitations", tag, 200, reads(workspace.WritePeople), a.listInvitations).With(rest.Paging...),
		rest.Op("DELETE", "/invitations/{id}", "deleteInvitation", tag, 204, writes(workspace.WritePeople, "invitation.delete"), a.uninvite),
	}
}

func memberOf(m workspace.Member) memberDoc {
	return memberDoc{ID: m.PersonID, Name: m.Name, Email: filled(m.Email), Lang: string(m.Lang), Role: string(m.Role),
		HasPassword: m.HasPassword, JoinedAt: m.JoinedAt}
}

func (a *API) listMembers(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[memberDoc], error) {
	id := func(m workspace.Member) string { return m.PersonID }
	return rest.List(c, func(cursor string, limit int) ([]workspace.Member, error) {
		all, err := a.people.Members(ctx, c.Actor)
		return rest.After(all, id, cursor, limit), err
	}, id, memberOf)
}

// roleOf reads a role; text is what the client sent.
func roleOf(text string) (workspace.Role, error) {
	r, ok := workspace.ParseRole(text)
	if !ok {
		var all []string
		for _, r := range workspace.Roles {
			all = append(all, string(r))
		}
		return "", errs.InvalidField("role", "workspace.role.unknown", text, strings.Join(all, ", "))
	}
	return r, nil
}

func (a *API) changeMember(ctx context.Context, c *rest.Call, in *changeMemberBody) (d memberDoc, err error) {
	role, err := roleOf(in.Role)
	if err != nil {
		return d, err
	}
	if err := a.people.SetRole(ctx, c.Actor, c.ID(), role); err != nil {
		return d, err
	}
	c.Subject(c.ID(), string(role))
	// Whoever took a role from themselves may not list people any more.
	all, err := a.people.Members(ctx, workspace.System(c.Workspace()))
	for _, m := range all {
		if m.PersonID == c.ID() {
			return memberOf(m), nil
		}
	}
	if err == nil {
		err = errs.E(errs.NotFound, "workspace.member_not_found", nil)
	}
	return d, err
}

func (a *API) removeMember(ctx context.Context, c *rest.Call, _ *rest.None) (none rest.None, err error) {
	c.Subject(c.ID(), "")
	return none, a.people.Remove(ctx, c.Actor, c.ID())
}

func (a *API) passwordLink(ctx context.Context, c *rest.Call, _ *rest.None) (d linkDoc, err error) {
	token, err := a.people.PasswordLink(ctx, c.Actor, c.ID())
	if err != nil {
		return d, err
	}
	c.Subject(c.ID(), "")
	return linkDoc{a.site.PublicURL(c.R) + workspace.PasswordPath + token}, nil
}

func invitationOf(v workspace.Invitation) invitationDoc {
	return invitationDoc{ID: v.ID, Email: v.Email, Role: string(v.Role), InvitedBy: v.InvitedBy, CreatedAt: v.CreatedAt, ExpiresAt: v.ExpiresAt}
}

func (a *API) invite(ctx context.Context, c *rest.Call, in *newInvitationBody) (d newInvitationDoc, err error) {
	role, err := roleOf(in.Role)
	if err != nil {
		return d, err
	}
	v, token, err := a.people.Invite(ctx, c.Actor, in.Email, role)
	if err != nil {
		return d, err
	}
	c.Created("/invitations", v.ID, v.Email)
	return newInvitationDoc{invitationOf(v), a.site.PublicURL(c.R) + workspace.InvitePath + token}, nil
}

func (a *API) listInvitations(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[invitationDoc], error) {
	id := func(v workspace.Invitation) string { return v.ID }
	return rest.List(c, func(cursor string, limit int) ([]workspace.Invitation, error) {
		all, err := a.people.Invitations(ctx, c.Actor)
		return rest.After(all, id, cursor, limit), err
	}, id, invitationOf)
}

func (a *API) uninvite(ctx context.Context, c *rest.Call, _ *rest.None) (none rest.None, err error) {
	c.Subject(c.ID(), "")
	return none, a.people.Uninvite(ctx, c.Actor, c.ID())
}
