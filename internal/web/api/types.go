package api

import (
	"time"

	"imreport/internal/account"
	"imreport/internal/i18n"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/table"
)

// What the API sends. The words beside the members stand in the messages
// "api.doc.…", from where the specification takes them.

type reason struct {
	Code     string     `json:"code"`
	Text     string     `json:"text"`
	Until    *time.Time `json:"until,omitempty"`
	Position int        `json:"position,omitempty"`
	Ahead    int        `json:"ahead,omitempty"`
}

type progress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

type runDoc struct {
	ID         string       `json:"id"`
	RawDataID  string       `json:"raw_data_id"`
	Kind       string       `json:"kind" enum:"create,update"`
	Cause      string       `json:"cause" enum:"manual,scheduled,late,repair"`
	Priority   string       `json:"priority" enum:"interactive,bulk,backfill"`
	Force      bool         `json:"force"`
	State      run.State    `json:"state"`
	StateName  string       `json:"state_name"`
	Reason     *reason      `json:"reason"`
	Position   *int         `json:"position"`
	Progress   progress     `json:"progress"`
	Expected   *quota.Range `json:"expected"`
	Attempt    int          `json:"attempt"`
	Poll       bool         `json:"poll"`
	CreatedAt  time.Time    `json:"created_at"`
	StartedAt  *time.Time   `json:"started_at"`
	FinishedAt *time.Time   `json:"finished_at"`
}

type rawDataDoc struct {
	ID          string           `json:"id"`
	Name        string           `json:"name"`
	AdAccountID string           `json:"ad_account_id"`
	CustomerID  string           `json:"customer_id"`
	Account     string           `json:"ad_account_name"`
	Reports     []string         `json:"reports"`
	Period      report.Period    `json:"period"`
	Destination destinationDoc   `json:"destination"`
	TemplateID  *string          `json:"template_id"`
	Schedule    *report.Schedule `json:"schedule"`
	Paused      bool             `json:"paused"`
	PausedUntil *time.Time       `json:"paused_until"`
	State       run.State        `json:"state"`
	StateName   string           `json:"state_name"`
	Reason      *reason          `json:"reason"`
	Run         *runDoc          `json:"run"`
	HasFile     bool             `json:"has_file"`
	File        *fileDoc         `json:"file"`
	DataThrough *table.Day       `json:"data_through"`
	FilledAt    *time.Time       `json:"filled_at"`
	NextRefresh *time.Time       `json:"next_refresh_at"`
	Newer       []newerDoc       `json:"newer,omitempty"`
	CreatedAt   time.Time        `json:"created_at"`
	UpdatedAt   time.Time        `json:"updated_at"`
}

type newerDoc struct {
	Report   string    `json:"report"`
	Day      table.Day `json:"day"`
	Doubtful bool      `json:"doubtful"`
}

type destinationDoc struct {
	Type string `json:"type" enum:"xlsx"`
}

type fileDoc struct {
	URL   string `json:"url"`
	Bytes int64  `json:"bytes"`
	Rows  int64  `json:"rows"`
}

type acceptedDoc struct {
	Accepted bool        `json:"accepted"`
	RawData  *rawDataDoc `json:"raw_data,omitempty"`
	Run      runDoc      `json:"run"`
}

type logDoc struct {
	Seq       int64     `json:"seq"`
	RunID     string    `json:"run_id"`
	State     run.State `json:"state"`
	StateName string    `json:"state_name"`
	Reason    *reason   `json:"reason"`
	At        time.Time `json:"at"`
}

type statusItem struct {
	RawDataID string       `json:"raw_data_id"`
	RunID     string       `json:"run_id"`
	State     run.State    `json:"state"`
	StateName string       `json:"state_name"`
	Reason    *reason      `json:"reason"`
	Position  *int         `json:"position"`
	Progress  progress     `json:"progress"`
	Expected  *quota.Range `json:"expected"`
}

type statusDoc struct {
	Items      []statusItem `json:"items"`
	PollAfterS int          `json:"poll_after_s"`
}

type estimateDoc struct {
	Pieces   int        `json:"pieces"`
	Stored   int        `json:"stored"`
	Requests int        `json:"requests"`
	Seconds  int        `json:"seconds"`
	ReadyAt  *time.Time `json:"ready_at"`
}

// instant is nil for the zero time.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func reasonOf(l i18n.Lang, code run.Code, cause run.Cause, args []any) *reason {
	if code == run.CodeNone {
		return nil
	}
	return &reason{Code: string(code), Text: i18n.T(l, code.Sentence(cause), args...)}
}

// reasonOfRun adds what only an open run has: until when it waits, and its
// place in line.
func reasonOfRun(l i18n.Lang, v run.View) *reason {
	r := reasonOf(l, v.Reason, v.Cause, v.ReasonArgs)
	if r == nil {
		return nil
	}
	if v.State.Open() {
		r.Until = instant(v.WakeAt)
		r.Position, r.Ahead = v.Position, v.Ahead
	}
	return r
}

func place(v run.View) *int {
	if v.Position == 0 {
		return nil
	}
	return &v.Position
}

func (a *API) runDoc(l i18n.Lang, v run.View) runDoc {
	return runDoc{
		ID: v.ID, RawDataID: v.RawDataID, Kind: v.Kind, Cause: string(v.Cause), Priority: v.Class.String(), Force: v.Force,
		State: v.State, StateName: v.State.String(), Reason: reasonOfRun(l, v), Position: place(v),
		Progress: progress{v.Done, v.Total}, Expected: a.expected(v), Attempt: v.Attempt, Poll: v.State.Open(),
		CreatedAt: v.CreatedAt, StartedAt: instant(v.StartedAt), FinishedAt: instant(v.EndedAt),
	}
}

// expected is when an open run is expected to end.
func (a *API) expected(v run.View) *quota.Range {
	if a.d.Expected == nil || !v.State.Open() {
		return nil
	}
	return wholeSeconds(a.d.Expected(v))
}

// wholeSeconds widens a forecast to seconds: it is no better than that, and
// answers that differ only in fractions would never read as unchanged.
func wholeSeconds(r *quota.Range) *quota.Range {
	if r == nil {
		return nil
	}
	return &quota.Range{From: r.From.UTC().Truncate(time.Second), To: r.To.UTC().Add(time.Second - 1).Truncate(time.Second)}
}

func (a *API) statusItem(l i18n.Lang, v run.View) statusItem {
	return statusItem{
		RawDataID: v.RawDataID, RunID: v.ID, State: v.State, StateName: v.State.String(), Reason: reasonOfRun(l, v),
		Position: place(v), Progress: progress{v.Done, v.Total}, Expected: a.expected(v),
	}
}

func logRow(l i18n.Lang, r run.LogRow) logDoc {
	return logDoc{Seq: r.Seq, RunID: r.RunID, State: r.State, StateName: r.State.String(), Reason: reasonOf(l, r.Code, "", r.Args), At: r.At}
}

func (a *API) rawDataDoc(l i18n.Lang, it run.Item, acc account.Account) rawDataDoc {
	st := it.Status
	d := rawDataDoc{
		ID: it.ID, Name: it.Name, AdAccountID: it.AccountID, CustomerID: acc.CustomerID, Account: acc.Name,
		Reports: it.Reports, Period: it.Period, Destination: destinationDoc{it.Destination.Type}, Schedule: it.Schedule,
		Paused: it.IsPaused(a.now()), State: st.State, StateName: st.State.String(), Reason: reasonOf(l, st.Code, st.Cause(), st.Args),
		HasFile: st.HasFile, FilledAt: instant(st.FilledAt), CreatedAt: it.CreatedAt, UpdatedAt: it.UpdatedAt,
	}
	if d.Paused {
		d.PausedUntil = instant(it.PausedUntil)
	}
	if st.Open != nil {
		r := a.runDoc(l, *st.Open)
		d.Run, d.Reason = &r, r.Reason
	}
	if st.HasFile {
		d.File = &fileDoc{URL: "/api/v1/raw-data/" + it.ID + "/file", Bytes: st.File.Bytes, Rows: st.File.Rows}
		if st.DataThrough > 0 {
			day := st.DataThrough
			d.DataThrough = &day
		}
	}
	if a.d.NextRefresh != nil {
		d.NextRefresh = instant(a.d.NextRefresh(it.RawData))
	}
	return d
}
