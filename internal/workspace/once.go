package workspace

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// Answer is what a POST was answered with, kept so that a repetition with the
// same Idempotency-Key is answered alike and does nothing.
type Answer struct {
	Status  int
	Headers map[string]string
	Body    []byte
}

// Once is a POST that is being worked at under an Idempotency-Key.
type Once struct{ workspace, key, attempt string }

const (
	keepAnswers = 24 * time.Hour
	// abandonedAfter is when a POST without an answer is taken for one whose
	// process died: no POST that creates takes that long.
	abandonedAfter = 2 * time.Minute
)

// Begin claims an Idempotency-Key of a workspace for a POST whose method, path
// and body hash to request. Either prior is the answer that was given before,
// or the caller does the work and then calls Finish or Forget. The errors are
// workspace.idempotency_other (the key was used with another request, 422) and
// workspace.idempotency_running (409).
func (s *Service) Begin(ctx context.Context, workspaceID, key, request string) (o Once, prior *Answer, err error) {
	o = Once{workspaceID, key, db.NewID()}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		prior = nil
		at := s.now()
		// The row is taken when there is none, or when it is too old.
		n, err := tx.Exec(ctx, `
			INSERT INTO idempotency (workspace_id, key, request_hash, attempt, status, headers, body, created_us)
			VALUES ($1, $2, $3, $4, 0, '', '', $5)
			ON CONFLICT (workspace_id, key) DO UPDATE SET request_hash = excluded.request_hash, attempt = excluded.attempt,
				status = 0, headers = '', body = '', created_us = excluded.created_us
			WHERE idempotency.created_us <= $6
				OR idempotency.status = 0 AND idempotency.created_us <= $7 AND idempotency.request_hash = excluded.request_hash`,
			workspaceID, key, request, o.attempt, db.US(at), db.US(at.Add(-keepAnswers)), db.US(at.Add(-abandonedAfter)))
		if err != nil {
			return fmt.Errorf("claim idempotency key: %w", err)
		}
		if n == 1 {
			return nil
		}
		var hash, headers, body string
		var a Answer
		err = tx.QueryRow(ctx, `SELECT request_hash, status, headers, body FROM idempotency WHERE workspace_id = $1 AND key = $2`, workspaceID, key).
			Scan(&hash, &a.Status, &headers, &body)
		switch {
		case errors.Is(err, sql.ErrNoRows): // forgotten between the two statements
			return errs.E(errs.Conflict, "workspace.idempotency_running", nil)
		case err != nil:
			return fmt.Errorf("read idempotency key: %w", err)
		case !same(hash, request):
			return errs.E(errs.Invalid, "workspace.idempotency_other", nil)
		case a.Status == 0:
			return errs.E(errs.Conflict, "workspace.idempotency_running", nil)
		}
		if err = json.Unmarshal([]byte(headers), &a.Headers); err == nil {
			a.Body, err = base64.StdEncoding.DecodeString(body)
		}
		prior = &a
		return err
	})
	return o, prior, err
}

// Finish keeps the answer for repetitions.
func (s *Service) Finish(ctx context.Context, o Once, a Answer) error {
	headers, err := json.Marshal(a.Headers)
	if err != nil {
		return err
	}
	_, err = s.d.Exec(ctx, `UPDATE idempotency SET status = $4, headers = $5, body = $6
		WHERE workspace_id = $1 AND key = $2 AND attempt = $3`,
		o.workspace, o.key, o.attempt, a.Status, string(headers), base64.StdEncoding.EncodeToString(a.Body))
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return nil
}

// Forget gives the key free: nothing was done, and a repetition may try.
func (s *Service) Forget(ctx context.Context, o Once) error {
	_, err := s.d.Exec(ctx, `DELETE FROM idempotency WHERE workspace_id = $1 AND key = $2 AND attempt = $3 AND status = 0`,
		o.workspace, o.key, o.attempt)
	return err
}

// Clean removes what has run out: kept answers, sessions, links, invitations
// and counted failures. It is called now and then, by any process.
func (s *Service) Clean(ctx context.Context) error {
	at := s.now()
	month := db.US(at.Add(-30 * 24 * time.Hour))
	for _, q := range []struct {
		text string
		arg  int64
	}{
		{`DELETE FROM idempotency WHERE created_us <= $1`, db.US(at.Add(-keepAnswers))},
		{`DELETE FROM session WHERE expires_us <= $1`, db.US(at)},
		{`DELETE FROM session WHERE used_us <= $1`, db.US(at.Add(-sessionIdle))},
		{`DELETE FROM sign_in_link WHERE expires_us <= $1`, month},
		{`DELETE FROM invitation WHERE expires_us <= $1`, month},
		{`DELETE FROM sign_in_attempt WHERE last_us <= $1`, db.US(at.Add(-forgetAfter))},
	} {
		if _, err := s.d.Exec(ctx, q.text, q.arg); err != nil {
			return fmt.Errorf("clean up: %s: %w", strings.Fields(q.text)[2], err)
		}
	}
	return nil
}
