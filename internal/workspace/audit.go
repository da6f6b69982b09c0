package workspace

import (
	"context"
	"fmt"
	"strings"
	"time"

	"imreport/internal/db"
)

// AuditEntry is a line of the audit log: who did what, when.
type AuditEntry struct {
	ID       string
	PersonID string // empty: the program itself
	Person   string // name; filled when read
	Via      Via
	Action   string // "raw_data.create"
	Subject  string // the id of what it was done to; may be empty
	Detail   string // short text for people; never a secret
	At       time.Time
}

const auditDetailMax = 500 // bytes

// Record adds a line to the audit log of the actor's workspace. q is the
// transaction that did it; nil stands for one of its own.
func (s *Service) Record(ctx context.Context, q db.Queryer, a Actor, action, subject, detail string) error {
	if q == nil {
		q = s.d
	}
	if len(detail) > auditDetailMax {
		detail = detail[:auditDetailMax]
	}
	detail = strings.ToValidUTF8(detail, "")
	_, err := q.Exec(ctx, `INSERT INTO audit (id, workspace_id, person_id, via, action, subject, detail, at_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, db.NewID(), a.WorkspaceID, a.PersonID, a.Via, action, subject, detail, db.US(s.now()))
	if err != nil {
		return fmt.Errorf("audit %s: %w", action, err)
	}
	return nil
}

// Audit lists the audit log of the actor's workspace, newest first, before the
// id cursor when it is not empty.
func (s *Service) Audit(ctx context.Context, a Actor, cursor string, limit int) ([]AuditEntry, error) {
	if err := a.Need(ReadAudit); err != nil {
		return nil, err
	}
	all, err := db.All(ctx, s.d, func(r db.Scanner) (e AuditEntry, err error) {
		var at int64
		err = r.Scan(&e.ID, &e.PersonID, &e.Person, &e.Via, &e.Action, &e.Subject, &e.Detail, &at)
		e.At = db.Time(at)
		return e, err
	}, `
		SELECT a.id, a.person_id, coalesce(p.name, ''), a.via, a.action, a.subject, a.detail, a.at_us
		FROM audit a LEFT JOIN person p ON p.id = a.person_id
		WHERE a.workspace_id = $1 AND a.id < $2 ORDER BY a.id DESC LIMIT $3`, a.WorkspaceID, before(cursor), limit)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	return all, nil
}
