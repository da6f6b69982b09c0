package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"imreport/internal/account"
	"imreport/internal/config"
	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/jobs"
	"imreport/internal/mail"
	"imreport/internal/quota"
	"imreport/internal/seal"
	"imreport/internal/source/naver"
	"imreport/internal/workspace"
)

// Finding is one thing that Doctor looked at.
type Finding struct {
	What string // message key: "cli.doctor.database"
	Args []any
	Err  error // nil: good
	// Warn: something is wrong, but imreport works.
	Warn bool
}

// Patient is what Doctor's checks look at; members are nil where an earlier
// check failed.
type Patient struct {
	Config config.Config
	DB     *db.DB
	Box    *seal.Box
	// Naver asks Naver with the rate that this process may use.
	Naver *naver.Source
	Keys  *account.Service
}

// Check looks at one thing and tells what it found.
type Check func(ctx context.Context, p *Patient, tell func(Finding))

// Checks are what Doctor does, in this order.
var Checks = []Check{checkFolder, checkDatabase, checkSecret, checkMail, checkClock, checkKeys}

// Doctor examines settings, database, folder, clock and keys, beside a server
// that may be running. It changes nothing. It reports whether all is well.
func Doctor(ctx context.Context, c config.Config, checks []Check, tell func(Finding)) bool {
	p := &Patient{Config: c}
	ok := true
	for _, check := range checks {
		check(ctx, p, func(f Finding) {
			ok = ok && (f.Err == nil || f.Warn)
			tell(f)
		})
	}
	if p.DB != nil {
		_ = p.DB.Close()
	}
	return ok
}

func checkFolder(_ context.Context, p *Patient, tell func(Finding)) {
	f := Finding{What: "cli.doctor.folder", Args: []any{p.Config.Data}}
	defer func() { tell(f) }()
	st, err := os.Stat(p.Config.Data)
	switch {
	case errors.Is(err, os.ErrNotExist):
		f.What = "cli.doctor.folder_absent" // the first start makes it
		return
	case err == nil && !st.IsDir():
		err = errors.New("not a folder")
	}
	if err == nil {
		var file *os.File
		if file, err = os.CreateTemp(p.Config.Data, ".doctor-*"); err == nil {
			err = errors.Join(file.Close(), os.Remove(file.Name()))
		}
	}
	if err != nil {
		f.Err = errs.E(errs.Invalid, "db.data_dir_unusable", err, p.Config.Data)
	}
}

func checkDatabase(ctx context.Context, p *Patient, tell func(Finding)) {
	f := Finding{What: "cli.doctor.database", Args: []any{"SQLite"}}
	if p.Config.DatabaseURL != "" {
		f.Args = []any{"PostgreSQL"}
	} else if _, err := os.Stat(filepath.Join(p.Config.Data, "imreport.db")); errors.Is(err, os.ErrNotExist) {
		f.What = "cli.doctor.database_absent"
		tell(f)
		return
	}
	d, err := db.Open(ctx, db.Options{URL: p.Config.DatabaseURL, Dir: p.Config.Data, Shared: true})
	if err == nil {
		var current bool
		if current, err = d.Current(ctx); err == nil && !current {
			err = errs.E(errs.Conflict, "cli.schema_old", nil)
		}
		if err == nil {
			p.DB = d
		} else {
			_ = d.Close()
		}
	}
	f.Err = err
	tell(f)
}

func checkSecret(ctx context.Context, p *Patient, tell func(Finding)) {
	f := Finding{What: "cli.doctor.secret"}
	if p.DB == nil {
		_, f.Err = secretKey(p.Config.Store, true)
		if errs.Is(f.Err, "cli.secret_key_lost") {
			return // there is no database either
		}
	} else {
		p.Box, f.Err = openBox(ctx, p.Config.Store, p.DB, true)
	}
	tell(f)
}

func checkMail(_ context.Context, p *Patient, tell func(Finding)) {
	if p.Config.SMTPURL == "" {
		tell(Finding{What: "cli.doctor.mail_off"})
		return
	}
	_, err := mail.Open(mail.SMTPOptions{URL: p.Config.SMTPURL, From: p.Config.MailFrom, PublicURL: p.Config.PublicURL})
	tell(Finding{What: "cli.doctor.mail", Err: err})
}

func checkClock(ctx context.Context, p *Patient, tell func(Finding)) {
	skew, err := Skew(ctx, p.Config.NaverURL)
	if err != nil {
		tell(Finding{What: "cli.doctor.naver", Args: []any{p.Config.NaverURL}, Err: errs.E(errs.Unavailable, "cli.naver_unreachable", err, p.Config.NaverURL)})
		return
	}
	tell(Finding{What: "cli.doctor.naver", Args: []any{p.Config.NaverURL}})
	f := Finding{What: "cli.doctor.clock", Args: []any{round(skew)}}
	if skew.Abs() > 5*time.Second {
		f.Err, f.Warn = errs.E(errs.Conflict, "cli.clock_wrong", nil, round(skew)), skew.Abs() < skewMatters
	}
	tell(f)
}

// keysAsked bounds how many keys Doctor tries: one request each.
const keysAsked = 20

func checkKeys(ctx context.Context, p *Patient, tell func(Finding)) {
	if p.DB == nil || p.Box == nil {
		return
	}
	type key struct{ id, workspace, name, license string }
	all, err := db.All(ctx, p.DB, func(r db.Scanner) (k key, err error) {
		err = r.Scan(&k.id, &k.workspace, &k.name, &k.license)
		return k, err
	}, `SELECT id, workspace_id, name, license FROM api_key ORDER BY id LIMIT $1`, keysAsked)
	if err != nil {
		tell(Finding{What: "cli.doctor.keys", Err: err})
		return
	}
	if len(all) == 0 {
		tell(Finding{What: "cli.doctor.no_keys"})
		return
	}
	source, err := naver.New(naver.Options{URL: p.Config.NaverURL, Gate: quota.New(quota.Options{}), DB: p.DB})
	if err != nil {
		tell(Finding{What: "cli.doctor.keys", Err: err})
		return
	}
	p.Naver, p.Keys = source, account.New(p.DB, jobs.New(p.DB, jobs.Options{}), p.Box, nil, nil)
	for _, k := range all {
		f := Finding{What: "cli.doctor.key", Args: []any{k.name, account.Mask(k.license)}}
		c, err := p.Keys.Credential(ctx, k.workspace, k.id)
		if err == nil {
			_, err = source.Discover(ctx, c)
		}
		f.Err = err
		tell(f)
	}
}

// OpenPeople opens the people of an instance beside a server that may be
// running; for commands on the server itself. done closes it.
func OpenPeople(ctx context.Context, c config.Store) (people *workspace.Service, done func(), err error) {
	if c.DatabaseURL == "" {
		if _, err := os.Stat(filepath.Join(c.Data, "imreport.db")); errors.Is(err, os.ErrNotExist) {
			return nil, nil, errs.E(errs.Conflict, "workspace.none", nil)
		}
	}
	d, err := db.Open(ctx, db.Options{URL: c.DatabaseURL, Dir: c.Data, Shared: true})
	if err != nil {
		return nil, nil, err
	}
	done = func() { _ = d.Close() }
	current, err := d.Current(ctx)
	if err == nil && !current {
		err = errs.E(errs.Conflict, "cli.schema_old", nil)
	}
	var box *seal.Box
	if err == nil {
		box, err = openBox(ctx, c, d, true)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return workspace.New(d, box, workspace.Options{}), done, nil
}

// Title is what was looked at, as people read it.
func (f Finding) Title(l i18n.Lang) string { return i18n.T(l, f.What, f.Args...) }
