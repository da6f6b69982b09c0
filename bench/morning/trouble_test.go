package morning

import (
	"context"
	"testing"
	"time"

	"imreport/internal/account"
	"imreport/internal/report"
	vendor "imreport/sim/naver"
)

// In mid-morning the key's secret is changed at Naver, and the schedule of a
// raw data is put later while it is being refreshed. The runs wait for the key
// as one incident, go on when it is repaired, none fails, and nothing is
// refreshed twice.
func TestTroubleInMidMorning(t *testing.T) {
	if testing.Short() {
		t.Skip("plays a morning")
	}
	dir := t.TempDir()
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		s := Scenario{Name: "trouble", Profile: "perlicence", Accounts: 4, PerAccount: 2, Campaigns: 2, AdGroups: 4, Keywords: 10,
			LastDays: 4, Refetch: 3, Write: time.Second, Seed: 2}
		st, err := s.fill(ctx, dir)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(err)
		opened, err := st.await(ctx, time.Date(2026, 11, firstMorning+1, 5, 30, 0, 0, time.FixedZone("KST", 9*3600)))
		must(err)
		defer func() { must(st.close(ctx)) }()
		st.schedules(ctx)
		for {
			open, _, err := st.openRuns(ctx)
			must(err)
			if open > 0 {
				break
			}
			time.Sleep(time.Second)
		}
		time.Sleep(3 * time.Second)
		secret := st.sim.RotateSecret(vendor.DefaultLicense)
		all, err := st.reports.Scheduled(ctx, st.d)
		must(err)
		later := all[0]
		_, err = st.reports.Update(ctx, workspace, later.ID, func(in *report.Input) {
			in.Schedule = &report.Schedule{DailyAt: "07:35", Mode: report.StartAt, Zone: "Asia/Seoul"}
		}, time.Now())
		must(err)
		time.Sleep(2 * time.Minute)
		var waiting, incidents int
		must(st.d.QueryRow(ctx, `SELECT count(*) FROM run WHERE state BETWEEN 1 AND 6 AND reason = 'key_invalid'`).Scan(&waiting))
		must(st.d.QueryRow(ctx, `SELECT count(*) FROM incident WHERE kind = 'key_invalid'`).Scan(&incidents))
		if waiting == 0 || incidents != 1 {
			t.Errorf("%d runs wait for the key, %d incidents", waiting, incidents)
		}
		keys, err := st.keys.Keys(ctx, workspace, "", 10)
		must(err)
		_, err = st.keys.UpdateKey(ctx, workspace, keys[0].ID, account.KeyChange{Secret: &secret}, time.Now())
		must(err)
		_, err = st.watch(ctx, opened, opened, opened)
		must(err)
		time.Sleep(time.Until(time.Date(2026, 11, firstMorning+1, 7, 37, 0, 0, time.FixedZone("KST", 9*3600)))) // past the later time
		d, err := st.day(ctx, opened)
		must(err)
		if d.Done != st.res.RawData || d.Failed != 0 {
			t.Errorf("%d of %d refreshed, %d failed", d.Done, st.res.RawData, d.Failed)
		}
	})
}
