package db

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
)

// Kept statements are as good as new ones: in nested use, after a failure and
// after the table has changed.
func TestKeptStatements(t *testing.T) {
	ctx := context.Background()
	d := sql.OpenDB(&lite{name: "file:" + filepath.Join(t.TempDir(), "x.db")})
	defer func() { _ = d.Close() }()
	d.SetMaxOpenConns(1)
	c, err := d.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	kept := func() (n int) {
		if err := c.Raw(func(x any) error { n = len(x.(*liteConn).kept); return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := c.ExecContext(ctx, query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE x (id BIGINT PRIMARY KEY)`)
	exec(`PRAGMA synchronous = FULL`)
	if kept() != 0 {
		t.Error("what is no query was kept: a PRAGMA takes effect when it is prepared")
	}
	for i := range 5 {
		exec(`INSERT INTO x (id) VALUES ($1)`, i)
	}
	if kept() != 1 {
		t.Errorf("%d statements kept of one", kept())
	}
	if _, err := c.ExecContext(ctx, `INSERT INTO x (id) VALUES ($1)`, 3); !IsUnique(err) {
		t.Errorf("twice the same: %v", err)
	}
	exec(`INSERT INTO x (id) VALUES ($1)`, 5)

	const query = `SELECT * FROM x WHERE id >= $1 ORDER BY id`
	count := func(inside func(id int)) (n int) {
		t.Helper()
		rows, err := c.QueryContext(ctx, query, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		into := make([]any, len(columns))
		for rows.Next() {
			for i := range into {
				into[i] = new(any)
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			n += len(columns)
			if inside != nil {
				inside(n)
			}
		}
		if rows.Err() != nil {
			t.Fatal(rows.Err())
		}
		return n
	}
	if n := count(func(int) {
		if n := count(nil); n != 5 {
			t.Errorf("inside: %d rows", n)
		}
	}); n != 5 {
		t.Errorf("%d rows", n)
	}
	exec(`ALTER TABLE x ADD COLUMN y TEXT`)
	if n := count(nil); n != 10 {
		t.Errorf("%d cells after a column more", n)
	}
	for i := range keptMost + 50 {
		exec(fmt.Sprintf(`UPDATE x SET y = 'a' WHERE id = %d`, i))
	}
	if kept() > keptMost {
		t.Errorf("%d statements kept", kept())
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}
