package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// Synced says what a sync found.
type Synced struct {
	Found int `json:"found"` // ad accounts that the key can see
	Added int `json:"added"` // of them, new to the workspace
}

const syncBatch = 200 // accounts per transaction

// Sync asks the platform which ad accounts a key can see and adds those that
// the workspace does not know. Accounts keep the names that people gave them.
// A key that the platform refuses becomes invalid, and the error says which
// part of it: account.license_refused, account.secret_refused,
// account.key_refused.
func (s *Service) Sync(ctx context.Context, workspaceID, keyID string, now time.Time) (r Synced, err error) {
	c, err := s.Credential(ctx, workspaceID, keyID)
	if err != nil {
		return r, err
	}
	platform, ok := s.discoverers[c.Platform]
	if !ok {
		return r, fmt.Errorf("nobody discovers accounts of %q", c.Platform)
	}
	found, err := platform.Discover(ctx, c)
	if refused := (*Refused)(nil); errors.As(err, &refused) {
		mark := s.d.InTx(ctx, func(tx *db.Tx) error { return s.MarkInvalid(ctx, tx, keyID, refused, now) })
		return r, errors.Join(refusal(refused), mark)
	}
	if err != nil {
		return r, fmt.Errorf("discover accounts of api key %s: %w", keyID, err)
	}
	seen := map[string]bool{}
	kept := found[:0:0]
	for _, f := range found {
		f.CustomerID = CleanCustomer(f.CustomerID)
		if f.CustomerID == "" || seen[f.CustomerID] {
			continue
		}
		seen[f.CustomerID] = true
		kept = append(kept, f)
	}
	r.Found = len(kept)
	for first := true; first || len(kept) > 0; first = false {
		n := min(len(kept), syncBatch)
		added := 0
		err := s.d.InTx(ctx, func(tx *db.Tx) error {
			added = 0
			k, err := key(ctx, tx, workspaceID, keyID)
			if err != nil {
				return err
			}
			if first {
				if err := s.MarkValid(ctx, tx, keyID, c.Revision, now); err != nil {
					return err
				}
			}
			for _, f := range kept[:n] {
				created, err := addAccount(ctx, tx, k, f, false, now)
				if err != nil {
					return err
				}
				if created {
					added++
					continue
				}
				_, err = tx.Exec(ctx, `UPDATE ad_account SET role = $4, name = CASE WHEN named OR $5 = '' THEN name ELSE $5 END, updated_us = $6
					WHERE workspace_id = $1 AND platform = $2 AND customer_id = $3 AND (role <> $4 OR NOT named AND name <> $5 AND $5 <> '')`,
					workspaceID, k.Platform, f.CustomerID, f.Role, f.Name, db.US(now))
				if err != nil {
					return fmt.Errorf("update ad account %s: %w", f.CustomerID, err)
				}
			}
			return nil
		})
		if err != nil {
			return r, err
		}
		r.Added += added
		kept = kept[n:]
	}
	return r, nil
}

// refusal is a Refused as the person reads it who asked for the sync.
func refusal(r *Refused) error {
	var e *errs.Error
	switch r.Reason {
	case ReasonLicense:
		e = errs.InvalidField("license", "account.license_refused")
	case ReasonSecret:
		e = errs.InvalidField("secret", "account.secret_refused")
	default:
		e = errs.E(errs.Invalid, "account.key_refused", nil)
	}
	e.Cause = r.Err
	return e
}
