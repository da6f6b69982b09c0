package account

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/incident"
)

// secretsKept bounds how many secrets of a licence are tried: the new one, and
// those that it may have replaced too early.
const secretsKept = 3

// NewKey says what key to register.
type NewKey struct {
	Name          string
	Platform      string // empty: NaverSearchAd
	License       string
	Secret        string
	OwnerCustomer string // may be empty
	HeadRoom      int    // percent
}

// AddKey registers a key. Licence and secret are cleaned of what a paste
// brings along; whether the platform takes them shows with the first request.
func (s *Service) AddKey(ctx context.Context, workspaceID string, in NewKey, now time.Time) (k Key, err error) {
	if in.Platform == "" {
		in.Platform = NaverSearchAd
	}
	k = Key{ID: db.NewID(), WorkspaceID: workspaceID, Platform: in.Platform, Secrets: 1, Revision: 1, Valid: true,
		HeadRoom: in.HeadRoom, CreatedAt: now, UpdatedAt: now}
	var wrong, bad []errs.Field
	k.Name, wrong = checkName(in.Name)
	if !slices.Contains(Platforms, in.Platform) {
		wrong = append(wrong, field("platform", "account.platform.unknown", in.Platform, strings.Join(Platforms, ", "))...)
	}
	k.License, bad = checkLicense(in.License)
	wrong = append(wrong, bad...)
	secret, bad := checkSecret(in.Secret)
	wrong = append(wrong, bad...)
	if in.OwnerCustomer != "" {
		k.OwnerCustomer, bad = checkCustomer("owner_customer_id", in.OwnerCustomer)
		wrong = append(wrong, bad...)
	}
	if wrong = append(wrong, checkHeadRoom(in.HeadRoom)...); len(wrong) > 0 {
		return Key{}, errs.InvalidFields(wrong...)
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO api_key (id, workspace_id, platform, name, license, secrets, secret_count, owner_customer, revision,
				state, reason, invalid_us, proved_us, head_room, created_us, updated_us)
			VALUES ($1, $2, $3, $4, $5, $6, 1, $7, 1, 'valid', '', 0, 0, $8, $9, $9)`,
			k.ID, workspaceID, k.Platform, k.Name, k.License, s.seal(k.ID, []string{secret}), k.OwnerCustomer, k.HeadRoom, db.US(now))
		if err != nil {
			return fmt.Errorf("insert api key: %w", err)
		}
		return s.tell(ctx, tx, Tuned, k)
	})
	return k, err
}

func subject(keyID string) string { return "api_key/" + keyID }

func (s *Service) seal(keyID string, secrets []string) string {
	b, _ := json.Marshal(secrets) // strings always marshal
	return s.box.Seal(string(b), subject(keyID))
}

func (s *Service) unseal(keyID, sealed string) (secrets []string, err error) {
	text, err := s.box.Open(sealed, subject(keyID))
	if err != nil {
		return nil, err
	}
	if json.Unmarshal([]byte(text), &secrets) != nil {
		return nil, fmt.Errorf("secrets of api key %s are damaged", keyID) // the cause would quote them
	}
	return secrets, nil
}

const keyColumns = `id, workspace_id, platform, name, license, secret_count, owner_customer, revision, state, reason,
	invalid_us, proved_us, head_room, created_us, updated_us`

func scanKey(r db.Scanner) (k Key, err error) {
	var state string
	var invalid, proved, created, updated int64
	err = r.Scan(&k.ID, &k.WorkspaceID, &k.Platform, &k.Name, &k.License, &k.Secrets, &k.OwnerCustomer, &k.Revision, &state, &k.Reason,
		&invalid, &proved, &k.HeadRoom, &created, &updated)
	k.Valid = state == "valid"
	k.InvalidAt, k.ProvedAt, k.CreatedAt, k.UpdatedAt = db.Time(invalid), db.Time(proved), db.Time(created), db.Time(updated)
	return k, err
}

// Key is one key of a workspace; account.key_not_found when there is none.
func (s *Service) Key(ctx context.Context, workspaceID, id string) (Key, error) {
	return key(ctx, s.d, workspaceID, id)
}

func key(ctx context.Context, q db.Queryer, workspaceID, id string) (Key, error) {
	k, err := scanKey(q.QueryRow(ctx, `SELECT `+keyColumns+` FROM api_key WHERE workspace_id = $1 AND id = $2`, workspaceID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return k, errs.E(errs.NotFound, "account.key_not_found", nil)
	}
	if err != nil {
		return k, fmt.Errorf("api key %s: %w", id, err)
	}
	return k, nil
}

// Keys lists a workspace's keys, newest first, before the id cursor when it is
// not empty.
func (s *Service) Keys(ctx context.Context, workspaceID, cursor string, limit int) ([]Key, error) {
	all, err := db.All(ctx, s.d, scanKey, `SELECT `+keyColumns+` FROM api_key
		WHERE workspace_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, workspaceID, before(cursor), limit)
	if err != nil {
		return nil, fmt.Errorf("list api keys: %w", err)
	}
	return all, nil
}

// before is the id that a page of a list begins below: every id when cursor is
// empty.
func before(cursor string) string {
	if cursor == "" {
		return "~"
	}
	return cursor
}

// Credential is what the requests of a workspace's key are signed with.
func (s *Service) Credential(ctx context.Context, workspaceID, keyID string) (c Credential, err error) {
	var sealed string
	err = s.d.QueryRow(ctx, `SELECT id, workspace_id, platform, license, secrets, owner_customer, revision
		FROM api_key WHERE workspace_id = $1 AND id = $2`, workspaceID, keyID).
		Scan(&c.ID, &c.WorkspaceID, &c.Platform, &c.License, &sealed, &c.OwnerCustomer, &c.Revision)
	if errors.Is(err, sql.ErrNoRows) {
		return c, errs.E(errs.NotFound, "account.key_not_found", nil)
	}
	if err != nil {
		return c, fmt.Errorf("credential of api key %s: %w", keyID, err)
	}
	c.Secrets, err = s.unseal(keyID, sealed)
	return c, err
}

// KeyChange changes what is not nil.
type KeyChange struct {
	Name, License, Secret, OwnerCustomer *string
	HeadRoom                             *int
}

// UpdateKey changes a key in place. A new secret is tried before the older
// ones of its licence; a new licence brings its own. Either gives the key
// another chance: its incident is resolved, and what was parked for it goes
// on.
func (s *Service) UpdateKey(ctx context.Context, workspaceID, id string, c KeyChange, now time.Time) (k Key, err error) {
	in, wrong := checkChange(c)
	if len(wrong) > 0 {
		return k, errs.InvalidFields(wrong...)
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		// The UPDATE locks the row before it is read.
		if _, err := tx.Exec(ctx, `UPDATE api_key SET updated_us = $3 WHERE workspace_id = $1 AND id = $2`, workspaceID, id, db.US(now)); err != nil {
			return fmt.Errorf("lock api key %s: %w", id, err)
		}
		if k, err = key(ctx, tx, workspaceID, id); err != nil {
			return err
		}
		old := k
		if in.Name != nil {
			k.Name = *in.Name
		}
		if in.OwnerCustomer != nil {
			k.OwnerCustomer = *in.OwnerCustomer
		}
		if in.HeadRoom != nil {
			k.HeadRoom = *in.HeadRoom
		}
		if in.License != nil || in.Secret != nil {
			if err := s.rotate(ctx, tx, &k, in); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `UPDATE api_key SET name = $3, owner_customer = $4, head_room = $5 WHERE workspace_id = $1 AND id = $2`,
			workspaceID, id, k.Name, k.OwnerCustomer, k.HeadRoom)
		if err != nil {
			return fmt.Errorf("update api key %s: %w", id, err)
		}
		if k.Revision != old.Revision {
			if err := s.revive(ctx, tx, k, now); err != nil {
				return err
			}
		}
		if k.License != old.License || k.HeadRoom != old.HeadRoom {
			return s.tell(ctx, tx, Tuned, k)
		}
		return nil
	})
	return k, err
}

func checkChange(c KeyChange) (in KeyChange, wrong []errs.Field) {
	take := func(from *string, check func(string) (string, []errs.Field)) *string {
		if from == nil {
			return nil
		}
		v, bad := check(*from)
		wrong = append(wrong, bad...)
		return &v
	}
	in.Name = take(c.Name, checkName)
	in.License = take(c.License, checkLicense)
	in.Secret = take(c.Secret, checkSecret)
	in.OwnerCustomer = take(c.OwnerCustomer, func(v string) (string, []errs.Field) {
		if strings.TrimSpace(v) == "" {
			return "", nil // forget it
		}
		return checkCustomer("owner_customer_id", v)
	})
	if c.HeadRoom != nil {
		in.HeadRoom = c.HeadRoom
		wrong = append(wrong, checkHeadRoom(*c.HeadRoom)...)
	}
	return in, wrong
}

// rotate puts a new licence or secret into the row, which the caller has
// locked.
func (s *Service) rotate(ctx context.Context, tx *db.Tx, k *Key, in KeyChange) error {
	var sealed string
	if err := tx.QueryRow(ctx, `SELECT secrets FROM api_key WHERE id = $1`, k.ID).Scan(&sealed); err != nil {
		return fmt.Errorf("secrets of api key %s: %w", k.ID, err)
	}
	secrets, err := s.unseal(k.ID, sealed)
	if err != nil && (in.License == nil || in.Secret == nil) {
		return err // with both given anew, what was sealed by another key is no loss
	}
	moved := in.License != nil && *in.License != k.License
	if in.License != nil {
		k.License = *in.License
	}
	if in.Secret != nil {
		if moved {
			secrets = nil // they belonged to the former licence
		}
		secrets = slices.DeleteFunc(secrets, func(v string) bool { return v == *in.Secret })
		secrets = slices.Insert(secrets, 0, *in.Secret)
		secrets = secrets[:min(len(secrets), secretsKept)]
	}
	k.Revision++
	k.Secrets, k.Valid, k.Reason, k.InvalidAt, k.ProvedAt = len(secrets), true, "", time.Time{}, time.Time{}
	_, err = tx.Exec(ctx, `UPDATE api_key SET license = $2, secrets = $3, secret_count = $4, revision = $5,
		state = 'valid', reason = '', invalid_us = 0, proved_us = 0 WHERE id = $1`, k.ID, k.License, s.seal(k.ID, secrets), len(secrets), k.Revision)
	if err == nil && moved {
		// Whether the new licence reaches its customers must show first.
		_, err = tx.Exec(ctx, `UPDATE ad_account SET proved_us = 0 WHERE api_key_id = $1`, k.ID)
	}
	if err != nil {
		return fmt.Errorf("rotate api key %s: %w", k.ID, err)
	}
	return nil
}

// DeleteKey removes a key for good. While ad accounts use it, it refuses with
// account.key_in_use, which counts them and what hangs on them; withAccounts
// removes such accounts too, as long as nothing hangs on them.
func (s *Service) DeleteKey(ctx context.Context, workspaceID, id string, withAccounts bool, now time.Time) error {
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE api_key SET updated_us = $3 WHERE workspace_id = $1 AND id = $2`, workspaceID, id, db.US(now)); err != nil {
			return fmt.Errorf("lock api key %s: %w", id, err)
		}
		k, err := key(ctx, tx, workspaceID, id)
		if err != nil {
			return err
		}
		accounts, err := db.All(ctx, tx, db.Value[string], `SELECT id FROM ad_account WHERE workspace_id = $1 AND api_key_id = $2 ORDER BY id`, workspaceID, id)
		if err != nil {
			return fmt.Errorf("accounts of api key %s: %w", id, err)
		}
		hanging, err := s.hanging(ctx, tx, accounts)
		if err != nil {
			return err
		}
		if len(accounts) > 0 && (!withAccounts || len(hanging) > 0) {
			all := append([]Dependent{{"ad_account", len(accounts)}}, hanging...)
			return errs.E(errs.Conflict, "account.key_in_use", nil, k.Name, dependents(all)).With("dependents", all)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM ad_account WHERE workspace_id = $1 AND api_key_id = $2`, workspaceID, id); err != nil {
			return fmt.Errorf("delete accounts of api key %s: %w", id, err)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM api_key WHERE workspace_id = $1 AND id = $2`, workspaceID, id); err != nil {
			return fmt.Errorf("delete api key %s: %w", id, err)
		}
		if _, err := s.incidents.Resolve(ctx, tx, workspaceID, incident.KeyInvalid, id, now); err != nil {
			return err
		}
		return s.tell(ctx, tx, Tuned, k)
	})
}

// HeadRoom is the percent of a licence's rate that is left to others: the most
// that a valid, proved key of it asks for.
func (s *Service) HeadRoom(ctx context.Context, q db.Queryer, platform, license string) (percent int, err error) {
	if q == nil {
		q = s.d
	}
	err = q.QueryRow(ctx, `SELECT coalesce(max(head_room), 0) FROM api_key
		WHERE platform = $1 AND license = $2 AND state = 'valid' AND proved_us > 0`, platform, license).Scan(&percent)
	if err != nil {
		err = fmt.Errorf("head room: %w", err)
	}
	return percent, err
}
