package app

import (
	"context"
	"fmt"
	"time"

	"imreport/internal/account"
	"imreport/internal/db"
	"imreport/internal/incident"
	"imreport/internal/report"
	"imreport/internal/table"
)

// windowClosing: days that a raw data wants will soon not be given by the
// platform any more, and were not collected. Its subject is the raw data.
const windowClosing incident.Kind = "window_closing"

const (
	// warnBefore is how many days before that people are warned.
	warnBefore = 3
	// windowGrace lets the first run of a new or changed raw data do its work
	// before anybody is warned.
	windowGrace = time.Hour
)

// warnWindows opens and ends incidents about days that are about to be lost.
func (a *App) warnWindows(ctx context.Context) error {
	type key struct{ workspace, id string }
	all, err := db.All(ctx, a.d, func(r db.Scanner) (k key, err error) {
		err = r.Scan(&k.workspace, &k.id)
		return k, err
	}, `SELECT workspace_id, id FROM raw_data WHERE deleted_us = 0`)
	if err != nil {
		return fmt.Errorf("raw data: %w", err)
	}
	back := map[string]table.Day{}
	for _, t := range a.reports.Types() {
		back[t.Name] = table.Day(t.DaysBack)
	}
	now := a.now()
	for _, k := range all {
		rd, err := a.reports.Get(ctx, a.d, k.workspace, k.id)
		if err != nil {
			continue // deleted meanwhile
		}
		if now.Sub(rd.UpdatedAt) < windowGrace {
			continue
		}
		if err := a.warnWindow(ctx, rd, back, now); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) warnWindow(ctx context.Context, rd report.RawData, back map[string]table.Day, now time.Time) error {
	today := table.DayOf(now)
	from, to := rd.Period.Days(today)
	acc, err := a.keys.Account(ctx, a.d, rd.AccountID)
	if err != nil {
		return err
	}
	lost, name := table.Day(0), ""
	for _, r := range rd.Reports {
		oldest := today - back[r]
		if from > oldest+warnBefore {
			continue
		}
		day, some, err := missing(ctx, a.archive, account.NaverSearchAd, acc.CustomerID, r, max(from, oldest), min(to, oldest+warnBefore))
		if err != nil {
			return err
		}
		if some && (name == "" || day < lost) {
			lost, name = day, r
		}
	}
	return a.d.InTx(ctx, func(tx *db.Tx) error {
		if name == "" {
			_, err := a.incidents.Resolve(ctx, tx, rd.WorkspaceID, windowClosing, rd.ID, now)
			return err
		}
		_, _, err := a.incidents.Open(ctx, tx, rd.WorkspaceID, incident.Report{
			Kind: windowClosing, Subject: rd.ID, Args: []string{rd.Name, name, lost.String(), (lost + back[name]).String()}, Link: "/raw-data/" + rd.ID,
		}, now)
		return err
	})
}
