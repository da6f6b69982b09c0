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
)

// Failed sign-ins slow down who tries: by address and origin together, by
// origin, and more mildly by address alone, so that nobody can keep somebody
// else out for long.
type throttle struct {
	free int           // failures before the first wait
	most time.Duration // longest wait
}

var throttles = map[string]throttle{
	"pair":   {free: 5, most: 15 * time.Minute},
	"origin": {free: 30, most: 15 * time.Minute},
	"email":  {free: 50, most: time.Minute},
}

// attemptKinds are the keys of throttles in the order in which rows are
// locked.
var attemptKinds = []string{"email", "origin", "pair"}

const (
	firstWait   = 5 * time.Second // doubled with each failure
	forgetAfter = 24 * time.Hour  // without a failure
)

// wait is how long to wait after so many failures.
func (t throttle) wait(failures int) time.Duration {
	over := failures - t.free
	if over < 0 {
		return 0
	}
	w := firstWait
	for range min(over, 16) {
		w = min(2*w, t.most)
	}
	return min(w, t.most)
}

// SignIn begins a session of who knows the password of an address. origin is
// the network address they come from. The error workspace.sign_in_failed does
// not say which of the two is wrong; workspace.sign_in_throttled names the
// seconds to wait, also in its member retry_after_s.
func (s *Service) SignIn(ctx context.Context, email, password, origin string) (v Session, err error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if len(email) > emailMax || len(password) > passwordMax {
		return v, errs.E(errs.Unauthenticated, "workspace.sign_in_failed", nil)
	}
	p, err := personByEmail(ctx, s.d, email)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return v, fmt.Errorf("person by address: %w", err)
	}
	if err := s.prove(ctx, p, email, password, origin, "workspace.sign_in_failed"); err != nil {
		return v, err
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		a, err := s.home(ctx, tx, p.id)
		if errs.KindOf(err) == errs.NotFound {
			return errs.E(errs.Forbidden, "workspace.no_membership", nil)
		}
		if err != nil {
			return err
		}
		v, err = s.newSession(ctx, tx, a, s.now())
		return err
	})
	return v, err
}

// prove checks a person's password within the limits of tries. A person
// without a password, or none at all, takes as long and fails alike.
func (s *Service) prove(ctx context.Context, p person, email, password, origin, failed string) error {
	keys := map[string]string{"email": email}
	if origin != "" {
		keys["origin"], keys["pair"] = origin, email+"\n"+origin
	}
	// Every try counts as a failure until it has succeeded, so that many at
	// once gain nothing.
	if err := s.tryOnce(ctx, keys); err != nil {
		return err
	}
	ok, stale := s.hash.check(p.password, password)
	if !ok {
		return errs.E(errs.Unauthenticated, failed, nil)
	}
	fresh := ""
	if stale {
		fresh = s.hash.make(password)
	}
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		for _, k := range attemptKinds {
			v, ok := keys[k]
			if !ok {
				continue
			}
			// The origin's other failures stay; this try was none.
			q := `DELETE FROM sign_in_attempt WHERE key = $1`
			if k == "origin" {
				q = `UPDATE sign_in_attempt SET failures = failures - 1 WHERE key = $1 AND failures > 0`
			}
			if _, err := tx.Exec(ctx, q, s.attemptKey(k, v)); err != nil {
				return fmt.Errorf("forget failed sign-ins: %w", err)
			}
		}
		if fresh != "" {
			_, err := tx.Exec(ctx, `UPDATE person SET password_hash = $2 WHERE id = $1`, p.id, fresh)
			return err
		}
		return nil
	})
}

func (s *Service) attemptKey(kind, v string) string { return s.fingerprint(forAttempt, kind+"\n"+v) }

// tryOnce counts a try, or says how long to wait.
func (s *Service) tryOnce(ctx context.Context, keys map[string]string) error {
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		at := s.now()
		for _, kind := range attemptKinds {
			v, ok := keys[kind]
			if !ok {
				continue
			}
			var failures int
			var until int64
			err := tx.QueryRow(ctx, `
				INSERT INTO sign_in_attempt (key, failures, last_us, until_us) VALUES ($1, 1, $2, 0)
				ON CONFLICT (key) DO UPDATE SET last_us = excluded.last_us,
					failures = CASE WHEN sign_in_attempt.last_us < $3 THEN 1 ELSE sign_in_attempt.failures + 1 END
				RETURNING failures, until_us`,
				s.attemptKey(kind, v), db.US(at), db.US(at.Add(-forgetAfter))).Scan(&failures, &until)
			if err != nil {
				return fmt.Errorf("count sign-in: %w", err)
			}
			if left := db.Time(until).Sub(at); until > 0 && left > 0 {
				// Rolled back: who waits is not punished for asking again.
				seconds := int(left/time.Second) + 1
				return errs.E(errs.TooMany, "workspace.sign_in_throttled", nil, seconds).With("retry_after_s", seconds)
			}
			if w := throttles[kind].wait(failures); w > 0 {
				_, err := tx.Exec(ctx, `UPDATE sign_in_attempt SET until_us = $2 WHERE key = $1`, s.attemptKey(kind, v), db.US(at.Add(w)))
				if err != nil {
					return fmt.Errorf("slow sign-in down: %w", err)
				}
			}
		}
		return nil
	})
}
