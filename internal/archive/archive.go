// Package archive keeps the rows that were collected, so that nothing is
// fetched from a platform twice.
//
// A piece is the rows of one (platform, customer, report type, day). Its rows
// are one immutable Parquet file (zstd, typed columns) in a Store, under a name
// of its own; its catalogue row in SQL says which version is current. Rows go
// to the store first and become current in one short transaction, so that a
// crash leaves at most a file that nothing refers to. Collect removes those.
//
// Snapshots of names (id → name of a customer's campaigns, …) are kept in the
// same way, under a report that begins with @ and day 0; PutIf lets two
// writers merge without losing what the other wrote.
package archive

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"imreport/internal/db"
	"imreport/internal/table"
)

// Key names a piece. Report is a report type of the platform, or "@" and a
// word for a snapshot that belongs to no day (Day 0).
type Key struct {
	Platform, CustomerID, Report string
	Day                          table.Day
}

// String is the key for logs.
func (k Key) String() string {
	return fmt.Sprintf("%s %s %s %s", k.Platform, k.CustomerID, k.Report, k.Day)
}

// Piece is one version of a piece as the catalogue knows it.
type Piece struct {
	ID string
	Key
	Schema table.Schema
	Rows   int64
	Bytes  int64 // of the stored file; 0 for a piece without rows
	// Sums are the sums of the numeric columns that the rows had: "cost", …
	Sums map[string]float64
	// Meta is the JSON that the source stored with the piece.
	Meta     json.RawMessage
	StoredAt time.Time
	// SupersededAt is when another version became current; zero while this
	// one is.
	SupersededAt time.Time
	// DoubtedAt is when its rows were found to contradict the platform's own
	// statistics (Doubt); zero: never.
	DoubtedAt time.Time

	object string
}

// Archive is a catalogue and a store. It is safe for concurrent use, by
// several processes too.
type Archive struct {
	d     *db.DB
	store Store
}

// Open makes the archive of a database and a store.
func Open(d *db.DB, store Store) *Archive { return &Archive{d: d, store: store} }

const columns = `id, platform, customer_id, report, day, columns, row_count, bytes, sums, meta, stored_us, superseded_us, doubted_us, object`

func scan(row db.Scanner) (p Piece, err error) {
	var day, stored, superseded, doubted int64
	var cols, sums, meta string
	err = row.Scan(&p.ID, &p.Platform, &p.CustomerID, &p.Report, &day, &cols, &p.Rows, &p.Bytes,
		&sums, &meta, &stored, &superseded, &doubted, &p.object)
	if err != nil {
		return p, err
	}
	p.Day, p.Meta = table.Day(day), json.RawMessage(meta)
	p.StoredAt, p.SupersededAt, p.DoubtedAt = db.Time(stored), db.Time(superseded), db.Time(doubted)
	if p.Schema, err = parseSchema(cols); err != nil {
		return p, fmt.Errorf("piece %s: %w", p.ID, err)
	}
	if err = json.Unmarshal([]byte(sums), &p.Sums); err != nil {
		return p, fmt.Errorf("sums of piece %s: %w", p.ID, err)
	}
	return p, nil
}

// Current are the current pieces of a customer's reports with days from
// through to, by report in the order asked for, then by day. What is missing
// was never stored.
func (a *Archive) Current(ctx context.Context, platform, customer string, reports []string, from, to table.Day) ([]Piece, error) {
	var all []Piece
	for _, report := range reports {
		some, err := db.All(ctx, a.d, scan, `SELECT `+columns+` FROM piece
			WHERE platform = $1 AND customer_id = $2 AND report = $3 AND day BETWEEN $4 AND $5 AND current
			ORDER BY day`, platform, customer, report, int64(from), int64(to))
		if err != nil {
			return nil, fmt.Errorf("pieces of %s %s %s: %w", platform, customer, report, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// Get is the current version of a piece; ok is false when none was stored.
func (a *Archive) Get(ctx context.Context, k Key) (p Piece, ok bool, err error) {
	p, err = scan(a.d.QueryRow(ctx, `SELECT `+columns+` FROM piece
		WHERE platform = $1 AND customer_id = $2 AND report = $3 AND day = $4 AND current`,
		k.Platform, k.CustomerID, k.Report, int64(k.Day)))
	if errors.Is(err, sql.ErrNoRows) {
		return Piece{}, false, nil
	}
	if err != nil {
		return Piece{}, false, fmt.Errorf("piece %s: %w", k, err)
	}
	return p, true, nil
}

// AnyRows reports whether a current piece of the customer has rows, of
// whatever report, with days from through to.
func (a *Archive) AnyRows(ctx context.Context, platform, customer string, from, to table.Day) (any bool, err error) {
	err = a.d.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM piece
		WHERE platform = $1 AND customer_id = $2 AND day BETWEEN $3 AND $4 AND current AND row_count > 0)`,
		platform, customer, int64(from), int64(to)).Scan(&any)
	if err != nil {
		return false, fmt.Errorf("rows of %s %s: %w", platform, customer, err)
	}
	return any, nil
}

// Revision is a piece whose rows the platform has changed: the version that
// was current at an instant, and the one that is now.
type Revision struct{ Before, After Piece }

// Revised are the pieces of a customer's reports, days from through to, whose
// number of rows or sums differ from those at the instant since, by report and
// day. It knows versions as long as Collect keeps them.
func (a *Archive) Revised(ctx context.Context, platform, customer string, reports []string, from, to table.Day, since time.Time) ([]Revision, error) {
	now, err := a.Current(ctx, platform, customer, reports, from, to)
	if err != nil {
		return nil, err
	}
	var all []Revision
	for _, report := range reports {
		old, err := db.All(ctx, a.d, scan, `SELECT `+columns+` FROM piece
			WHERE platform = $1 AND customer_id = $2 AND report = $3 AND day BETWEEN $4 AND $5
				AND superseded_us > $6 AND stored_us <= $6`,
			platform, customer, report, int64(from), int64(to), db.US(since))
		if err != nil {
			return nil, fmt.Errorf("older pieces of %s %s %s: %w", platform, customer, report, err)
		}
		before := make(map[Key]Piece, len(old))
		for _, p := range old {
			before[p.Key] = p
		}
		for _, p := range now {
			if b, ok := before[p.Key]; ok && p.Report == report && !same(b, p) {
				all = append(all, Revision{Before: b, After: p})
			}
		}
	}
	return all, nil
}

// same reports whether two versions count the same. Sums are compared to a
// hundredth: addition in another order may differ in the last bits.
func same(a, b Piece) bool {
	if a.Rows != b.Rows {
		return false
	}
	for _, sums := range []map[string]float64{a.Sums, b.Sums} {
		for name := range sums {
			if d := a.Sums[name] - b.Sums[name]; d >= 0.01 || d <= -0.01 {
				return false
			}
		}
	}
	return true
}

// Union is the columns of all pieces: those of the newest first, then what
// only older ones have. A column that two pieces know as different kinds is
// of the newer one's.
func Union(pieces []Piece) table.Schema {
	var all table.Schema
	for i := len(pieces) - 1; i >= 0; i-- {
		for _, c := range pieces[i].Schema {
			if all.Index(c.Name) < 0 {
				all = append(all, c)
			}
		}
	}
	return all
}

// kindNames are the kinds as stored.
var kindNames = map[table.Kind]string{
	table.Text: "text", table.ID: "id", table.Int: "int", table.Decimal: "decimal",
	table.Money: "money", table.Percent: "percent", table.Date: "date",
}

func formatSchema(s table.Schema) (string, error) {
	parts := make([]string, len(s))
	for i, c := range s {
		if c.Name == "" || strings.ContainsAny(c.Name, ":,") || s.Index(c.Name) != i {
			return "", fmt.Errorf("column %q: empty, with : or a comma, or twice", c.Name)
		}
		name, ok := kindNames[c.Kind]
		if !ok {
			return "", fmt.Errorf("column %s: unknown kind %d", c.Name, c.Kind)
		}
		parts[i] = c.Name + ":" + name
	}
	return strings.Join(parts, ","), nil
}

func parseSchema(text string) (table.Schema, error) {
	if text == "" {
		return nil, nil
	}
	var s table.Schema
	for part := range strings.SplitSeq(text, ",") {
		name, kind, _ := strings.Cut(part, ":")
		found := false
		for k, n := range kindNames {
			if n == kind {
				s, found = append(s, table.Column{Name: name, Kind: k}), true
			}
		}
		if !found {
			return nil, fmt.Errorf("column %q of the catalogue: unknown kind", part)
		}
	}
	return s, nil
}
