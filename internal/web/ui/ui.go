// Package ui is the pages of the report side: signing in, raw data, keys and
// accounts, what needs somebody, people, settings. Pages are rendered here
// and complete without JavaScript; handlers hold no rules and no SQL.
//
// Each area has a Go file and its pages beside it: sign.go and sign_in.html,
// rawdata.go and raw_data.html.
package ui

import (
	"embed"
	"net/http"
	"time"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/incident"
	"imreport/internal/web"
	"imreport/internal/web/api"
	"imreport/internal/web/page"
	"imreport/internal/workspace"
)

//go:embed *.html
var files embed.FS

// Deps are what the pages show and change: what the API stands on, and people.
type Deps struct {
	api.Deps
	People    *workspace.Service
	Incidents *incident.Service
}

// UI serves the pages.
type UI struct {
	site  *web.Site
	d     Deps
	pages *page.Set
}

// Mount adds the pages to the site. It returns what fills the frame around a
// page, for the pages of other packages.
func Mount(site *web.Site, d Deps) (around func(*http.Request) (*page.Frame, *time.Location, error)) {
	u := &UI{site: site, d: d, pages: page.New(site, files)}
	u.pages.Around = u.frame
	page.Mount(site)
	site.SetErrorPage(u.errorPage)
	u.mountSign()
	u.mountRawData()
	u.mountMorning()
	u.mountKeys()
	u.mountIncidents()
	u.mountPeople()
	u.mountSettings()
	return u.frame
}

// member is the access of pages for everybody who has signed in.
var member = web.Access{}

// may is the access of pages that an action opens.
func may(a workspace.Action) web.Access { return web.Access{Needs: a} }

// does is may for a form that changes something; name is its audit action.
func does(a workspace.Action, name string) web.Access {
	return web.Access{Needs: a, Action: name}
}

// frame is what stands around the pages of somebody who has signed in.
func (u *UI) frame(r *http.Request) (*page.Frame, *time.Location, error) {
	a := web.Of(r.Context()).Actor
	all, err := u.d.People.Workspaces(r.Context(), a.PersonID)
	if err != nil {
		return nil, nil, err
	}
	f := &page.Frame{Person: a.Name, Role: string(a.Role), CanManage: a.May(workspace.ReadPeople)}
	var zone *time.Location
	for _, w := range all {
		here := w.ID == a.WorkspaceID
		if here {
			f.Workspace = w.Name
			if zone, err = time.LoadLocation(w.Zone); err != nil {
				zone = nil
			}
		}
		f.Workspaces = append(f.Workspaces, page.Choice{ID: w.ID, Name: w.Name, Selected: here})
	}
	if a.May(workspace.ReadIncidents) && u.d.Incidents != nil {
		if f.Incidents, err = u.d.Incidents.OpenCount(r.Context(), a.WorkspaceID); err != nil {
			return nil, nil, err
		}
	}
	return f, zone, nil
}

// errorPage shows what went wrong to a person.
func (u *UI) errorPage(w http.ResponseWriter, r *http.Request, p web.Problem) {
	if err := u.pages.Render(w, r, p.Status, "error", page.Page{Title: p.Title, Data: p}); err != nil {
		u.site.Log().ErrorContext(r.Context(), "error page", "error", err)
		web.WriteProblem(w, p)
	}
}

// to sends the browser to another page after a form, with a sentence about
// what was done.
func to(w http.ResponseWriter, r *http.Request, path, flash string) error {
	if flash != "" {
		page.Flash(w, flash)
	}
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

// mistakes are the wrong fields of a form, by name: a sentence for each.
type mistakes map[string]string

// mistakesOf are the fields that err names; ok is false when err is something
// else than wrong input. A fault without a field stands under "".
func mistakesOf(l i18n.Lang, err error) (m mistakes, ok bool) {
	e := errs.As(err)
	if e == nil {
		return nil, false
	}
	switch e.Kind {
	case errs.Invalid, errs.Conflict, errs.Unauthenticated, errs.TooMany:
	default:
		return nil, false
	}
	m = mistakes{}
	for _, f := range e.Fields {
		m[f.Name] = i18n.T(l, f.Key, f.Args...)
	}
	if len(m) == 0 {
		m[""] = i18n.T(l, e.Key, e.Args...)
		for _, part := range []string{".detail", ".action"} {
			if i18n.Has(e.Key + part) {
				m[""] += " " + i18n.T(l, e.Key+part, e.Args...)
			}
		}
	}
	return m, true
}
