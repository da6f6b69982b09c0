package workspace

import (
	"bytes"
	"context"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/seal"
)

var bg = context.Background()

// clock is the time of a test; it moves when told.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

type fixture struct {
	*Service
	clock *clock
	t     *testing.T
	db    *db.DB
	first First
	owner Actor // of the first workspace and the instance, in a session
}

const goodPassword = "correct horse battery"

// each runs fn on both databases, with a first workspace. Passwords are hashed
// cheaply.
func each(t *testing.T, fn func(f *fixture)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		c := &clock{time.Date(2026, 11, 24, 7, 30, 0, 0, time.UTC)}
		s := New(d, box, Options{Now: c.now})
		s.hash.cost = cost{memory: 8, passes: 1, threads: 1}
		f := &fixture{Service: s, clock: c, t: t, db: d}
		f.first = must(s.EnsureFirst(bg))(t)
		f.owner = must(s.UseSignInLink(bg, f.first.Link))(t).Actor
		fn(f)
	})
}

func (f *fixture) advance(d time.Duration) { f.clock.t = f.clock.t.Add(d) }

// must gives the value, or ends the test.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (f *fixture) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// refused wants an error of a key.
func (f *fixture) refused(err error, key string) {
	f.t.Helper()
	if e := errs.As(err); e == nil || e.Key != key {
		f.t.Errorf("got %v, want %s", err, key)
	}
}

// join makes somebody a member of the actor's workspace and signs them in.
func (f *fixture) join(a Actor, email string, r Role) Session {
	f.t.Helper()
	_, token, err := f.Invite(bg, a, email, r)
	f.ok(err)
	v, err := f.AcceptInvitation(bg, token, Accept{Name: "사람 " + email, Password: goodPassword})
	f.ok(err)
	return v
}

// another makes a second workspace of the instance's owner.
func (f *fixture) another(name string) (Workspace, Actor) {
	f.t.Helper()
	w, token, err := f.Create(bg, f.owner, NewWorkspace{Name: name})
	f.ok(err)
	a, err := f.ByToken(bg, token)
	f.ok(err)
	return w, a
}
