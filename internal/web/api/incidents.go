package api

import (
	"context"
	"time"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/incident"
	"imreport/internal/web"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

type incidentDoc struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind"`
	Subject    string     `json:"subject"`
	Reason     *string    `json:"reason"`
	State      string     `json:"state" enum:"open,resolved"`
	Title      string     `json:"title"`
	Detail     string     `json:"detail"`
	Action     string     `json:"action"`
	Link       *string    `json:"link"`
	Count      int64      `json:"count"`
	OpenedAt   time.Time  `json:"opened_at"`
	LastAt     time.Time  `json:"last_at"`
	ResolvedAt *time.Time `json:"resolved_at"`
	NotifiedAt *time.Time `json:"notified_at"`
}

func (a *API) incidentCalls() []rest.Operation {
	const tag = "incidents"
	return []rest.Operation{
		rest.Op("GET", "/incidents", "listIncidents", tag, 200, reads(workspace.ReadIncidents), a.listIncidents).
			With(rest.Paging...).With(rest.Param{Name: "state", Type: "string", Enum: []string{"open", "all"}}),
		rest.Op("GET", "/incidents/{id}", "getIncident", tag, 200, reads(workspace.ReadIncidents), a.getIncident),
		rest.Op("POST", "/incidents/{id}/resolve", "resolveIncident", tag, 200,
			web.Access{Role: workspace.Editor, Action: "incident.resolve"}, a.resolveIncident),
	}
}

func incidentOf(l i18n.Lang, i incident.Incident) incidentDoc {
	d := incidentDoc{
		ID: i.ID, Kind: string(i.Kind), Subject: i.Subject, State: "open", Title: i.Title(l), Detail: i.Detail(l), Action: i.Action(l),
		Count: i.Count, OpenedAt: i.OpenedAt, LastAt: i.LastAt, ResolvedAt: instant(i.ResolvedAt), NotifiedAt: instant(i.NotifiedAt),
	}
	if i.Reason != "" {
		d.Reason = &i.Reason
	}
	if i.Link != "" {
		d.Link = &i.Link
	}
	if !i.Open() {
		d.State = "resolved"
	}
	return d
}

func (a *API) listIncidents(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[incidentDoc], error) {
	state := c.Query("state")
	if state != "" && state != "open" && state != "all" {
		return rest.Page[incidentDoc]{}, errs.InvalidField("state", "api.incident_state_unknown")
	}
	return rest.List(c, func(cursor string, limit int) ([]incident.Incident, error) {
		return a.d.Incidents.List(ctx, c.Workspace(), state != "all", cursor, limit)
	}, func(i incident.Incident) string { return i.ID }, func(i incident.Incident) incidentDoc { return incidentOf(c.Lang, i) })
}

func (a *API) getIncident(ctx context.Context, c *rest.Call, _ *rest.None) (incidentDoc, error) {
	i, err := a.d.Incidents.Get(ctx, c.Workspace(), c.ID())
	return incidentOf(c.Lang, i), err
}

func (a *API) resolveIncident(ctx context.Context, c *rest.Call, _ *rest.None) (incidentDoc, error) {
	i, err := a.d.Incidents.ResolveByHand(ctx, c.Workspace(), c.ID(), a.now())
	if err != nil {
		return incidentDoc{}, err
	}
	c.Subject(i.ID, string(i.Kind))
	return incidentOf(c.Lang, i), nil
}
