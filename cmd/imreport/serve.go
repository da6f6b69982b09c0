package main

import (
	"context"
	"fmt"

	"imreport/internal/app"
	"imreport/internal/config"
	"imreport/internal/errs"
	"imreport/internal/i18n"
)

type serveCmd struct {
	config.Config
	NoMigrate bool `help:"Leave the database as it is; use: imreport migrate."`
}

// Run starts the server and blocks until ctx ends.
func (c *serveCmd) Run(ctx context.Context, o *out) error {
	a, err := app.New(ctx, c.Config, app.Options{Version: version, Migrate: !c.NoMigrate, Work: true, Web: true})
	if err != nil {
		return err
	}
	lang := terminalLang()
	return a.Serve(ctx, func(url string) {
		fmt.Fprintln(o.stdout, i18n.T(lang, "cli.serve_listens", version, url))
		if link, err := a.FirstSignIn(ctx); err == nil && link != "" {
			fmt.Fprintln(o.stdout, i18n.T(lang, "cli.serve_first", link))
		}
	})
}

type workerCmd struct {
	config.Config
}

// Run starts workers only and blocks until ctx ends.
func (c *workerCmd) Run(ctx context.Context, o *out) error {
	if c.DatabaseURL == "" {
		return errs.E(errs.Invalid, "cli.worker_needs_postgres", nil)
	}
	a, err := app.New(ctx, c.Config, app.Options{Version: version, Work: true, AwaitSchema: true})
	if err != nil {
		return err
	}
	return a.Serve(ctx, func(string) { fmt.Fprintln(o.stdout, i18n.T(terminalLang(), "cli.worker_works", version)) })
}

type migrateCmd struct {
	config.Store
}

// Run brings the database to this program's version.
func (c *migrateCmd) Run(ctx context.Context, o *out) error {
	if err := app.Migrate(ctx, c.Store); err != nil {
		return err
	}
	fmt.Fprintln(o.stdout, i18n.T(terminalLang(), "cli.migrated"))
	return nil
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(o *out) error {
	fmt.Fprintln(o.stdout, "imreport", version)
	return nil
}
