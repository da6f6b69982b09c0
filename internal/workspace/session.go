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

// Session is a sign-in in one browser. Token goes into the cookie and is not
// kept.
type Session struct {
	Token     string
	Actor     Actor
	ExpiresAt time.Time // at the latest
}

const (
	sessionLife = 60 * 24 * time.Hour // in all
	sessionIdle = 14 * 24 * time.Hour // without use
)

// BySession is whose session it is. The error workspace.session_ended says
// that there is none any more. Whoever was removed from the workspace they
// looked at goes on in another of theirs.
func (s *Service) BySession(ctx context.Context, token string) (Actor, error) {
	hash := s.fingerprint(forSession, token)
	var stored, person, workspace string
	var used, expires int64
	err := s.d.QueryRow(ctx, `SELECT hash, person_id, workspace_id, used_us, expires_us FROM session WHERE hash = $1`, hash).
		Scan(&stored, &person, &workspace, &used, &expires)
	at := s.now()
	if errors.Is(err, sql.ErrNoRows) || err == nil &&
		(!same(stored, hash) || !at.Before(db.Time(expires)) || at.Sub(db.Time(used)) >= sessionIdle) {
		return Actor{}, errs.E(errs.Unauthenticated, "workspace.session_ended", nil)
	}
	if err != nil {
		return Actor{}, fmt.Errorf("find session: %w", err)
	}
	a, err := s.actor(ctx, s.d, workspace, person, ViaSession)
	if errs.KindOf(err) == errs.NotFound {
		a, err = s.home(ctx, s.d, person)
	}
	if errs.KindOf(err) == errs.NotFound {
		return Actor{}, errs.E(errs.Unauthenticated, "workspace.session_ended", nil)
	}
	if err != nil {
		return Actor{}, err
	}
	if at.Sub(db.Time(used)) >= usedEvery || a.WorkspaceID != workspace {
		if _, err := s.d.Exec(ctx, `UPDATE session SET used_us = $2, workspace_id = $3 WHERE hash = $1`, hash, db.US(at), a.WorkspaceID); err != nil {
			return Actor{}, fmt.Errorf("note use of session: %w", err)
		}
	}
	return a, nil
}

// home is the person in the workspace that they joined first.
func (s *Service) home(ctx context.Context, q db.Queryer, personID string) (Actor, error) {
	var workspace string
	err := q.QueryRow(ctx, `SELECT workspace_id FROM member WHERE person_id = $1 ORDER BY created_us, workspace_id LIMIT 1`, personID).Scan(&workspace)
	if errors.Is(err, sql.ErrNoRows) {
		return Actor{}, errs.E(errs.NotFound, "workspace.not_found", nil)
	}
	if err != nil {
		return Actor{}, fmt.Errorf("workspaces of person %s: %w", personID, err)
	}
	return s.actor(ctx, q, workspace, personID, ViaSession)
}

// newSession begins a session of a member, looking at a workspace.
func (s *Service) newSession(ctx context.Context, tx *db.Tx, a Actor, at time.Time) (Session, error) {
	a.Via = ViaSession
	v := Session{Token: newSecret("ims_"), Actor: a, ExpiresAt: at.Add(sessionLife)}
	_, err := tx.Exec(ctx, `INSERT INTO session (hash, person_id, workspace_id, created_us, used_us, expires_us) VALUES ($1, $2, $3, $4, $4, $5)`,
		s.fingerprint(forSession, v.Token), a.PersonID, a.WorkspaceID, db.US(at), db.US(v.ExpiresAt))
	if err != nil {
		return v, fmt.Errorf("insert session: %w", err)
	}
	return v, nil
}

// SignOut ends a session. One that has ended already is no error.
func (s *Service) SignOut(ctx context.Context, token string) error {
	_, err := s.d.Exec(ctx, `DELETE FROM session WHERE hash = $1`, s.fingerprint(forSession, token))
	return err
}

// SignOutOthers ends all other sessions of the person whose session token is,
// and returns how many.
func (s *Service) SignOutOthers(ctx context.Context, a Actor, token string) (int64, error) {
	return s.d.Exec(ctx, `DELETE FROM session WHERE person_id = $1 AND hash <> $2`, a.PersonID, s.fingerprint(forSession, token))
}

// Switch makes a session look at another workspace of its person, and returns
// who they are there. The error workspace.not_found says that it is not
// theirs.
func (s *Service) Switch(ctx context.Context, token, workspaceID string) (a Actor, err error) {
	who, err := s.BySession(ctx, token)
	if err != nil {
		return a, err
	}
	if a, err = s.actor(ctx, s.d, workspaceID, who.PersonID, ViaSession); err != nil {
		return a, err
	}
	_, err = s.d.Exec(ctx, `UPDATE session SET workspace_id = $2 WHERE hash = $1`, s.fingerprint(forSession, token), workspaceID)
	return a, err
}
