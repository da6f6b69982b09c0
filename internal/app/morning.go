package app

import (
	"context"
	"errors"
	"time"

	"imreport/internal/db"
	"imreport/internal/incident"
	"imreport/internal/notify"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/schedule"
	"imreport/internal/table"
)

// morningMissed: no process looked after a morning in time.
const morningMissed incident.Kind = "morning_missed"

// allMornings is its subject: the workspace's mornings as a whole.
const allMornings = "morning"

// buildMorning builds what refreshes raw data by itself. Every process knows
// the plan; those that work also start what is due.
func (a *App) buildMorning(context.Context) error {
	told := notify.ForDigests(a.mails, notify.DigestOptions{
		Channels: func(ctx context.Context, id string) (schedule.Channels, error) { return a.mornings.Channels(ctx, id) },
	})
	a.incidents.Notify(told.Incident)
	a.tryChannels = told.Try
	a.mornings = schedule.New(a.d, a.jobs, schedule.Options{
		Log: a.log, Runs: a.runs, Reports: a.reports, Estimate: a.morningCost, Rate: a.rate, Zone: a.people.Zone, Box: a.box,
		Unreachable: a.keys.Unreachable, Deliver: told.Deliver,
		Missed: a.missedMorning, OnTime: a.morningOnTime, Now: a.now,
	})
	return nil
}

// keepMornings starts what is due until ctx or a.endMornings ends it.
func (a *App) keepMornings(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	a.endMornings = func() { cancel(); <-done }
	go func() {
		defer close(done)
		a.warn(ctx, "mornings are not looked after", a.mornings.Run(ctx))
	}()
}

// morningCost is what the refresh of a raw data that is to be ready at the
// instant costs.
func (a *App) morningCost(ctx context.Context, rd report.RawData, at time.Time) (c schedule.Cost, err error) {
	acc, err := a.keys.Account(ctx, a.d, rd.AccountID)
	if err != nil {
		return c, err
	}
	if c.Licence, err = a.licence(ctx, a.d, acc.APIKeyID); err != nil {
		return c, err
	}
	def := rd.Freeze(at)
	c.Calls, _, err = a.naver.EstimateOn(ctx, run.Order{
		WorkspaceID: rd.WorkspaceID, AccountID: acc.ID, CustomerID: acc.CustomerID, Reports: def.Reports, From: def.From, To: def.To,
	}, table.DayOf(at))
	return c, err
}

// rate is the learned rate of a licence, in requests per second; 0 when this
// process has not used it.
func (a *App) rate(licence string) float64 {
	for _, s := range a.usage(licence).Scopes {
		if s.Kind == quota.Licence && s.ID == licence {
			return s.RatePerS
		}
	}
	return 0
}

// missedMorning opens the incident that a morning did not start on time.
func (a *App) missedMorning(ctx context.Context, tx *db.Tx, workspaceID string, at time.Time) error {
	zone := table.KST
	if name, err := a.people.Zone(ctx, workspaceID); err == nil {
		if z, err := time.LoadLocation(name); err == nil {
			zone = z
		}
	}
	_, _, err := a.incidents.Open(ctx, tx, workspaceID, incident.Report{
		Kind: morningMissed, Subject: allMornings, Args: []string{at.In(zone).Format("2006-01-02 15:04")}, Link: "/morning",
	}, a.now())
	return err
}

func (a *App) morningOnTime(ctx context.Context, tx *db.Tx, workspaceID string) error {
	// Not that of the same day: people would never hear of it.
	now := a.now()
	_, err := a.incidents.ResolveOlder(ctx, tx, workspaceID, morningMissed, allMornings, table.DayOf(now).Start(), now)
	return err
}

// nextRefresh is when a raw data is filled next by its schedule.
func (a *App) nextRefresh(rd report.RawData) time.Time { return a.mornings.NextRefresh(rd.ID) }

// lacks, restated and doubted pass on what the morning has to see to later: it is built
// after those who tell.
func (a *App) lacks(ctx context.Context, tx *db.Tx, r run.Run, late []run.LatePiece) error {
	return a.mornings.Lacks(ctx, tx, r, late)
}

func (a *App) restated(ctx context.Context, tx *db.Tx, customerID, report string, day table.Day, rawDataID string) error {
	return a.mornings.Restated(ctx, tx, customerID, report, day, rawDataID)
}

func (a *App) doubted(ctx context.Context, tx *db.Tx, customerID, report string, day table.Day, rawDataID string) error {
	return a.mornings.Doubted(ctx, tx, customerID, report, day, rawDataID)
}

// opener is the reports as the outside sees them: who looks at a raw data that
// refreshes on demand, starts it.
type opener struct {
	*report.Service
	mornings *schedule.Service
}

// Opened notes the look.
func (o opener) Opened(ctx context.Context, rd report.RawData, now time.Time) error {
	err := o.Service.Opened(ctx, rd, now)
	_, started := o.mornings.Opened(ctx, rd, now)
	return errors.Join(err, started)
}

// dailyAt is a workspace's usual time.
func (a *App) dailyAt(ctx context.Context, workspaceID string) string {
	v, err := a.mornings.Setting(ctx, workspaceID)
	a.warn(ctx, "the usual time could not be read", err)
	return v.DailyAt
}
