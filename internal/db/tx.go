package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"imreport/internal/errs"
)

// Scanner is one row.
type Scanner interface{ Scan(dest ...any) error }

// Rows is an open result. Close is safe to call twice.
type Rows interface {
	Scanner
	Next() bool
	Err() error
	Close()
}

// Queryer asks the database: a DB (outside of transactions) or a Tx.
// QueryRow's Scan returns sql.ErrNoRows when there is no row, on both
// databases.
type Queryer interface {
	Exec(ctx context.Context, query string, args ...any) (rows int64, err error)
	Query(ctx context.Context, query string, args ...any) (Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) Scanner
}

// Tx is an open transaction that may write.
type Tx struct {
	d      *DB
	pg     pgx.Tx
	lite   *sql.Tx
	commit []func()
}

// DB is the database of the transaction; for its Dialect.
func (tx *Tx) DB() *DB { return tx.d }

// PGX is the PostgreSQL transaction, nil on SQLite; for package jobs.
func (tx *Tx) PGX() pgx.Tx { return tx.pg }

// SQL is the SQLite transaction, nil on PostgreSQL; for package jobs.
func (tx *Tx) SQL() *sql.Tx { return tx.lite }

// AfterCommit calls fn once the transaction is committed; for waking whoever
// waits in this process. Nothing that must happen may stand in it.
func (tx *Tx) AfterCommit(fn func()) { tx.commit = append(tx.commit, fn) }

// Exec runs a statement and returns how many rows it touched.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if tx.pg != nil {
		tag, err := tx.pg.Exec(ctx, query, args...)
		return tag.RowsAffected(), err
	}
	return liteExec(tx.lite.ExecContext(ctx, query, args...))
}

// Query runs a query. The rows must be closed before the next statement.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	if tx.pg != nil {
		return pgRows(tx.pg.Query(ctx, query, args...))
	}
	return liteRows(tx.lite.QueryContext(ctx, query, args...))
}

// QueryRow runs a query of one row.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) Scanner {
	if tx.pg != nil {
		return pgRow{tx.pg.QueryRow(ctx, query, args...)}
	}
	return tx.lite.QueryRowContext(ctx, query, args...)
}

// Exec runs one statement as a transaction of its own.
func (d *DB) Exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = d.InTx(ctx, func(tx *Tx) error {
		n, err = tx.Exec(ctx, query, args...)
		return err
	})
	return n, err
}

// Query reads; on SQLite from the reading connections.
func (d *DB) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	if d.pool != nil {
		return pgRows(d.pool.Query(ctx, query, args...))
	}
	return liteRows(d.r.QueryContext(ctx, query, args...))
}

// QueryRow reads one row; on SQLite from the reading connections.
func (d *DB) QueryRow(ctx context.Context, query string, args ...any) Scanner {
	if d.pool != nil {
		return pgRow{d.pool.QueryRow(ctx, query, args...)}
	}
	return d.r.QueryRowContext(ctx, query, args...)
}

// All reads every row of a query through scan.
func All[T any](ctx context.Context, q Queryer, scan func(Scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// Value scans a row of one column.
func Value[T any](s Scanner) (v T, err error) {
	err = s.Scan(&v)
	return v, err
}

// Attempts is how often InTx tries before it gives up on deadlocks and locks.
const attempts = 8

// InTx runs fn in a transaction and commits. It runs fn again after a
// deadlock, a serialization failure or a busy database, so fn must be safe to
// repeat: it sets what it returns, and does nothing outside the transaction.
// A lost connection comes back as db.unreachable.
func (d *DB) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	return d.inTx(ctx, false, fn)
}

// InSyncedTx is InTx whose commit has reached the disk when it returns, on
// SQLite too (PostgreSQL does so anyway). It costs an fsync.
func (d *DB) InSyncedTx(ctx context.Context, fn func(tx *Tx) error) error {
	return d.inTx(ctx, true, fn)
}

func (d *DB) inTx(ctx context.Context, synced bool, fn func(tx *Tx) error) error {
	for i := 1; ; i++ {
		err := d.once(ctx, synced, fn)
		if err == nil || i == attempts || !transient(err) || ctx.Err() != nil {
			return unreachable(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(rand.Int64N(int64(10*time.Millisecond) << i))):
		}
	}
}

func (d *DB) once(ctx context.Context, synced bool, fn func(tx *Tx) error) (err error) {
	tx := &Tx{d: d}
	if d.pool != nil {
		if tx.pg, err = d.pool.Begin(ctx); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		defer func() { _ = tx.pg.Rollback(context.WithoutCancel(ctx)) }() // no effect after a commit
	} else {
		conn, err := d.w.Conn(ctx)
		if err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		defer func() { _ = conn.Close() }()
		if synced {
			if _, err := conn.ExecContext(ctx, "PRAGMA synchronous=FULL"); err != nil {
				return fmt.Errorf("sync: %w", err)
			}
			defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA synchronous=NORMAL") }()
		}
		if tx.lite, err = conn.BeginTx(ctx, nil); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		defer func() { _ = tx.lite.Rollback() }() // no effect after a commit
	}
	if err := fn(tx); err != nil {
		return err
	}
	if tx.pg != nil {
		err = tx.pg.Commit(ctx)
	} else {
		err = tx.lite.Commit()
	}
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	for _, f := range tx.commit {
		f()
	}
	return nil
}

// Now is the database's clock: on PostgreSQL the server's, which several
// machines share; on SQLite this process's. Leases use it.
func (d *DB) Now(ctx context.Context, q Queryer) (time.Time, error) {
	if d.pool == nil {
		return time.Now(), nil
	}
	var us int64
	err := q.QueryRow(ctx, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`).Scan(&us)
	return time.UnixMicro(us), err
}

// IsUnique reports whether err is a violated unique index.
func IsUnique(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) &&
		(lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

func transient(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40P01" || pg.Code == "40001"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && (lite.Code()&0xff == sqlite3.SQLITE_BUSY || lite.Code()&0xff == sqlite3.SQLITE_LOCKED)
}

// unreachable gives a lost or full database a message that people can read.
func unreachable(err error) error {
	if err == nil || errs.As(err) != nil {
		return err
	}
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &connect), pgconn.SafeToRetry(err), broken(err),
		errors.As(err, &pg) && (pg.Code[:2] == "08" || pg.Code[:2] == "57" && pg.Code != "57014" || pg.Code == "53300"):
		return errs.E(errs.Unavailable, "db.unreachable", err, "PostgreSQL")
	case errors.As(err, &pg) && pg.Code == "53100",
		errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_FULL:
		return errs.E(errs.Unavailable, "db.disk_full", err)
	}
	return err
}

// broken reports whether err is a connection that ended in mid-sentence.
func broken(err error) bool {
	var n net.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &n) && !errors.Is(err, context.DeadlineExceeded)
}

type pgRow struct{ pgx.Row }

func (r pgRow) Scan(dest ...any) error {
	err := r.Row.Scan(dest...)
	if errors.Is(err, pgx.ErrNoRows) {
		return sql.ErrNoRows
	}
	return unreachable(err)
}

func pgRows(rows pgx.Rows, err error) (Rows, error) {
	if err != nil {
		return nil, unreachable(err)
	}
	return pgResult{rows}, nil
}

type pgResult struct{ pgx.Rows }

func (r pgResult) Err() error { return unreachable(r.Rows.Err()) }

type liteResult struct{ *sql.Rows }

func (r liteResult) Close() { _ = r.Rows.Close() } // an error shows in Err

func liteRows(rows *sql.Rows, err error) (Rows, error) {
	if err != nil {
		return nil, err
	}
	return liteResult{rows}, nil
}

func liteExec(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
