// Package page is what all pages share: the frame, the style sheet, the
// script, the components, and the words of both languages in templates.
//
// A page is one file NAME.html that defines "body"; it is parsed with the
// frame and the components once per language. Nothing in a page is inline
// script or style, which the Content-Security-Policy forbids.
package page

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"imreport/internal/i18n"
	"imreport/internal/web"
)

//go:embed *.html
var files embed.FS

// Frame is what stands around a page of somebody who has signed in.
type Frame struct {
	Person     string // name, or the address when there is no name
	Role       string
	Workspace  string
	Workspaces []Choice // all that the person belongs to
	Incidents  int      // open ones, shown beside their menu item
	CanManage  bool     // may see people and keys
}

// Choice is one entry of a list to choose from.
type Choice struct {
	ID, Name string
	Selected bool
}

// Page is what a template sees.
type Page struct {
	Title   string
	Section string // the menu item that is current
	Wide    bool   // without a frame: a wide page instead of a small form
	Open    bool   // something is waiting or active: the page asks again by itself
	Events  string // address of the event stream; empty for none
	Data    any

	// Set by Render.
	Lang  i18n.Lang
	CSRF  string
	Path  string // of this page, to come back to
	Frame *Frame
	Flash Note // one sentence about what was just done
	Now   time.Time
	Zone  *time.Location
}

// Set is a group of pages.
type Set struct {
	site  *web.Site
	pages map[i18n.Lang]map[string]*template.Template
	// Around fills the frame; nil means every page stands alone.
	Around func(r *http.Request) (*Frame, *time.Location, error)
}

// New parses every *.html of fsys as a page, apart from those that begin with
// "_", which are components for all of them. A template that does not parse is
// a fault of the binary: New panics.
func New(site *web.Site, fsys fs.FS) *Set {
	s := &Set{site: site, pages: map[i18n.Lang]map[string]*template.Template{}}
	for _, l := range i18n.Langs {
		base := template.Must(template.New("").Funcs(funcs(l)).ParseFS(files, "*.html"))
		names, err := fs.Glob(fsys, "*.html")
		if err != nil {
			panic("page: " + err.Error())
		}
		var own []string
		for _, n := range names {
			if strings.HasPrefix(n, "_") {
				base = template.Must(base.ParseFS(fsys, n))
			} else {
				own = append(own, n)
			}
		}
		s.pages[l] = map[string]*template.Template{}
		for _, n := range own {
			t := template.Must(template.Must(base.Clone()).ParseFS(fsys, n))
			s.pages[l][strings.TrimSuffix(path.Base(n), ".html")] = t
		}
	}
	return s
}

// Mount serves the static files of all pages.
func Mount(s *web.Site) { mountAssets(s) }

// Render answers with a page.
func (s *Set) Render(w http.ResponseWriter, r *http.Request, status int, name string, p Page) error {
	info := web.Of(r.Context())
	p.Lang, p.Now, p.Zone = info.Lang, s.site.Now(), seoul
	t, ok := s.pages[p.Lang][name]
	if !ok {
		return fmt.Errorf("no page %q", name)
	}
	if s.Around != nil && info.Known {
		f, zone, err := s.Around(r)
		if err != nil {
			return err
		}
		p.Frame = f
		if zone != nil {
			p.Zone = zone
		}
	}
	p.CSRF = s.site.CSRFToken(w, r)
	p.Path = r.URL.RequestURI()
	if r.Method != http.MethodGet {
		p.Path = "/"
	}
	if r.Header.Get("X-Live") == "" {
		p.Flash = takeFlash(w, r)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "frame", p); err != nil {
		return fmt.Errorf("render page %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(p.Lang))
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private, no-cache")
	}
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

const flashCookie = "flash"

// Note is what a page says about the action before it.
type Note struct {
	Text string
	Warn bool // it is not only good news
}

// Flash lets the next page say the sentence "ui.flash.CODE", as a warning when
// the code begins with "warn.".
func Flash(w http.ResponseWriter, code string) {
	http.SetCookie(w, &http.Cookie{Name: flashCookie, Value: code, Path: "/", MaxAge: 60, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func takeFlash(w http.ResponseWriter, r *http.Request) Note {
	c, err := r.Cookie(flashCookie)
	if err != nil {
		return Note{}
	}
	http.SetCookie(w, &http.Cookie{Name: flashCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	key := "ui.flash." + c.Value
	if !i18n.Has(key) {
		return Note{}
	}
	return Note{i18n.T(web.Of(r.Context()).Lang, key), strings.HasPrefix(c.Value, "warn.")}
}
