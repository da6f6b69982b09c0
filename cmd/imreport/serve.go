package main

import (
	"context"
	"fmt"

	"imreport/internal/app"
	"imreport/internal/config"
	"imreport/internal/errs"
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
	return a.Serve(ctx, func(url string) {
		fmt.Fprintf(o.stdout, "imreport %s listens on %s\n", version, url)
		if link, err := a.FirstSignIn(ctx); err == nil && link != "" {
			fmt.Fprintf(o.stdout, "First sign-in (works once, for 24 hours): %s\n", link)
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
	return a.Serve(ctx, func(string) { fmt.Fprintf(o.stdout, "imreport %s works\n", version) })
}

type migrateCmd struct {
	config.Store
}

// Run brings the database to this program's version.
func (c *migrateCmd) Run(ctx context.Context, o *out) error {
	if err := app.Migrate(ctx, c.Store); err != nil {
		return err
	}
	fmt.Fprintln(o.stdout, "The database is at this program's version.")
	return nil
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(o *out) error {
	fmt.Fprintln(o.stdout, "imreport", version)
	return nil
}
