package workspace

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// linkKind says what a link does.
type linkKind string

// The kinds of links.
const (
	linkSignIn   linkKind = "sign_in"
	linkPassword linkKind = "password"
)

// linkLife is how long a link works.
const linkLife = 24 * time.Hour

// The paths of the pages behind links; the token of the link follows.
const (
	LinkPath     = "/sign-in/"
	PasswordPath = "/password/"
	InvitePath   = "/invitations/"
)

// insertLink makes a link and ends the unused ones of its kind.
func (s *Service) insertLink(ctx context.Context, tx *db.Tx, workspaceID, personID string, k linkKind, at time.Time) (string, error) {
	_, err := tx.Exec(ctx, `DELETE FROM sign_in_link WHERE person_id = $1 AND purpose = $2 AND used_us = 0`, personID, k)
	if err != nil {
		return "", fmt.Errorf("end former links: %w", err)
	}
	token := newSecret("iml_")
	_, err = tx.Exec(ctx, `INSERT INTO sign_in_link (hash, person_id, workspace_id, purpose, created_us, expires_us, used_us)
		VALUES ($1, $2, $3, $4, $5, $6, 0)`, s.fingerprint(forLink, token), personID, workspaceID, k, db.US(at), db.US(at.Add(linkLife)))
	if err != nil {
		return "", fmt.Errorf("insert link: %w", err)
	}
	return token, nil
}

// SignInLink makes a link that signs the actor in, once, within 24 hours; for
// commands on the server itself, where Local is the actor.
func (s *Service) SignInLink(ctx context.Context, a Actor) (token string, err error) {
	if a.Via != ViaSystem {
		return "", errs.E(errs.Forbidden, "workspace.needs_session", nil)
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		token, err = s.insertLink(ctx, tx, a.WorkspaceID, a.PersonID, linkSignIn, s.now())
		return err
	})
	return token, err
}

// PasswordLink makes a link by which a member sets a new password, once,
// within 24 hours. Admins make it for members who are not above them and who
// belong to this workspace only: the link is a key to everything that the
// person may see. For all others the instance's owner does
// (workspace.person_elsewhere).
func (s *Service) PasswordLink(ctx context.Context, a Actor, personID string) (token string, err error) {
	if err := a.Need(WritePeople); err != nil {
		return "", err
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		r, err := lockMember(ctx, tx, a, personID)
		if err != nil {
			return err
		}
		if !a.Role.AtLeast(r) {
			return errs.E(errs.Forbidden, "workspace.forbidden", nil, roleName(a.Role), roleName(r))
		}
		var elsewhere int
		err = tx.QueryRow(ctx, `SELECT
			(SELECT count(*) FROM member WHERE person_id = $1 AND workspace_id <> $2) +
			(SELECT count(*) FROM person WHERE id = $1 AND instance_owner)`, personID, a.WorkspaceID).Scan(&elsewhere)
		if err != nil {
			return fmt.Errorf("workspaces of person %s: %w", personID, err)
		}
		if elsewhere > 0 && !a.InstanceOwner {
			return errs.E(errs.Forbidden, "workspace.person_elsewhere", nil)
		}
		token, err = s.insertLink(ctx, tx, a.WorkspaceID, personID, linkPassword, s.now())
		return err
	})
	return token, err
}

// UseSignInLink signs a person in by a link that is good once. The errors
// workspace.link_unknown and workspace.link_expired say why not.
func (s *Service) UseSignInLink(ctx context.Context, token string) (v Session, err error) {
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		at := s.now()
		l, err := s.spend(ctx, tx, token, linkSignIn, at)
		if err != nil {
			return err
		}
		a, err := s.actor(ctx, tx, l.workspace, l.person, ViaSession)
		if err != nil {
			return err
		}
		v, err = s.newSession(ctx, tx, a, at)
		return err
	})
	return v, err
}

// LinkPerson is whose good password link it is, to show the page; it does not
// use the link up.
func (s *Service) LinkPerson(ctx context.Context, token string) (Profile, error) {
	l, err := s.link(ctx, s.d, token, linkPassword, s.now())
	if err != nil {
		return Profile{}, err
	}
	return s.Profile(ctx, Actor{PersonID: l.person})
}

// UsePasswordLink sets a person's password by a link that is good once, ends
// all their sessions, and begins a new one. A password that is refused leaves
// the link good.
func (s *Service) UsePasswordLink(ctx context.Context, token, password string) (v Session, err error) {
	l, err := s.link(ctx, s.d, token, linkPassword, s.now())
	if err != nil {
		return v, err
	}
	p, err := s.Profile(ctx, Actor{PersonID: l.person})
	if err != nil {
		return v, err
	}
	if bad := checkPassword("password", password, p.Email, p.Name); bad != nil {
		return v, errs.InvalidFields(bad...)
	}
	hash := s.hash.make(password)
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		at := s.now()
		l, err := s.spend(ctx, tx, token, linkPassword, at)
		if err != nil {
			return err
		}
		if err := s.setPassword(ctx, tx, l.person, hash, ""); err != nil {
			return err
		}
		a, err := s.actor(ctx, tx, l.workspace, l.person, ViaSession)
		if err != nil {
			return err
		}
		v, err = s.newSession(ctx, tx, a, at)
		return err
	})
	return v, err
}

type link struct{ hash, person, workspace string }

// link reads a link that is still good.
func (s *Service) link(ctx context.Context, q db.Queryer, token string, k linkKind, at time.Time) (link, error) {
	hash := s.fingerprint(forLink, token)
	l := link{hash: hash}
	var expires, used int64
	err := q.QueryRow(ctx, `SELECT hash, person_id, workspace_id, expires_us, used_us FROM sign_in_link WHERE hash = $1 AND purpose = $2`, hash, k).
		Scan(&l.hash, &l.person, &l.workspace, &expires, &used)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && !same(l.hash, hash):
		return l, errs.E(errs.NotFound, "workspace.link_unknown", nil)
	case err != nil:
		return l, fmt.Errorf("find link: %w", err)
	case used > 0 || !at.Before(db.Time(expires)):
		return l, errs.E(errs.Gone, "workspace.link_expired", nil)
	}
	return l, nil
}

// spend uses a link up; of two that come at once, one gets it.
func (s *Service) spend(ctx context.Context, tx *db.Tx, token string, k linkKind, at time.Time) (link, error) {
	l, err := s.link(ctx, tx, token, k, at)
	if err != nil {
		return l, err
	}
	n, err := tx.Exec(ctx, `UPDATE sign_in_link SET used_us = $2 WHERE hash = $1 AND used_us = 0`, l.hash, db.US(at))
	if err != nil {
		return l, fmt.Errorf("use link: %w", err)
	}
	if n == 0 {
		return l, errs.E(errs.Gone, "workspace.link_expired", nil)
	}
	return l, nil
}
