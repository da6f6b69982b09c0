package app

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"imreport/internal/account"
	"imreport/internal/archive"
	"imreport/internal/errs"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/web"
	"imreport/internal/web/api"
	"imreport/internal/web/rest"
	"imreport/internal/web/ui"
)

// buildSite builds the outside: API, pages, hooks and what machines ask.
func (a *App) buildSite(context.Context) error {
	if !a.o.Web {
		return nil
	}
	a.site = web.New(web.Deps{
		Log: a.log, People: a.people, PublicURL: a.c.PublicURL, Ready: a.readiness(),
		Metrics: a.metrics.registry, Gatherer: a.metrics.registry, Now: a.now,
	})
	calls := rest.New(a.site)
	deps := api.Deps{
		Runs: a.runs, Reports: opener{a.reports, a.mornings}, Accounts: a.keys, Incidents: a.incidents, Files: a.xlsx,
		Usage:    func(_ context.Context, k account.Key) (quota.Usage, error) { return a.usage(k.License), nil },
		Estimate: a.estimate, Expected: a.expected, NextRefresh: a.nextRefresh,
		Mornings: a.mornings, TryChannels: a.tryChannels, Spared: a.spared, Newer: a.newer,
	}
	api.Mount(calls, deps)
	around := ui.Mount(a.site, ui.Deps{Deps: deps, People: a.people, Incidents: a.incidents})
	a.mountShop(calls, around)
	return nil
}

// newer are the days of a raw data whose numbers have changed, or are in
// doubt, since its spreadsheet was filled, as far as its workspace may see
// what is stored.
func (a *App) newer(ctx context.Context, it run.Item, acc account.Account) (all []api.Newer, err error) {
	filled := it.Status.FilledAt
	if filled.IsZero() || a.now().Sub(acc.ProvedAt) >= account.ProofFor {
		return nil, nil
	}
	def := it.Freeze(filled)
	revised, err := a.archive.Revised(ctx, acc.Platform, acc.CustomerID, def.Reports, def.From, def.To, filled)
	if err != nil {
		return nil, err
	}
	kept, err := a.archive.Current(ctx, acc.Platform, acc.CustomerID, def.Reports, def.From, def.To)
	if err != nil {
		return nil, err
	}
	changed := map[archive.Key]bool{}
	for _, r := range revised {
		changed[r.After.Key] = true
	}
	for _, p := range kept {
		if doubtful := !p.DoubtedAt.IsZero(); doubtful || changed[p.Key] {
			all = append(all, api.Newer{Report: p.Report, Day: p.Day, Doubtful: doubtful})
		}
	}
	return all, nil
}

// spared is what a workspace's keys were spared, or one of them.
func (a *App) spared(ctx context.Context, workspaceID, keyID string) (out api.Spared, err error) {
	sp, err := a.naver.Spared(ctx, workspaceID, keyID)
	out = api.Spared{Since: sp.Since, Requests: sp.Requests}
	for _, b := range sp.By {
		out.By = append(out.By, api.SparedBy{Why: string(b.Why), Requests: b.Requests})
	}
	return out, err
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

// estimate is what filling in for the workspace would cost; in is checked.
func (a *App) estimate(ctx context.Context, workspaceID string, in report.Input) (e api.Estimate, err error) {
	acc, err := a.keys.AccountIn(ctx, workspaceID, in.AccountID)
	if err != nil {
		return e, err
	}
	key, err := a.keys.Key(ctx, workspaceID, acc.APIKeyID)
	if err != nil {
		return e, err
	}
	now := a.now()
	def := report.RawData{Period: in.Period, Reports: in.Reports, AccountID: in.AccountID}.Freeze(now)
	order := run.Order{WorkspaceID: workspaceID, AccountID: acc.ID, CustomerID: acc.CustomerID, Reports: def.Reports, From: def.From, To: def.To}
	access, _, err := a.keys.Reach(ctx, acc, now)
	if err != nil {
		return e, err
	}
	// What others have stored is nothing to who may not see it.
	requests, missing, err := a.naver.EstimateUnseen(order)
	if access == account.Reached {
		requests, missing, err = a.naver.Estimate(ctx, order)
	}
	if err != nil {
		return e, fmt.Errorf("estimate for account %s: %w", acc.ID, err)
	}
	takes := a.takes(key.License, acc.CustomerID, requests)
	return api.Estimate{
		Pieces: def.Pieces(), Stored: def.Pieces() - missing, Requests: requests, Takes: takes, ReadyAt: now.Add(takes).Round(time.Second),
	}, nil
}
