package account

import (
	"bytes"
	"context"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/incident"
	"imreport/internal/jobs"
	"imreport/internal/seal"
)

var (
	bg = context.Background()
	t0 = time.Date(2026, 11, 24, 7, 30, 0, 0, time.UTC)
)

const (
	license = "0100000000f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff00"
	secretA = "AQAAAABTZWNyZXRLZXlGb3JUZXN0aW5nT25seTAwMDAwMQ=="
	secretB = "AQAAAABTZWNyZXRLZXlGb3JUZXN0aW5nT25seTAwMDAwMg=="
)

type fixture struct {
	*Service
	t      *testing.T
	db     *db.DB
	jobs   *jobs.Jobs
	events []Event
	a, b   string // two workspaces
}

func each(t *testing.T, fn func(f *fixture)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		j := jobs.New(d, jobs.Options{})
		f := &fixture{Service: New(d, j, box, incident.New(d, j, nil), nil), t: t, db: d, jobs: j, a: "wa", b: "wb"}
		f.OnChange(func(_ context.Context, _ *db.Tx, e Event) error { f.events = append(f.events, e); return nil })
		for _, id := range []string{f.a, f.b} {
			_, err := d.Exec(bg, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ($1, $1, 'Asia/Seoul', 'ko', 0)`, id)
			f.ok(err)
		}
		fn(f)
	})
}

func (f *fixture) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) refused(err error, key string) {
	f.t.Helper()
	if e := errs.As(err); e == nil || e.Key != key {
		f.t.Errorf("got %v, want %s", err, key)
	}
}

func (f *fixture) key(ws string) Key {
	f.t.Helper()
	k, err := f.AddKey(bg, ws, NewKey{Name: "키", License: license, Secret: secretA}, t0)
	f.ok(err)
	f.events = nil
	return k
}

func (f *fixture) account(k Key, customer string) Account {
	f.t.Helper()
	a, _, err := f.AddAccount(bg, k.WorkspaceID, NewAccount{APIKeyID: k.ID, CustomerID: customer}, t0)
	f.ok(err)
	return a
}

func (f *fixture) invalid(k Key, why error) {
	f.t.Helper()
	f.ok(f.db.InTx(bg, func(tx *db.Tx) error { return f.MarkInvalid(bg, tx, k.ID, why, t0) }))
}

func (f *fixture) valid(k Key, revision int64, at time.Time) {
	f.t.Helper()
	f.ok(f.db.InTx(bg, func(tx *db.Tx) error { return f.MarkValid(bg, tx, k.ID, revision, at) }))
}

func (f *fixture) again(k Key) Key {
	f.t.Helper()
	k, err := f.Key(bg, k.WorkspaceID, k.ID)
	f.ok(err)
	return k
}

func (f *fixture) open(ws string) []incident.Incident {
	f.t.Helper()
	l, err := f.incidents.List(bg, ws, true, "", 10)
	f.ok(err)
	return l
}

// wakes counts the jobs that let a key's runs go on.
func (f *fixture) wakes() (n int) {
	f.t.Helper()
	f.ok(f.db.QueryRow(bg, `SELECT count(*) FROM river_job WHERE kind = 'account.usable'`).Scan(&n))
	return n
}

func (f *fixture) changes() (all []Change) {
	for _, e := range f.events {
		all = append(all, e.What)
	}
	f.events = nil
	return all
}
