package ui

import (
	"net/http"

	"imreport/internal/i18n"
	"imreport/internal/incident"
	"imreport/internal/web"
	"imreport/internal/web/page"
	"imreport/internal/workspace"
)

func (u *UI) mountIncidents() {
	u.site.Page("GET /incidents", may(workspace.ReadIncidents), u.incidentList)
	u.site.Page("POST /incidents/{id}/resolve", web.Access{Role: workspace.Editor, Action: "incident.resolve"}, u.resolve)
}

type incidentPage struct {
	Open, Past []incidentView
	CanResolve bool
}

// incidentView is an incident in the reader's language.
type incidentView struct {
	incident.Incident
	Title, Detail, Action string
}

// incidentsShow bounds the page.
const incidentsShow = 100

func (u *UI) incidentList(w http.ResponseWriter, r *http.Request) error {
	info := web.Of(r.Context())
	all, err := u.d.Deps.Incidents.List(r.Context(), info.Actor.WorkspaceID, false, "", incidentsShow)
	if err != nil {
		return err
	}
	p := incidentPage{CanResolve: info.Actor.Role.AtLeast(workspace.Editor)}
	for _, i := range all {
		v := incidentView{i, i.Title(info.Lang), i.Detail(info.Lang), i.Action(info.Lang)}
		if i.Open() {
			p.Open = append(p.Open, v)
		} else {
			p.Past = append(p.Past, v)
		}
	}
	return u.pages.Render(w, r, http.StatusOK, "incidents", page.Page{
		Title: i18n.T(info.Lang, "ui.nav.incidents"), Section: "incidents", Data: p,
	})
}

func (u *UI) resolve(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if _, err := u.d.Deps.Incidents.ResolveByHand(r.Context(), web.Of(r.Context()).Actor.WorkspaceID, id, u.site.Now()); err != nil {
		return err
	}
	web.Subject(r.Context(), id, "")
	return to(w, r, "/incidents", "resolved")
}
