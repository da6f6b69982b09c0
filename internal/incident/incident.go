// Package incident keeps what needs a person: a dead key, a morning that did
// not run. However often it is met, it is one incident, with one notification,
// until it is resolved.
//
// The sentences of a kind stand in the messages "incident.KIND",
// "incident.KIND.detail" and "incident.KIND.action"; where a reason has its
// own, in "incident.KIND.REASON.detail" and so on.
package incident

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/jobs"
)

// Kind is a stable short name; clients see it.
type Kind string

// KeyInvalid: a platform refuses an API key. Its subject is the key's id.
const KeyInvalid Kind = "key_invalid"

// Incident is something that needs a person.
type Incident struct {
	ID          string
	WorkspaceID string
	Kind        Kind
	Subject     string   // what it is about: an API key's id
	Reason      string   // short name of the cause; may be empty
	Args        []string // of the kind's sentences
	Link        string   // path of the page where it is repaired; may be empty
	Count       int64    // how often it was met
	OpenedAt    time.Time
	LastAt      time.Time
	ResolvedAt  time.Time // zero: open
	NotifiedAt  time.Time // zero: nobody was told yet
}

// Open reports whether the incident still needs somebody.
func (i Incident) Open() bool { return i.ResolvedAt.IsZero() }

// Title says what has happened, in one line.
func (i Incident) Title(l i18n.Lang) string { return i.text(l, "") }

// Detail says what it means; may be empty.
func (i Incident) Detail(l i18n.Lang) string { return i.text(l, ".detail") }

// Action says what to do; may be empty.
func (i Incident) Action(l i18n.Lang) string { return i.text(l, ".action") }

func (i Incident) text(l i18n.Lang, part string) string {
	key := "incident." + string(i.Kind) + "." + i.Reason + part
	if i.Reason == "" || !i18n.Has(key) {
		key = "incident." + string(i.Kind) + part
	}
	if !i18n.Has(key) {
		return ""
	}
	args := make([]any, len(i.Args))
	for n, a := range i.Args {
		args[n] = a
	}
	return i18n.T(l, key, args...)
}

// Report is what Open is told.
type Report struct {
	Kind    Kind
	Subject string
	Reason  string
	Args    []string
	Link    string
}

// Notifier tells people of an incident. It is called at least once for each;
// an error makes it be called again later.
type Notifier func(ctx context.Context, i Incident) (told bool, err error)

// Service keeps incidents.
type Service struct {
	d      *db.DB
	jobs   *jobs.Jobs
	log    *slog.Logger
	notify Notifier
	now    func() time.Time
}

// New makes a Service and registers its job. A nil log is silent.
func New(d *db.DB, j *jobs.Jobs, log *slog.Logger) *Service {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Service{d: d, jobs: j, log: log, now: time.Now}
	jobs.Handle(j, s.tell)
	return s
}

// Notify sets who tells people; before the jobs start. Without one nobody is
// told, and incidents are only listed.
func (s *Service) Notify(n Notifier) { s.notify = n }

// tellArgs is the job "people should hear of incident N".
type tellArgs struct {
	ID string `json:"id"`
}

// Kind names the job.
func (tellArgs) Kind() string { return "incident.tell" }

func (s *Service) tell(ctx context.Context, a tellArgs) error {
	i, err := scan(s.d.QueryRow(ctx, `SELECT `+columns+` FROM incident WHERE id = $1`, a.ID))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("incident %s: %w", a.ID, err)
	}
	if s.notify == nil || !i.Open() || !i.NotifiedAt.IsZero() {
		return nil
	}
	told, err := s.notify(ctx, i)
	if err != nil || !told {
		return err
	}
	_, err = s.d.Exec(ctx, `UPDATE incident SET notified_us = $2 WHERE id = $1 AND notified_us = 0`, i.ID, db.US(s.now()))
	return err
}

// Open notes that r was met in a workspace. The first time it opens an
// incident, and its notification is sent once tx has committed; after that it
// counts. opened says which.
func (s *Service) Open(ctx context.Context, tx *db.Tx, workspaceID string, r Report, now time.Time) (id string, opened bool, err error) {
	if r.Args == nil {
		r.Args = []string{}
	}
	args, err := json.Marshal(r.Args)
	if err != nil {
		return "", false, err
	}
	fresh := db.NewID()
	err = tx.QueryRow(ctx, `
		INSERT INTO incident (id, workspace_id, kind, subject, reason, args, link, count, opened_us, last_us, resolved_us, notified_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8, 0, 0)
		ON CONFLICT (workspace_id, kind, subject) WHERE resolved_us = 0 DO UPDATE SET
			count = incident.count + 1, reason = excluded.reason, args = excluded.args, link = excluded.link,
			last_us = CASE WHEN incident.last_us > excluded.last_us THEN incident.last_us ELSE excluded.last_us END
		RETURNING id`, fresh, workspaceID, r.Kind, r.Subject, r.Reason, string(args), r.Link, db.US(now)).Scan(&id)
	if err != nil {
		return "", false, fmt.Errorf("open incident %s of %s: %w", r.Kind, r.Subject, err)
	}
	if id != fresh {
		return id, false, nil
	}
	s.log.InfoContext(ctx, "incident opened", "workspace", workspaceID, "kind", r.Kind, "subject", r.Subject)
	return id, true, s.jobs.Enqueue(ctx, tx, tellArgs{ID: id})
}

// Resolve ends the open incident of a kind about a subject, if there is one.
func (s *Service) Resolve(ctx context.Context, tx *db.Tx, workspaceID string, kind Kind, subject string, now time.Time) (bool, error) {
	return s.ResolveOlder(ctx, tx, workspaceID, kind, subject, now.AddDate(100, 0, 0), now) // whatever other processes' clocks say
}

// ResolveOlder is Resolve for an incident that was last met before an instant.
func (s *Service) ResolveOlder(ctx context.Context, tx *db.Tx, workspaceID string, kind Kind, subject string, before, now time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE incident SET resolved_us = $4
		WHERE workspace_id = $1 AND kind = $2 AND subject = $3 AND resolved_us = 0 AND last_us < $5`, workspaceID, kind, subject, db.US(now), db.US(before))
	if err != nil {
		return false, fmt.Errorf("resolve incident %s of %s: %w", kind, subject, err)
	}
	return n > 0, nil
}

const columns = `id, workspace_id, kind, subject, reason, args, link, count, opened_us, last_us, resolved_us, notified_us`

func scan(r db.Scanner) (i Incident, err error) {
	var args string
	var opened, last, resolved, notified int64
	err = r.Scan(&i.ID, &i.WorkspaceID, &i.Kind, &i.Subject, &i.Reason, &args, &i.Link, &i.Count, &opened, &last, &resolved, &notified)
	if err != nil {
		return i, err
	}
	i.OpenedAt, i.LastAt, i.ResolvedAt, i.NotifiedAt = db.Time(opened), db.Time(last), db.Time(resolved), db.Time(notified)
	return i, json.Unmarshal([]byte(args), &i.Args)
}

// List is a workspace's incidents, newest first, before the id cursor when it
// is not empty; only those that still need somebody when onlyOpen is set.
func (s *Service) List(ctx context.Context, workspaceID string, onlyOpen bool, cursor string, limit int) ([]Incident, error) {
	if cursor == "" {
		cursor = "~" // after every id
	}
	all, err := db.All(ctx, s.d, scan, `SELECT `+columns+` FROM incident
		WHERE workspace_id = $1 AND id < $2 AND (resolved_us = 0 OR NOT $3) ORDER BY id DESC LIMIT $4`, workspaceID, cursor, onlyOpen, limit)
	if err != nil {
		return nil, fmt.Errorf("list incidents: %w", err)
	}
	return all, nil
}

// Get is one incident of a workspace; incident.not_found when there is none.
func (s *Service) Get(ctx context.Context, workspaceID, id string) (Incident, error) {
	i, err := scan(s.d.QueryRow(ctx, `SELECT `+columns+` FROM incident WHERE workspace_id = $1 AND id = $2`, workspaceID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return i, errs.E(errs.NotFound, "incident.not_found", nil)
	}
	if err != nil {
		return i, fmt.Errorf("incident %s: %w", id, err)
	}
	return i, nil
}

// OpenCount is how many incidents of a workspace need somebody.
func (s *Service) OpenCount(ctx context.Context, workspaceID string) (n int, err error) {
	err = s.d.QueryRow(ctx, `SELECT count(*) FROM incident WHERE workspace_id = $1 AND resolved_us = 0`, workspaceID).Scan(&n)
	return n, err
}

// ResolveByHand ends an incident of a workspace because a person says so; one
// that has ended stays as it is. When it is met again, a new one opens.
func (s *Service) ResolveByHand(ctx context.Context, workspaceID, id string, now time.Time) (Incident, error) {
	_, err := s.d.Exec(ctx, `UPDATE incident SET resolved_us = $3
		WHERE workspace_id = $1 AND id = $2 AND resolved_us = 0`, workspaceID, id, db.US(now))
	if err != nil {
		return Incident{}, fmt.Errorf("resolve incident %s: %w", id, err)
	}
	return s.Get(ctx, workspaceID, id)
}
