package shop

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
)

func subject(id string) string      { return "shop/" + id }
func adminSubject(id string) string { return "shop.admin/" + id }

func (s *Service) seal(id string, secrets []string) string {
	b, _ := json.Marshal(secrets) // strings always marshal
	return s.box.Seal(string(b), subject(id))
}

// push puts the newest secret in front; those that it may have replaced too
// early stay behind it.
func push(secrets []string, newest string) []string {
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(v string) bool { return v == newest })
	secrets = slices.Insert(secrets, 0, newest)
	return secrets[:min(len(secrets), secretsKept)]
}

// secrets are the webhook secrets of a shop, newest first.
func (s *Service) secrets(ctx context.Context, q db.Queryer, id string) (all []string, err error) {
	var sealed string
	if err := q.QueryRow(ctx, `SELECT secrets FROM shop WHERE id = $1`, id).Scan(&sealed); err != nil {
		return nil, fmt.Errorf("secrets of shop %s: %w", id, err)
	}
	text, err := s.box.Open(sealed, subject(id))
	if err != nil {
		return nil, err
	}
	if json.Unmarshal([]byte(text), &all) != nil {
		return nil, fmt.Errorf("secrets of shop %s are damaged", id) // the cause would quote them
	}
	return all, nil
}

// AdminToken is the shop's token of the Admin API; empty when there is none.
func (s *Service) AdminToken(ctx context.Context, id string) (string, error) {
	var sealed string
	if err := s.d.QueryRow(ctx, `SELECT admin_token FROM shop WHERE id = $1`, id).Scan(&sealed); err != nil {
		return "", fmt.Errorf("admin token of shop %s: %w", id, err)
	}
	if sealed == "" {
		return "", nil
	}
	return s.box.Open(sealed, adminSubject(id))
}

// RotateCode makes a new access code, shown once. Calls with the old one are
// refused from now on; its hook address lives OldCodeLives longer.
func (s *Service) RotateCode(ctx context.Context, workspaceID, id string) (code string, err error) {
	code = newCode()
	now := s.now()
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE shop SET updated_us = $3 WHERE workspace_id = $1 AND id = $2`, workspaceID, id, db.US(now))
		if err != nil {
			return fmt.Errorf("lock shop %s: %w", id, err)
		}
		if n == 0 {
			return errs.E(errs.NotFound, "shop.not_found", nil)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM shop_code WHERE shop_id = $1 AND until_us > 0 AND until_us < $2`, id, db.US(now)); err != nil {
			return fmt.Errorf("old codes of shop %s: %w", id, err)
		}
		if _, err := tx.Exec(ctx, `UPDATE shop_code SET until_us = $2 WHERE shop_id = $1 AND until_us = 0`, id, db.US(now.Add(OldCodeLives))); err != nil {
			return fmt.Errorf("retire code of shop %s: %w", id, err)
		}
		return s.addCode(ctx, tx, id, code, now)
	})
	s.forget()
	return code, err
}

// NewHookCode makes a code that works in a hook address and nowhere else, for
// subscriptions that imreport makes itself: the access code is not known any
// more.
func (s *Service) NewHookCode(ctx context.Context, id string) (code string, err error) {
	code = newCode()
	_, err = s.d.Exec(ctx, `INSERT INTO shop_code (hash, shop_id, created_us, until_us) VALUES ($1, $2, $3, -1)`, s.hash(code), id, db.US(s.now()))
	if err != nil {
		return "", fmt.Errorf("hook code of shop %s: %w", id, err)
	}
	return code, nil
}

// ByCode is the shop of an access code. Errors: shop.shop_code_missing (401)
// for an empty one, shop.shop_code_unknown (403) for one that never was or was
// replaced.
func (s *Service) ByCode(ctx context.Context, code string) (Shop, error) {
	code = strings.TrimSpace(code)
	if code == "" {
		return Shop{}, errs.E(errs.Unauthenticated, "shop.shop_code_missing", nil)
	}
	sh, err := get(ctx, s.d, `id = (SELECT shop_id FROM shop_code WHERE hash = $1 AND until_us = 0)`, s.hash(code))
	if errs.Is(err, "shop.not_found") {
		return Shop{}, errs.E(errs.Forbidden, "shop.shop_code_unknown", nil)
	}
	return sh, err
}

// Mismatch is the error of a call whose code is right but whose header names
// another shop (403 shop_mismatch).
func Mismatch(header string) error { return errs.E(errs.Forbidden, "shop.shop_mismatch", nil, header) }

// Hook is a shop as its webhooks see it.
type Hook struct {
	Shop
	Secrets []string // in the order of trial
}

type hookEntry struct {
	Hook
	until time.Time
}

// hookFor is how long a process trusts what it read about a hook address. Its
// own changes forget it at once; a signature that fails asks anew (Fresh).
const hookFor = 2 * time.Second

// ByHook is the shop of the code in a hook address, also of a code replaced
// less than OldCodeLives ago. Errors: shop.shop_code_missing (401),
// shop.shop_code_unknown (404).
func (s *Service) ByHook(ctx context.Context, code string) (Hook, error) {
	h := s.hash(code)
	s.mu.Lock()
	e, ok := s.hooks[h]
	s.mu.Unlock()
	if ok && s.now().Before(e.until) {
		return e.Hook, nil
	}
	return s.Fresh(ctx, code)
}

// Fresh is ByHook without what the process remembers.
func (s *Service) Fresh(ctx context.Context, code string) (k Hook, err error) {
	if strings.TrimSpace(code) == "" {
		return k, errs.E(errs.Unauthenticated, "shop.shop_code_missing", nil)
	}
	h, now := s.hash(code), s.now()
	var id string
	err = s.d.QueryRow(ctx, `SELECT shop_id FROM shop_code WHERE hash = $1 AND (until_us <= 0 OR until_us > $2)`, h, db.US(now)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return k, errs.E(errs.NotFound, "shop.shop_code_unknown", nil)
	}
	if err != nil {
		return k, fmt.Errorf("hook address: %w", err)
	}
	if k.Shop, err = get(ctx, s.d, `id = $1`, id); err != nil {
		return k, err
	}
	if k.Secrets, err = s.secrets(ctx, s.d, id); err != nil {
		return k, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hooks) > 10_000 {
		clear(s.hooks)
	}
	s.hooks[h] = hookEntry{k, now.Add(hookFor)}
	return k, nil
}

// forget drops what the process remembers of hook addresses.
func (s *Service) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.hooks)
}
