package workspace

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
)

// Invitation is an offer to join a workspace that nobody has taken yet.
type Invitation struct {
	ID          string
	WorkspaceID string
	Email       string
	Role        Role
	InvitedBy   string // name
	CreatedAt   time.Time
	ExpiresAt   time.Time
}

const invitationLife = 7 * 24 * time.Hour

// Invite offers somebody a role in the actor's workspace and returns the token
// of the link to hand to them. An open offer to the same address is replaced,
// and its link stops working. The role is at most the actor's.
func (s *Service) Invite(ctx context.Context, a Actor, email string, r Role) (v Invitation, token string, err error) {
	if err := a.Need(WritePeople); err != nil {
		return v, "", err
	}
	email, wrong := checkEmail("email", email)
	if _, ok := ParseRole(string(r)); !ok {
		wrong = append(wrong, unknownRole("role", r))
	}
	if len(wrong) > 0 {
		return v, "", errs.InvalidFields(wrong...)
	}
	if !a.Role.AtLeast(r) {
		return v, "", errs.InvalidField("role", "workspace.token.role_above_own", roleName(r), roleName(a.Role))
	}
	token = newSecret("imi_")
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		at := s.now()
		v = Invitation{ID: db.NewID(), WorkspaceID: a.WorkspaceID, Email: email, Role: r, InvitedBy: a.Name, CreatedAt: at, ExpiresAt: at.Add(invitationLife)}
		var member int
		err := tx.QueryRow(ctx, `SELECT count(*) FROM member m JOIN person p ON p.id = m.person_id
			WHERE m.workspace_id = $1 AND p.email = $2`, a.WorkspaceID, email).Scan(&member)
		if err == nil && member > 0 {
			return errs.E(errs.Conflict, "workspace.already_member", nil, email)
		}
		if err == nil {
			_, err = tx.Exec(ctx, `
				INSERT INTO invitation (id, workspace_id, email, role, hash, invited_by, created_us, expires_us, used_us)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)
				ON CONFLICT (workspace_id, email) WHERE used_us = 0 DO UPDATE SET
					id = excluded.id, role = excluded.role, hash = excluded.hash, invited_by = excluded.invited_by,
					created_us = excluded.created_us, expires_us = excluded.expires_us`,
				v.ID, v.WorkspaceID, email, r, s.fingerprint(forInvitation, token), a.PersonID, db.US(at), db.US(v.ExpiresAt))
		}
		if err != nil {
			return fmt.Errorf("insert invitation: %w", err)
		}
		return nil
	})
	return v, token, err
}

// Invitations lists the open offers of the actor's workspace, newest first.
func (s *Service) Invitations(ctx context.Context, a Actor) ([]Invitation, error) {
	if err := a.Need(WritePeople); err != nil {
		return nil, err
	}
	all, err := db.All(ctx, s.d, scanInvitation, `SELECT `+invitationColumns+`
		WHERE i.workspace_id = $1 AND i.used_us = 0 AND i.expires_us > $2 ORDER BY i.id DESC`, a.WorkspaceID, db.US(s.now()))
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", err)
	}
	return all, nil
}

// Uninvite takes an open offer back.
func (s *Service) Uninvite(ctx context.Context, a Actor, id string) error {
	if err := a.Need(WritePeople); err != nil {
		return err
	}
	n, err := s.d.Exec(ctx, `DELETE FROM invitation WHERE workspace_id = $1 AND id = $2 AND used_us = 0`, a.WorkspaceID, id)
	if err == nil && n == 0 {
		err = errs.E(errs.NotFound, "workspace.invitation_not_found", nil)
	}
	return err
}

const invitationColumns = `i.id, i.workspace_id, i.email, i.role, p.name, i.created_us, i.expires_us
	FROM invitation i JOIN person p ON p.id = i.invited_by`

func scanInvitation(r db.Scanner) (v Invitation, err error) {
	var created, expires int64
	err = r.Scan(&v.ID, &v.WorkspaceID, &v.Email, &v.Role, &v.InvitedBy, &created, &expires)
	v.CreatedAt, v.ExpiresAt = db.Time(created), db.Time(expires)
	return v, err
}

// InvitationPage is what the page of an invitation shows.
type InvitationPage struct {
	Invitation
	Workspace string
	// Known: the address has a sign-in already, and its password is asked for;
	// else a name and a new password.
	Known bool
}

// Invitation is the open offer behind a link. The errors workspace.link_unknown
// and workspace.link_expired say why there is none.
func (s *Service) Invitation(ctx context.Context, token string) (v InvitationPage, err error) {
	if v.Invitation, err = s.invitation(ctx, s.d, token, s.now()); err != nil {
		return v, err
	}
	w, err := s.Get(ctx, v.WorkspaceID)
	if err != nil {
		return v, err
	}
	v.Workspace = w.Name
	_, known, err := invited(ctx, s.d, v.Email)
	v.Known = known
	return v, err
}

func (s *Service) invitation(ctx context.Context, q db.Queryer, token string, at time.Time) (Invitation, error) {
	v, err := scanInvitation(q.QueryRow(ctx, `SELECT `+invitationColumns+` WHERE i.hash = $1 AND i.used_us = 0`, s.fingerprint(forInvitation, token)))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return v, errs.E(errs.NotFound, "workspace.link_unknown", nil)
	case err != nil:
		return v, fmt.Errorf("find invitation: %w", err)
	case !at.Before(v.ExpiresAt):
		return v, errs.E(errs.Gone, "workspace.link_expired", nil)
	}
	return v, nil
}

// invited is the person of an address, and whether they have to prove who they
// are: the invitation's maker has seen the link as well, and must not come by
// it into other people's workspaces.
func invited(ctx context.Context, q db.Queryer, email string) (p person, known bool, err error) {
	p, err = personByEmail(ctx, q, email)
	if errors.Is(err, sql.ErrNoRows) {
		return person{}, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("person of an invitation: %w", err)
	}
	var n int
	err = q.QueryRow(ctx, `SELECT count(*) FROM member WHERE person_id = $1`, p.id).Scan(&n)
	return p, n > 0 || p.instanceOwner, err
}

// Accept is what somebody says who takes an invitation.
type Accept struct {
	Name     string // for who is new
	Lang     i18n.Lang
	Password string // a new one, or the one that a known person has
	// Signed is who is signed in already, if somebody is: a person who is
	// known needs no password then.
	Signed Actor
}

// AcceptInvitation makes who holds the link a member, once, and signs them in.
func (s *Service) AcceptInvitation(ctx context.Context, token string, in Accept) (v Session, err error) {
	at := s.now()
	offer, err := s.invitation(ctx, s.d, token, at)
	if err != nil {
		return v, err
	}
	p, known, err := invited(ctx, s.d, offer.Email)
	if err != nil {
		return v, err
	}
	hash := ""
	if known {
		if in.Signed.Via != ViaSession || in.Signed.PersonID != p.id {
			if err := s.prove(ctx, p, offer.Email, in.Password, "", "workspace.password.wrong"); err != nil {
				return v, err
			}
		}
	} else {
		in.Name = strings.TrimSpace(in.Name)
		wrong := append(checkName("name", in.Name), checkPassword("password", in.Password, offer.Email, in.Name)...)
		if len(wrong) > 0 {
			return v, errs.InvalidFields(wrong...)
		}
		hash = s.hash.make(in.Password)
	}
	if _, ok := i18n.Parse(string(in.Lang)); !ok {
		in.Lang = i18n.Korean
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE invitation SET used_us = $2 WHERE id = $1 AND used_us = 0`, offer.ID, db.US(at))
		if err != nil {
			return fmt.Errorf("use invitation: %w", err)
		}
		if n == 0 {
			return errs.E(errs.Gone, "workspace.link_expired", nil)
		}
		now, stillKnown, err := invited(ctx, tx, offer.Email)
		if err != nil {
			return err
		}
		if stillKnown != known {
			return errs.E(errs.Conflict, "workspace.changed_meanwhile", nil)
		}
		id := now.id
		switch {
		case id == "":
			id, err = insertPerson(ctx, tx, person{email: offer.Email, name: in.Name, password: hash, lang: in.Lang}, at)
		case !known:
			if _, err = tx.Exec(ctx, `UPDATE person SET name = $2, lang = $3 WHERE id = $1`, id, in.Name, in.Lang); err == nil {
				err = s.setPassword(ctx, tx, id, hash, "")
			}
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO member (workspace_id, person_id, role, created_us) VALUES ($1, $2, $3, $4)
			ON CONFLICT (workspace_id, person_id) DO NOTHING`, offer.WorkspaceID, id, offer.Role, db.US(at))
		if err != nil {
			return fmt.Errorf("insert member: %w", err)
		}
		a, err := s.actor(ctx, tx, offer.WorkspaceID, id, ViaSession)
		if err != nil {
			return err
		}
		v, err = s.newSession(ctx, tx, a, at)
		return err
	})
	return v, err
}
