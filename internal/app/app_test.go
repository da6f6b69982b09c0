package app

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"imreport/internal/config"
	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/seal"
	"imreport/internal/workspace"
)

var bg = context.Background()

var testKey = base64.StdEncoding.EncodeToString(make([]byte, seal.KeySize))

// settings are those of a process over a fresh folder.
func settings(t testing.TB) config.Config {
	t.Helper()
	return config.Config{
		Store: config.Store{Data: t.TempDir()}, Addr: "127.0.0.1:0", LogLevel: 100, LogFormat: "text",
		NaverURL: "http://127.0.0.1:1", RetryFor: time.Hour,
	}
}

// each runs fn on SQLite, and on PostgreSQL where there is one.
func each(t *testing.T, fn func(t *testing.T, c config.Config)) {
	t.Run("sqlite", func(t *testing.T) { fn(t, settings(t)) })
	t.Run("postgres", func(t *testing.T) {
		c := settings(t)
		c.DatabaseURL, c.SecretKey = dbtest.PostgresURL(t), testKey
		fn(t, c)
	})
}

// open puts a program together and takes it apart when the test ends.
func open(t testing.TB, c config.Config, o Options) *App {
	t.Helper()
	a, err := New(bg, c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// refused opens and closes, and wants the error called key.
func refused(t testing.TB, c config.Config, o Options, key string) {
	t.Helper()
	a, err := New(bg, c, o)
	if err == nil {
		_ = a.Close()
	}
	if !errs.Is(err, key) {
		t.Fatalf("got %v, want %s", err, key)
	}
}

func TestServeAnswersAndStops(t *testing.T) {
	each(t, func(t *testing.T, c config.Config) {
		a := open(t, c, Options{Version: "test", Migrate: true, Work: true, Web: true})
		ctx, stop := context.WithCancel(bg)
		defer stop()
		addr, link := make(chan string, 1), ""
		done := make(chan error, 1)
		go func() {
			done <- a.Serve(ctx, func(url string) {
				link, _ = a.FirstSignIn(ctx)
				addr <- url
			})
		}()
		url := <-addr
		if !strings.HasPrefix(link, url+workspace.LinkPath+"iml_") {
			t.Errorf("first sign-in %q does not lead to %s", link, url)
		}
		for path, want := range map[string]string{"/healthz": "ok", "/readyz": `"ready":true`, "/metrics": "imreport_lanes_stranded_total 0"} {
			resp, err := http.Get(url + path)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != 200 || !strings.Contains(string(b), want) {
				t.Errorf("%s: %d %.200s", path, resp.StatusCode, b)
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestAFolderServesOneProcess(t *testing.T) {
	c := settings(t)
	open(t, c, Options{Migrate: true})
	refused(t, c, Options{Migrate: true}, "db.data_dir_in_use")
}

func TestTheSecretKeyMustBeTheOneThatSealed(t *testing.T) {
	other := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", seal.KeySize)))
	each(t, func(t *testing.T, c config.Config) {
		first, err := New(bg, c, Options{Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		wrong := c
		wrong.SecretKey = other
		refused(t, wrong, Options{Migrate: true}, "seal.wrong_key")
		budget := c
		budget.RefusalBudget = 50
		refused(t, budget, Options{Migrate: true}, "cli.refusal_budget")
		wrong.SecretKey = "short"
		refused(t, wrong, Options{Migrate: true}, "seal.key_unreadable")
		wrong.SecretKey = ""
		if c.DatabaseURL != "" {
			refused(t, wrong, Options{Migrate: true}, "cli.secret_key_required")
			return
		}
		if err := os.Remove(filepath.Join(c.Data, "secret.key")); err != nil {
			t.Fatal(err)
		}
		refused(t, wrong, Options{Migrate: true}, "cli.secret_key_lost")
		if _, err := os.Stat(filepath.Join(c.Data, "secret.key")); err == nil {
			t.Error("a new key was made in place of the lost one")
		}
	})
}

func TestADatabaseThatIsNewerIsLeftAlone(t *testing.T) {
	each(t, func(t *testing.T, c config.Config) {
		first, err := New(bg, c, Options{Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := first.d.Exec(bg, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99990, $1)`, true); err != nil {
			t.Fatal(err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		refused(t, c, Options{Migrate: true}, "db.newer")
		refused(t, c, Options{AwaitSchema: true}, "db.newer")
		if err := Migrate(bg, c.Store); !errs.Is(err, "db.newer") {
			t.Errorf("migrate: %v", err)
		}
	})
}

func TestWithoutMigrationAnOldDatabaseIsRefused(t *testing.T) {
	c := settings(t)
	refused(t, c, Options{}, "cli.schema_old")
	if err := Migrate(bg, c.Store); err != nil {
		t.Fatal(err)
	}
	open(t, c, Options{})
}

func TestAWorkerWaitsForTheSchema(t *testing.T) {
	c := settings(t)
	c.SecretKey = testKey
	url := dbtest.EmptyPostgresURL(t)
	c.DatabaseURL = url
	ctx, stop := context.WithTimeout(bg, time.Minute)
	defer stop()
	got := make(chan error, 1)
	go func() {
		a, err := New(ctx, c, Options{AwaitSchema: true, Work: true})
		if err == nil {
			err = a.Close()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if err := Migrate(bg, c.Store); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}

func TestFolderAndDatabaseMustBelongTogether(t *testing.T) {
	make1 := func(t *testing.T) config.Config {
		c := settings(t)
		a, err := New(bg, c, Options{Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.d.Exec(bg, `INSERT INTO piece (id, platform, customer_id, report, day, current, object, row_count, bytes, columns, sums, meta, stored_us, superseded_us)
			VALUES ('p', 'naver_searchad', '1', 'AD', 1, $1, 'o', 1, 1, '', '{}', '{}', 1, 0)`, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	t.Run("database_lost", func(t *testing.T) {
		c := make1(t)
		for _, name := range []string{"imreport.db", "imreport.db-wal", "imreport.db-shm"} {
			_ = os.Remove(filepath.Join(c.Data, name))
		}
		// The key of the folder stays good for the new database.
		refused(t, c, Options{Migrate: true}, "cli.database_lost")
		refused(t, c, Options{Migrate: true}, "cli.database_lost")
		if err := os.Remove(filepath.Join(c.Data, instanceFile)); err != nil {
			t.Fatal(err)
		}
		open(t, c, Options{Migrate: true})
	})
	t.Run("folder_lost", func(t *testing.T) {
		c := make1(t)
		id, err := os.ReadFile(filepath.Join(c.Data, instanceFile))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(c.Data, instanceFile)); err != nil {
			t.Fatal(err)
		}
		refused(t, c, Options{Migrate: true}, "cli.data_folder_lost")
		if err := os.WriteFile(filepath.Join(c.Data, instanceFile), id, 0o600); err != nil {
			t.Fatal(err)
		}
		open(t, c, Options{Migrate: true})
	})
	t.Run("foreign", func(t *testing.T) {
		c := make1(t)
		if err := os.WriteFile(filepath.Join(c.Data, instanceFile), []byte(db.NewID()), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, c, Options{Migrate: true}, "cli.data_folder_foreign")
	})
}

func TestAnUnusableFolderAndAddressAreTold(t *testing.T) {
	c := settings(t)
	c.Data = filepath.Join(c.Data, "file")
	if err := os.WriteFile(c.Data, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, c, Options{Migrate: true}, "db.data_dir_unusable")
	c = settings(t)
	c.DatabaseURL, c.SecretKey = "postgres://nobody:secret@127.0.0.1:1/x", testKey
	a, err := New(bg, c, Options{Migrate: true})
	if err == nil {
		_ = a.Close()
	}
	if !errs.Is(err, "db.unreachable") || strings.Contains(err.Error(), "secret") {
		t.Fatalf("got %v", err)
	}
	c = settings(t)
	c.Addr = "127.0.0.1:99999"
	a = open(t, c, Options{Migrate: true, Web: true})
	if err := a.Serve(bg, nil); !errs.Is(err, "cli.addr_in_use") {
		t.Fatalf("got %v", err)
	}
}

func TestAddressesMustBeAddresses(t *testing.T) {
	for _, bad := range []string{"nonsense", "example.com", "ftp://example.com", "https://", "http://a b"} {
		c := settings(t)
		c.PublicURL = bad
		_, err := New(bg, c, Options{Migrate: true})
		if e := errs.As(err); e == nil || e.Kind != errs.Invalid || e.Fields[0].Name != "--public-url" {
			t.Errorf("public %s: %v", bad, err)
		}
		c = settings(t)
		c.NaverURL = bad
		_, err = New(bg, c, Options{Migrate: true})
		if e := errs.As(err); e == nil || e.Kind != errs.Invalid || e.Fields[0].Name != "--naver-url" {
			t.Errorf("naver %s: %v", bad, err)
		}
	}
	c := settings(t)
	c.PublicURL = "https://reports.example.com/"
	open(t, c, Options{Migrate: true})
}

// Several processes may start at once on an empty database.
func TestSeveralStartAtOnce(t *testing.T) {
	c := settings(t)
	c.DatabaseURL, c.SecretKey = dbtest.EmptyPostgresURL(t), testKey
	var g errgroup.Group
	for range 4 {
		g.Go(func() error {
			a, err := New(bg, c, Options{Migrate: true})
			if err != nil {
				return err
			}
			return a.Close()
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}
