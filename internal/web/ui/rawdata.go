package ui

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"imreport/internal/account"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/quota"
	"imreport/internal/run"
	"imreport/internal/web"
	"imreport/internal/web/api"
	"imreport/internal/web/page"
	"imreport/internal/workspace"
)

func (u *UI) mountRawData() {
	read, write := may(workspace.ReadRawData), workspace.WriteRawData
	u.site.Page("GET /raw-data", read, u.rawDataList)
	u.site.Page("GET /raw-data/{id}", read, u.rawDataPage)
	u.site.Page("POST /raw-data/{id}/refresh", does(write, "raw_data.refresh"), u.refresh)
	u.site.Page("POST /raw-data/{id}/pause", does(write, "raw_data.pause"), u.pause)
	u.site.Page("POST /raw-data/{id}/resume", does(write, "raw_data.resume"), u.resume)
	u.site.Page("GET /raw-data/{id}/delete", may(write), u.deletePage)
	u.site.Page("POST /raw-data/{id}/delete", does(write, "raw_data.delete"), u.delete)
	u.site.Page("POST /runs/{id}/cancel", does(write, "run.cancel"), u.cancel)
	u.site.Page("POST /runs/{id}/retry", does(write, "run.retry"), u.retry)
	u.mountRawDataForm()
}

// row is a raw data as the list shows it.
type row struct {
	ID, Name    string
	Account     string
	CustomerID  string
	Reports     []string
	State       stateView
	HasFile     bool
	File        run.File
	DataThrough string
	FilledAt    time.Time
	Next        time.Time
	Paused      bool
	PausedUntil time.Time
	Run         *runView // the open run
}

// stateView is a state as a person sees it: a word, a colour, a reason.
type stateView struct {
	N     run.State
	Class string // of the style sheet: active, preparing, attention, failed, done, off
	Word  string
	Why   string
	Until time.Time
}

// runView is an open run.
type runView struct {
	ID          string
	Done, Total int64
	Position    int
	Ahead       int
	Expected    string // when it is expected to end, in words; empty: not known
	CanRetry    bool   // waits for its next try
	CanRefresh  bool   // waits for what is late: a refresh need not
	Cancelling  bool
}

// stateOf says how a state looks. A reason that needs a person or names a wait
// for the platform has a colour of its own, so that waiting never looks like
// failing.
func stateOf(l i18n.Lang, st run.State, code run.Code, cause run.Cause, args []any, until time.Time, paused bool) stateView {
	v := stateView{N: st, Word: i18n.T(l, fmt.Sprintf("state.%d", st)), Until: until}
	if code != run.CodeNone {
		v.Why = i18n.T(l, code.Sentence(cause), args...)
	}
	switch {
	case st == run.Failed && code == run.CodeCancelled:
		v.Class, v.Word = "off", i18n.T(l, "ui.state.cancelled")
	case st == run.Failed:
		v.Class = "failed"
	case st == run.Success:
		v.Class = "done"
	case code == run.CodePlatformPreparing, code == run.CodePlatformClosed:
		v.Class, v.Word = "preparing", i18n.T(l, "ui.state."+string(code))
	case code == run.CodeKeyInvalid:
		v.Class, v.Word = "attention", i18n.T(l, "ui.state.key_invalid")
	case code == run.CodeRetrying:
		v.Class, v.Word = "attention", i18n.T(l, "ui.state.retrying")
	case code == run.CodePaused || paused && st.Waiting():
		v.Class, v.Word = "off", i18n.T(l, "ui.state.paused")
	case st.Active():
		v.Class = "active"
	}
	return v
}

func (u *UI) row(l i18n.Lang, it run.Item, acc account.Account) row {
	st := it.Status
	now := u.site.Now()
	v := row{
		ID: it.ID, Name: it.Name, Account: acc.Name, CustomerID: acc.CustomerID, Reports: it.Reports,
		HasFile: st.HasFile, File: st.File, FilledAt: st.FilledAt, Paused: it.IsPaused(now), PausedUntil: it.PausedUntil,
		State: stateOf(l, st.State, st.Code, st.Cause(), st.Args, time.Time{}, it.IsPaused(now)),
	}
	if st.HasFile && st.DataThrough > 0 {
		v.DataThrough = st.DataThrough.String()
	}
	if o := st.Open; o != nil {
		v.State = stateOf(l, o.State, o.Reason, o.Cause, o.ReasonArgs, o.WakeAt, v.Paused)
		v.Run = u.runView(l, *o)
	}
	if u.d.NextRefresh != nil {
		v.Next = u.d.NextRefresh(it.RawData)
	}
	return v
}

func (u *UI) runView(l i18n.Lang, o run.View) *runView {
	v := &runView{ID: o.ID, Done: o.Done, Total: o.Total, Position: o.Position, Ahead: o.Ahead,
		CanRetry:   o.Parked && o.Reason == run.CodeRetrying,
		CanRefresh: o.Parked && o.Reason == run.CodePlatformPreparing && o.Cause.Second(), Cancelling: o.Cancel}
	if u.d.Expected != nil {
		v.Expected = expected(l, u.d.Expected(o), u.site.Now())
	}
	return v
}

// expected says how long it is until a range, rounded as people say it: a
// clock would pretend to know the minute.
func expected(l i18n.Lang, r *quota.Range, now time.Time) string {
	if r == nil {
		return ""
	}
	from, till := minutes(l, max(r.From.Sub(now), 0)), minutes(l, max(r.To.Sub(now), 0))
	if from == till {
		return i18n.T(l, "ui.expected.about", till)
	}
	return i18n.T(l, "ui.expected", from, till)
}

// listPage is the list of raw data.
type listPage struct {
	Rows      []row
	Query     string
	Filter    string
	Counts    map[string]int
	Filters   []string
	Next      string // address of the next page; empty on the last one
	CanWrite  bool
	Steps     *steps // what a new workspace does first; nil when there is something
	Truncated bool
}

// steps is where a new workspace stands.
type steps struct{ Keys, Accounts int }

// filters of the list, by the colour of a state.
var filters = []string{"all", "open", "attention", "done"}

// Limits of the list: what one look reads, and what one page shows.
const (
	listRead = 500
	listShow = 100
)

func (u *UI) rawDataList(w http.ResponseWriter, r *http.Request) error {
	info := web.Of(r.Context())
	q := r.URL.Query()
	p := listPage{
		Query: strings.TrimSpace(q.Get("q")), Filter: q.Get("show"), Counts: map[string]int{}, Filters: filters,
		CanWrite: info.Actor.May(workspace.WriteRawData),
	}
	if !slices.Contains(filters, p.Filter) {
		p.Filter = "all"
	}
	rows, err := u.rows(r.Context(), info, p.Query)
	if err != nil {
		return err
	}
	open := false
	var shown []row
	for _, v := range rows {
		in := groups(v)
		for _, g := range in {
			p.Counts[g]++
		}
		open = open || v.Run != nil
		if slices.Contains(in, p.Filter) {
			shown = append(shown, v)
		}
	}
	from := min(max(number(q.Get("from")), 0), len(shown))
	to := min(from+listShow, len(shown))
	p.Rows = shown[from:to]
	if to < len(shown) {
		next := url.Values{"show": {p.Filter}, "q": {p.Query}, "from": {fmt.Sprint(to)}}
		p.Next = "/raw-data?" + next.Encode()
	}
	if len(rows) == 0 && p.Query == "" {
		if p.Steps, err = u.steps(r.Context(), info.Actor); err != nil {
			return err
		}
	}
	return u.pages.Render(w, r, http.StatusOK, "raw_data_list", page.Page{
		Title: i18n.T(info.Lang, "ui.nav.raw"), Section: "raw", Open: open, Events: "/api/v1/events", Data: p,
	})
}

// rows are all raw data whose name, account or customer id holds the words.
func (u *UI) rows(ctx context.Context, info *web.Info, query string) ([]row, error) {
	var out []row
	cursor := ""
	for {
		items, err := u.d.Runs.Items(ctx, info.Actor.WorkspaceID, cursor, listRead)
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, it := range items {
			ids = append(ids, it.AccountID)
		}
		accounts, err := u.d.Accounts.AccountsByID(ctx, info.Actor.WorkspaceID, ids)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			v := u.row(info.Lang, it, accounts[it.AccountID])
			if query == "" || strings.Contains(strings.ToLower(v.Name+" "+v.Account+" "+v.CustomerID), strings.ToLower(query)) {
				out = append(out, v)
			}
		}
		if len(items) < listRead {
			return out, nil
		}
		cursor = items[len(items)-1].ID
	}
}

// groups are the filters that show v.
func groups(v row) []string {
	g := []string{"all"}
	if v.Run != nil {
		g = append(g, "open")
	}
	switch v.State.Class {
	case "failed", "attention":
		g = append(g, "attention")
	case "done":
		g = append(g, "done")
	}
	return g
}

func (u *UI) steps(ctx context.Context, a workspace.Actor) (*steps, error) {
	if !a.May(workspace.ReadAccounts) {
		return &steps{}, nil
	}
	keys, err := u.d.Accounts.Keys(ctx, a.WorkspaceID, "", 1)
	if err != nil {
		return nil, err
	}
	accounts, err := u.d.Accounts.Accounts(ctx, a.WorkspaceID, "", "", 1)
	return &steps{len(keys), len(accounts)}, err
}

// detailPage is one raw data.
type detailPage struct {
	row
	Item     run.Item
	Way      []wayStep
	WayClass string
	Log      []logRow
	Newer    []api.Newer // days that a refresh would show otherwise
	Runs     []run.View
	CanWrite bool
}

// wayStep is one of the states 3 to 7 on the way of a run.
type wayStep struct{ Word, Class string }

// logRow is a change as the page shows it.
type logRow struct {
	At    time.Time
	State stateView
}

// logShow is how many changes the page shows, newest first.
const logShow = 50

func (u *UI) rawDataPage(w http.ResponseWriter, r *http.Request) error {
	info := web.Of(r.Context())
	ws := info.Actor.WorkspaceID
	it, err := u.d.Runs.Item(r.Context(), ws, r.PathValue("id"))
	if err != nil {
		return err
	}
	acc, err := u.d.Accounts.AccountIn(r.Context(), ws, it.AccountID)
	if err != nil && errs.KindOf(err) != errs.NotFound {
		return err
	}
	p := detailPage{row: u.row(info.Lang, it, acc), Item: it, CanWrite: info.Actor.May(workspace.WriteRawData)}
	p.Way, p.WayClass = way(info.Lang, it.Status)
	if p.Runs, err = u.d.Runs.Runs(r.Context(), ws, it.ID, "", 10); err != nil {
		return err
	}
	if u.d.Newer != nil && p.Run == nil {
		if p.Newer, err = u.d.Newer(r.Context(), it, acc); err != nil {
			return err
		}
	}
	// The log is read from its end: seq counts from 1 without a gap.
	last, err := u.d.Runs.Log(r.Context(), ws, it.ID, max(it.Status.Seq-logShow, 0), logShow)
	if err != nil {
		return err
	}
	slices.Reverse(last)
	for _, l := range last {
		p.Log = append(p.Log, logRow{l.At, stateOf(info.Lang, l.State, l.Code, "", l.Args, time.Time{}, false)})
	}
	if r.Header.Get("X-Live") == "" {
		if err := u.d.Reports.Opened(r.Context(), it.RawData, u.site.Now()); err != nil {
			u.site.Log().WarnContext(r.Context(), "a look at a raw data was not noted", "raw_data", it.ID, "error", err)
		}
	}
	return u.pages.Render(w, r, http.StatusOK, "raw_data", page.Page{
		Title: it.Name, Section: "raw", Open: p.Run != nil, Events: "/api/v1/events", Data: p,
	})
}

// way is the line of steps: in line, 3, 4, 5, 6, 7.
func way(l i18n.Lang, st run.Status) (steps []wayStep, class string) {
	now := st.State
	switch {
	case st.State == run.Success:
		class = "done"
	case st.State == run.Failed && st.Code == run.CodeCancelled:
		class = "cancelled"
	case st.State == run.Failed:
		class = "stopped"
	}
	if st.Open != nil {
		now = st.Open.State
	}
	at := int(now) - int(run.Creating) + 1 // 0: in line
	if now.Waiting() || now == run.Failed {
		at = 0
	}
	words := []string{i18n.T(l, "ui.way.line")}
	for s := run.Creating; s <= run.Success; s++ {
		words = append(words, i18n.T(l, fmt.Sprintf("ui.way.%d", s)))
	}
	for i, word := range words {
		step := wayStep{Word: word}
		switch {
		case class == "done" || i < at:
			step.Class = "past"
		case i == at:
			step.Class = "now"
		}
		steps = append(steps, step)
	}
	return steps, class
}

func (u *UI) refresh(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	_, err := u.d.Runs.Refresh(r.Context(), web.Of(r.Context()).Actor.WorkspaceID, id,
		run.Request{Class: quota.Interactive, Force: r.PostFormValue("force") != "", Cause: run.Manual})
	if err != nil {
		return err
	}
	web.Subject(r.Context(), id, "")
	return to(w, r, back(r, "/raw-data/"+id), "refreshing")
}

// back is the page from which a form came.
func back(r *http.Request, otherwise string) string {
	if b := web.LocalPath(r.PostFormValue("back")); b != "/" {
		return b
	}
	return otherwise
}

func (u *UI) pause(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	var until time.Time
	if day := r.PostFormValue("until"); day != "" {
		_, zone, err := u.frame(r)
		if err != nil {
			return err
		}
		if until, err = time.ParseInLocation(time.DateOnly, day, zone); err != nil || !until.After(u.site.Now()) {
			return errs.InvalidField("until", "api.until_past")
		}
	}
	if err := u.d.Runs.Pause(r.Context(), web.Of(r.Context()).Actor.WorkspaceID, id, until); err != nil {
		return err
	}
	web.Subject(r.Context(), id, "")
	return to(w, r, "/raw-data/"+id, "paused")
}

func (u *UI) resume(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := u.d.Runs.Resume(r.Context(), web.Of(r.Context()).Actor.WorkspaceID, id); err != nil {
		return err
	}
	web.Subject(r.Context(), id, "")
	return to(w, r, "/raw-data/"+id, "resumed")
}

func (u *UI) cancel(w http.ResponseWriter, r *http.Request) error {
	v, err := u.d.Runs.Cancel(r.Context(), web.Of(r.Context()).Actor.WorkspaceID, r.PathValue("id"))
	if err != nil {
		return err
	}
	web.Subject(r.Context(), v.ID, "")
	return to(w, r, "/raw-data/"+v.RawDataID, "cancelling")
}

func (u *UI) retry(w http.ResponseWriter, r *http.Request) error {
	v, err := u.d.Runs.Retry(r.Context(), web.Of(r.Context()).Actor.WorkspaceID, r.PathValue("id"))
	if err != nil {
		return err
	}
	web.Subject(r.Context(), v.ID, "")
	return to(w, r, "/raw-data/"+v.RawDataID, "refreshing")
}

func (u *UI) deletePage(w http.ResponseWriter, r *http.Request) error {
	it, err := u.d.Runs.Item(r.Context(), web.Of(r.Context()).Actor.WorkspaceID, r.PathValue("id"))
	if err != nil {
		return err
	}
	return u.pages.Render(w, r, http.StatusOK, "raw_data_delete", page.Page{Title: it.Name, Section: "raw", Data: it})
}

func (u *UI) delete(w http.ResponseWriter, r *http.Request) error {
	ws, id := web.Of(r.Context()).Actor.WorkspaceID, r.PathValue("id")
	it, err := u.d.Runs.Item(r.Context(), ws, id)
	if err != nil {
		return err
	}
	if err := u.d.Runs.Delete(r.Context(), ws, id); err != nil {
		return err
	}
	web.Subject(r.Context(), id, it.Name)
	return to(w, r, "/raw-data", "deleted")
}

// number reads a whole number; 0 for anything else.
func number(s string) (n int) {
	if _, err := fmt.Sscanf(s, "%d", &n); err != nil {
		return 0
	}
	return n
}
