package db

import (
	"context"
	"database/sql/driver"
	"strings"

	sqlite "modernc.org/sqlite"
)

// lite opens connections to SQLite that keep their prepared statements:
// preparing took a third of the time of a statement (bench morning). What is
// kept is of one connection, which database/sql uses from one goroutine at a
// time.
type lite struct {
	driver sqlite.Driver
	name   string
}

// Connect opens a connection.
func (l *lite) Connect(context.Context) (driver.Conn, error) {
	c, err := l.driver.Open(l.name)
	if err != nil {
		return nil, err
	}
	return &liteConn{wire: c.(wire), kept: map[string]driver.Stmt{}}, nil
}

// Driver is SQLite's.
func (l *lite) Driver() driver.Driver { return &l.driver }

// wire is what SQLite's connections can do.
type wire interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// keptMost bounds the statements that a connection keeps, keptBytes their
// texts: those of many rows differ each time.
const (
	keptMost  = 300
	keptBytes = 4 << 10
)

type liteConn struct {
	wire
	kept map[string]driver.Stmt // those that nobody uses at the moment
}

// worthKeeping reports whether the statement may be prepared once and run
// often. A PRAGMA may not: some take effect while they are prepared.
func worthKeeping(query string) bool {
	if len(query) > keptBytes {
		return false
	}
	query = strings.TrimLeft(query, " \t\n")
	for strings.HasPrefix(query, "--") { // River's begin with a comment
		_, query, _ = strings.Cut(query, "\n")
		query = strings.TrimLeft(query, " \t\n")
	}
	verb, _, _ := strings.Cut(query, " ")
	switch strings.ToUpper(strings.TrimRight(verb, "\n\t")) {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		return true
	}
	return false
}

// take is the prepared statement, for the caller alone until it gives it back.
func (c *liteConn) take(ctx context.Context, query string) (driver.Stmt, error) {
	if s, ok := c.kept[query]; ok {
		delete(c.kept, query)
		return s, nil
	}
	return c.PrepareContext(ctx, query)
}

func (c *liteConn) give(query string, s driver.Stmt) error {
	if c.kept[query] == nil && len(c.kept) < keptMost {
		c.kept[query] = s
		return nil
	}
	return s.Close()
}

// ExecContext runs a statement without rows.
func (c *liteConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if !worthKeeping(query) {
		return c.wire.ExecContext(ctx, query, args)
	}
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	r, err := s.(driver.StmtExecContext).ExecContext(ctx, args)
	if err != nil {
		_ = s.Close() // the failure of the statement says more
		return nil, err
	}
	return r, c.give(query, s)
}

// QueryContext runs a statement with rows. It is kept when they are closed.
func (c *liteConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if !worthKeeping(query) {
		return c.wire.QueryContext(ctx, query, args)
	}
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	r, err := s.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		_ = s.Close() // the failure of the statement says more
		return nil, err
	}
	return &keptRows{Rows: r, conn: c, query: query, stmt: s}, nil
}

// Close closes the connection and what it keeps.
func (c *liteConn) Close() error {
	for _, s := range c.kept {
		_ = s.Close() // goes with the connection anyway
	}
	clear(c.kept)
	return c.wire.Close()
}

// keptRows give their statement back.
type keptRows struct {
	driver.Rows
	conn  *liteConn
	query string
	stmt  driver.Stmt
}

// Close ends the rows.
func (r *keptRows) Close() error {
	err := r.Rows.Close()
	if r.stmt == nil {
		return err
	}
	s := r.stmt
	r.stmt = nil
	if err != nil {
		_ = s.Close() // the failure of the rows says more
		return err
	}
	return r.conn.give(r.query, s)
}
