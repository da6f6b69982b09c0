// Package db opens the database and runs transactions: SQLite inside the
// process, or PostgreSQL, with one SQL text for both.
//
// The text keeps to what both understand: $1 placeholders, ON CONFLICT …
// DO UPDATE … WHERE, RETURNING, FILTER, partial unique indexes, TEXT, BIGINT,
// SMALLINT, BOOLEAN, DOUBLE PRECISION. Times are BIGINT UTC microseconds
// (columns end in _us), ids are text made in Go (NewID).
//
// SQLite has one connection that writes and four that read. Inside a
// transaction only the Tx is passed down: asking the DB there would wait for
// the one writer for ever. No network call belongs inside a transaction.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"imreport/internal/errs"
)

// Dialect is the kind of database.
type Dialect int8

// The kinds of database.
const (
	SQLite Dialect = iota
	Postgres
)

// String is "sqlite" or "postgres".
func (d Dialect) String() string {
	if d == Postgres {
		return "postgres"
	}
	return "sqlite"
}

// Options say which database to open.
type Options struct {
	// URL is postgres://…, or empty for SQLite in Dir.
	URL string
	// Dir is the data folder; it is made when absent.
	Dir string
	// Shared opens SQLite without taking the data folder's lock: for a
	// command that only reads or writes a row beside a running server.
	Shared bool
	// MaxConns bounds the PostgreSQL pool; 0 means the URL's pool_max_conns,
	// else 16.
	MaxConns int
}

// DB is an open database.
type DB struct {
	dialect Dialect
	pool    *pgxpool.Pool
	w, r    *sql.DB
	lock    *os.File
}

// Open opens the database. Errors that a person can act on are errs.Error:
// db.data_dir_unusable, db.data_dir_in_use, db.unreachable.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.URL != "" {
		return openPostgres(ctx, o)
	}
	return openSQLite(ctx, o)
}

func openPostgres(ctx context.Context, o Options) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, errs.E(errs.Invalid, "db.url_invalid", err)
	}
	switch {
	case o.MaxConns > 0:
		cfg.MaxConns = int32(o.MaxConns)
	case !strings.Contains(o.URL, "pool_max_conns="):
		cfg.MaxConns = 16 // and not pgx's own 4 on a small machine
	}
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "imreport"
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err == nil {
		err = firstPing(ctx, pool)
	}
	if err != nil {
		if pool != nil {
			pool.Close()
		}
		return nil, errs.E(errs.Unavailable, "db.unreachable", err, redact(o.URL))
	}
	return &DB{dialect: Postgres, pool: pool}, nil
}

// patience is how long a server that is up but takes nobody is waited for.
const patience = 15 * time.Second

// firstPing waits for a server that is just starting, or has no connection
// free just now: both pass. One that does not answer at all is told at once,
// since the address may be wrong.
func firstPing(ctx context.Context, pool *pgxpool.Pool) error {
	for end := time.Now().Add(patience); ; {
		err := pool.Ping(ctx)
		if !busy(err) || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// busy tells the answers too_many_connections and cannot_connect_now.
func busy(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "53300" || e.Code == "57P03")
}

func openSQLite(ctx context.Context, o Options) (*DB, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, errs.E(errs.Invalid, "db.data_dir_unusable", err, o.Dir)
	}
	d := &DB{dialect: SQLite}
	if !o.Shared {
		f, err := lockDir(o.Dir)
		if err != nil {
			return nil, err
		}
		d.lock = f
	}
	pragmas := url.Values{"_pragma": {
		"journal_mode(WAL)", "busy_timeout(5000)", "synchronous(NORMAL)", "foreign_keys(1)",
	}, "_txlock": {"immediate"}}
	file := filepath.Join(o.Dir, "imreport.db")
	d.w = sql.OpenDB(&lite{name: "file:" + file + "?" + pragmas.Encode()})
	d.w.SetMaxOpenConns(1)
	if err := d.w.PingContext(ctx); err != nil {
		_ = d.Close()
		return nil, errs.E(errs.Invalid, "db.data_dir_unusable", err, o.Dir)
	}
	pragmas["_pragma"] = append(pragmas["_pragma"], "query_only(1)")
	d.r = sql.OpenDB(&lite{name: "file:" + file + "?" + pragmas.Encode()})
	d.r.SetMaxOpenConns(4)
	return d, nil
}

// redact hides the password of a database address.
func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "postgres"
	}
	return u.Redacted()
}

// Dialect says which kind of database this is.
func (d *DB) Dialect() Dialect { return d.dialect }

// Close closes the database and gives the data folder free.
func (d *DB) Close() error {
	if d.pool != nil {
		d.pool.Close()
		return nil
	}
	var err error
	for _, p := range []*sql.DB{d.r, d.w} {
		if p != nil {
			err = errors.Join(err, p.Close())
		}
	}
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
	}
	return err
}

// Ping reports whether the database answers.
func (d *DB) Ping(ctx context.Context) error {
	if d.pool != nil {
		return d.pool.Ping(ctx)
	}
	return d.w.PingContext(ctx)
}

// Pool is the PostgreSQL pool, nil on SQLite; for packages jobs and quota,
// which need what only PostgreSQL has.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// Writer is SQLite's one writing connection, nil on PostgreSQL; for jobs.
func (d *DB) Writer() *sql.DB { return d.w }

// NewID makes an id: UUIDv7 text, so that ids made later sort later.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// US is t as UTC microseconds, as stored; 0 for the zero time.
func US(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the instant of stored microseconds; the zero time for 0.
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Params writes "$from, $from+1, …" for n arguments of an IN list.
func Params(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", from+i)
	}
	return b.String()
}
