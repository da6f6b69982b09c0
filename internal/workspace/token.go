package workspace

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
)

// Token is an API token as it may be shown: without its secret.
type Token struct {
	ID        string
	PersonID  string // who made it, and whose rights it has at most
	Person    string // their name
	Name      string
	Role      Role
	Instance  bool      // carries the rights over the whole instance
	Bootstrap bool      // made from IMREPORT_ADMIN_TOKEN
	CreatedAt time.Time // newest first in lists
	UsedAt    time.Time // to a few minutes; zero: never
	RevokedAt time.Time // zero: good
}

// NewToken says what token to make.
type NewToken struct {
	Name string
	Role Role // empty: the maker's own
	// Instance asks for the rights over the whole instance; only its owner
	// may.
	Instance bool
}

const (
	nameMax = 100 // characters
	// usedEvery bounds how often the time of last use is written.
	usedEvery = 5 * time.Minute
)

// CreateToken makes a token of the actor and returns its text, which is not
// kept and cannot be shown again. Its role is at most the actor's.
func (s *Service) CreateToken(ctx context.Context, a Actor, in NewToken) (t Token, text string, err error) {
	if err := a.Need(OwnTokens); err != nil {
		return t, "", err
	}
	if in.Role == "" {
		in.Role = a.Role
	}
	in.Name = strings.TrimSpace(in.Name)
	var wrong []errs.Field
	wrong = append(wrong, checkName("name", in.Name)...)
	if _, ok := ParseRole(string(in.Role)); !ok {
		wrong = append(wrong, unknownRole("role", in.Role))
	}
	if len(wrong) > 0 {
		return t, "", errs.InvalidFields(wrong...)
	}
	if !a.Role.AtLeast(in.Role) {
		return t, "", errs.InvalidField("role", "workspace.token.role_above_own", roleName(in.Role), roleName(a.Role))
	}
	if in.Instance {
		if err := a.Need(WriteInstance); err != nil {
			return t, "", err
		}
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		t, text, err = s.insertToken(ctx, tx, a, in, s.now())
		return err
	})
	return t, text, err
}

func (s *Service) insertToken(ctx context.Context, tx *db.Tx, a Actor, in NewToken, at time.Time) (Token, string, error) {
	text := newSecret("imr_")
	t := Token{ID: db.NewID(), PersonID: a.PersonID, Person: a.Name, Name: in.Name, Role: in.Role, Instance: in.Instance, CreatedAt: at}
	_, err := tx.Exec(ctx, `
		INSERT INTO api_token (id, workspace_id, person_id, name, hash, role, instance, bootstrap, created_us, used_us, revoked_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0)`,
		t.ID, a.WorkspaceID, a.PersonID, t.Name, s.fingerprint(forToken, text), t.Role, t.Instance, false, db.US(at))
	if err != nil {
		return t, "", fmt.Errorf("insert token: %w", err)
	}
	return t, text, nil
}

// ByToken is who holds an API token. The error workspace.token_unknown does
// not say whether it was ever good.
func (s *Service) ByToken(ctx context.Context, text string) (Actor, error) {
	a := Actor{Via: ViaToken}
	hash := s.fingerprint(forToken, text)
	var stored string
	var memberRole Role
	var instance, owner bool
	var used int64
	err := s.d.QueryRow(ctx, `
		SELECT t.id, t.hash, t.workspace_id, t.person_id, p.name, p.lang, t.role, m.role, t.instance, p.instance_owner, t.used_us
		FROM api_token t JOIN person p ON p.id = t.person_id
		JOIN member m ON m.workspace_id = t.workspace_id AND m.person_id = t.person_id
		WHERE t.hash = $1 AND t.revoked_us = 0`, hash).
		Scan(&a.TokenID, &stored, &a.WorkspaceID, &a.PersonID, &a.Name, &a.Lang, &a.Role, &memberRole, &instance, &owner, &used)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !same(stored, hash) {
		return Actor{}, errs.E(errs.Unauthenticated, "workspace.token_unknown", nil)
	}
	if err != nil {
		return Actor{}, fmt.Errorf("find token: %w", err)
	}
	if !memberRole.AtLeast(a.Role) {
		a.Role = memberRole // the person has lost rights since
	}
	a.InstanceOwner = instance && owner
	if at := s.now(); at.Sub(db.Time(used)) >= usedEvery {
		if _, err := s.d.Exec(ctx, `UPDATE api_token SET used_us = $2 WHERE id = $1`, a.TokenID, db.US(at)); err != nil {
			return Actor{}, fmt.Errorf("note use of token %s: %w", a.TokenID, err)
		}
	}
	return a, nil
}

// Tokens lists the workspace's tokens that are good, newest first: all of them
// to those who may see them, to others their own.
func (s *Service) Tokens(ctx context.Context, a Actor, cursor string, limit int) ([]Token, error) {
	if err := a.Need(OwnTokens); err != nil {
		return nil, err
	}
	person := a.PersonID
	if a.May(AllTokens) {
		person = ""
	}
	all, err := db.All(ctx, s.d, func(r db.Scanner) (t Token, err error) {
		var created, used, revoked int64
		err = r.Scan(&t.ID, &t.PersonID, &t.Person, &t.Name, &t.Role, &t.Instance, &t.Bootstrap, &created, &used, &revoked)
		t.CreatedAt, t.UsedAt, t.RevokedAt = db.Time(created), db.Time(used), db.Time(revoked)
		return t, err
	}, `
		SELECT t.id, t.person_id, p.name, t.name, t.role, t.instance, t.bootstrap, t.created_us, t.used_us, t.revoked_us
		FROM api_token t JOIN person p ON p.id = t.person_id
		WHERE t.workspace_id = $1 AND t.revoked_us = 0 AND ($2 = '' OR t.person_id = $2) AND t.id < $3
		ORDER BY t.id DESC LIMIT $4`, a.WorkspaceID, person, before(cursor), limit)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return all, nil
}

// RevokeToken ends a token at once. A token that is gone already is no error.
func (s *Service) RevokeToken(ctx context.Context, a Actor, id string) error {
	if err := a.Need(OwnTokens); err != nil {
		return err
	}
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		var person string
		var role Role
		err := tx.QueryRow(ctx, `SELECT person_id, role FROM api_token WHERE workspace_id = $1 AND id = $2`, a.WorkspaceID, id).Scan(&person, &role)
		if errors.Is(err, sql.ErrNoRows) || err == nil && person != a.PersonID && !a.May(AllTokens) {
			return errs.E(errs.NotFound, "workspace.token_not_found", nil)
		}
		if err != nil {
			return fmt.Errorf("token %s: %w", id, err)
		}
		if person != a.PersonID && !a.Role.AtLeast(role) {
			return errs.E(errs.Forbidden, "workspace.forbidden", nil, roleName(a.Role), roleName(role))
		}
		_, err = tx.Exec(ctx, `UPDATE api_token SET revoked_us = $3 WHERE workspace_id = $1 AND id = $2 AND revoked_us = 0`,
			a.WorkspaceID, id, db.US(s.now()))
		return err
	})
}

// Bootstrap makes text (IMREPORT_ADMIN_TOKEN) a token of the first workspace's
// owner, with the rights over the instance, and revokes the one that an
// earlier value made. Calling it again changes nothing. An empty text does
// nothing.
func (s *Service) Bootstrap(ctx context.Context, text string) error {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	if len(text) < 20 {
		s.log.WarnContext(ctx, "IMREPORT_ADMIN_TOKEN is short; use at least 20 random characters where others can reach this server")
	}
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		at := s.now()
		f, err := s.ensureFirst(ctx, tx, at)
		if err != nil {
			return err
		}
		hash := s.fingerprint(forToken, text)
		_, err = tx.Exec(ctx, `UPDATE api_token SET revoked_us = $2 WHERE bootstrap AND revoked_us = 0 AND hash <> $1`, hash, db.US(at))
		if err != nil {
			return fmt.Errorf("revoke the former admin token: %w", err)
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO api_token (id, workspace_id, person_id, name, hash, role, instance, bootstrap, created_us, used_us, revoked_us)
			VALUES ($1, $2, $3, 'IMREPORT_ADMIN_TOKEN', $4, 'owner', $5, $5, $6, 0, 0)
			ON CONFLICT (hash) DO UPDATE SET role = 'owner', instance = excluded.instance, bootstrap = excluded.bootstrap, revoked_us = 0`,
			db.NewID(), f.WorkspaceID, f.OwnerID, hash, true, db.US(at))
		if err != nil {
			return fmt.Errorf("insert the admin token: %w", err)
		}
		return nil
	})
}

// before is the id that a page of a list begins below: every id when cursor is
// empty.
func before(cursor string) string {
	if cursor == "" {
		return "~"
	}
	return cursor
}

func checkName(field, name string) []errs.Field {
	switch {
	case name == "":
		return []errs.Field{{Name: field, Key: "workspace.name.required"}}
	case !utf8.ValidString(name) || utf8.RuneCountInString(name) > nameMax:
		return []errs.Field{{Name: field, Key: "workspace.name.too_long", Args: []any{nameMax}}}
	}
	return nil
}

func unknownRole(field string, r Role) errs.Field {
	return errs.Field{Name: field, Key: "workspace.role.unknown", Args: []any{string(r), "owner, admin, editor, viewer, client"}}
}

func checkLang(field, lang string) (i18n.Lang, []errs.Field) {
	l, ok := i18n.Parse(lang)
	if !ok {
		return "", []errs.Field{{Name: field, Key: "workspace.lang.unknown", Args: []any{lang}}}
	}
	return l, nil
}
