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

// Member is a person in a workspace.
type Member struct {
	PersonID    string
	Name        string
	Email       string // may be empty
	Lang        i18n.Lang
	Role        Role
	HasPassword bool
	JoinedAt    time.Time
}

// Membership is a workspace as one of its people sees it.
type Membership struct {
	Workspace
	Role Role
}

// Get is a workspace; workspace.not_found when there is none.
func (s *Service) Get(ctx context.Context, id string) (w Workspace, err error) {
	var created int64
	err = s.d.QueryRow(ctx, `SELECT id, name, zone, lang, created_us FROM workspace WHERE id = $1`, id).
		Scan(&w.ID, &w.Name, &w.Zone, &w.Lang, &created)
	w.CreatedAt = db.Time(created)
	if errors.Is(err, sql.ErrNoRows) {
		return w, errs.E(errs.NotFound, "workspace.not_found", nil)
	}
	if err != nil {
		return w, fmt.Errorf("workspace %s: %w", id, err)
	}
	return w, nil
}

// Lang is the language of a workspace's spreadsheets and mails.
func (s *Service) Lang(ctx context.Context, id string) (i18n.Lang, error) {
	w, err := s.Get(ctx, id)
	return w.Lang, err
}

// Zone is a workspace's zone.
func (s *Service) Zone(ctx context.Context, id string) (string, error) {
	w, err := s.Get(ctx, id)
	return w.Zone, err
}

// Workspaces lists a person's workspaces, the one joined first first.
func (s *Service) Workspaces(ctx context.Context, personID string) ([]Membership, error) {
	all, err := db.All(ctx, s.d, func(r db.Scanner) (m Membership, err error) {
		var created int64
		err = r.Scan(&m.ID, &m.Name, &m.Zone, &m.Lang, &created, &m.Role)
		m.CreatedAt = db.Time(created)
		return m, err
	}, `
		SELECT w.id, w.name, w.zone, w.lang, w.created_us, m.role
		FROM member m JOIN workspace w ON w.id = m.workspace_id
		WHERE m.person_id = $1 ORDER BY m.created_us, w.id`, personID)
	if err != nil {
		return nil, fmt.Errorf("workspaces of person %s: %w", personID, err)
	}
	return all, nil
}

// NewWorkspace says what workspace to make.
type NewWorkspace struct {
	Name string
	Zone string // empty: DefaultZone
	Lang string // empty: Korean
}

// Create makes a workspace whose owner is the actor, who must own the
// instance, and a token of its own: an owner's, without rights over the
// instance. The token's text cannot be shown again.
func (s *Service) Create(ctx context.Context, a Actor, in NewWorkspace) (w Workspace, token string, err error) {
	if err := a.Need(WriteInstance); err != nil {
		return w, "", err
	}
	if in.Zone == "" {
		in.Zone = DefaultZone
	}
	if in.Lang == "" {
		in.Lang = string(i18n.Korean)
	}
	if w, err = checkWorkspace(in); err != nil {
		return w, "", err
	}
	w.ID = db.NewID()
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		at := s.now()
		w.CreatedAt = at
		if err := insertWorkspace(ctx, tx, w, at); err != nil {
			return err
		}
		if err := insertMember(ctx, tx, w.ID, a.PersonID, Owner, at); err != nil {
			return err
		}
		there := Actor{WorkspaceID: w.ID, PersonID: a.PersonID, Name: a.Name, Role: Owner}
		_, token, err = s.insertToken(ctx, tx, there, NewToken{Name: w.Name, Role: Owner}, at)
		return err
	})
	return w, token, err
}

// WorkspaceChange changes what is not nil.
type WorkspaceChange struct{ Name, Zone, Lang *string }

// Update changes the actor's workspace.
func (s *Service) Update(ctx context.Context, a Actor, c WorkspaceChange) (Workspace, error) {
	if err := a.Need(WriteWorkspace); err != nil {
		return Workspace{}, err
	}
	old, err := s.Get(ctx, a.WorkspaceID)
	if err != nil {
		return old, err
	}
	in := NewWorkspace{Name: old.Name, Zone: old.Zone, Lang: string(old.Lang)}
	for _, f := range []struct {
		to   *string
		from *string
	}{{&in.Name, c.Name}, {&in.Zone, c.Zone}, {&in.Lang, c.Lang}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	w, err := checkWorkspace(in)
	if err != nil {
		return old, err
	}
	w.ID, w.CreatedAt = old.ID, old.CreatedAt
	_, err = s.d.Exec(ctx, `UPDATE workspace SET name = $2, zone = $3, lang = $4 WHERE id = $1`, w.ID, w.Name, w.Zone, w.Lang)
	if err != nil {
		return old, fmt.Errorf("update workspace %s: %w", w.ID, err)
	}
	return w, nil
}

func checkWorkspace(in NewWorkspace) (w Workspace, err error) {
	w.Name = strings.TrimSpace(in.Name)
	wrong := checkName("name", w.Name)
	w.Zone = strings.TrimSpace(in.Zone)
	if _, err := time.LoadLocation(w.Zone); err != nil || w.Zone == "" || w.Zone == "Local" {
		wrong = append(wrong, errs.Field{Name: "zone", Key: "workspace.zone.unknown", Args: []any{in.Zone}})
	}
	l, bad := checkLang("lang", in.Lang)
	w.Lang = l
	if wrong = append(wrong, bad...); len(wrong) > 0 {
		return w, errs.InvalidFields(wrong...)
	}
	return w, nil
}

// Members lists the people of the actor's workspace, the strongest role first.
func (s *Service) Members(ctx context.Context, a Actor) ([]Member, error) {
	if err := a.Need(ReadPeople); err != nil {
		return nil, err
	}
	return s.members(ctx, s.d, a.WorkspaceID, Roles)
}

// Told are the people that an incident of a workspace is mailed to: owners and
// admins who have an address.
func (s *Service) Told(ctx context.Context, workspaceID string) ([]Member, error) {
	all, err := s.members(ctx, s.d, workspaceID, []Role{Owner, Admin})
	kept := all[:0]
	for _, m := range all {
		if m.Email != "" {
			kept = append(kept, m)
		}
	}
	return kept, err
}

func (s *Service) members(ctx context.Context, q db.Queryer, workspaceID string, roles []Role) ([]Member, error) {
	args := []any{workspaceID}
	for _, r := range roles {
		args = append(args, string(r))
	}
	all, err := db.All(ctx, q, func(r db.Scanner) (m Member, err error) {
		var joined int64
		err = r.Scan(&m.PersonID, &m.Name, &m.Email, &m.Lang, &m.Role, &m.HasPassword, &joined)
		m.JoinedAt = db.Time(joined)
		return m, err
	}, `
		SELECT p.id, p.name, p.email, p.lang, m.role, p.password_hash <> '', m.created_us
		FROM member m JOIN person p ON p.id = m.person_id
		WHERE m.workspace_id = $1 AND m.role IN (`+db.Params(2, len(roles))+`)
		ORDER BY CASE m.role WHEN 'owner' THEN 0 WHEN 'admin' THEN 1 WHEN 'editor' THEN 2 WHEN 'viewer' THEN 3 ELSE 4 END,
			m.created_us, p.id`, args...)
	if err != nil {
		return nil, fmt.Errorf("members of workspace %s: %w", workspaceID, err)
	}
	return all, nil
}

// SetRole changes a member's role. Only owners make and unmake owners; a
// workspace keeps at least one (workspace.last_owner).
func (s *Service) SetRole(ctx context.Context, a Actor, personID string, r Role) error {
	if err := a.Need(WritePeople); err != nil {
		return err
	}
	if _, ok := ParseRole(string(r)); !ok {
		f := unknownRole("role", r)
		return errs.InvalidFields(f)
	}
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		old, err := lockMember(ctx, tx, a, personID)
		if err != nil {
			return err
		}
		if old == Owner || r == Owner {
			if err := a.Need(WriteOwners); err != nil {
				return err
			}
		}
		if old == Owner && r != Owner {
			if err := notLastOwner(ctx, tx, a.WorkspaceID, personID); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `UPDATE member SET role = $3 WHERE workspace_id = $1 AND person_id = $2`, a.WorkspaceID, personID, r)
		return err
	})
}

// Remove takes a member out of the actor's workspace; anybody may leave. Their
// tokens of the workspace end at once, their sessions go on elsewhere.
func (s *Service) Remove(ctx context.Context, a Actor, personID string) error {
	if personID != a.PersonID {
		if err := a.Need(WritePeople); err != nil {
			return err
		}
	}
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		old, err := lockMember(ctx, tx, a, personID)
		if err != nil {
			return err
		}
		if old == Owner {
			if err := a.Need(WriteOwners); err != nil {
				return err
			}
			if err := notLastOwner(ctx, tx, a.WorkspaceID, personID); err != nil {
				return err
			}
		}
		for _, q := range []string{
			`DELETE FROM member WHERE workspace_id = $1 AND person_id = $2`,
			`UPDATE api_token SET revoked_us = $3 WHERE workspace_id = $1 AND person_id = $2 AND revoked_us = 0`,
			`DELETE FROM sign_in_link WHERE workspace_id = $1 AND person_id = $2`,
		} {
			args := []any{a.WorkspaceID, personID}
			if strings.Contains(q, "$3") {
				args = append(args, db.US(s.now()))
			}
			if _, err := tx.Exec(ctx, q, args...); err != nil {
				return fmt.Errorf("remove member %s: %w", personID, err)
			}
		}
		return nil
	})
}

// lockMember reads a member's role and holds the workspace's row until tx
// ends, so that two owners cannot remove each other at once.
func lockMember(ctx context.Context, tx *db.Tx, a Actor, personID string) (r Role, err error) {
	if _, err := tx.Exec(ctx, `UPDATE workspace SET name = name WHERE id = $1`, a.WorkspaceID); err != nil {
		return "", fmt.Errorf("lock workspace %s: %w", a.WorkspaceID, err)
	}
	err = tx.QueryRow(ctx, `SELECT role FROM member WHERE workspace_id = $1 AND person_id = $2`, a.WorkspaceID, personID).Scan(&r)
	if errors.Is(err, sql.ErrNoRows) {
		return "", errs.E(errs.NotFound, "workspace.member_not_found", nil)
	}
	return r, err
}

func notLastOwner(ctx context.Context, tx *db.Tx, workspaceID, personID string) error {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM member WHERE workspace_id = $1 AND role = 'owner' AND person_id <> $2`, workspaceID, personID).Scan(&n)
	if err == nil && n == 0 {
		err = errs.E(errs.Conflict, "workspace.last_owner", nil)
	}
	return err
}

func insertWorkspace(ctx context.Context, tx *db.Tx, w Workspace, at time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ($1, $2, $3, $4, $5)`,
		w.ID, w.Name, w.Zone, w.Lang, db.US(at))
	if err != nil {
		return fmt.Errorf("insert workspace: %w", err)
	}
	return nil
}

func insertMember(ctx context.Context, tx *db.Tx, workspaceID, personID string, r Role, at time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO member (workspace_id, person_id, role, created_us) VALUES ($1, $2, $3, $4)`,
		workspaceID, personID, r, db.US(at))
	if err != nil {
		return fmt.Errorf("insert member: %w", err)
	}
	return nil
}
