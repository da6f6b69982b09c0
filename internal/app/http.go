package app

import (
	"context"
	"sync/atomic"

	"imreport/internal/errs"
	"imreport/internal/web"
)

// buildSite builds the outside: API, pages, hooks and what machines ask.
func (a *App) buildSite(context.Context) error {
	if !a.o.Web {
		return nil
	}
	a.site = web.New(web.Deps{
		Log: a.log, People: a.people, PublicURL: a.c.PublicURL, Ready: a.readiness(),
		Metrics: a.metrics.registry, Gatherer: a.metrics.registry,
	})
	return nil
}

// readiness is what /readyz asks: the database answers and its schema is this
// program's. The schema is looked at until it is; it does not go back.
func (a *App) readiness() func(context.Context) error {
	var current atomic.Bool
	return func(ctx context.Context) error {
		if current.Load() {
			return a.d.Ping(ctx)
		}
		ok, err := a.d.Current(ctx)
		if err == nil && !ok {
			err = errs.E(errs.Unavailable, "cli.schema_old", nil)
		}
		current.Store(ok && err == nil)
		return err
	}
}
