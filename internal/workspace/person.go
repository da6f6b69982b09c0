package workspace

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
)

// person is a row of table person.
type person struct {
	id, email, name, password string
	lang                      i18n.Lang
	instanceOwner             bool
}

const personColumns = `id, email, name, password_hash, lang, instance_owner`

func scanPerson(r db.Scanner) (p person, err error) {
	err = r.Scan(&p.id, &p.email, &p.name, &p.password, &p.lang, &p.instanceOwner)
	return p, err
}

func insertPerson(ctx context.Context, tx *db.Tx, p person, at time.Time) (id string, err error) {
	id = db.NewID()
	_, err = tx.Exec(ctx, `INSERT INTO person (id, email, name, password_hash, lang, instance_owner, created_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, id, p.email, p.name, p.password, p.lang, p.instanceOwner, db.US(at))
	if err != nil {
		return "", fmt.Errorf("insert person: %w", err)
	}
	return id, nil
}

// personByEmail is the person with an address; sql.ErrNoRows when there is
// none.
func personByEmail(ctx context.Context, q db.Queryer, email string) (person, error) {
	if email == "" {
		return person{}, sql.ErrNoRows
	}
	return scanPerson(q.QueryRow(ctx, `SELECT `+personColumns+` FROM person WHERE email = $1`, email))
}

// Profile is what a person may see and change of themselves.
type Profile struct {
	ID          string
	Name        string
	Email       string // may be empty before it is set
	Lang        i18n.Lang
	HasPassword bool
}

// Profile is the actor's own.
func (s *Service) Profile(ctx context.Context, a Actor) (Profile, error) {
	p, err := scanPerson(s.d.QueryRow(ctx, `SELECT `+personColumns+` FROM person WHERE id = $1`, a.PersonID))
	if errors.Is(err, sql.ErrNoRows) {
		return Profile{}, errs.E(errs.NotFound, "workspace.member_not_found", nil)
	}
	if err != nil {
		return Profile{}, fmt.Errorf("person %s: %w", a.PersonID, err)
	}
	return Profile{ID: p.id, Name: p.name, Email: p.email, Lang: p.lang, HasPassword: p.password != ""}, nil
}

// ProfileChange changes what is not nil. Whoever has a password gives it in
// Password to change the address.
type ProfileChange struct {
	Name, Email, Lang *string
	Password          string
}

// UpdateProfile changes the actor's own profile. It needs a session: a token
// is for programs.
func (s *Service) UpdateProfile(ctx context.Context, a Actor, c ProfileChange) (Profile, error) {
	if a.Via != ViaSession {
		return Profile{}, errs.E(errs.Forbidden, "workspace.needs_session", nil)
	}
	p, err := scanPerson(s.d.QueryRow(ctx, `SELECT `+personColumns+` FROM person WHERE id = $1`, a.PersonID))
	if err != nil {
		return Profile{}, fmt.Errorf("person %s: %w", a.PersonID, err)
	}
	var wrong []errs.Field
	if c.Name != nil {
		p.name = strings.TrimSpace(*c.Name)
		wrong = append(wrong, checkName("name", p.name)...)
	}
	if c.Lang != nil {
		l, bad := checkLang("lang", *c.Lang)
		p.lang, wrong = l, append(wrong, bad...)
	}
	if c.Email != nil {
		email, bad := checkEmail("email", *c.Email)
		wrong = append(wrong, bad...)
		if len(bad) == 0 && email != p.email && p.password != "" {
			if ok, _ := s.hash.check(p.password, c.Password); !ok {
				wrong = append(wrong, errs.Field{Name: "password", Key: "workspace.password.wrong"})
			}
		}
		p.email = email
	}
	if len(wrong) > 0 {
		return Profile{}, errs.InvalidFields(wrong...)
	}
	_, err = s.d.Exec(ctx, `UPDATE person SET name = $2, email = $3, lang = $4 WHERE id = $1`, p.id, p.name, p.email, p.lang)
	if db.IsUnique(err) {
		return Profile{}, errs.InvalidField("email", "workspace.email.taken")
	}
	if err != nil {
		return Profile{}, fmt.Errorf("update person %s: %w", p.id, err)
	}
	return s.Profile(ctx, a)
}

// SetPassword changes the actor's password, for which old must be right if
// there is one, and ends all their other sessions. session is the token of the
// one that goes on.
func (s *Service) SetPassword(ctx context.Context, a Actor, session, old, fresh string) error {
	if a.Via != ViaSession {
		return errs.E(errs.Forbidden, "workspace.needs_session", nil)
	}
	p, err := scanPerson(s.d.QueryRow(ctx, `SELECT `+personColumns+` FROM person WHERE id = $1`, a.PersonID))
	if err != nil {
		return fmt.Errorf("person %s: %w", a.PersonID, err)
	}
	if p.password != "" {
		if ok, _ := s.hash.check(p.password, old); !ok {
			return errs.InvalidField("old_password", "workspace.password.wrong")
		}
	}
	if bad := checkPassword("password", fresh, p.email, p.name); bad != nil {
		return errs.InvalidFields(bad...)
	}
	hash := s.hash.make(fresh)
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		return s.setPassword(ctx, tx, p.id, hash, s.fingerprint(forSession, session))
	})
}

// setPassword stores a hash and ends every session but keep, and every link.
func (s *Service) setPassword(ctx context.Context, tx *db.Tx, personID, hash, keep string) error {
	if _, err := tx.Exec(ctx, `UPDATE person SET password_hash = $2 WHERE id = $1`, personID, hash); err != nil {
		return fmt.Errorf("set password of %s: %w", personID, err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM session WHERE person_id = $1 AND hash <> $2`, personID, keep); err != nil {
		return fmt.Errorf("end sessions of %s: %w", personID, err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM sign_in_link WHERE person_id = $1 AND used_us = 0`, personID); err != nil {
		return fmt.Errorf("end links of %s: %w", personID, err)
	}
	return nil
}

const emailMax = 254 // bytes, RFC 5321

// checkEmail cleans an address as people paste it.
func checkEmail(field, raw string) (string, []errs.Field) {
	email := strings.ToLower(strings.TrimSpace(raw))
	if email == "" {
		return "", []errs.Field{{Name: field, Key: "workspace.email.required"}}
	}
	a, err := mail.ParseAddress(email)
	if err != nil || a.Address != email || len(email) > emailMax || !strings.Contains(email, "@") || strings.ContainsAny(email, " \r\n\t") {
		return "", []errs.Field{{Name: field, Key: "workspace.email.invalid"}}
	}
	return email, nil
}
