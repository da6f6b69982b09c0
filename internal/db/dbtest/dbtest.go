// Package dbtest gives tests a fresh, migrated database: SQLite always, and
// PostgreSQL when IMREPORT_TEST_PG names a server.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"imreport/internal/db"
	"imreport/internal/jobs"
)

// Each runs fn once per database, as sub-tests "sqlite" and "postgres".
func Each(t *testing.T, fn func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { fn(t, Postgres(t)) })
}

// SQLite is a fresh database in a temporary folder.
func SQLite(t testing.TB) *db.DB {
	t.Helper()
	dir := t.TempDir()
	if err := copyFile(filepath.Join(dir, "imreport.db"), liteTemplate(t)); err != nil {
		t.Fatal(err)
	}
	d, err := db.Open(context.Background(), db.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// Postgres is a fresh database on the server of IMREPORT_TEST_PG, dropped at
// the end. Without a server the test is skipped, unless IMREPORT_TEST_ALL is
// set, as in CI.
func Postgres(t testing.TB) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), db.Options{URL: PostgresURL(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// PostgresURL makes a fresh, migrated database and returns its address, for
// tests that start processes of their own.
func PostgresURL(t testing.TB) string {
	t.Helper()
	base := pgBase(t)
	return fewer(fresh(t, base, " TEMPLATE "+pgTemplate(t, base)))
}

// EmptyPostgresURL is PostgresURL without a schema.
func EmptyPostgresURL(t testing.TB) string {
	t.Helper()
	return fewer(fresh(t, pgBase(t), ""))
}

// fewer bounds the connections of each process, so that all tests at once stay
// below a server's usual 100.
func fewer(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	q := u.Query()
	q.Set("pool_max_conns", "6")
	u.RawQuery = q.Encode()
	return u.String()
}

func pgBase(t testing.TB) string {
	t.Helper()
	base := os.Getenv("IMREPORT_TEST_PG")
	if base == "" {
		if os.Getenv("IMREPORT_TEST_ALL") != "" {
			t.Fatal("IMREPORT_TEST_PG is not set, and IMREPORT_TEST_ALL wants every test to run")
		}
		t.Skip("IMREPORT_TEST_PG is not set")
	}
	return base
}

func fresh(t testing.TB, base, from string) string {
	t.Helper()
	name := "imreport_test_" + strings.ReplaceAll(db.NewID(), "-", "")
	pgExec(t, base, "CREATE DATABASE "+name+from)
	t.Cleanup(func() { pgExec(t, base, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)) })
	return withDatabase(base, name)
}

func migrate(ctx context.Context, o db.Options) error {
	d, err := db.Open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	if err := jobs.Migrate(ctx, d); err != nil {
		return err
	}
	return d.Migrate(ctx)
}

var lite struct {
	once sync.Once
	file string
	err  error
}

// liteTemplate is a migrated file, made once per test process.
func liteTemplate(t testing.TB) string {
	lite.once.Do(func() {
		dir, err := os.MkdirTemp("", "imreport-test-")
		if err == nil {
			err = migrate(context.Background(), db.Options{Dir: dir})
		}
		lite.file, lite.err = filepath.Join(dir, "imreport.db"), err
	})
	if lite.err != nil {
		t.Fatal(lite.err)
	}
	return lite.file
}

var pg struct {
	once sync.Once
	name string
	err  error
}

// pgTemplate is a migrated database to copy from, made once per test process
// and dropped by the next process that finds it older than an hour.
func pgTemplate(t testing.TB, base string) string {
	pg.once.Do(func() {
		ctx := context.Background()
		pg.name = fmt.Sprintf("imreport_template_%d_%d", time.Now().Unix(), os.Getpid())
		dropOld(ctx, base)
		if pg.err = tryExec(ctx, base, "CREATE DATABASE "+pg.name); pg.err == nil {
			pg.err = migrate(ctx, db.Options{URL: withDatabase(base, pg.name)})
		}
	})
	if pg.err != nil {
		t.Fatal(pg.err)
	}
	return pg.name
}

func dropOld(ctx context.Context, base string) {
	c, err := pgx.Connect(ctx, base)
	if err != nil {
		return
	}
	defer func() { _ = c.Close(ctx) }()
	rows, _ := c.Query(ctx, `SELECT datname FROM pg_database WHERE datname LIKE 'imreport_template_%'`)
	names, _ := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, n := range names {
		var made, pid int64
		_, _ = fmt.Sscanf(n, "imreport_template_%d_%d", &made, &pid)
		if time.Since(time.Unix(made, 0)) > time.Hour {
			_, _ = c.Exec(ctx, "DROP DATABASE IF EXISTS "+n)
		}
	}
}

func withDatabase(base, name string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	u.Path = "/" + name
	return u.String()
}

func pgExec(t testing.TB, base, statement string) {
	t.Helper()
	if err := tryExec(context.Background(), base, statement); err != nil {
		t.Fatal(err)
	}
}

func tryExec(ctx context.Context, base, statement string) error {
	c, err := pgx.Connect(ctx, base)
	for tries := 0; tries < 100 && full(err); tries++ {
		time.Sleep(100 * time.Millisecond)
		c, err = pgx.Connect(ctx, base)
	}
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	_, err = c.Exec(ctx, statement)
	return err
}

// full tells that all of the server's connections are in use.
func full(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "53300"
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}
