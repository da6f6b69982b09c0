package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing/fstest"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"imreport/internal/errs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the schema to this binary's version. On PostgreSQL it holds
// an advisory lock, so that several processes may start at once. A database
// that is newer than the binary is refused with db.newer.
func (d *DB) Migrate(ctx context.Context) error {
	p, done, err := d.provider()
	if err != nil {
		return err
	}
	defer done()
	have, want, err := versions(ctx, p)
	if err != nil {
		return err
	}
	if have > want {
		return errs.E(errs.Conflict, "db.newer", nil, have, want)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// Current reports whether the schema is at this binary's version. It returns
// db.newer for a database that is newer.
func (d *DB) Current(ctx context.Context) (bool, error) {
	p, done, err := d.provider()
	if err != nil {
		return false, err
	}
	defer done()
	have, want, err := versions(ctx, p)
	if err == nil && have > want {
		err = errs.E(errs.Conflict, "db.newer", nil, have, want)
	}
	return have == want, err
}

func versions(ctx context.Context, p *goose.Provider) (have, want int64, err error) {
	have, err = p.GetDBVersion(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("schema version: %w", err)
	}
	all := p.ListSources()
	return have, all[len(all)-1].Version, nil
}

func (d *DB) provider() (*goose.Provider, func(), error) {
	files, err := migrationsFor(migrations, d.dialect)
	if err != nil {
		return nil, nil, err
	}
	conn, done := d.w, func() {}
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{}
	if d.pool != nil {
		conn = stdlib.OpenDBFromPool(d.pool)
		done = func() { _ = conn.Close() } // the pool stays open
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, nil, err
		}
		dialect, options = goose.DialectPostgres, append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, conn, files, options...)
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("migrations: %w", err)
	}
	return p, done, nil
}

// migrationsFor picks the files of one dialect: NNNN_x.sql serves both,
// NNNN_x.sqlite.sql and NNNN_x.postgres.sql one.
func migrationsFor(f fs.FS, dialect Dialect) (fs.FS, error) {
	names, err := fs.Glob(f, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	picked := fstest.MapFS{}
	for _, name := range names {
		base := strings.TrimPrefix(name, "migrations/")
		parts := strings.Split(base, ".")
		if len(parts) == 3 && parts[1] != dialect.String() {
			continue
		}
		b, err := fs.ReadFile(f, name)
		if err != nil {
			return nil, err
		}
		picked[parts[0]+".sql"] = &fstest.MapFile{Data: b}
	}
	return picked, nil
}

// Columns lists "table.column" of every table of the product, sorted; a test
// compares both databases.
func (d *DB) Columns(ctx context.Context) ([]string, error) {
	q := `SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c
		WHERE m.type = 'table' ORDER BY 1`
	if d.pool != nil {
		q = `SELECT table_name || '.' || column_name FROM information_schema.columns
			WHERE table_schema = current_schema() ORDER BY 1`
	}
	all, err := All(ctx, d, Value[string], q)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	kept := all[:0]
	for _, c := range all {
		if !strings.HasPrefix(c, "river_") && !strings.HasPrefix(c, "goose_") && !strings.HasPrefix(c, "sqlite_") {
			kept = append(kept, c)
		}
	}
	return kept, err
}
