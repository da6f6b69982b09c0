package db_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
)

func TestTx(t *testing.T) {
	ctx := context.Background()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		boom := errors.New("boom")
		err := d.InTx(ctx, func(tx *db.Tx) error {
			if _, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2)`, "a", "1"); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatalf("got %v, want boom", err)
		}
		var v string
		if err := d.QueryRow(ctx, `SELECT value FROM setting WHERE name = $1`, "a").Scan(&v); !errors.Is(err, sql.ErrNoRows) {
			t.Fatalf("after a rollback: %v, want no rows", err)
		}
		woken := false
		err = d.InSyncedTx(ctx, func(tx *db.Tx) error {
			tx.AfterCommit(func() { woken = true })
			n, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2)`, "a", "1")
			if n != 1 {
				t.Errorf("touched %d rows, want 1", n)
			}
			return err
		})
		if err != nil || !woken {
			t.Fatalf("commit: %v, woken %v", err, woken)
		}
		_, err = d.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2)`, "a", "2")
		if !db.IsUnique(err) {
			t.Errorf("second insert: %v, want a unique violation", err)
		}
		// A stale upsert returns no row on both.
		err = d.InTx(ctx, func(tx *db.Tx) error {
			return tx.QueryRow(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2)
				ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE excluded.value > setting.value
				RETURNING value`, "a", "0").Scan(&v)
		})
		if !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("stale upsert: %v, want no rows", err)
		}
		if now, err := d.Now(ctx, d); err != nil || time.Since(now).Abs() > time.Minute {
			t.Errorf("Now = %v, %v", now, err)
		}
	})
}

func TestBothDatabasesHaveTheSameColumns(t *testing.T) {
	ctx := context.Background()
	lite, err := dbtest.SQLite(t).Columns(ctx)
	if err != nil {
		t.Fatal(err)
	}
	pg, err := dbtest.Postgres(t).Columns(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(lite, pg) {
		t.Errorf("columns differ:\nsqlite   %v\npostgres %v", lite, pg)
	}
	if len(lite) < 20 {
		t.Errorf("only %d columns: %v", len(lite), lite)
	}
}

func TestDataFolder(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	d, err := db.Open(ctx, db.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Open(ctx, db.Options{Dir: dir}); !errs.Is(err, "db.data_dir_in_use") {
		t.Errorf("second open: %v, want data_dir_in_use", err)
	}
	shared, err := db.Open(ctx, db.Options{Dir: dir, Shared: true})
	if err != nil {
		t.Fatalf("shared open beside a server: %v", err)
	}
	_ = shared.Close()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := db.Open(ctx, db.Options{Dir: dir})
	if err != nil {
		t.Fatalf("after close: %v", err)
	}
	_ = again.Close()
	if _, err := db.Open(ctx, db.Options{Dir: "/proc/nope"}); !errs.Is(err, "db.data_dir_unusable") {
		t.Errorf("unwritable folder: %v", err)
	}
}

func TestALostConnectionIsToldAndPasses(t *testing.T) {
	ctx := context.Background()
	d := dbtest.Postgres(t)
	lost := 0
	for range 20 {
		// The pool's connections die under it; one of them asks for it itself.
		_, err := d.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()`)
		var n int
		if err == nil {
			err = d.QueryRow(ctx, `SELECT 1`).Scan(&n)
		}
		if err == nil {
			continue
		}
		if lost++; !errs.Is(err, "db.unreachable") {
			t.Fatalf("a lost connection reads %v", err)
		}
	}
	if lost == 0 {
		t.Error("no connection was lost")
	}
	var n int
	for end := time.Now().Add(time.Minute); ; {
		if err := d.QueryRow(ctx, `SELECT 1`).Scan(&n); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatalf("the database does not come back: %v", err)
		}
	}
}

func TestAFullServerIsWaitedFor(t *testing.T) {
	ctx := context.Background()
	admin := dbtest.Postgres(t)
	role := "imreport_test_" + strings.ReplaceAll(db.NewID(), "-", "")
	if _, err := admin.Exec(ctx, "CREATE ROLE "+role+" LOGIN CONNECTION LIMIT 1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = admin.Exec(context.Background(), "DROP ROLE "+role) })
	u, err := url.Parse(os.Getenv("IMREPORT_TEST_PG"))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	only, err := db.Open(ctx, db.Options{URL: u.String()})
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err := db.Open(short, db.Options{URL: u.String()}); !errors.Is(err, context.DeadlineExceeded) || !errs.Is(err, "db.unreachable") {
		t.Fatalf("a full server was not waited for: %v", err)
	}
	time.AfterFunc(time.Second, func() { _ = only.Close() })
	d, err := db.Open(ctx, db.Options{URL: u.String()})
	if err != nil {
		t.Fatalf("a connection became free, and it was not taken: %v", err)
	}
	_ = d.Close()
}

func TestANewerDatabaseIsRefused(t *testing.T) {
	ctx := context.Background()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if _, err := d.Exec(ctx, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, $1)`, true); err != nil {
			t.Fatal(err)
		}
		if err := d.Migrate(ctx); !errs.Is(err, "db.newer") {
			t.Errorf("Migrate: %v, want db.newer", err)
		}
		if _, err := d.Current(ctx); !errs.Is(err, "db.newer") {
			t.Errorf("Current: %v, want db.newer", err)
		}
	})
}
