package api

import (
	"context"
	"time"

	"imreport/internal/account"
	"imreport/internal/errs"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/table"
	"imreport/internal/web"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

// What people send. A period is either from and to, or last_days.
type (
	rawDataBody struct {
		Name        string        `json:"name" required:"true"`
		AdAccountID string        `json:"ad_account_id" required:"true"`
		Reports     []string      `json:"reports" required:"true"`
		Period      periodBody    `json:"period" required:"true"`
		Destination targetBody    `json:"destination" required:"true"`
		TemplateID  *rest.Text    `json:"template_id"`
		Schedule    *scheduleBody `json:"schedule"`
		Priority    string        `json:"priority" enum:"interactive,bulk,backfill" default:"interactive"`
		Force       bool          `json:"force"`
	}
	periodBody struct {
		From     *table.Day `json:"from"`
		To       *table.Day `json:"to"`
		LastDays *int       `json:"last_days"`
	}
	targetBody struct {
		Type string `json:"type" enum:"xlsx" required:"true"`
	}
	scheduleBody struct {
		DailyAt string `json:"daily_at" default:"07:30"`
		Mode    string `json:"mode" enum:"ready_by,start_at" default:"ready_by"`
		Zone    string `json:"zone"`
	}
	changeRawDataBody struct {
		Name        *string                     `json:"name"`
		AdAccountID *string                     `json:"ad_account_id"`
		Reports     *[]string                   `json:"reports"`
		Period      *periodBody                 `json:"period"`
		Destination *targetBody                 `json:"destination"`
		TemplateID  *rest.Text                  `json:"template_id"`
		Schedule    rest.Optional[scheduleBody] `json:"schedule"`
	}
	refreshBody struct {
		Priority string `json:"priority" enum:"interactive,bulk,backfill" default:"interactive"`
		Force    bool   `json:"force"`
	}
	pauseBody struct {
		Until *time.Time `json:"until"`
	}
)

func (a *API) rawDataCalls() []rest.Operation {
	const tag = "raw-data"
	create := creates(workspace.WriteRawData, "raw_data.create")
	refresh := creates(workspace.WriteRawData, "raw_data.refresh")
	return []rest.Operation{
		rest.Op("POST", "/raw-data", "createRawData", tag, 201, create, a.createRawData).
			Fails(422, "period_unavailable", "unknown_report_type", "not_available"),
		rest.Op("POST", "/raw-data/estimate", "estimateRawData", tag, 200, reads(workspace.WriteRawData), a.estimate).
			Fails(422, "period_unavailable", "unknown_report_type", "not_available"),
		rest.Op("GET", "/raw-data", "listRawData", tag, 200, reads(workspace.ReadRawData), a.listRawData).With(rest.Paging...),
		rest.Op("GET", "/raw-data/{id}", "getRawData", tag, 200, reads(workspace.ReadRawData), a.getRawData),
		rest.Op("PATCH", "/raw-data/{id}", "changeRawData", tag, 200, writes(workspace.WriteRawData, "raw_data.change"), a.changeRawData).
			Fails(422, "period_unavailable", "unknown_report_type", "not_available"),
		rest.Op("DELETE", "/raw-data/{id}", "deleteRawData", tag, 204, writes(workspace.WriteRawData, "raw_data.delete"), a.deleteRawData),
		rest.Op("POST", "/raw-data/{id}/refresh", "refreshRawData", tag, 202, refresh, a.refresh),
		rest.Op("POST", "/raw-data/{id}/pause", "pauseRawData", tag, 200, writes(workspace.WriteRawData, "raw_data.pause"), a.pause),
		rest.Op("POST", "/raw-data/{id}/resume", "resumeRawData", tag, 200, writes(workspace.WriteRawData, "raw_data.resume"), a.resume),
		rest.Op("GET", "/raw-data/{id}/log", "getRawDataLog", tag, 200, reads(workspace.ReadRawData), a.rawDataLog).With(rest.Paging...),
		rest.Op("GET", "/raw-data/{id}/runs", "listRunsOfRawData", tag, 200, reads(workspace.ReadRawData), a.rawDataRuns).With(rest.Paging...),
		rest.Raw("GET", "/raw-data/{id}/file", "getRawDataFile", tag, xlsxType, reads(workspace.ReadRawData), a.file).
			Or(206, 304).Fails(409, "file_not_ready").Fails(416),
		rest.Op("GET", "/report-types", "listReportTypes", tag, 200, reads(workspace.ReadRawData), a.reportTypes),
	}
}

// input is the body as package report takes it. What is not there yet is
// refused here.
func (b *rawDataBody) input() (in report.Input, req run.Request, err error) {
	if b.TemplateID != nil {
		return in, req, errs.InvalidField("template_id", "report.template.not_available")
	}
	class, err := classOf(b.Priority)
	if err != nil {
		return in, req, err
	}
	in = report.Input{
		Name: b.Name, AccountID: b.AdAccountID, Reports: b.Reports, Destination: report.Destination{Type: b.Destination.Type},
		Schedule: b.Schedule.schedule(),
	}
	in.Period, err = b.Period.period()
	return in, run.Request{Class: class, Force: b.Force, Cause: run.Manual}, err
}

func (p periodBody) period() (report.Period, error) {
	out := report.Period{From: p.From, To: p.To}
	if p.LastDays != nil {
		if *p.LastDays == 0 { // package report takes 0 for absent
			return out, errs.InvalidField("period.last_days", "api.last_days_zero")
		}
		out.LastDays = *p.LastDays
	}
	return out, nil
}

func (s *scheduleBody) schedule() *report.Schedule {
	if s == nil {
		return nil
	}
	return &report.Schedule{DailyAt: s.DailyAt, Mode: report.ScheduleMode(s.Mode), Zone: s.Zone}
}

// classOf is the class of a priority; interactive when none is given.
func classOf(priority string) (quota.Class, error) {
	switch priority {
	case "", "interactive":
		return quota.Interactive, nil
	case "bulk":
		return quota.Bulk, nil
	case "backfill":
		return quota.Backfill, nil
	}
	return 0, errs.InvalidField("priority", "api.priority_unknown", priority)
}

// ownAccount refuses an ad account of nobody or of another workspace before
// anything else is said about it.
func (a *API) ownAccount(ctx context.Context, workspaceID, id string) (account.Account, error) {
	if id == "" {
		return account.Account{}, nil // package report says that it is missing
	}
	acc, err := a.d.Accounts.AccountIn(ctx, workspaceID, id)
	if errs.KindOf(err) == errs.NotFound {
		err = errs.InvalidField("ad_account_id", "report.account.not_found")
	}
	return acc, err
}

func (a *API) createRawData(ctx context.Context, c *rest.Call, in *rawDataBody) (d acceptedDoc, err error) {
	input, req, err := in.input()
	if err != nil {
		return d, err
	}
	acc, err := a.ownAccount(ctx, c.Workspace(), input.AccountID)
	if err != nil {
		return d, err
	}
	rd, r, err := a.d.Runs.Create(ctx, c.Workspace(), c.Actor.PersonID, input, req)
	if err != nil {
		return d, err
	}
	c.Created("/raw-data", rd.ID, rd.Name)
	it, err := a.d.Runs.Item(ctx, c.Workspace(), rd.ID)
	if err != nil {
		a.late(ctx, err)
		it = run.Item{RawData: rd, Status: run.Status{State: r.State, Code: r.Reason, Args: r.ReasonArgs, Open: &run.View{Run: r}}}
	}
	item := a.rawDataDoc(c.Lang, it, acc)
	d = a.accepted(ctx, c, r)
	d.RawData = &item
	return d, nil
}

// accepted answers with a run just admitted, and where it stands by now.
func (a *API) accepted(ctx context.Context, c *rest.Call, r run.Run) acceptedDoc {
	v, err := a.d.Runs.Get(ctx, c.Workspace(), r.ID)
	if err != nil {
		a.late(ctx, err)
		v = run.View{Run: r}
	}
	return acceptedDoc{Accepted: true, Run: a.runDoc(c.Lang, v)}
}

// late notes that what was just done cannot be read back. The caller hears
// that it was done, as it was then: an error would make them do it twice.
func (a *API) late(ctx context.Context, err error) {
	a.site.Log().WarnContext(ctx, "an answer shows how things were, not how they are", "request_id", web.Of(ctx).ID, "error", err)
}

func (a *API) estimate(ctx context.Context, c *rest.Call, in *rawDataBody) (d estimateDoc, err error) {
	input, _, err := in.input()
	if err != nil {
		return d, err
	}
	if _, err := a.ownAccount(ctx, c.Workspace(), input.AccountID); err != nil {
		return d, err
	}
	if err := a.d.Reports.Check(ctx, c.Workspace(), &input, a.now()); err != nil {
		return d, err
	}
	e, err := a.d.Estimate(ctx, c.Workspace(), input)
	return estimateDoc{
		Pieces: e.Pieces, Stored: e.Stored, Requests: e.Requests, Seconds: int((e.Takes + time.Second - 1) / time.Second), ReadyAt: instant(e.ReadyAt),
	}, err
}

// rawData is one raw data of the caller's workspace as clients see it.
func (a *API) rawData(ctx context.Context, c *rest.Call, id string) (rawDataDoc, error) {
	it, err := a.d.Runs.Item(ctx, c.Workspace(), id)
	if err != nil {
		return rawDataDoc{}, err
	}
	acc, err := a.d.Accounts.AccountIn(ctx, c.Workspace(), it.AccountID)
	if err != nil && errs.KindOf(err) != errs.NotFound {
		return rawDataDoc{}, err
	}
	d := a.rawDataDoc(c.Lang, it, acc)
	if a.d.Newer != nil {
		all, err := a.d.Newer(ctx, it, acc)
		if err != nil {
			return rawDataDoc{}, err
		}
		for _, n := range all {
			d.Newer = append(d.Newer, newerDoc(n))
		}
	}
	return d, nil
}

func (a *API) listRawData(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[rawDataDoc], error) {
	var accounts map[string]account.Account
	return rest.List(c, func(cursor string, limit int) ([]run.Item, error) {
		items, err := a.d.Runs.Items(ctx, c.Workspace(), cursor, limit)
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, it := range items {
			ids = append(ids, it.AccountID)
		}
		accounts, err = a.d.Accounts.AccountsByID(ctx, c.Workspace(), ids)
		return items, err
	}, func(it run.Item) string { return it.ID },
		func(it run.Item) rawDataDoc { return a.rawDataDoc(c.Lang, it, accounts[it.AccountID]) })
}

func (a *API) getRawData(ctx context.Context, c *rest.Call, _ *rest.None) (rawDataDoc, error) {
	return a.rawData(ctx, c, c.ID())
}

func (a *API) changeRawData(ctx context.Context, c *rest.Call, in *changeRawDataBody) (d rawDataDoc, err error) {
	if in.TemplateID != nil {
		return d, errs.InvalidField("template_id", "report.template.not_available")
	}
	var period report.Period
	if in.Period != nil {
		if period, err = in.Period.period(); err != nil {
			return d, err
		}
	}
	rd, err := a.d.Reports.Update(ctx, c.Workspace(), c.ID(), func(to *report.Input) {
		if in.Name != nil {
			to.Name = *in.Name
		}
		if in.AdAccountID != nil {
			to.AccountID = *in.AdAccountID
		}
		if in.Reports != nil {
			to.Reports = *in.Reports
		}
		if in.Period != nil {
			to.Period = period
		}
		if in.Destination != nil {
			to.Destination = report.Destination{Type: in.Destination.Type}
		}
		if in.Schedule.Set {
			to.Schedule = in.Schedule.Pointer().schedule()
		}
	}, a.now())
	if err != nil {
		return d, err
	}
	c.Subject(rd.ID, rd.Name)
	return a.rawData(ctx, c, rd.ID)
}

func (a *API) deleteRawData(ctx context.Context, c *rest.Call, _ *rest.None) (none rest.None, err error) {
	it, err := a.d.Runs.Item(ctx, c.Workspace(), c.ID())
	if err != nil {
		return none, err
	}
	c.Subject(it.ID, it.Name)
	return none, a.d.Runs.Delete(ctx, c.Workspace(), it.ID)
}

func (a *API) refresh(ctx context.Context, c *rest.Call, in *refreshBody) (d acceptedDoc, err error) {
	class, err := classOf(in.Priority)
	if err != nil {
		return d, err
	}
	r, err := a.d.Runs.Refresh(ctx, c.Workspace(), c.ID(), run.Request{Class: class, Force: in.Force, Cause: run.Manual})
	if err != nil {
		return d, err
	}
	c.Subject(c.ID(), "")
	return a.accepted(ctx, c, r), nil
}

func (a *API) pause(ctx context.Context, c *rest.Call, in *pauseBody) (d rawDataDoc, err error) {
	var until time.Time
	if in.Until != nil {
		if until = *in.Until; !until.After(a.now()) {
			return d, errs.InvalidField("until", "api.until_past")
		}
	}
	if err := a.d.Runs.Pause(ctx, c.Workspace(), c.ID(), until); err != nil {
		return d, err
	}
	c.Subject(c.ID(), "")
	return a.rawData(ctx, c, c.ID())
}

func (a *API) resume(ctx context.Context, c *rest.Call, _ *rest.None) (d rawDataDoc, err error) {
	if err := a.d.Runs.Resume(ctx, c.Workspace(), c.ID()); err != nil {
		return d, err
	}
	c.Subject(c.ID(), "")
	return a.rawData(ctx, c, c.ID())
}

func (a *API) rawDataLog(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[logDoc], error) {
	if _, err := a.d.Runs.Item(ctx, c.Workspace(), c.ID()); err != nil {
		return rest.Page[logDoc]{}, err
	}
	return rest.List(c, func(cursor string, limit int) ([]run.LogRow, error) {
		after, err := rest.AfterSeq(cursor)
		if err != nil {
			return nil, err
		}
		return a.d.Runs.Log(ctx, c.Workspace(), c.ID(), after, limit)
	}, func(r run.LogRow) string { return rest.Seq(r.Seq) }, func(r run.LogRow) logDoc { return logRow(c.Lang, r) })
}

func (a *API) rawDataRuns(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[runDoc], error) {
	if _, err := a.d.Runs.Item(ctx, c.Workspace(), c.ID()); err != nil {
		return rest.Page[runDoc]{}, err
	}
	return rest.List(c, func(cursor string, limit int) ([]run.View, error) {
		return a.d.Runs.Runs(ctx, c.Workspace(), c.ID(), cursor, limit)
	}, func(v run.View) string { return v.ID }, func(v run.View) runDoc { return a.runDoc(c.Lang, v) })
}

type reportTypeDoc struct {
	Name     string `json:"name"`
	DaysBack int    `json:"days_back"`
}

type reportTypesDoc struct {
	Items []reportTypeDoc `json:"items"`
}

func (a *API) reportTypes(context.Context, *rest.Call, *rest.None) (d reportTypesDoc, err error) {
	d.Items = []reportTypeDoc{}
	for _, t := range a.d.Reports.Types() {
		d.Items = append(d.Items, reportTypeDoc(t))
	}
	return d, nil
}

// noteOpened keeps in mind that a person looked at a raw data; failing at it
// is no reason to refuse the look.
func (a *API) noteOpened(ctx context.Context, rd report.RawData) {
	if err := a.d.Reports.Opened(ctx, rd, a.now()); err != nil {
		a.site.Log().WarnContext(ctx, "a look at a raw data was not noted", "raw_data", rd.ID, "request_id", web.Of(ctx).ID, "error", err)
	}
}
