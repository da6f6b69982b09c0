package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
)

// NewAccount says what ad account to add.
type NewAccount struct {
	APIKeyID   string
	CustomerID string // everything but its digits is dropped
	Name       string // empty: the platform's name once it is known
}

const accountColumns = `id, workspace_id, api_key_id, platform, customer_id, name, role, proved_us, created_us, updated_us`

func scanAccount(r db.Scanner) (a Account, err error) {
	var proved, created, updated int64
	err = r.Scan(&a.ID, &a.WorkspaceID, &a.APIKeyID, &a.Platform, &a.CustomerID, &a.Name, &a.Role, &proved, &created, &updated)
	a.ProvedAt, a.CreatedAt, a.UpdatedAt = db.Time(proved), db.Time(created), db.Time(updated)
	return a, err
}

// AddAccount adds an ad account, or returns the one that the workspace knows
// already by this customer id, as it is; created says which.
func (s *Service) AddAccount(ctx context.Context, workspaceID string, in NewAccount, now time.Time) (a Account, created bool, err error) {
	customer, wrong := checkCustomer("customer_id", in.CustomerID)
	name := ""
	if in.Name != "" {
		n, bad := checkName(in.Name)
		name, wrong = n, append(wrong, bad...)
	}
	if in.APIKeyID == "" {
		wrong = append(wrong, field("api_key_id", "account.api_key.required")...)
	}
	if len(wrong) > 0 {
		return a, false, errs.InvalidFields(wrong...)
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		k, err := key(ctx, tx, workspaceID, in.APIKeyID)
		if errs.Is(err, "account.key_not_found") {
			return errs.InvalidField("api_key_id", "account.api_key.unknown")
		}
		if err != nil {
			return err
		}
		created, err = addAccount(ctx, tx, k, Found{CustomerID: customer, Name: name}, name != "", now)
		if err != nil {
			return err
		}
		a, err = scanAccount(tx.QueryRow(ctx, `SELECT `+accountColumns+` FROM ad_account
			WHERE workspace_id = $1 AND platform = $2 AND customer_id = $3`, workspaceID, k.Platform, customer))
		return err
	})
	return a, created, err
}

// addAccount inserts an account unless its customer is known.
func addAccount(ctx context.Context, tx *db.Tx, k Key, f Found, named bool, now time.Time) (bool, error) {
	name := f.Name
	if name == "" {
		name = f.CustomerID
	}
	n, err := tx.Exec(ctx, `
		INSERT INTO ad_account (id, workspace_id, api_key_id, platform, customer_id, name, named, role, proved_us, created_us, updated_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $9)
		ON CONFLICT (workspace_id, platform, customer_id) DO NOTHING`,
		db.NewID(), k.WorkspaceID, k.ID, k.Platform, f.CustomerID, name, named, f.Role, db.US(now))
	if err != nil {
		return false, fmt.Errorf("insert ad account %s: %w", f.CustomerID, err)
	}
	return n == 1, nil
}

// Account is an ad account, whatever workspace it belongs to: for runs, which
// have their workspace from the raw data. account.not_found when there is
// none.
func (s *Service) Account(ctx context.Context, q db.Queryer, accountID string) (Account, error) {
	return one(scanAccount(q.QueryRow(ctx, `SELECT `+accountColumns+` FROM ad_account WHERE id = $1`, accountID)))
}

// AccountIn is an ad account of a workspace; account.not_found when there is
// none.
func (s *Service) AccountIn(ctx context.Context, workspaceID, id string) (Account, error) {
	return one(scanAccount(s.d.QueryRow(ctx, `SELECT `+accountColumns+` FROM ad_account WHERE workspace_id = $1 AND id = $2`, workspaceID, id)))
}

func one(a Account, err error) (Account, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return a, errs.E(errs.NotFound, "account.not_found", nil)
	}
	if err != nil {
		return a, fmt.Errorf("ad account: %w", err)
	}
	return a, nil
}

// Accounts lists a workspace's ad accounts, newest first, before the id cursor
// when it is not empty; only those of one key when keyID is not empty.
func (s *Service) Accounts(ctx context.Context, workspaceID, keyID, cursor string, limit int) ([]Account, error) {
	all, err := db.All(ctx, s.d, scanAccount, `SELECT `+accountColumns+` FROM ad_account
		WHERE workspace_id = $1 AND ($2 = '' OR api_key_id = $2) AND id < $3 ORDER BY id DESC LIMIT $4`, workspaceID, keyID, before(cursor), limit)
	if err != nil {
		return nil, fmt.Errorf("list ad accounts: %w", err)
	}
	return all, nil
}

// AccountsByID are those of the ids that are ad accounts of the workspace, by
// id.
func (s *Service) AccountsByID(ctx context.Context, workspaceID string, ids []string) (map[string]Account, error) {
	found := make(map[string]Account, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), 500)
		args := []any{workspaceID}
		for _, id := range ids[:n] {
			args = append(args, id)
		}
		all, err := db.All(ctx, s.d, scanAccount, `SELECT `+accountColumns+` FROM ad_account
			WHERE workspace_id = $1 AND id IN (`+db.Params(2, n)+`)`, args...)
		if err != nil {
			return nil, fmt.Errorf("ad accounts by id: %w", err)
		}
		for _, a := range all {
			found[a.ID] = a
		}
		ids = ids[n:]
	}
	return found, nil
}

// AccountChange changes what is not nil.
type AccountChange struct{ Name, APIKeyID *string }

// UpdateAccount names an ad account, or makes another key of its platform
// reach it; what waited for the former key goes on.
func (s *Service) UpdateAccount(ctx context.Context, workspaceID, id string, c AccountChange, now time.Time) (a Account, err error) {
	var wrong []errs.Field
	name := ""
	if c.Name != nil {
		name, wrong = checkName(*c.Name)
	}
	if len(wrong) > 0 {
		return a, errs.InvalidFields(wrong...)
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		a, err = one(scanAccount(tx.QueryRow(ctx, `UPDATE ad_account SET updated_us = $3 WHERE workspace_id = $1 AND id = $2
			RETURNING `+accountColumns, workspaceID, id, db.US(now))))
		if err != nil {
			return err
		}
		if c.Name != nil {
			a.Name = name
			if _, err := tx.Exec(ctx, `UPDATE ad_account SET name = $2, named = $3 WHERE id = $1`, id, name, true); err != nil {
				return fmt.Errorf("name ad account %s: %w", id, err)
			}
		}
		if c.APIKeyID == nil || *c.APIKeyID == a.APIKeyID {
			return nil
		}
		k, err := key(ctx, tx, workspaceID, *c.APIKeyID)
		if errs.Is(err, "account.key_not_found") || err == nil && k.Platform != a.Platform {
			return errs.InvalidField("api_key_id", "account.api_key.unknown")
		}
		if err != nil {
			return err
		}
		former := a.APIKeyID
		a.APIKeyID, a.ProvedAt = k.ID, time.Time{}
		if _, err := tx.Exec(ctx, `UPDATE ad_account SET api_key_id = $2, proved_us = 0 WHERE id = $1`, id, k.ID); err != nil {
			return fmt.Errorf("move ad account %s: %w", id, err)
		}
		return s.wakeMoved(ctx, tx, former, now)
	})
	return a, err
}

// DeleteAccount removes an ad account for good. While something hangs on it,
// it refuses with account.in_use, which counts it.
func (s *Service) DeleteAccount(ctx context.Context, workspaceID, id string, now time.Time) error {
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		a, err := one(scanAccount(tx.QueryRow(ctx, `UPDATE ad_account SET updated_us = $3 WHERE workspace_id = $1 AND id = $2
			RETURNING `+accountColumns, workspaceID, id, db.US(now))))
		if err != nil {
			return err
		}
		hanging, err := s.hanging(ctx, tx, []string{id})
		if err != nil {
			return err
		}
		if len(hanging) > 0 {
			return errs.E(errs.Conflict, "account.in_use", nil, a.Name, dependents(hanging)).With("dependents", hanging)
		}
		_, err = tx.Exec(ctx, `DELETE FROM ad_account WHERE workspace_id = $1 AND id = $2`, workspaceID, id)
		return err
	})
}

// hanging adds up what hangs on some accounts, in the order of the first
// mention.
func (s *Service) hanging(ctx context.Context, tx *db.Tx, accounts []string) ([]Dependent, error) {
	var all []Dependent
	at := map[string]int{}
	for _, f := range s.dependents {
		for _, id := range accounts {
			found, err := f(ctx, tx, id)
			if err != nil {
				return nil, fmt.Errorf("what hangs on account %s: %w", id, err)
			}
			for _, d := range found {
				if d.Count == 0 {
					continue
				}
				if i, ok := at[d.Kind]; ok {
					all[i].Count += d.Count
					continue
				}
				at[d.Kind] = len(all)
				all = append(all, d)
			}
		}
	}
	return all, nil
}

// dependents reads as "광고 계정 40개, 로우데이터 3개".
type dependents []Dependent

// In is the text in l.
func (d dependents) In(l i18n.Lang) string {
	text := ""
	for i, v := range d {
		if i > 0 {
			text += ", "
		}
		text += i18n.T(l, "account.dependent."+v.Kind, v.Count)
	}
	return text
}
