package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"imreport/internal/config"
	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/seal"
)

// secretSubject is what the check value is sealed for.
const secretSubject = "setting/" + settingSecret

// openSecrets finds the instance's key and checks that it is the one by which
// the database was sealed.
func (a *App) openSecrets(ctx context.Context) (err error) {
	a.box, err = openBox(ctx, a.c.Store, a.d, false)
	return err
}

// openBox makes the Box of the settings' key and checks it against the
// database. beside: for a command beside a server, which makes no key; without
// a check value the server was never started (workspace.none).
func openBox(ctx context.Context, c config.Store, d *db.DB, beside bool) (*seal.Box, error) {
	check, err := setting(ctx, d, settingSecret)
	if err != nil {
		return nil, err
	}
	if beside && check == "" {
		return nil, errs.E(errs.Conflict, "workspace.none", nil)
	}
	key, err := secretKey(c, check != "")
	if err != nil {
		return nil, err
	}
	box, err := seal.New(key)
	if err != nil {
		return nil, err
	}
	if check == "" {
		// Of two processes that start at once, one's value stays.
		err = d.InTx(ctx, func(tx *db.Tx) (err error) {
			check, err = settle(ctx, tx, settingSecret, box.Seal("imreport", secretSubject))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if _, err := box.Open(check, secretSubject); err != nil {
		return nil, err
	}
	return box, nil
}

// secretKey is the instance's key. On SQLite it is made and kept in the data
// folder when none is given; on PostgreSQL, which several machines share, it
// must be given. used: something is sealed with it already.
func secretKey(c config.Store, used bool) ([]byte, error) {
	if c.SecretKey != "" {
		return seal.ParseKey(c.SecretKey)
	}
	if c.DatabaseURL != "" {
		return nil, errs.E(errs.Invalid, "cli.secret_key_required", nil)
	}
	if name := filepath.Join(c.Data, "secret.key"); used {
		// A fresh key would not open what the lost one has sealed.
		if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
			return nil, errs.E(errs.Conflict, "cli.secret_key_lost", nil, name)
		}
	}
	return seal.LoadOrMake(c.Data)
}
