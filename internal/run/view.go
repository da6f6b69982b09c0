package run

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/report"
	"imreport/internal/table"
)

// View is a run as people see it: with its place in line.
type View struct {
	Run
	Position int // from 1 among those in line of its lane; 0 when not in line
	Ahead    int // runs that come before it, the active one included
}

// LogRow is one change of a raw data. Rows are never edited.
type LogRow struct {
	Seq   int64
	RunID string
	State State
	Code  Code
	Args  []any
	At    time.Time
}

// Status is where a raw data stands: its newest log row, and its file.
type Status struct {
	Seq         int64 // of its newest log row
	State       State
	Code        Code
	Args        []any
	RunID       string
	At          time.Time
	HasFile     bool
	File        File
	DataThrough table.Day // 0 without a file
	FilledAt    time.Time
	Open        *View // the open run, nil when none is
}

// Cause is why the open run was asked for; "" when none is open.
func (s Status) Cause() Cause {
	if s.Open == nil {
		return ""
	}
	return s.Open.Cause
}

// Item is a raw data with where it stands.
type Item struct {
	report.RawData
	Status Status
}

const positionOf = `
	CASE WHEN r.state IN (1, 2) AND NOT r.parked THEN 1 + (SELECT count(*) FROM run b
		WHERE b.lane_id = r.lane_id AND b.state IN (1, 2) AND NOT b.parked
			AND (b.class < r.class OR b.class = r.class AND b.ticket < r.ticket)) ELSE 0 END,
	CASE WHEN r.state IN (1, 2) THEN (SELECT count(*) FROM run a WHERE a.lane_id = r.lane_id AND a.state IN (3, 4, 5, 6)) ELSE 0 END`

// viewColumns is columns of the run called r, and its place.
var viewColumns = prefixed("r.", columns) + "," + positionOf

func prefixed(p, list string) string {
	out, start := "", true
	for _, c := range list {
		if start && c > ' ' {
			out += p
			start = false
		}
		if c == ',' {
			start = true
		}
		out += string(c)
	}
	return out
}

// more lets scan read a row that has more columns than columns.
type more struct {
	db.Scanner
	dest []any
}

func (m more) Scan(dest ...any) error { return m.Scanner.Scan(append(dest, m.dest...)...) }

func scanView(row db.Scanner) (v View, err error) {
	var active int
	v.Run, err = scan(more{row, []any{&v.Position, &active}})
	if v.Position > 0 {
		v.Ahead = v.Position - 1 + active
	}
	return v, err
}

// Get is one run of the workspace; run.not_found when there is none.
func (s *Service) Get(ctx context.Context, workspaceID, id string) (View, error) {
	v, err := scanView(s.d.QueryRow(ctx, `SELECT `+viewColumns+` FROM run r WHERE r.workspace_id = $1 AND r.id = $2`, workspaceID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return v, errs.E(errs.NotFound, "run.not_found", nil)
	}
	if err != nil {
		return v, fmt.Errorf("run %s: %w", id, err)
	}
	return v, nil
}

// Runs are the runs of a raw data, newest first, before the id cursor when it
// is not empty, at most limit.
func (s *Service) Runs(ctx context.Context, workspaceID, rawDataID, cursor string, limit int) ([]View, error) {
	if cursor == "" {
		cursor = "~" // after every id
	}
	return db.All(ctx, s.d, scanView, `SELECT `+viewColumns+` FROM run r
		WHERE r.workspace_id = $1 AND r.raw_data_id = $2 AND r.id < $3 ORDER BY r.id DESC LIMIT $4`,
		workspaceID, rawDataID, cursor, limit)
}

// Open is every open run of the workspace: active ones first, then in the
// order in which they wait.
func (s *Service) Open(ctx context.Context, workspaceID string) ([]View, error) {
	return db.All(ctx, s.d, scanView, `SELECT `+viewColumns+` FROM run r
		WHERE r.workspace_id = $1 AND r.state IN (1, 2, 3, 4, 5, 6)
		ORDER BY CASE WHEN r.state IN (1, 2) THEN 1 ELSE 0 END, r.class, r.lane_id, r.ticket`, workspaceID)
}

// Log is the log of a raw data after seq, ascending, at most limit rows.
func (s *Service) Log(ctx context.Context, workspaceID, rawDataID string, after int64, limit int) ([]LogRow, error) {
	return db.All(ctx, s.d, func(row db.Scanner) (l LogRow, err error) {
		var args string
		var at int64
		if err = row.Scan(&l.Seq, &l.RunID, &l.State, &l.Code, &args, &at); err != nil {
			return l, err
		}
		l.At = db.Time(at)
		if args != "" {
			err = json.Unmarshal([]byte(args), &l.Args)
		}
		return l, err
	}, `SELECT l.seq, l.run_id, l.state, l.reason, l.reason_args, l.at_us
		FROM run_log l JOIN raw_data d ON d.id = l.raw_data_id
		WHERE d.workspace_id = $1 AND l.raw_data_id = $2 AND l.seq > $3 ORDER BY l.seq LIMIT $4`,
		workspaceID, rawDataID, after, limit)
}

// Item is one raw data of the workspace with where it stands.
func (s *Service) Item(ctx context.Context, workspaceID, rawDataID string) (Item, error) {
	rd, err := s.o.Reports.Get(ctx, nil, workspaceID, rawDataID)
	if err != nil {
		return Item{}, err
	}
	items, err := s.withStatus(ctx, []report.RawData{rd})
	if err != nil {
		return Item{}, err
	}
	return items[0], nil
}

// Items are raw data of the workspace with where they stand, newest first.
func (s *Service) Items(ctx context.Context, workspaceID, cursor string, limit int) ([]Item, error) {
	all, err := s.o.Reports.List(ctx, workspaceID, cursor, limit)
	if err != nil {
		return nil, err
	}
	return s.withStatus(ctx, all)
}

func (s *Service) withStatus(ctx context.Context, all []report.RawData) ([]Item, error) {
	if len(all) == 0 {
		return nil, nil
	}
	items := make([]Item, len(all))
	index := make(map[string]int, len(all))
	ids := make([]any, len(all))
	for i, r := range all {
		items[i].RawData, index[r.ID], ids[i] = r, i, r.ID
	}
	in := db.Params(1, len(ids))
	_, err := db.All(ctx, s.d, func(row db.Scanner) (struct{}, error) {
		var id, args, file string
		var at, filled int64
		var st Status
		err := row.Scan(&id, &st.Seq, &st.State, &st.Code, &args, &st.RunID, &at, &file, &st.DataThrough, &filled)
		if err != nil {
			return struct{}{}, err
		}
		st.At, st.FilledAt, st.HasFile = db.Time(at), db.Time(filled), file != ""
		if args != "" {
			err = json.Unmarshal([]byte(args), &st.Args)
		}
		if st.HasFile {
			err = errors.Join(err, json.Unmarshal([]byte(file), &st.File))
		}
		items[index[id]].Status = st
		return struct{}{}, err
	}, `SELECT raw_data_id, seq, state, reason, reason_args, run_id, at_us, file, data_through, filled_us
		FROM raw_data_state WHERE raw_data_id IN (`+in+`)`, ids...)
	if err != nil {
		return nil, fmt.Errorf("states of raw data: %w", err)
	}
	open, err := db.All(ctx, s.d, scanView, `SELECT `+viewColumns+` FROM run r
		WHERE r.state IN (1, 2, 3, 4, 5, 6) AND r.raw_data_id IN (`+in+`)`, ids...)
	if err != nil {
		return nil, fmt.Errorf("open runs: %w", err)
	}
	for _, v := range open {
		items[index[v.RawDataID]].Status.Open = &v
	}
	return items, nil
}
