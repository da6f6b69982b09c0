package ui

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"imreport/internal/account"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/table"
	"imreport/internal/web"
	"imreport/internal/web/api"
	"imreport/internal/web/page"
	"imreport/internal/workspace"
)

func (u *UI) mountRawDataForm() {
	write := workspace.WriteRawData
	u.site.Page("GET /raw-data/new", may(write), u.newRawData)
	u.site.Page("POST /raw-data", does(write, "raw_data.create"), u.createRawData)
	u.site.Page("GET /raw-data/{id}/edit", may(write), u.editRawData)
	u.site.Page("POST /raw-data/{id}", does(write, "raw_data.change"), u.changeRawData)
}

// rawDataForm is the form of a raw data as it was filled in: texts, so that a
// mistake comes back as it was typed.
type rawDataForm struct {
	ID        string // empty: a new one
	Name      string
	Account   string
	Reports   []string
	Kind      string // of the period: last, range
	LastDays  string
	From, To  string
	Scheduled bool
	DailyAt   string
	Mode      string
	Zone      string

	Accounts []account.Account
	Types    []report.Type
	Estimate *api.Estimate
	Takes    string // of the estimate, in words
	Wrong    mistakes
	Action   string // address of the form
	Today    string // the newest day that can be asked for
}

// Has reports whether a report type is ticked.
func (f rawDataForm) Has(name string) bool { return slices.Contains(f.Reports, name) }

func (u *UI) newRawData(w http.ResponseWriter, r *http.Request) error {
	f := rawDataForm{
		Account: r.URL.Query().Get("account"), Reports: []string{"AD"}, Kind: "last", LastDays: "7",
		Scheduled: true, DailyAt: u.usualTime(r), Mode: string(report.ReadyBy),
	}
	return u.showForm(w, r, http.StatusOK, f)
}

// showForm shows the form, with what it would cost when it is complete.
func (u *UI) showForm(w http.ResponseWriter, r *http.Request, status int, f rawDataForm) (err error) {
	info := web.Of(r.Context())
	if f.Accounts, err = u.allAccounts(r.Context(), info.Actor.WorkspaceID); err != nil {
		return err
	}
	f.Types = u.d.Reports.Types()
	f.Today = (table.DayOf(u.site.Now()) - 1).String()
	f.Action, f.Zone = "/raw-data", orElse(f.Zone, "Asia/Seoul")
	title := i18n.T(info.Lang, "ui.raw.new")
	if f.ID != "" {
		f.Action += "/" + f.ID
		title = i18n.T(info.Lang, "ui.raw.edit")
	}
	return u.pages.Render(w, r, status, "raw_data_form", page.Page{Title: title, Section: "raw", Data: f})
}

// accountsMax bounds the list to choose from.
const accountsMax = 5000

func (u *UI) allAccounts(ctx context.Context, workspaceID string) (all []account.Account, err error) {
	cursor := ""
	for len(all) < accountsMax {
		some, err := u.d.Accounts.Accounts(ctx, workspaceID, "", cursor, listRead)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < listRead {
			break
		}
		cursor = some[len(some)-1].ID
	}
	slices.SortFunc(all, func(a, b account.Account) int { return compare(a.Name, b.Name) })
	return all, nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// formOf reads the form of a request.
func formOf(r *http.Request) rawDataForm {
	_ = r.ParseForm() // checked for its token already
	return rawDataForm{
		ID: r.PathValue("id"), Name: r.PostFormValue("name"), Account: r.PostFormValue("ad_account_id"), Reports: r.PostForm["reports"],
		Kind: r.PostFormValue("kind"), LastDays: r.PostFormValue("last_days"), From: r.PostFormValue("from"), To: r.PostFormValue("to"),
		Scheduled: r.PostFormValue("scheduled") != "", DailyAt: r.PostFormValue("daily_at"), Mode: r.PostFormValue("mode"),
		Zone: r.PostFormValue("zone"),
	}
}

// input is the form as package report takes it.
func (f rawDataForm) input() (report.Input, error) {
	in := report.Input{Name: f.Name, AccountID: f.Account, Reports: f.Reports, Destination: report.Destination{Type: report.XLSX}}
	if f.Kind == "range" {
		for _, d := range []struct {
			field, text string
			into        **table.Day
		}{{"period.from", f.From, &in.Period.From}, {"period.to", f.To, &in.Period.To}} {
			if d.text == "" {
				continue
			}
			day, err := table.ParseDay(d.text)
			if err != nil {
				return in, errs.InvalidField(d.field, "report.period.unreadable")
			}
			*d.into = &day
		}
	} else {
		n, err := strconv.Atoi(f.LastDays)
		if err != nil || n == 0 {
			n = -1 // package report says what is allowed
		}
		in.Period.LastDays = n
	}
	if f.Scheduled {
		in.Schedule = &report.Schedule{DailyAt: f.DailyAt, Mode: report.ScheduleMode(f.Mode), Zone: f.Zone}
	}
	return in, nil
}

func (u *UI) createRawData(w http.ResponseWriter, r *http.Request) error {
	f := formOf(r)
	info := web.Of(r.Context())
	in, err := f.input()
	if err == nil {
		err = u.ownAccount(r.Context(), info.Actor.WorkspaceID, in.AccountID)
	}
	if r.PostFormValue("do") == "estimate" {
		return u.estimate(w, r, f, in, err)
	}
	if err != nil {
		return u.formRefused(w, r, f, err)
	}
	rd, _, err := u.d.Runs.Create(r.Context(), info.Actor.WorkspaceID, info.Actor.PersonID, in, run.Request{Class: quota.Interactive, Cause: run.Manual})
	if err != nil {
		return u.formRefused(w, r, f, err)
	}
	web.Subject(r.Context(), rd.ID, rd.Name)
	return to(w, r, "/raw-data/"+rd.ID, "created")
}

// ownAccount refuses an ad account of another workspace as one that is not
// there.
func (u *UI) ownAccount(ctx context.Context, workspaceID, id string) error {
	if id == "" {
		return nil // package report says that it is missing
	}
	_, err := u.d.Accounts.AccountIn(ctx, workspaceID, id)
	if errs.KindOf(err) == errs.NotFound {
		return errs.InvalidField("ad_account_id", "report.account.not_found")
	}
	return err
}

func (u *UI) formRefused(w http.ResponseWriter, r *http.Request, f rawDataForm, err error) error {
	m, ok := mistakesOf(web.Of(r.Context()).Lang, err)
	if !ok {
		return err
	}
	f.Wrong = m
	return u.showForm(w, r, http.StatusUnprocessableEntity, f)
}

// estimate shows the form again with what it would cost.
func (u *UI) estimate(w http.ResponseWriter, r *http.Request, f rawDataForm, in report.Input, err error) error {
	web.OnlyLooked(r.Context())
	ws := web.Of(r.Context()).Actor.WorkspaceID
	if in.Name == "" {
		in.Name = "-" // it costs the same under any name
	}
	if err == nil {
		err = u.d.Reports.Check(r.Context(), ws, &in, u.site.Now())
	}
	if err != nil {
		return u.formRefused(w, r, f, err)
	}
	e, err := u.d.Estimate(r.Context(), ws, in)
	if err != nil {
		return err
	}
	f.Estimate, f.Takes = &e, minutes(web.Of(r.Context()).Lang, e.Takes)
	return u.showForm(w, r, http.StatusOK, f)
}

func (u *UI) editRawData(w http.ResponseWriter, r *http.Request) error {
	it, err := u.d.Runs.Item(r.Context(), web.Of(r.Context()).Actor.WorkspaceID, r.PathValue("id"))
	if err != nil {
		return err
	}
	f := rawDataForm{ID: it.ID, Name: it.Name, Account: it.AccountID, Reports: it.Reports, Kind: "last", LastDays: "7",
		DailyAt: u.usualTime(r), Mode: string(report.ReadyBy)}
	if it.Period.LastDays > 0 {
		f.LastDays = strconv.Itoa(it.Period.LastDays)
	} else if it.Period.From != nil && it.Period.To != nil {
		f.Kind, f.From, f.To = "range", it.Period.From.String(), it.Period.To.String()
	}
	if s := it.Schedule; s != nil {
		f.Scheduled, f.DailyAt, f.Mode, f.Zone = true, s.DailyAt, string(s.Mode), s.Zone
	}
	return u.showForm(w, r, http.StatusOK, f)
}

func (u *UI) changeRawData(w http.ResponseWriter, r *http.Request) error {
	f := formOf(r)
	ws := web.Of(r.Context()).Actor.WorkspaceID
	it, err := u.d.Runs.Item(r.Context(), ws, f.ID)
	if err != nil {
		return err
	}
	f.Account = it.AccountID // fixed
	in, err := f.input()
	if r.PostFormValue("do") == "estimate" {
		return u.estimate(w, r, f, in, err)
	}
	if err != nil {
		return u.formRefused(w, r, f, err)
	}
	rd, err := u.d.Reports.Update(r.Context(), ws, f.ID, func(to *report.Input) { *to = in }, u.site.Now())
	if err != nil {
		return u.formRefused(w, r, f, err)
	}
	web.Subject(r.Context(), rd.ID, rd.Name)
	return to(w, r, "/raw-data/"+rd.ID, "changed")
}

// minutes is a duration as people say it before they wait.
func minutes(l i18n.Lang, d time.Duration) string {
	if d < time.Minute {
		return i18n.T(l, "ui.seconds", max(int(d/time.Second), 1))
	}
	return i18n.T(l, "ui.minutes", int((d+30*time.Second)/time.Minute))
}
