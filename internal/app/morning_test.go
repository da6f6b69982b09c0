package app

import (
	"context"
	"testing"
	"time"

	"imreport/internal/config"
	"imreport/internal/db"
	"imreport/internal/table"
)

// A raw data whose oldest days were not collected and will soon be gone opens
// one alert, which ends when they are there.
func TestDaysThatWillBeLost(t *testing.T) {
	each(t, func(t *testing.T, c config.Config) {
		a := open(t, c, Options{Migrate: true})
		ctx := context.Background()
		today := table.DayOf(time.Now())
		exec := func(q string, args ...any) {
			t.Helper()
			if _, err := a.d.Exec(ctx, q, args...); err != nil {
				t.Fatal(err)
			}
		}
		f, err := a.people.EnsureFirst(ctx)
		if err != nil {
			t.Fatal(err)
		}
		ws := f.WorkspaceID
		exec(`INSERT INTO api_key (id, workspace_id, platform, name, license, secrets, secret_count, owner_customer, revision, state, reason, invalid_us,
			proved_us, head_room, created_us, updated_us) VALUES ('k', $1, 'naver_searchad', 'k', 'l', '', 1, '', 1, 'valid', '', 0, 0, 0, 0, 0)`, ws)
		exec(`INSERT INTO ad_account (id, workspace_id, api_key_id, platform, customer_id, name, named, role, proved_us, created_us, updated_us)
			VALUES ('acc', $1, 'k', 'naver_searchad', '77', 'x', $2, '', 0, 0, 0)`, ws, false)
		back := table.Day(0)
		for _, rt := range a.reports.Types() {
			if rt.Name == "AD" {
				back = table.Day(rt.DaysBack)
			}
		}
		period := `{"from":"` + (today - back + 1).String() + `","to":"` + (today - back + 2).String() + `"}`
		exec(`INSERT INTO raw_data (id, workspace_id, ad_account_id, name, reports, period, destination, schedule, paused, paused_until_us,
			created_by, created_us, updated_us, opened_us, deleted_us) VALUES ('r', $1, 'acc', '지난해', '["AD"]', $2, '{"type":"xlsx"}', '', $3, 0, '', 0, 0, 0, 0)`,
			ws, period, false)
		openNow := func() int {
			t.Helper()
			if err := a.warnWindows(ctx); err != nil {
				t.Fatal(err)
			}
			n, err := a.incidents.OpenCount(ctx, ws)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if once, again := openNow(), openNow(); once != 1 || again != 1 {
			t.Fatal("no alert, or more than one")
		}
		for d := today - back + 1; d <= today-back+2; d++ {
			exec(`INSERT INTO piece (id, platform, customer_id, report, day, current, object, row_count, bytes, columns, sums, meta, stored_us, superseded_us)
				VALUES ($1, 'naver_searchad', '77', 'AD', $2, $3, '', 0, 0, '', '{}', '{}', 1, 0)`, db.NewID(), int64(d), true)
		}
		if openNow() != 0 {
			t.Error("the alert stays though the days are there")
		}
	})
}

// A morning that nobody looked after opens an alert, which ends with the next
// one that starts on time.
func TestAMissedMorningIsAnAlert(t *testing.T) {
	each(t, func(t *testing.T, c config.Config) {
		a := open(t, c, Options{Migrate: true})
		ctx := context.Background()
		f, err := a.people.EnsureFirst(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			do   func(*db.Tx) error
			want int
		}{
			{func(tx *db.Tx) error { return a.missedMorning(ctx, tx, f.WorkspaceID, time.Now()) }, 1},
			{func(tx *db.Tx) error { return a.missedMorning(ctx, tx, f.WorkspaceID, time.Now()) }, 1},
			{func(tx *db.Tx) error { return a.morningOnTime(ctx, tx, f.WorkspaceID) }, 1}, // of the same day: they must hear of it
			{func(tx *db.Tx) error {
				if _, err := tx.Exec(ctx, `UPDATE incident SET last_us = $1`, db.US(time.Now().AddDate(0, 0, -1))); err != nil {
					return err
				}
				return a.morningOnTime(ctx, tx, f.WorkspaceID)
			}, 0},
		} {
			if err := a.d.InTx(ctx, step.do); err != nil {
				t.Fatal(err)
			}
			if n, err := a.incidents.OpenCount(ctx, f.WorkspaceID); err != nil || n != step.want {
				t.Errorf("%d open alerts, want %d (%v)", n, step.want, err)
			}
		}
	})
}
