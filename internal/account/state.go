package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/incident"
	"imreport/internal/jobs"
)

// wakeAgain is when the job of a key that has become usable comes a second
// time: a run that was being parked while the key was repaired is found then.
const wakeAgain = 15 * time.Second

// usableArgs is the job "key N is usable, let what waits for it go on".
type usableArgs struct {
	KeyID string `json:"key_id"`
	// Moved: an account has left the key, so look even if it is dead.
	Moved bool `json:"moved,omitempty"`
}

// Kind names the job.
func (usableArgs) Kind() string { return "account.usable" }

func (s *Service) handleUsable(ctx context.Context, a usableArgs) error {
	if ok, err := s.Usable(ctx, s.d, a.KeyID); err != nil || !ok && !a.Moved {
		return err
	}
	for _, f := range s.usable {
		if err := f(ctx, a.KeyID); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) wake(ctx context.Context, tx *db.Tx, keyID string, now time.Time) error {
	return s.enqueue(ctx, tx, usableArgs{KeyID: keyID}, now)
}

// wakeMoved lets what waits for a key look again, because an account now has
// another.
func (s *Service) wakeMoved(ctx context.Context, tx *db.Tx, keyID string, now time.Time) error {
	return s.enqueue(ctx, tx, usableArgs{KeyID: keyID, Moved: true}, now)
}

func (s *Service) enqueue(ctx context.Context, tx *db.Tx, a usableArgs, now time.Time) error {
	if err := s.jobs.Enqueue(ctx, tx, a); err != nil {
		return err
	}
	return s.jobs.Enqueue(ctx, tx, a, jobs.At(now.Add(wakeAgain)))
}

func (s *Service) tell(ctx context.Context, tx *db.Tx, what Change, k Key) error {
	for _, f := range s.changed {
		if err := f(ctx, tx, Event{What: what, Key: k}); err != nil {
			return err
		}
	}
	return nil
}

// Usable reports whether a key is not known to be dead. A key that was deleted
// is not usable.
func (s *Service) Usable(ctx context.Context, q db.Queryer, keyID string) (ok bool, err error) {
	err = q.QueryRow(ctx, `SELECT state = 'valid' FROM api_key WHERE id = $1`, keyID).Scan(&ok)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("state of api key %s: %w", keyID, err)
	}
	return ok, nil
}

// MarkInvalid notes that the platform refuses a key, and opens one incident
// about it. A *Refused in why says which part is refused, and of which
// revision: when the key was repaired meanwhile, it stays valid and what is
// being parked for it is woken.
func (s *Service) MarkInvalid(ctx context.Context, tx *db.Tx, keyID string, why error, now time.Time) error {
	reason, revision := ReasonRefused, int64(0)
	if r := (*Refused)(nil); errors.As(why, &r) {
		reason, revision = r.Reason, r.Revision
	}
	k, err := scanKey(tx.QueryRow(ctx, `UPDATE api_key SET state = 'invalid', reason = $2, invalid_us = $3
		WHERE id = $1 AND state = 'valid' AND ($4 = 0 OR revision = $4) RETURNING `+keyColumns, keyID, reason, db.US(now), revision))
	if errors.Is(err, sql.ErrNoRows) {
		ok, err := s.Usable(ctx, tx, keyID)
		if err != nil || !ok {
			return err
		}
		return s.wake(ctx, tx, keyID, now)
	}
	if err != nil {
		return fmt.Errorf("mark api key %s invalid: %w", keyID, err)
	}
	s.log.WarnContext(ctx, "api key refused", "key", keyID, "workspace", k.WorkspaceID, "reason", reason)
	_, _, err = s.incidents.Open(ctx, tx, k.WorkspaceID, incident.Report{
		Kind: incident.KeyInvalid, Subject: keyID, Reason: string(reason), Args: []string{k.Name, Mask(k.License)}, Link: "/api-keys/" + keyID,
	}, now)
	if err != nil {
		return err
	}
	return s.tell(ctx, tx, BecameInvalid, k)
}

// MarkValid notes that a request with a key went through. If the key was
// thought dead, its incident is resolved and what waits for it goes on.
// revision is the Credential's; of an older one nothing is noted.
func (s *Service) MarkValid(ctx context.Context, tx *db.Tx, keyID string, revision int64, now time.Time) error {
	var was string
	var proved int64
	err := tx.QueryRow(ctx, `UPDATE api_key SET updated_us = updated_us WHERE id = $1 AND revision = $2 RETURNING state, proved_us`, keyID, revision).Scan(&was, &proved)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lock api key %s: %w", keyID, err)
	}
	k, err := scanKey(tx.QueryRow(ctx, `UPDATE api_key SET state = 'valid', reason = '', invalid_us = 0, proved_us = $2
		WHERE id = $1 RETURNING `+keyColumns, keyID, db.US(now)))
	if err != nil {
		return fmt.Errorf("mark api key %s valid: %w", keyID, err)
	}
	if was != "valid" {
		if err := s.revive(ctx, tx, k, now); err != nil {
			return err
		}
	}
	if proved == 0 {
		return s.tell(ctx, tx, Tuned, k) // its head room counts from now on
	}
	return nil
}

// revive does what follows when a key gets another chance.
func (s *Service) revive(ctx context.Context, tx *db.Tx, k Key, now time.Time) error {
	if _, err := s.incidents.Resolve(ctx, tx, k.WorkspaceID, incident.KeyInvalid, k.ID, now); err != nil {
		return err
	}
	if err := s.tell(ctx, tx, BecameValid, k); err != nil {
		return err
	}
	return s.wake(ctx, tx, k.ID, now)
}

// provedEvery bounds how often a proof is written.
const provedEvery = 5 * time.Minute

// MarkProved notes that an ad account was reached by its workspace's own key,
// to a few minutes.
func (s *Service) MarkProved(ctx context.Context, accountID string, now time.Time) error {
	a, err := s.Account(ctx, s.d, accountID)
	if err != nil {
		return err
	}
	if now.Sub(a.ProvedAt) < provedEvery {
		return nil
	}
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE ad_account SET proved_us = $2 WHERE id = $1 AND api_key_id = $3 AND proved_us < $2`, accountID, db.US(now), a.APIKeyID)
		if err != nil {
			return fmt.Errorf("prove account %s: %w", accountID, err)
		}
		k, err := key(ctx, tx, a.WorkspaceID, a.APIKeyID)
		if err != nil || now.Sub(k.ProvedAt) < provedEvery || !k.Valid {
			return err
		}
		return s.MarkValid(ctx, tx, k.ID, k.Revision, now)
	})
}
