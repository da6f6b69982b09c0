package schedule

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/report"
	"imreport/internal/table"
)

// Coming is the next morning of one raw data by the present plan.
type Coming struct {
	RawDataID string
	Name      string
	Mode      report.ScheduleMode
	// Due is the instant that its schedule names.
	Due time.Time
	Slot
	Calls int  // expected
	Skip  Skip // why it will be left out; "" when it will not
	day   table.Day
}

// Coming are the next mornings of a workspace's raw data, the earliest first.
// Until the first plan after a start has been made, starts are zero.
func (s *Service) Coming(ctx context.Context, workspaceID string, now time.Time) ([]Coming, error) {
	all, err := s.o.Reports.Scheduled(ctx, s.d)
	if err != nil {
		return nil, err
	}
	rules, err := s.settings(ctx)
	if err != nil {
		return nil, err
	}
	have, err := s.claimed(ctx, table.DayOf(now)-4)
	if err != nil {
		return nil, err
	}
	barred, err := s.unreachable(ctx, workspaceID)
	if err != nil {
		return nil, err
	}
	var out []Coming
	for _, rd := range all {
		if rd.WorkspaceID != workspaceID {
			continue
		}
		next, ok := following(rd, have, now)
		if !ok {
			continue
		}
		c := Coming{RawDataID: rd.ID, Name: rd.Name, Mode: rd.Schedule.Mode, Due: next.At, Slot: s.slot(rd.ID), day: next.Day,
			Skip: rules.skip(morning{rd: rd, at: next}, next.At)}
		if c.Mode == report.StartAt {
			c.Slot = Slot{Start: next.At}
		}
		s.mu.Lock()
		c.Calls = s.costs[rd.ID].cost.Calls
		s.mu.Unlock()
		out = append(out, c.barred(rd, barred))
	}
	slices.SortFunc(out, func(a, b Coming) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Name, b.Name), cmp.Compare(a.RawDataID, b.RawDataID))
	})
	return out, nil
}

// Preferences are everything that a workspace sets about its mornings.
type Preferences struct {
	Setting
	Holidays []Holiday
	Channels
}

// today is the day that it is for a workspace: Korea's or, where that has not
// begun in its own zone, the one before.
func (s *Service) today(ctx context.Context, workspaceID string, now time.Time) table.Day {
	day := table.DayOf(now)
	if at, ok := s.onDayOf(ctx, workspaceID, "12:00", now); ok {
		day = min(day, table.Day(time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC).Unix()/86400))
	}
	return day
}

// Preferences are a workspace's, with the holidays from today on.
func (s *Service) Preferences(ctx context.Context, workspaceID string, now time.Time) (p Preferences, err error) {
	if p.Setting, err = s.Setting(ctx, workspaceID); err != nil {
		return p, err
	}
	if p.Holidays, err = s.Holidays(ctx, workspaceID, s.today(ctx, workspaceID, now)); err != nil {
		return p, err
	}
	p.Channels, err = s.Channels(ctx, workspaceID)
	return p, err
}

const (
	maxIdle     = 365
	maxHolidays = 200
	maxName     = 100
)

// Wrong is what is wrong with p, all of it.
func (p Preferences) Wrong() (wrong []errs.Field) {
	if _, err := time.Parse("15:04", p.DailyAt); err != nil || len(p.DailyAt) != 5 {
		wrong = append(wrong, errs.Field{Name: "daily_at", Key: "schedule.time_invalid"})
	}
	if p.IdleDays < 0 || p.IdleDays > maxIdle {
		wrong = append(wrong, errs.Field{Name: "idle_days", Key: "schedule.idle_days_invalid"})
	}
	if len(p.Holidays) > maxHolidays {
		wrong = append(wrong, errs.Field{Name: "holidays", Key: "schedule.holidays_too_many", Args: []any{maxHolidays}})
	}
	for _, h := range p.Holidays {
		if len([]rune(h.Name)) > maxName {
			wrong = append(wrong, errs.Field{Name: "holidays", Key: "schedule.holiday_name_long", Args: []any{maxName}})
			break
		}
	}
	return append(wrong, p.Channels.mistakes()...)
}

// past is what is wrong with holidays before today that are not kept already.
// Those that are may come back: a page that was opened before midnight sends
// the whole list.
func (s *Service) past(ctx context.Context, workspaceID string, all []Holiday, today table.Day) ([]errs.Field, error) {
	if !slices.ContainsFunc(all, func(h Holiday) bool { return h.Day < today }) {
		return nil, nil
	}
	kept, err := s.Holidays(ctx, workspaceID, math.MinInt32)
	if err != nil {
		return nil, err
	}
	for _, h := range all {
		if h.Day < today && !slices.ContainsFunc(kept, func(k Holiday) bool { return k.Day == h.Day }) {
			return []errs.Field{{Name: "holidays", Key: "schedule.holiday_past", Args: []any{h.Day.String()}}}, nil
		}
	}
	return nil, nil
}

// SetPreferences keeps a workspace's preferences; holidays from today on are
// replaced, earlier ones stay; all of it or nothing. An errs.Error of Kind
// Invalid names what is wrong.
func (s *Service) SetPreferences(ctx context.Context, workspaceID string, p Preferences, now time.Time) error {
	p.WorkspaceID = workspaceID
	today := s.today(ctx, workspaceID, now)
	past, err := s.past(ctx, workspaceID, p.Holidays, today)
	if err != nil {
		return err
	}
	if wrong := append(p.Wrong(), past...); len(wrong) > 0 {
		return errs.InvalidFields(wrong...)
	}
	seal := func(v, what string) string {
		if v == "" {
			return ""
		}
		return s.o.Box.Seal(v, subject(workspaceID, what))
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO schedule_setting (workspace_id, daily_at, skip_weekends, idle_days, slack_url, webhook_url, webhook_secret, digest_mail)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (workspace_id) DO UPDATE SET daily_at = excluded.daily_at, skip_weekends = excluded.skip_weekends,
				idle_days = excluded.idle_days, slack_url = excluded.slack_url, webhook_url = excluded.webhook_url,
				webhook_secret = excluded.webhook_secret, digest_mail = excluded.digest_mail`,
			workspaceID, p.DailyAt, p.SkipWeekends, p.IdleDays,
			seal(p.SlackURL, "slack"), seal(p.WebhookURL, "webhook"), seal(p.WebhookSecret, "secret"), p.Mail)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM holiday WHERE workspace_id = $1 AND day >= $2`, workspaceID, int64(today)); err != nil {
			return err
		}
		for _, h := range p.Holidays {
			_, err := tx.Exec(ctx, `INSERT INTO holiday (workspace_id, day, name) VALUES ($1, $2, $3)
				ON CONFLICT (workspace_id, day) DO UPDATE SET name = excluded.name`, workspaceID, int64(h.Day), h.Name)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("preferences of workspace %s: %w", workspaceID, err)
	}
	return nil
}
