// Package report holds raw data: the definition of a spreadsheet that is
// filled from an ad platform. What has become of a definition is in package
// run.
package report

import (
	"encoding/json"
	"slices"
	"time"

	"imreport/internal/errs"
	"imreport/internal/table"
)

// RawData is the definition of one spreadsheet.
type RawData struct {
	ID          string
	WorkspaceID string
	AccountID   string // its ad account; cannot be changed
	Name        string
	Reports     []string // report types of the platform, at least one
	Period      Period
	Destination Destination
	Schedule    *Schedule // nil: only when somebody asks
	Paused      bool
	PausedUntil time.Time // zero: until somebody resumes it
	CreatedBy   string    // person id
	CreatedAt   time.Time
	UpdatedAt   time.Time
	OpenedAt    time.Time // when somebody last looked at it
}

// IsPaused reports whether the raw data is paused at the instant now.
func (r RawData) IsPaused(now time.Time) bool {
	return r.Paused && (r.PausedUntil.IsZero() || now.Before(r.PausedUntil))
}

// Period is the days of a raw data: either From and To, both included, or the
// LastDays days before the day of filling.
type Period struct {
	From     *table.Day `json:"from,omitempty"`
	To       *table.Day `json:"to,omitempty"`
	LastDays int        `json:"last_days,omitempty"`
}

// Days are the period's first and last day when it is filled on the Korean day
// today: LastDays N means today-N … today-1.
func (p Period) Days(today table.Day) (from, to table.Day) {
	if p.LastDays > 0 {
		return today - table.Day(p.LastDays), today - 1
	}
	if p.From == nil || p.To == nil {
		return 0, -1
	}
	return *p.From, *p.To
}

// Destination is where the spreadsheet lives.
type Destination struct {
	Type string `json:"type"` // "xlsx"
}

// XLSX is the destination type of a file to download.
const XLSX = "xlsx"

// ScheduleMode says what DailyAt means.
type ScheduleMode string

// The modes.
const (
	ReadyBy ScheduleMode = "ready_by" // filled by then
	StartAt ScheduleMode = "start_at" // begun then
)

// Schedule is a daily refresh.
type Schedule struct {
	DailyAt string       `json:"daily_at"` // "07:30"
	Mode    ScheduleMode `json:"mode"`
	Zone    string       `json:"zone"` // "Asia/Seoul"
}

// Definition is what a run fills, frozen when the run starts.
type Definition struct {
	Name        string      `json:"name"`
	AccountID   string      `json:"account_id"`
	Reports     []string    `json:"reports"`
	From        table.Day   `json:"from"`
	To          table.Day   `json:"to"`
	Destination Destination `json:"destination"`
}

// Freeze is the definition of r as of the instant now.
func (r RawData) Freeze(now time.Time) Definition {
	from, to := r.Period.Days(table.DayOf(now))
	return Definition{
		Name: r.Name, AccountID: r.AccountID, Reports: slices.Clone(r.Reports),
		From: from, To: to, Destination: r.Destination,
	}
}

// Pieces is how many (report type, day) the definition has.
func (d Definition) Pieces() int {
	if d.To < d.From {
		return 0
	}
	return len(d.Reports) * int(d.To-d.From+1)
}

// Type is a report type that a platform offers.
type Type struct {
	Name string
	// DaysBack is how many days before today the platform still gives.
	DaysBack int
}

// Input is what people may set.
type Input struct {
	Name        string
	AccountID   string
	Reports     []string
	Period      Period
	Destination Destination
	Schedule    *Schedule
}

const (
	maxName     = 200
	maxLastDays = 730
	maxSpan     = 731 // days of a period: two years
)

// check reports what is wrong with in, apart from what the archive could
// make good: the days before the platform's window are returned by type.
func (in *Input) check(types []Type, today table.Day) (old map[string]table.Day, err error) {
	var wrong []errs.Field
	add := func(field, key string, args ...any) {
		wrong = append(wrong, errs.Field{Name: field, Key: key, Args: args})
	}
	if in.Name == "" {
		add("name", "report.name.required")
	} else if len([]rune(in.Name)) > maxName {
		add("name", "report.name.too_long", maxName)
	}
	if in.AccountID == "" {
		add("ad_account_id", "report.account.required")
	}
	known := map[string]Type{}
	var names []string
	for _, t := range types {
		known[t.Name] = t
		names = append(names, t.Name)
	}
	if len(in.Reports) == 0 {
		add("reports", "report.reports.required")
	}
	seen := map[string]bool{}
	for _, r := range in.Reports {
		switch {
		case known[r].Name == "":
			add("reports", "report.reports.unknown_report_type", r, join(names))
		case seen[r]:
			add("reports", "report.reports.duplicate", r)
		}
		seen[r] = true
	}
	wrong = append(wrong, in.Period.check(today)...)
	switch in.Destination.Type {
	case "":
		add("destination.type", "report.destination.required")
	case XLSX:
	case "google_sheets":
		add("destination.type", "report.destination.not_available")
	default:
		add("destination.type", "report.destination.unknown_destination", in.Destination.Type)
	}
	wrong = append(wrong, in.Schedule.check()...)
	if len(wrong) > 0 {
		return nil, errs.InvalidFields(wrong...)
	}
	old = map[string]table.Day{}
	from, _ := in.Period.Days(today)
	for _, r := range in.Reports {
		if first := today - table.Day(known[r].DaysBack); from < first {
			old[r] = first
		}
	}
	return old, nil
}

func (p Period) check(today table.Day) (wrong []errs.Field) {
	add := func(field, key string, args ...any) {
		wrong = append(wrong, errs.Field{Name: field, Key: key, Args: args})
	}
	if p.LastDays != 0 {
		switch {
		case p.From != nil || p.To != nil:
			add("period", "report.period.ambiguous")
		case p.LastDays < 1 || p.LastDays > maxLastDays:
			add("period.last_days", "report.period.out_of_range", maxLastDays)
		}
		return wrong
	}
	switch {
	case p.From == nil && p.To == nil:
		add("period", "report.period.required")
	case p.From == nil:
		add("period.from", "report.period.from.required")
	case p.To == nil:
		add("period.to", "report.period.to.required")
	case *p.From > *p.To:
		add("period", "report.period.backwards", *p.From, *p.To)
	case *p.To > today:
		add("period.to", "report.future.period_unavailable", *p.To, today-1)
	case *p.To == today:
		add("period.to", "report.today.period_unavailable", *p.To, today-1)
	case *p.To-*p.From+1 > maxSpan:
		add("period", "report.period.too_long", maxSpan)
	}
	return wrong
}

func (s *Schedule) check() (wrong []errs.Field) {
	if s == nil {
		return nil
	}
	if _, err := time.Parse("15:04", s.DailyAt); err != nil || len(s.DailyAt) != 5 {
		wrong = append(wrong, errs.Field{Name: "schedule.daily_at", Key: "report.schedule.time_invalid", Args: []any{s.DailyAt}})
	}
	if s.Mode != ReadyBy && s.Mode != StartAt {
		wrong = append(wrong, errs.Field{Name: "schedule.mode", Key: "report.schedule.mode_invalid", Args: []any{s.Mode}})
	}
	if _, err := time.LoadLocation(s.Zone); err != nil || s.Zone == "" || s.Zone == "Local" {
		wrong = append(wrong, errs.Field{Name: "schedule.zone", Key: "report.schedule.zone_invalid", Args: []any{s.Zone}})
	}
	return wrong
}

func join(names []string) string {
	b, sep := "", ""
	for _, n := range names {
		b += sep + n
		sep = ", "
	}
	return b
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types here always marshal
	}
	return string(b)
}
