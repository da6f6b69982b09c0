package schedule

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/table"
)

// Kinds of messages to a workspace.
const (
	MorningDigest = "morning" // what became of the mornings' refreshes
	EveningDigest = "evening" // what will not be met tomorrow, and what helps
)

// Channels of a digest. Each is sent by a job of its own, so that one that
// fails does not make the others come twice.
var channels = []string{"mail", "slack", "webhook"}

// Digest is what a workspace is told once a day and kind.
type Digest struct {
	WorkspaceID string    `json:"workspace_id"`
	Kind        string    `json:"kind"`
	Day         table.Day `json:"day"` // the morning, Korea
	Done        []Line    `json:"done"`
	Late        []Line    `json:"late"`
	NeedsYou    []Line    `json:"needs_you"`
	Skipped     int       `json:"skipped"`
	// Later counts those whose time has not come yet.
	Later int `json:"later"`
	// Incidents are how many open incidents the workspace has.
	Incidents int `json:"incidents"`
}

// Line is one raw data of a digest.
type Line struct {
	RawDataID string    `json:"raw_data_id"`
	Name      string    `json:"name"`
	Due       time.Time `json:"due"`
	// At is when it was filled; for those to come, when it is expected. Zero: it
	// was not, or will not be.
	At   time.Time `json:"at,omitzero"`
	Code run.Code  `json:"reason,omitempty"`
	// Args are what the sentence of Code speaks of, in the order of its
	// placeholders. They are kept with the digest: it is written from what was
	// stored.
	Args []any `json:"reason_args,omitempty"`
	// Why is what will keep one to come from being ready in time.
	Why Why `json:"why,omitempty"`
}

// Deliver sends a digest over a channel: "mail", "slack", "webhook". sent is
// false when the workspace has no such channel. It may be called again after
// an error.
type Deliver func(ctx context.Context, channel string, d Digest) (sent bool, err error)

// digestArgs is the job "tell a workspace".
type digestArgs struct {
	WorkspaceID string `json:"workspace_id"`
	Day         int64  `json:"day"`
	Digest      string `json:"digest"`
	Channel     string `json:"channel"`
}

// Kind names the job.
func (digestArgs) Kind() string { return "schedule.digest" }

// Morning is what has become of a workspace's refreshes that were due on the
// Korean day by the instant now. What counts is the raw data, not the run that
// the schedule asked for: a person may have tried again after it failed.
// When it was done is the end of the refresh's own run, where that ended well:
// later fillings do not make a morning late. A run that was joined after it had
// begun is not its own, because another one follows it.
func (s *Service) Morning(ctx context.Context, workspaceID string, day table.Day, now time.Time) (Digest, error) {
	out := Digest{WorkspaceID: workspaceID, Kind: MorningDigest, Day: day, Done: []Line{}, Late: []Line{}, NeedsYou: []Line{}}
	type row struct {
		Line
		skipped string
		state   run.State
		ended   int64
	}
	rows, err := db.All(ctx, s.d, func(r db.Scanner) (v row, err error) {
		var due int64
		var args string
		err = r.Scan(&v.RawDataID, &v.Name, &v.skipped, &due, &v.state, &v.ended, &v.Code, &args)
		v.Due, v.At = db.Time(due), db.Time(v.ended)
		if err == nil && args != "" {
			err = json.Unmarshal([]byte(args), &v.Args)
		}
		return v, err
	}, `SELECT f.raw_data_id, d.name, f.skipped, f.due_us, CASE WHEN s.filled_us >= f.asked_us THEN 7 ELSE coalesce(r.state, -1) END,
			CASE WHEN s.filled_us >= f.asked_us THEN coalesce(o.ended_us, s.filled_us) ELSE 0 END, coalesce(r.reason, ''), coalesce(r.reason_args, '')
		FROM refresh f JOIN raw_data d ON d.id = f.raw_data_id AND d.deleted_us = 0
		LEFT JOIN raw_data_state s ON s.raw_data_id = f.raw_data_id LEFT JOIN run r ON r.id = s.run_id
		LEFT JOIN run o ON o.id = f.run_id AND o.state = 7 AND o.started_us >= f.asked_us
		WHERE f.workspace_id = $1 AND f.day = $2 AND f.cause = 'scheduled' ORDER BY d.name, d.id`,
		workspaceID, int64(day-1))
	if err != nil {
		return out, fmt.Errorf("morning of workspace %s: %w", workspaceID, err)
	}
	begun := map[string]bool{}
	for _, v := range rows {
		begun[v.RawDataID] = true
		switch {
		case v.skipped != "":
			out.Skipped++
		case v.state == run.Success:
			if v.Code != run.CodeLateTypes { // a reason of a later run
				v.Code, v.Args = "", nil
			}
			out.Done = append(out.Done, v.Line)
		case v.state == run.Failed, v.Code == run.CodeKeyInvalid, v.Code == run.CodeAccountForbidden:
			out.NeedsYou = append(out.NeedsYou, v.Line)
		case v.Due.After(now):
			out.Later++
		default:
			out.Late = append(out.Late, v.Line)
		}
	}
	if err := s.notBegun(ctx, &out, begun, now); err != nil {
		return out, err
	}
	err = s.d.QueryRow(ctx, `SELECT count(*) FROM incident WHERE workspace_id = $1 AND resolved_us = 0`, workspaceID).Scan(&out.Incidents)
	return out, err
}

// notBegun adds to d the refreshes of its morning that were not started: those
// to come, and those that should have been.
func (s *Service) notBegun(ctx context.Context, d *Digest, begun map[string]bool, now time.Time) error {
	coming, err := s.Coming(ctx, d.WorkspaceID, now)
	if err != nil {
		return err
	}
	for _, c := range coming {
		if !begun[c.RawDataID] && c.Skip == "" && c.day == d.Day-1 {
			d.Later++
		}
	}
	since, err := s.noted(ctx)
	if err != nil {
		return err
	}
	all, err := s.o.Reports.Scheduled(ctx, s.d)
	if err != nil {
		return err
	}
	for _, rd := range all {
		at, known := since[rd.ID]
		if rd.WorkspaceID != d.WorkspaceID || begun[rd.ID] || !known {
			continue
		}
		if last, _, ok := Around(*rd.Schedule, now); ok && last.Day == d.Day-1 && !last.At.Before(at) {
			d.Late = append(d.Late, Line{RawDataID: rd.ID, Name: rd.Name, Due: last.At})
		}
	}
	return nil
}

// Evening is what the present plan says of a workspace's next mornings: those
// that will not be ready in time.
func (s *Service) Evening(ctx context.Context, workspaceID string, day table.Day, now time.Time) (Digest, error) {
	out := Digest{WorkspaceID: workspaceID, Kind: EveningDigest, Day: day, Done: []Line{}, Late: []Line{}, NeedsYou: []Line{}}
	coming, err := s.Coming(ctx, workspaceID, now)
	if err != nil {
		return out, err
	}
	for _, c := range coming {
		// What cannot be reached needs no plan to be late.
		if c.Why != WhyKey && (c.Mode == report.StartAt || c.Start.IsZero()) {
			continue
		}
		if c.Skip != "" {
			out.Skipped++
			continue
		}
		l := Line{RawDataID: c.RawDataID, Name: c.Name, Due: c.Due, At: c.Ready, Why: c.Why}
		if c.Late {
			out.Late = append(out.Late, l)
		} else {
			out.Done = append(out.Done, l)
		}
	}
	return out, nil
}

// eveningAt is when tomorrow is looked at, by the workspace's clock.
const eveningAt = "18:00"

// digests claims and sends what is to be told at the instant now. A digest of
// the morning is told at the workspace's usual time on the day on which the
// first of its refreshes is due, or when that is due, whichever is later. In
// some zones that is a day later in Korea.
func (s *Service) digests(ctx context.Context, rules settings, now time.Time) error {
	if s.o.Deliver == nil {
		return nil
	}
	type row struct {
		workspace  string
		day, first int64
	}
	due, err := db.All(ctx, s.d, func(r db.Scanner) (v row, err error) {
		err = r.Scan(&v.workspace, &v.day, &v.first)
		return v, err
	}, `SELECT workspace_id, day, min(due_us) FROM refresh f WHERE day >= $1 AND cause = 'scheduled' AND skipped = ''
		AND NOT EXISTS (SELECT 1 FROM digest d WHERE d.workspace_id = f.workspace_id AND d.day = f.day + 1 AND d.kind = 'morning')
		GROUP BY workspace_id, day ORDER BY day, workspace_id`, int64(table.DayOf(now)-2))
	if err != nil {
		return fmt.Errorf("digests: %w", err)
	}
	for _, v := range due {
		first := db.Time(v.first)
		at, ok := s.onDayOf(ctx, v.workspace, rules.at(v.workspace), first)
		if at.Before(first) {
			at = first
		}
		if !ok || at.After(now) || now.Sub(at) > toldWithin {
			continue
		}
		d, merr := s.Morning(ctx, v.workspace, table.Day(v.day)+1, now)
		if merr == nil {
			merr = s.tell(ctx, d, true)
		}
		err = errors.Join(err, merr)
	}
	return errors.Join(err, s.evenings(ctx, now))
}

// toldWithin is for how long a digest is news: what was due while no process
// ran is not told on the next day.
const toldWithin = 16 * time.Hour

func (s *Service) evenings(ctx context.Context, now time.Time) (err error) {
	all, err := s.o.Reports.Scheduled(ctx, s.d)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, rd := range all {
		w := rd.WorkspaceID
		if seen[w] {
			continue
		}
		seen[w] = true
		at, ok := s.onDayOf(ctx, w, eveningAt, now)
		// The day is that of six o'clock: Korea's may change in the evening.
		if !ok || at.After(now) || now.Sub(at) > 4*time.Hour || s.told(ctx, w, table.DayOf(at), EveningDigest) {
			continue
		}
		d, eerr := s.Evening(ctx, w, table.DayOf(at), now)
		if eerr == nil {
			// An evening without bad news is noted and not sent.
			eerr = s.tell(ctx, d, len(d.Late) > 0)
		}
		err = errors.Join(err, eerr)
	}
	return err
}

// onDayOf is the instant of a time of day on the day that it is for the
// workspace at the instant now.
func (s *Service) onDayOf(ctx context.Context, workspaceID, clock string, now time.Time) (time.Time, bool) {
	name := "Asia/Seoul"
	if s.o.Zone != nil {
		if z, err := s.o.Zone(ctx, workspaceID); err == nil {
			name = z
		}
	}
	zone, err := zoneOf(name)
	at, perr := time.Parse("15:04", clock)
	if err != nil || perr != nil {
		return time.Time{}, false
	}
	l := now.In(zone)
	return time.Date(l.Year(), l.Month(), l.Day(), at.Hour(), at.Minute(), 0, 0, zone), true
}

// told reports whether a digest was claimed; an unreadable table counts as
// told: nobody is told twice.
func (s *Service) told(ctx context.Context, workspaceID string, day table.Day, kind string) bool {
	_, err := s.Told(ctx, workspaceID, day, kind)
	return !errors.Is(err, sql.ErrNoRows)
}

// Told is the digest that a workspace was told; sql.ErrNoRows when none was.
func (s *Service) Told(ctx context.Context, workspaceID string, day table.Day, kind string) (d Digest, err error) {
	var body string
	err = s.d.QueryRow(ctx, `SELECT body FROM digest WHERE workspace_id = $1 AND day = $2 AND kind = $3`,
		workspaceID, int64(day), kind).Scan(&body)
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal([]byte(body), &d)
}

// tell claims the digest and, with send, lets jobs deliver it.
func (s *Service) tell(ctx context.Context, d Digest, send bool) error {
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO digest (workspace_id, day, kind, sent_us, body) VALUES ($1, $2, $3, 0, $4)
			ON CONFLICT (workspace_id, day, kind) DO NOTHING`, d.WorkspaceID, int64(d.Day), d.Kind, string(body))
		if err != nil || n == 0 || !send {
			return err
		}
		for _, c := range channels {
			if err := s.jobs.Enqueue(ctx, tx, digestArgs{d.WorkspaceID, int64(d.Day), d.Kind, c}); err != nil {
				return err
			}
		}
		return nil
	})
}

// deliver handles the job.
func (s *Service) deliver(ctx context.Context, a digestArgs) error {
	if s.o.Deliver == nil {
		return nil
	}
	d, err := s.Told(ctx, a.WorkspaceID, table.Day(a.Day), a.Digest)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	sent, err := s.o.Deliver(ctx, a.Channel, d)
	if err != nil || !sent {
		return err
	}
	_, err = s.d.Exec(ctx, `UPDATE digest SET sent_us = $4 WHERE workspace_id = $1 AND day = $2 AND kind = $3`,
		a.WorkspaceID, a.Day, a.Digest, db.US(s.now()))
	return err
}

// at is the usual time of a workspace.
func (v settings) at(workspaceID string) string {
	if set, ok := v.of[workspaceID]; ok {
		return set.DailyAt
	}
	return defaults(workspaceID).DailyAt
}
