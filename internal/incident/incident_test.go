package incident

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/jobs"
)

var (
	bg = context.Background()
	t0 = time.Date(2026, 11, 24, 7, 30, 0, 0, time.UTC)
)

// fresh is a Service on a database with two workspaces.
func fresh(t *testing.T, d *db.DB, j *jobs.Jobs) *Service {
	t.Helper()
	for _, id := range []string{"w", "w2"} {
		if _, err := d.Exec(bg, `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ($1, $1, 'Asia/Seoul', 'ko', 0)`, id); err != nil {
			t.Fatal(err)
		}
	}
	return New(d, j, nil)
}

func open(t *testing.T, s *Service, ws string, r Report, at time.Time) (id string, opened bool) {
	t.Helper()
	err := s.d.InTx(bg, func(tx *db.Tx) (err error) {
		id, opened, err = s.Open(bg, tx, ws, r, at)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id, opened
}

func resolve(t *testing.T, s *Service, ws string, r Report, at time.Time) (was bool) {
	t.Helper()
	err := s.d.InTx(bg, func(tx *db.Tx) (err error) {
		was, err = s.Resolve(bg, tx, ws, r.Kind, r.Subject, at)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return was
}

func TestOneOpenIncidentPerSubject(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := fresh(t, d, jobs.New(d, jobs.Options{}))
		r := Report{Kind: KeyInvalid, Subject: "k1", Args: []string{"키", "0100…beef"}, Link: "/api-keys/k1"}
		id, opened := open(t, s, "w", r, t0)
		if !opened {
			t.Fatal("the first is not opened")
		}
		again, opened := open(t, s, "w", r, t0.Add(time.Hour))
		if opened || again != id {
			t.Errorf("met again: %s opened %v, want %s counted", again, opened, id)
		}
		late, _ := open(t, s, "w", r, t0.Add(time.Minute)) // heard of late
		i, err := s.Get(bg, "w", id)
		if err != nil || late != id || i.Count != 3 || !i.LastAt.Equal(t0.Add(time.Hour)) || !i.OpenedAt.Equal(t0) || !i.Open() {
			t.Errorf("%+v, %v", i, err)
		}
		for name, other := range map[string]func() bool{
			"subject":   func() bool { r := r; r.Subject = "k2"; _, o := open(t, s, "w", r, t0); return o },
			"kind":      func() bool { r := r; r.Kind = "other"; _, o := open(t, s, "w", r, t0); return o },
			"workspace": func() bool { _, o := open(t, s, "w2", r, t0); return o },
		} {
			if !other() {
				t.Errorf("another %s is not one of its own", name)
			}
		}
		if n, err := s.OpenCount(bg, "w"); err != nil || n != 3 {
			t.Errorf("%d open, %v; want 3", n, err)
		}
		if !resolve(t, s, "w", r, t0.Add(2*time.Hour)) || resolve(t, s, "w", r, t0) {
			t.Error("resolving works once")
		}
		if next, opened := open(t, s, "w", r, t0.Add(3*time.Hour)); !opened || next == id {
			t.Error("after it was resolved it does not open anew")
		}
		all, err := s.List(bg, "w", false, "", 10)
		if err != nil || len(all) != 4 {
			t.Fatalf("%d in all, %v", len(all), err)
		}
		if l, _ := s.List(bg, "w", true, "", 10); len(l) != 3 {
			t.Errorf("%d open in the list, want 3", len(l))
		}
		if l, _ := s.List(bg, "w", false, all[1].ID, 10); len(l) != 2 || l[0].ID != all[2].ID {
			t.Errorf("second page %+v", l)
		}
		if _, err := s.Get(bg, "w2", id); !errs.Is(err, "incident.not_found") {
			t.Errorf("another workspace's: %v", err)
		}
	})
}

func TestAtOnceOneIsOpened(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := fresh(t, d, jobs.New(d, jobs.Options{}))
		var wg sync.WaitGroup
		var opened atomic.Int64
		for range 8 {
			wg.Go(func() {
				err := d.InTx(bg, func(tx *db.Tx) error {
					_, o, err := s.Open(bg, tx, "w", Report{Kind: KeyInvalid, Subject: "k"}, t0)
					if o {
						tx.AfterCommit(func() { opened.Add(1) })
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if opened.Load() != 1 {
			t.Errorf("%d opened it", opened.Load())
		}
		if l, _ := s.List(bg, "w", true, "", 10); len(l) != 1 || l[0].Count != 8 {
			t.Errorf("list %+v", l)
		}
	})
}

// One incident is one notification: sent by a job, tried again after a fault,
// not sent when it is resolved already.
func TestNotification(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := jobs.New(d, jobs.Options{})
		s := fresh(t, d, j)
		heard := make(chan Incident, 10)
		var tries atomic.Int64
		s.Notify(func(_ context.Context, i Incident) (bool, error) {
			if tries.Add(1) == 1 {
				return false, errors.New("mail server is away")
			}
			heard <- i
			return true, nil
		})
		gone := Report{Kind: KeyInvalid, Subject: "resolved before anybody heard"}
		goneID, _ := open(t, s, "w", gone, t0)
		resolve(t, s, "w", gone, t0)
		undone := errors.New("undone")
		_ = d.InTx(bg, func(tx *db.Tx) error {
			_, _, err := s.Open(bg, tx, "w", Report{Kind: KeyInvalid, Subject: "rolled back"}, t0)
			return errors.Join(err, undone)
		})
		id, _ := open(t, s, "w", Report{Kind: KeyInvalid, Subject: "k"}, t0)
		open(t, s, "w", Report{Kind: KeyInvalid, Subject: "k"}, t0)
		ctx, cancel := context.WithTimeout(bg, 30*time.Second)
		defer cancel()
		if err := j.Start(ctx); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = j.Stop(ctx) }()
		select {
		case i := <-heard:
			if i.ID != id {
				t.Errorf("told of %+v", i)
			}
		case <-ctx.Done():
			t.Fatal("nobody was told")
		}
		for i := (Incident{}); i.NotifiedAt.IsZero(); time.Sleep(5 * time.Millisecond) {
			var err error
			if i, err = s.Get(ctx, "w", id); err != nil {
				t.Fatal(err)
			}
		}
		for _, late := range []string{id, goneID, "never was"} { // jobs come twice
			if err := s.tell(ctx, tellArgs{ID: late}); err != nil {
				t.Error(err)
			}
		}
		if n := tries.Load(); n != 2 || len(heard) != 0 {
			t.Errorf("%d tries, %d more heard; want 2 and none", n, len(heard))
		}
	})
}

func TestSentences(t *testing.T) {
	i := Incident{Kind: KeyInvalid, Args: []string{"본사 키", "0100…beef"}}
	for _, l := range i18n.Langs {
		told := map[string]bool{}
		for _, reason := range []string{"", "license_invalid", "secret_invalid"} {
			i.Reason = reason
			told[i.Detail(l)] = true
		}
		i.Reason = "a reason without sentences of its own"
		if told[i.Detail(l)] = true; len(told) != 3 {
			t.Errorf("%s: details %v, want 3", l, told)
		}
		for _, s := range []string{i.Title(l), i.Detail(l), i.Action(l)} {
			if s == "" || strings.ContainsAny(s, "{}") {
				t.Errorf("%s: %q", l, s)
			}
		}
	}
	if s := (Incident{Kind: "unheard of"}).Title(i18n.Korean); s != "" {
		t.Errorf("a kind without sentences reads %q", s)
	}
}
