// Package app puts the house together: it opens the database and the data
// folder, builds every service from the settings, and starts and stops them.
// Commands, end-to-end tests and the demo all come in through New.
//
// Each area has a file of its own: open.go and secret.go what everything
// stands on, report.go the spreadsheets, http.go the outside, keep.go the
// chores, metrics.go the numbers.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"imreport/internal/account"
	"imreport/internal/archive"
	"imreport/internal/config"
	"imreport/internal/db"
	"imreport/internal/destination/xlsx"
	"imreport/internal/errs"
	"imreport/internal/incident"
	"imreport/internal/jobs"
	"imreport/internal/mail"
	"imreport/internal/notify"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/schedule"
	"imreport/internal/seal"
	"imreport/internal/source/naver"
	"imreport/internal/web"
	"imreport/internal/workspace"
)

// Options say what a process is for.
type Options struct {
	Version string
	// Migrate brings the database to this program's version first.
	Migrate bool
	// AwaitSchema waits until another process has done so.
	AwaitSchema bool
	// Work: this process fills spreadsheets.
	Work bool
	// Web: this process answers requests on Config.Addr.
	Web bool
}

// App is the program, put together.
type App struct {
	c   config.Config
	o   Options
	log *slog.Logger
	// process is the name of this process among those that share the
	// database.
	process string

	d       *db.DB
	box     *seal.Box
	jobs    *jobs.Jobs
	metrics *metrics

	people    *workspace.Service
	incidents *incident.Service
	mail      mail.Sender
	mails     *notify.Mails

	gate    *quota.Gate
	keeper  *quota.Keeper // while this process works
	keys    *account.Service
	archive *archive.Archive
	naver   *naver.Source
	xlsx    *xlsx.Destination
	reports *report.Service
	runs    *run.Service

	mornings    *schedule.Service
	tryChannels func(ctx context.Context, workspaceID string) ([]schedule.Trial, error)
	endMornings func() // while this process works

	shop shopSide

	site   *web.Site
	expect *expectations

	chores []chore
	// closing is closed when the program is taken apart.
	closing chan struct{}
	endOnce sync.Once
	// closers undo what New has opened, last first.
	closers []func() error
}

// New puts the program together from its settings. What a person can do
// something about comes back as an errs.Error.
func New(ctx context.Context, c config.Config, o Options) (*App, error) {
	if err := errors.Join(checkURL("--naver-url", c.NaverURL), checkURL("--public-url", c.PublicURL)); err != nil {
		return nil, err
	}
	a := &App{c: c, o: o, log: c.Logger(), process: processName(), expect: newExpectations(), closing: make(chan struct{})}
	for _, build := range []func(context.Context) error{
		a.openDatabase, a.openSecrets, a.openFolder, a.buildPeople, a.buildReports, a.buildMorning, a.buildShop, a.buildSite, a.buildChores,
	} {
		if err := build(ctx); err != nil {
			return nil, errors.Join(err, a.Close())
		}
	}
	return a, nil
}

// Serve works and answers until ctx ends, then stops in order: it takes no
// more work, gives back what it holds, and closes the database. ready is told
// the address once requests are answered; empty when this process has none.
func (a *App) Serve(ctx context.Context, ready func(url string)) (err error) {
	defer func() { err = errors.Join(err, a.Close()) }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var l net.Listener
	if a.o.Web {
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", a.c.Addr); err != nil {
			return errs.E(errs.Conflict, "cli.addr_in_use", err, a.c.Addr)
		}
	}
	if err := a.start(ctx); err != nil {
		if l != nil {
			_ = l.Close()
		}
		return err
	}
	defer func() { err = errors.Join(err, a.stop(context.WithoutCancel(ctx))) }()
	served := make(chan error, 1)
	if a.o.Web {
		go a.estimateCosts(ctx)
		go func() { served <- a.site.Serve(ctx, l) }()
	}
	if ready != nil {
		ready(a.address(l))
	}
	if !a.o.Web {
		<-ctx.Done()
		return nil
	}
	return <-served
}

func (a *App) start(ctx context.Context) error {
	a.learnSkew(ctx)
	if !a.o.Work {
		return nil
	}
	if err := a.keepGate(ctx); err != nil {
		return err
	}
	// The service first: on SQLite it voids the leases of the process that
	// died before any job is taken.
	if err := a.runs.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	if err := a.jobs.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	for _, c := range a.chores {
		go a.keep(ctx, c)
	}
	a.keepMornings(ctx)
	return a.startShop(ctx)
}

// stopWithin bounds how long a stop waits for work to be given back.
const stopWithin = 20 * time.Second

func (a *App) stop(ctx context.Context) error {
	if !a.o.Work {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	a.log.InfoContext(ctx, "stopping: runs are given back")
	a.endMornings()
	// Licences are handed over first, so that runs are given back to their
	// new owners.
	return errors.Join(a.stopShop(ctx), a.keeper.Stop(ctx), a.jobs.Stop(ctx), a.runs.Stop(ctx))
}

// Close gives everything back that New has opened. Serve does it by itself.
func (a *App) Close() error {
	a.endOnce.Do(func() { close(a.closing) })
	var err error
	for len(a.closers) > 0 {
		last := len(a.closers) - 1
		err = errors.Join(err, a.closers[last]())
		a.closers = a.closers[:last]
	}
	return err
}

// FirstSignIn is the address that signs the first owner in, once; empty when
// they have another way in.
func (a *App) FirstSignIn(ctx context.Context) (string, error) {
	f, err := a.people.EnsureFirst(ctx)
	if err != nil || f.Link == "" {
		return "", err
	}
	return a.base() + workspace.LinkPath + f.Link, nil
}

// People are the workspaces and their members; for commands on the server.
func (a *App) People() *workspace.Service { return a.people }

// checkURL refuses what is no http address, under the flag's name; an empty one
// is not set.
func checkURL(flag, address string) error {
	u, err := url.Parse(address)
	if address == "" || err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") {
		return nil
	}
	return errs.InvalidField(flag, "cli.url_malformed", address)
}

// base is the address that links begin with.
func (a *App) base() string {
	if a.c.PublicURL != "" {
		return strings.TrimSuffix(a.c.PublicURL, "/")
	}
	host, port, err := net.SplitHostPort(a.c.Addr)
	if err != nil {
		return "http://" + a.c.Addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// address is where l listens, as a person types it. A port that the system
// chose becomes part of the settings, so that links lead here.
func (a *App) address(l net.Listener) string {
	if l == nil {
		return ""
	}
	if host, port, err := net.SplitHostPort(a.c.Addr); err == nil && port == "0" {
		_, chosen, err := net.SplitHostPort(l.Addr().String())
		if err == nil {
			a.c.Addr = net.JoinHostPort(host, chosen)
		}
	}
	return a.base()
}

// Folders of the data folder.
func (a *App) dir(name string) string { return filepath.Join(a.c.Data, name) }

func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	id := db.NewID()
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), id[len(id)-6:])
}
