package schedule

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/table"
)

// Setting is how a workspace wants its mornings.
type Setting struct {
	WorkspaceID  string
	DailyAt      string // default of new schedules: "07:30"
	SkipWeekends bool
	// IdleDays: a raw data that nobody opened for so many days refreshes when
	// somebody opens it; 0: off.
	IdleDays int
}

// Holiday is a day without refreshes.
type Holiday struct {
	Day  table.Day
	Name string
}

// defaults of a workspace that has set nothing.
func defaults(workspaceID string) Setting { return Setting{WorkspaceID: workspaceID, DailyAt: "07:30"} }

// Setting is a workspace's.
func (s *Service) Setting(ctx context.Context, workspaceID string) (Setting, error) {
	v := defaults(workspaceID)
	err := s.d.QueryRow(ctx, `SELECT daily_at, skip_weekends, idle_days FROM schedule_setting WHERE workspace_id = $1`, workspaceID).
		Scan(&v.DailyAt, &v.SkipWeekends, &v.IdleDays)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	if err != nil {
		return v, fmt.Errorf("morning settings of workspace %s: %w", workspaceID, err)
	}
	return v, nil
}

// Holidays are a workspace's from a day on.
func (s *Service) Holidays(ctx context.Context, workspaceID string, from table.Day) ([]Holiday, error) {
	return db.All(ctx, s.d, func(r db.Scanner) (h Holiday, err error) {
		err = r.Scan(&h.Day, &h.Name)
		return h, err
	}, `SELECT day, name FROM holiday WHERE workspace_id = $1 AND day >= $2 ORDER BY day`, workspaceID, int64(from))
}

// settings of all workspaces, for one Tick.
type settings struct {
	of       map[string]Setting
	holidays map[holidayKey]bool
}

type holidayKey struct {
	workspace string
	day       table.Day
}

func (s *Service) settings(ctx context.Context) (v settings, err error) {
	v = settings{map[string]Setting{}, map[holidayKey]bool{}}
	_, err = db.All(ctx, s.d, func(r db.Scanner) (struct{}, error) {
		var one Setting
		err := r.Scan(&one.WorkspaceID, &one.DailyAt, &one.SkipWeekends, &one.IdleDays)
		v.of[one.WorkspaceID] = one
		return struct{}{}, err
	}, `SELECT workspace_id, daily_at, skip_weekends, idle_days FROM schedule_setting`)
	if err == nil {
		_, err = db.All(ctx, s.d, func(r db.Scanner) (struct{}, error) {
			var k holidayKey
			err := r.Scan(&k.workspace, &k.day)
			v.holidays[k] = true
			return struct{}{}, err
		}, `SELECT workspace_id, day FROM holiday`)
	}
	if err != nil {
		return v, fmt.Errorf("morning settings: %w", err)
	}
	return v, nil
}

// skip says whether the morning m is left out, and why. A pause counts when it
// lasts until the instant that the schedule names: one that ends between the
// start and that is waited for by the run.
func (v settings) skip(m morning, now time.Time) Skip {
	if m.rd.IsPaused(m.at.At) {
		return SkipPaused
	}
	zone, err := zoneOf(m.rd.Schedule.Zone)
	if err != nil {
		zone = table.KST
	}
	local := m.at.At.In(zone)
	day := table.Day(time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC).Unix() / 86400)
	set := v.of[m.rd.WorkspaceID]
	if v.holidays[holidayKey{m.rd.WorkspaceID, day}] {
		return SkipHoliday
	}
	if wd := local.Weekday(); set.SkipWeekends && (wd == time.Saturday || wd == time.Sunday) {
		return SkipHoliday
	}
	if set.IdleDays > 0 && now.Sub(m.rd.OpenedAt) > time.Duration(set.IdleDays)*24*time.Hour {
		return SkipIdle
	}
	return ""
}
