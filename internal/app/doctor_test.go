package app

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"imreport/internal/account"
	"imreport/internal/config"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/sim/naver"
)

// examined is what Doctor found, by message key.
func examined(t *testing.T, c config.Config) (found map[string]Finding, ok bool) {
	t.Helper()
	found = map[string]Finding{}
	ok = Doctor(bg, c, Checks, func(f Finding) {
		if !i18n.Has(f.What) || f.Title(i18n.Korean) == f.What {
			t.Errorf("%s has no words", f.What)
		}
		found[f.What] = f
	})
	return found, ok
}

func TestDoctor(t *testing.T) {
	each(t, func(t *testing.T, c config.Config) {
		sim := naver.New(naver.Options{Accounts: 2})
		srv := httptest.NewServer(sim)
		defer srv.Close()
		c.NaverURL = srv.URL
		if c.DatabaseURL == "" {
			found, ok := examined(t, c) // before the first start
			if _, absent := found["cli.doctor.database_absent"]; !ok || !absent {
				t.Errorf("before the first start: %v %v", ok, found)
			}
			if _, err := os.Stat(filepath.Join(c.Data, "imreport.db")); err == nil {
				t.Error("doctor has made a database")
			}
		}
		a := open(t, c, Options{Migrate: true}) // a server that runs
		f, err := a.people.EnsureFirst(bg)
		if err != nil {
			t.Fatal(err)
		}
		k, err := a.keys.AddKey(bg, f.WorkspaceID, account.NewKey{Name: "k", License: naver.DefaultLicense, Secret: naver.DefaultSecret}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		found, ok := examined(t, c)
		if key, there := found["cli.doctor.key"]; !ok || !there || key.Err != nil {
			t.Errorf("a good house: %v %v", ok, found)
		}
		sim.RotateSecret(naver.DefaultLicense)
		found, ok = examined(t, c)
		if key := found["cli.doctor.key"]; ok || key.Err == nil {
			t.Errorf("a wrong secret: %v %v", ok, found)
		}
		if now, err := a.keys.Key(bg, f.WorkspaceID, k.ID); err != nil || !now.Valid {
			t.Errorf("doctor has changed the key: %+v %v", now, err)
		}
		wrong := c
		wrong.SecretKey = "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg="
		if found, ok = examined(t, wrong); ok || !errs.Is(found["cli.doctor.secret"].Err, "seal.wrong_key") {
			t.Errorf("a wrong key: %v %v", ok, found)
		}
	})
}

func TestDoctorSeesAWrongClock(t *testing.T) {
	c := settings(t)
	sim := naver.New(naver.Options{})
	sim.SetSkew(8 * 24 * time.Hour)
	srv := httptest.NewServer(sim)
	defer srv.Close()
	c.NaverURL = srv.URL
	found, ok := examined(t, c)
	if f := found["cli.doctor.clock"]; ok || !errs.Is(f.Err, "cli.clock_wrong") || f.Args[0] != "8d0h" {
		t.Errorf("%v %+v", ok, f)
	}
}

func TestPeopleBesideAServer(t *testing.T) {
	each(t, func(t *testing.T, c config.Config) {
		if c.DatabaseURL == "" {
			if _, _, err := OpenPeople(bg, c.Store); !errs.Is(err, "workspace.none") {
				t.Errorf("before the first start: %v", err)
			}
		}
		a := open(t, c, Options{Migrate: true})
		if _, err := a.people.EnsureFirst(bg); err != nil {
			t.Fatal(err)
		}
		people, done, err := OpenPeople(bg, c.Store)
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		if who, err := people.Local(bg); err != nil || who.WorkspaceID == "" {
			t.Errorf("%+v %v", who, err)
		}
	})
}
