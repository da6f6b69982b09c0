package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"imreport/internal/config"
	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/jobs"
)

// openDatabase opens the database and sees to its version.
func (a *App) openDatabase(ctx context.Context) error {
	// A setting that is missing or wrong is told before anything is connected.
	if a.c.DatabaseURL != "" && a.c.SecretKey == "" {
		return errs.E(errs.Invalid, "cli.secret_key_required", nil)
	}
	if b := a.c.RefusalBudget; b != 0 && !(b >= 0.2 && b <= 3) { // 0: not set
		return errs.E(errs.Invalid, "cli.refusal_budget", nil, b)
	}
	d, err := db.Open(ctx, db.Options{URL: a.c.DatabaseURL, Dir: a.c.Data})
	if err != nil {
		return err
	}
	a.d = d
	a.closers = append(a.closers, d.Close)
	switch {
	case a.o.Migrate:
		err = migrate(ctx, d)
	case a.o.AwaitSchema:
		err = a.awaitSchema(ctx)
	default:
		var current bool
		if current, err = d.Current(ctx); err == nil && !current {
			err = errs.E(errs.Conflict, "cli.schema_old", nil)
		}
	}
	if err != nil {
		return err
	}
	a.jobs = jobs.New(d, jobs.Options{Log: a.log, Process: a.process})
	return nil
}

// Migrate brings the database of the settings to this program's version.
func Migrate(ctx context.Context, c config.Store) error {
	d, err := db.Open(ctx, db.Options{URL: c.DatabaseURL, Dir: c.Data})
	if err != nil {
		return err
	}
	return errors.Join(migrate(ctx, d), d.Close())
}

func migrate(ctx context.Context, d *db.DB) error {
	// A database that is newer is left alone altogether, River's tables too.
	if current, err := d.Current(ctx); err != nil || current {
		return err
	}
	if err := jobs.Migrate(ctx, d); err != nil {
		return fmt.Errorf("migrate jobs: %w", err)
	}
	return d.Migrate(ctx)
}

// awaitSchema waits until the database is at this program's version.
func (a *App) awaitSchema(ctx context.Context) error {
	for told := false; ; told = true {
		current, err := a.d.Current(ctx)
		if err != nil || current {
			return err
		}
		if !told {
			a.log.InfoContext(ctx, "waiting for the database to be migrated: imreport serve or imreport migrate does it")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// Names of the instance's single values in the table setting.
const (
	settingInstance = "instance"
	settingSecret   = "secret_key_check"
)

// setting reads a single value; empty when it was never set.
func setting(ctx context.Context, q db.Queryer, name string) (v string, err error) {
	err = q.QueryRow(ctx, `SELECT value FROM setting WHERE name = $1`, name).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("setting %s: %w", name, err)
	}
	return v, nil
}

// settle sets a single value unless it has one, and returns what stands there.
func settle(ctx context.Context, q db.Queryer, name, value string) (v string, err error) {
	err = q.QueryRow(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = setting.value RETURNING value`, name, value).Scan(&v)
	if err != nil {
		return "", fmt.Errorf("setting %s: %w", name, err)
	}
	return v, nil
}

// instanceFile in the data folder names the instance that the folder belongs
// to. With another database's archive, chores would clear away files that the
// other one still needs; without its folder, a database would miss them all.
const instanceFile = "instance"

// openFolder makes the data folder when absent and checks that it belongs to
// the database.
func (a *App) openFolder(ctx context.Context) error {
	if err := os.MkdirAll(a.c.Data, 0o700); err != nil {
		return errs.E(errs.Invalid, "db.data_dir_unusable", err, a.c.Data)
	}
	name := filepath.Join(a.c.Data, instanceFile)
	b, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return errs.E(errs.Invalid, "db.data_dir_unusable", err, a.c.Data)
	}
	folder := strings.TrimSpace(string(b))
	var id string
	err = a.d.InTx(ctx, func(tx *db.Tx) error {
		known, err := setting(ctx, tx, settingInstance)
		switch {
		case err != nil:
			return err
		case known == "" && folder != "":
			return errs.E(errs.Conflict, "cli.database_lost", nil, a.c.Data, name)
		case known != "" && folder != "" && known != folder:
			return errs.E(errs.Conflict, "cli.data_folder_foreign", nil, a.c.Data)
		case known != "" && folder == "":
			var pieces int
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM piece WHERE object <> ''`).Scan(&pieces); err != nil {
				return err
			}
			if pieces > 0 {
				return errs.E(errs.Conflict, "cli.data_folder_lost", nil, a.c.Data, known, name)
			}
		}
		id, err = settle(ctx, tx, settingInstance, db.NewID())
		return err
	})
	if err != nil || folder != "" {
		return err
	}
	if err := os.WriteFile(name, []byte(id+"\n"), 0o600); err != nil {
		return errs.E(errs.Invalid, "db.data_dir_unusable", err, a.c.Data)
	}
	return nil
}
