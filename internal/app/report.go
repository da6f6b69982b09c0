package app

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"imreport/internal/account"
	"imreport/internal/archive"
	"imreport/internal/db"
	"imreport/internal/destination/xlsx"
	"imreport/internal/errs"
	"imreport/internal/incident"
	"imreport/internal/mail"
	"imreport/internal/notify"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/source/naver"
	"imreport/internal/table"
	"imreport/internal/workspace"
)

// buildPeople builds who may do what, and how people hear of what needs them.
func (a *App) buildPeople(ctx context.Context) (err error) {
	a.people = workspace.New(a.d, a.box, workspace.Options{Log: a.log})
	a.mail, err = mail.Open(mail.SMTPOptions{URL: a.c.SMTPURL, From: a.c.MailFrom, PublicURL: a.c.PublicURL})
	if err != nil {
		return err
	}
	a.incidents = incident.New(a.d, a.jobs, a.log)
	a.mails = notify.ByMail(a.people, a.mail, a.c.PublicURL, a.log)
	return a.people.Bootstrap(ctx, a.c.AdminToken)
}

// keepWithin bounds how long a stop waits until what was learned is stored.
const keepWithin = 5 * time.Second

// buildReports builds the spreadsheet side: keys, archive, Naver, xlsx, runs.
func (a *App) buildReports(ctx context.Context) error {
	a.metrics = newMetrics(a)
	a.keys = account.New(a.d, a.jobs, a.box, a.incidents, a.log)
	a.gate = quota.New(quota.Options{Refusals: a.c.RefusalBudget / 100})
	a.metrics.registry.MustRegister(a.gate.Collector(shortened))
	store, err := archive.NewDir(a.dir("archive"))
	if err != nil {
		return err
	}
	a.archive = archive.Open(a.d, store)
	if a.xlsx, err = xlsx.New(xlsx.Options{Dir: a.dir("files")}); err != nil {
		return err
	}
	a.naver, err = naver.New(naver.Options{
		URL: a.c.NaverURL, Gate: a.gate, DB: a.d, Archive: a.archive, Accounts: a.keys, Log: a.log,
		ReportDeadline: a.c.ReportDeadline, ProbeInterval: a.c.ProbeInterval, Published: a.published, Back: a.back, Restated: a.restated, Doubted: a.doubted,
	})
	if err != nil {
		return err
	}
	a.closers = append(a.closers, func() error {
		ctx, stop := context.WithTimeout(context.Background(), keepWithin)
		defer stop()
		return a.naver.Close(ctx)
	})
	a.reports = report.New(a.d, report.Options{Types: naver.Types(), Archived: archived{a}, Zone: a.people.Zone, DailyAt: a.dailyAt})
	a.runs = run.New(a.d, a.jobs, run.Options{
		Log: a.log, Process: a.process, Reports: a.reports, Keys: a.keys, Gate: a.gate,
		Sources:      map[string]run.Source{account.NaverSearchAd: a.naver},
		Destinations: map[string]run.Destination{report.XLSX: a.xlsx},
		Lang:         a.people.Lang, Revisions: a.revisions, Lacks: a.lacks, Now: a.now, Route: a.route,
		Writers: runtime.GOMAXPROCS(0), RetryFor: a.c.RetryFor, Picked: a.metrics.picked, Step: crashStep(),
	})
	a.joinKeys()
	return a.tuneAll(ctx)
}

// joinKeys tells those who depend on keys and accounts of their changes.
func (a *App) joinKeys() {
	a.keys.Discover(account.NaverSearchAd, a.naver)
	a.keys.DependsOn(func(ctx context.Context, tx *db.Tx, accountID string) ([]account.Dependent, error) {
		n, err := a.reports.OfAccount(ctx, tx, accountID)
		return []account.Dependent{{Kind: "raw_data", Count: n}}, err
	})
	a.keys.OnUsable(func(ctx context.Context, keyID string) error {
		_, err := a.runs.WakeSubject(ctx, run.CodeKeyInvalid, keyID)
		return err
	})
	a.keys.OnChange(func(ctx context.Context, tx *db.Tx, e account.Event) error {
		if e.What != account.Tuned {
			return nil
		}
		percent, err := a.keys.HeadRoom(ctx, tx, e.Key.Platform, e.Key.License)
		if err == nil {
			tx.AfterCommit(func() { a.tune(e.Key.License, percent) })
		}
		return err
	})
}

func (a *App) tune(licence string, percent int) {
	a.gate.Tune(quota.Scope{Kind: quota.Licence, ID: licence}, quota.Tuning{HeadRoom: float64(percent) / 100})
}

// tuneAll takes up the head room of every licence: at the start, and now and
// then for what other processes have changed.
func (a *App) tuneAll(ctx context.Context) error {
	type licence struct {
		id      string
		percent int
	}
	all, err := db.All(ctx, a.d, func(r db.Scanner) (l licence, err error) {
		err = r.Scan(&l.id, &l.percent)
		return l, err
	}, `SELECT license, coalesce(max(head_room) FILTER (WHERE state = 'valid' AND proved_us > 0), 0) FROM api_key GROUP BY license`)
	if err != nil {
		return fmt.Errorf("head room of all licences: %w", err)
	}
	for _, l := range all {
		a.tune(l.id, l.percent)
	}
	return nil
}

// wakings are pauses before the runs that wait for Naver are woken, again and
// again: one that was just being parked is found by the next.
var wakings = []time.Duration{0, 5 * time.Second, 15 * time.Second}

// published lets the runs go on that waited for Naver to publish a day.
func (a *App) published(table.Day) {
	go func() {
		ctx, stop := context.WithTimeout(context.Background(), time.Minute)
		defer stop()
		for _, pause := range wakings {
			select {
			case <-a.closing:
				return
			case <-time.After(pause):
			}
			n, err := a.runs.WakeSubject(ctx, run.CodePlatformPreparing, naver.Preparing)
			if err != nil {
				a.log.WarnContext(ctx, "runs that waited for Naver go on later", "error", err)
			} else if n > 0 {
				a.log.InfoContext(ctx, "Naver has published; runs go on", "runs", n)
			}
		}
	}()
}

// back lets the runs try again that wait because Naver has failed.
func (a *App) back() {
	go func() {
		ctx, stop := context.WithTimeout(context.Background(), time.Minute)
		defer stop()
		n, err := a.runs.WakeSubject(ctx, run.CodeRetrying, naver.Outage)
		if err != nil {
			a.log.WarnContext(ctx, "runs that wait after an outage go on later", "error", err)
		} else if n > 0 {
			a.log.InfoContext(ctx, "Naver answers again; runs go on", "runs", n)
		}
	}()
}

// revisions lists what Naver restated since a raw data was last filled.
func (a *App) revisions(ctx context.Context, o run.Order, since time.Time) ([]run.Revision, error) {
	all, err := a.archive.Revised(ctx, account.NaverSearchAd, o.CustomerID, o.Reports, o.From, o.To, since)
	if err != nil {
		return nil, err
	}
	out := make([]run.Revision, len(all))
	for i, r := range all {
		out[i] = run.Revision{
			Report: r.After.Report, Day: r.After.Day, RowsBefore: r.Before.Rows, RowsAfter: r.After.Rows,
			CostBefore: r.Before.Sums["cost"], CostAfter: r.After.Sums["cost"],
		}
	}
	return out, nil
}

// archived says for package report which days are kept already.
type archived struct{ a *App }

// Missing is the first day of from to to that is not kept. To a workspace
// whose own key does not reach the customer nothing is: it must not learn what
// others have collected.
func (v archived) Missing(ctx context.Context, accountID, report string, from, to table.Day) (table.Day, bool, error) {
	if to < from {
		return 0, false, nil
	}
	acc, err := v.a.keys.Account(ctx, v.a.d, accountID)
	if err != nil {
		return from, true, err
	}
	day, some, err := missing(ctx, v.a.archive, acc.Platform, acc.CustomerID, report, from, to)
	if err != nil || some && day == from {
		return from, true, err
	}
	access, why, err := v.a.keys.Reach(ctx, acc, v.a.now())
	switch {
	case err != nil, access == account.OutOfReach, access == account.NotChecked && some:
		return from, true, err
	case access == account.NotChecked:
		return from, true, errs.E(errs.Unavailable, "account.not_checked", why, acc.Name)
	}
	return day, some, nil
}

// missing is the first day of from to to that the archive does not keep.
func missing(ctx context.Context, a *archive.Archive, platform, customer, report string, from, to table.Day) (table.Day, bool, error) {
	if to < from {
		return 0, false, nil
	}
	kept, err := a.Current(ctx, platform, customer, []string{report}, from, to)
	if err != nil {
		return from, true, err
	}
	day := from
	for _, p := range kept {
		if p.Day != day {
			break
		}
		day++
	}
	return day, day <= to, nil
}
