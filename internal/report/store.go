package report

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/table"
)

// Archived says which days of a report type are kept already. Satisfied by
// package archive through app.
type Archived interface {
	// Missing is the first day of [from, to] that is not kept for the
	// customer of the ad account and may not be served to its workspace; ok
	// is false when none is missing.
	Missing(ctx context.Context, accountID, report string, from, to table.Day) (day table.Day, ok bool, err error)
}

// Service keeps raw data.
type Service struct {
	d       *db.DB
	types   []Type
	kept    Archived
	zone    func(ctx context.Context, workspaceID string) (string, error)
	dailyAt func(ctx context.Context, workspaceID string) string
}

// Options of a Service.
type Options struct {
	// Types are the report types of the platform.
	Types []Type
	// Archived may be nil: then only what the platform still gives is allowed.
	Archived Archived
	// Zone is the workspace's zone, for schedules that name none.
	Zone func(ctx context.Context, workspaceID string) (string, error)
	// DailyAt is the workspace's usual time, for schedules that name none; nil
	// means 07:30.
	DailyAt func(ctx context.Context, workspaceID string) string
}

// New makes a Service.
func New(d *db.DB, o Options) *Service {
	if o.Zone == nil {
		o.Zone = func(context.Context, string) (string, error) { return "Asia/Seoul", nil }
	}
	if o.DailyAt == nil {
		o.DailyAt = func(context.Context, string) string { return "07:30" }
	}
	return &Service{d: d, types: o.Types, kept: o.Archived, zone: o.Zone, dailyAt: o.DailyAt}
}

// Types are the report types that can be asked for.
func (s *Service) Types() []Type { return s.types }

// Check fills in's defaults and reports what is wrong with it: an errs.Error of
// Kind Invalid that names each field.
func (s *Service) Check(ctx context.Context, workspaceID string, in *Input, now time.Time) error {
	in.Name = strings.TrimSpace(in.Name)
	if sc := in.Schedule; sc != nil {
		if sc.Mode == "" {
			sc.Mode = ReadyBy
		}
		if sc.DailyAt == "" {
			sc.DailyAt = s.dailyAt(ctx, workspaceID)
		}
		if sc.Zone == "" {
			zone, err := s.zone(ctx, workspaceID)
			if err != nil {
				return err
			}
			sc.Zone = zone
		}
	}
	today := table.DayOf(now)
	old, err := in.check(s.types, today)
	if err != nil {
		return err
	}
	from, to := in.Period.Days(today)
	field := "period.from"
	if in.Period.LastDays > 0 {
		field = "period.last_days"
	}
	for _, r := range in.Reports {
		first, tooOld := old[r]
		if !tooOld {
			continue
		}
		missing, some := from, true
		if s.kept != nil {
			missing, some, err = s.kept.Missing(ctx, in.AccountID, r, from, min(to, first-1))
			if err != nil {
				return fmt.Errorf("archived days of %s: %w", r, err)
			}
		}
		if some {
			return errs.InvalidField(field, "report.old.period_unavailable", missing, r, int(today-first), first)
		}
	}
	return nil
}

// Insert stores a checked definition. The ad account must be the workspace's:
// the caller has looked.
func (s *Service) Insert(ctx context.Context, tx *db.Tx, workspaceID, personID string, in Input, now time.Time) (RawData, error) {
	r := RawData{
		ID: db.NewID(), WorkspaceID: workspaceID, AccountID: in.AccountID, Name: in.Name, Reports: in.Reports,
		Period: in.Period, Destination: in.Destination, Schedule: in.Schedule,
		CreatedBy: personID, CreatedAt: now, UpdatedAt: now, OpenedAt: now,
	}
	us := db.US(now)
	_, err := tx.Exec(ctx, `
		INSERT INTO raw_data (id, workspace_id, ad_account_id, name, reports, period, destination, schedule,
			paused, paused_until_us, created_by, created_us, updated_us, opened_us, deleted_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11, $11, $11, 0)`,
		r.ID, workspaceID, r.AccountID, r.Name, encode(r.Reports), encode(r.Period), encode(r.Destination),
		encodeSchedule(r.Schedule), false, personID, us)
	if err != nil {
		return RawData{}, fmt.Errorf("insert raw data: %w", err)
	}
	return r, nil
}

const columns = `id, workspace_id, ad_account_id, name, reports, period, destination, schedule,
	paused, paused_until_us, created_by, created_us, updated_us, opened_us`

func scan(row db.Scanner) (RawData, error) {
	var r RawData
	var reports, period, destination, schedule string
	var until, created, updated, opened int64
	err := row.Scan(&r.ID, &r.WorkspaceID, &r.AccountID, &r.Name, &reports, &period, &destination, &schedule,
		&r.Paused, &until, &r.CreatedBy, &created, &updated, &opened)
	if err != nil {
		return r, err
	}
	r.PausedUntil, r.CreatedAt, r.UpdatedAt, r.OpenedAt = db.Time(until), db.Time(created), db.Time(updated), db.Time(opened)
	err = errors.Join(json.Unmarshal([]byte(reports), &r.Reports), json.Unmarshal([]byte(period), &r.Period),
		json.Unmarshal([]byte(destination), &r.Destination))
	if schedule != "" {
		r.Schedule = new(Schedule)
		err = errors.Join(err, json.Unmarshal([]byte(schedule), r.Schedule))
	}
	return r, err
}

// Get is one raw data of the workspace; report.not_found when there is none.
func (s *Service) Get(ctx context.Context, q db.Queryer, workspaceID, id string) (RawData, error) {
	if q == nil {
		q = s.d
	}
	r, err := scan(q.QueryRow(ctx, `SELECT `+columns+` FROM raw_data
		WHERE workspace_id = $1 AND id = $2 AND deleted_us = 0`, workspaceID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return r, errs.E(errs.NotFound, "report.not_found", nil)
	}
	if err != nil {
		return r, fmt.Errorf("raw data %s: %w", id, err)
	}
	return r, nil
}

// List is the workspace's raw data, newest first, before the id cursor when it
// is not empty, at most limit.
func (s *Service) List(ctx context.Context, workspaceID, cursor string, limit int) ([]RawData, error) {
	if cursor == "" {
		cursor = "~" // after every id
	}
	all, err := db.All(ctx, s.d, scan, `SELECT `+columns+` FROM raw_data
		WHERE workspace_id = $1 AND deleted_us = 0 AND id < $2 ORDER BY id DESC LIMIT $3`, workspaceID, cursor, limit)
	if err != nil {
		return nil, fmt.Errorf("list raw data: %w", err)
	}
	return all, nil
}

// Scheduled is every raw data with a schedule, of all workspaces.
func (s *Service) Scheduled(ctx context.Context, q db.Queryer) ([]RawData, error) {
	return db.All(ctx, q, scan, `SELECT `+columns+` FROM raw_data WHERE deleted_us = 0 AND schedule <> '' ORDER BY id`)
}

// updateTries bounds how often Update begins anew because somebody else was
// quicker.
const updateTries = 10

// Update changes a definition; what runs already keeps the frozen one. The ad
// account stays. change is called again when somebody else has changed the
// definition meanwhile, with what they have made of it.
func (s *Service) Update(ctx context.Context, workspaceID, id string, change func(in *Input), now time.Time) (RawData, error) {
	for range updateTries {
		old, err := s.Get(ctx, nil, workspaceID, id)
		if err != nil {
			return RawData{}, err
		}
		in := Input{Name: old.Name, AccountID: old.AccountID, Reports: old.Reports, Period: old.Period,
			Destination: old.Destination, Schedule: old.Schedule}
		change(&in)
		if in.AccountID != old.AccountID {
			return RawData{}, errs.InvalidField("ad_account_id", "report.account.fixed")
		}
		if err := s.Check(ctx, workspaceID, &in, now); err != nil {
			return RawData{}, err
		}
		n, err := s.d.Exec(ctx, `UPDATE raw_data SET name = $3, reports = $4, period = $5, destination = $6, schedule = $7, updated_us = $8
			WHERE workspace_id = $1 AND id = $2 AND deleted_us = 0 AND updated_us = $9`,
			workspaceID, id, in.Name, encode(in.Reports), encode(in.Period), encode(in.Destination), encodeSchedule(in.Schedule),
			db.US(now), db.US(old.UpdatedAt))
		if err != nil {
			return RawData{}, fmt.Errorf("update raw data %s: %w", id, err)
		}
		if n > 0 {
			return s.Get(ctx, nil, workspaceID, id)
		}
	}
	return RawData{}, fmt.Errorf("update raw data %s: others change it all the time", id)
}

// SetPaused pauses (until zero: without end) or resumes.
func (s *Service) SetPaused(ctx context.Context, tx *db.Tx, workspaceID, id string, paused bool, until time.Time) error {
	n, err := tx.Exec(ctx, `UPDATE raw_data SET paused = $3, paused_until_us = $4
		WHERE workspace_id = $1 AND id = $2 AND deleted_us = 0`, workspaceID, id, paused, db.US(until))
	if err == nil && n == 0 {
		err = errs.E(errs.NotFound, "report.not_found", nil)
	}
	return err
}

// MarkDeleted hides a raw data for good.
func (s *Service) MarkDeleted(ctx context.Context, tx *db.Tx, workspaceID, id string, now time.Time) error {
	n, err := tx.Exec(ctx, `UPDATE raw_data SET deleted_us = $3 WHERE workspace_id = $1 AND id = $2 AND deleted_us = 0`,
		workspaceID, id, db.US(now))
	if err == nil && n == 0 {
		err = errs.E(errs.NotFound, "report.not_found", nil)
	}
	return err
}

// Opened notes that somebody looked at a raw data, at most once an hour.
func (s *Service) Opened(ctx context.Context, r RawData, now time.Time) error {
	if now.Sub(r.OpenedAt) < time.Hour {
		return nil
	}
	_, err := s.d.Exec(ctx, `UPDATE raw_data SET opened_us = $2 WHERE id = $1`, r.ID, db.US(now))
	return err
}

// OfAccount counts the raw data of an ad account.
func (s *Service) OfAccount(ctx context.Context, q db.Queryer, accountID string) (n int, err error) {
	err = q.QueryRow(ctx, `SELECT count(*) FROM raw_data WHERE ad_account_id = $1 AND deleted_us = 0`, accountID).Scan(&n)
	return n, err
}

func encodeSchedule(s *Schedule) string {
	if s == nil {
		return ""
	}
	return encode(s)
}
