package workspace

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
)

// First is the first workspace and its owner, who owns the instance as well.
type First struct {
	WorkspaceID string
	OwnerID     string
	// Link signs the owner in, once; empty when they can sign in otherwise:
	// they have a password, or are signed in.
	Link string
}

// setting of the first workspace's id; its row serialises several processes
// that start at once.
const firstSetting = "first_workspace"

// EnsureFirst makes the first workspace and its owner if there is none, and,
// when the owner could not sign in otherwise, a fresh link that signs them in.
// Links that it made before stop working.
func (s *Service) EnsureFirst(ctx context.Context) (f First, err error) {
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		at := s.now()
		if f, err = s.ensureFirst(ctx, tx, at); err != nil {
			return err
		}
		var ways int
		err = tx.QueryRow(ctx, `SELECT
			(SELECT count(*) FROM person WHERE id = $1 AND email <> '' AND password_hash <> '') +
			(SELECT count(*) FROM session WHERE person_id = $1 AND expires_us > $2 AND used_us > $3)`,
			f.OwnerID, db.US(at), db.US(at.Add(-sessionIdle))).Scan(&ways)
		if err != nil {
			return fmt.Errorf("look for sign-ins: %w", err)
		}
		if ways > 0 {
			return nil
		}
		f.Link, err = s.insertLink(ctx, tx, f.WorkspaceID, f.OwnerID, linkSignIn, at)
		return err
	})
	return f, err
}

func (s *Service) ensureFirst(ctx context.Context, tx *db.Tx, at time.Time) (f First, err error) {
	fresh := db.NewID()
	err = tx.QueryRow(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = setting.value RETURNING value`, firstSetting, fresh).Scan(&f.WorkspaceID)
	if err != nil {
		return f, fmt.Errorf("first workspace: %w", err)
	}
	if f.WorkspaceID != fresh {
		f.OwnerID, err = firstOwner(ctx, tx, f.WorkspaceID)
		return f, err
	}
	w := Workspace{ID: fresh, Name: i18n.T(i18n.Korean, "workspace.first"), Zone: DefaultZone, Lang: i18n.Korean}
	if err := insertWorkspace(ctx, tx, w, at); err != nil {
		return f, err
	}
	f.OwnerID, err = insertPerson(ctx, tx, person{name: i18n.T(i18n.Korean, "workspace.first_owner"), lang: i18n.Korean, instanceOwner: true}, at)
	if err != nil {
		return f, err
	}
	return f, insertMember(ctx, tx, fresh, f.OwnerID, Owner, at)
}

func firstOwner(ctx context.Context, q db.Queryer, workspaceID string) (id string, err error) {
	err = q.QueryRow(ctx, `
		SELECT m.person_id FROM member m JOIN person p ON p.id = m.person_id
		WHERE m.workspace_id = $1 AND m.role = 'owner'
		ORDER BY CASE WHEN p.instance_owner THEN 0 ELSE 1 END, m.created_us, m.person_id LIMIT 1`, workspaceID).Scan(&id)
	if err != nil {
		err = fmt.Errorf("owner of workspace %s: %w", workspaceID, err)
	}
	return id, err
}

// Local is the first workspace's owner, for commands that a person runs on the
// server itself. The error workspace.none says that the server has not been
// started yet.
func (s *Service) Local(ctx context.Context) (Actor, error) {
	var f First
	err := s.d.QueryRow(ctx, `SELECT value FROM setting WHERE name = $1`, firstSetting).Scan(&f.WorkspaceID)
	if errors.Is(err, sql.ErrNoRows) {
		return Actor{}, errs.E(errs.Conflict, "workspace.none", nil)
	}
	if err != nil {
		return Actor{}, fmt.Errorf("first workspace: %w", err)
	}
	if f.OwnerID, err = firstOwner(ctx, s.d, f.WorkspaceID); err != nil {
		return Actor{}, err
	}
	return s.actor(ctx, s.d, f.WorkspaceID, f.OwnerID, ViaSystem)
}

// actor is a member of a workspace; errs.NotFound workspace.not_found when they
// are none.
func (s *Service) actor(ctx context.Context, q db.Queryer, workspaceID, personID string, via Via) (Actor, error) {
	a := Actor{WorkspaceID: workspaceID, PersonID: personID, Via: via}
	err := q.QueryRow(ctx, `
		SELECT p.name, p.lang, p.instance_owner, m.role FROM member m JOIN person p ON p.id = m.person_id
		WHERE m.workspace_id = $1 AND m.person_id = $2`, workspaceID, personID).Scan(&a.Name, &a.Lang, &a.InstanceOwner, &a.Role)
	if errors.Is(err, sql.ErrNoRows) {
		return Actor{}, errs.E(errs.NotFound, "workspace.not_found", nil)
	}
	if err != nil {
		return Actor{}, fmt.Errorf("member %s of %s: %w", personID, workspaceID, err)
	}
	return a, nil
}
