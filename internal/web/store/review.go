package store

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/review"
	"imreport/internal/web"
)

// formMax bounds a form with its pictures.
const formMax = 48 << 20 // bytes

// reviewView is what the review page shows.
type reviewView struct {
	review.Form
	Token  string
	Saved  bool              // what was typed is kept
	First  bool              // it was written just now
	Edit   bool              // what is written is being changed
	Errors map[string]string // by field
}

// reviewPage shows the form, or what was written.
func (s *Store) reviewPage(w http.ResponseWriter, r *http.Request) error {
	f, err := s.d.Reviews.Open(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	return s.showReview(w, r, http.StatusOK, reviewView{Form: f, Edit: f.Written && f.MayEdit && r.URL.Query().Has("edit")})
}

func (s *Store) showReview(w http.ResponseWriter, r *http.Request, status int, v reviewView) error {
	l := langFor(r, v.Lang)
	v.Token = r.PathValue("token")
	name, title := "form", i18n.T(l, "shopui.form.title")
	if v.Written && !v.Edit {
		name, title = "written", i18n.T(l, "shopui.written.title")
		if v.First {
			title = i18n.T(l, "shopui.written.thanks")
		}
	}
	return s.show(w, status, name, publicPage{Lang: l, Title: title, Shop: v.Shop, Data: v})
}

// reviewForm takes the form: its button says what for. "draft" keeps what is
// typed and answers nothing, for the script; "keep" keeps it and shows the form
// again, for pictures without a script; anything else writes the review.
func (s *Store) reviewForm(w http.ResponseWriter, r *http.Request) error {
	token := r.PathValue("token")
	// Who has no good link is told before anything is read.
	f, err := s.d.Reviews.Open(r.Context(), token)
	if err != nil {
		return err
	}
	web.MaxBody(w, r, formMax)
	in, err := s.read(r, token, f.Written && !f.MayEdit)
	if err != nil {
		return err
	}
	switch in.do {
	case "draft", "keep":
		if !f.Written {
			if err := s.d.Reviews.SaveDraft(r.Context(), token, in.answers); err != nil {
				return err
			}
		}
		if in.do == "draft" {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		if f, err = s.d.Reviews.Open(r.Context(), token); err != nil {
			return err
		}
		status := http.StatusOK
		if len(in.wrong) > 0 {
			status = http.StatusUnprocessableEntity
		}
		return s.showReview(w, r, status, reviewView{Form: typed(f, in.answers), Saved: true, Errors: in.wrong, Edit: f.Written && in.edit})
	}
	if len(in.wrong) > 0 { // a picture did not come through: nothing is written yet
		return s.again(w, r, f, in)
	}
	done, first, err := s.d.Reviews.Submit(r.Context(), token, in.answers, in.edit)
	if e := errs.As(err); e != nil && e.Kind == errs.Invalid && len(e.Fields) > 0 {
		for _, x := range e.Fields {
			in.wrong[x.Name] = i18n.T(langFor(r, f.Lang), x.Key, x.Args...)
		}
		return s.again(w, r, f, in)
	}
	if err != nil {
		return err
	}
	return s.showReview(w, r, http.StatusOK, reviewView{Form: done, First: first || in.edit && done.MayEdit})
}

// again shows the form with what was typed and what is wrong with it.
func (s *Store) again(w http.ResponseWriter, r *http.Request, f review.Form, in input) error {
	if !f.Written {
		if err := s.d.Reviews.SaveDraft(r.Context(), r.PathValue("token"), in.answers); err != nil {
			return err
		}
	}
	f, err := s.d.Reviews.Open(r.Context(), r.PathValue("token")) // pictures may have come
	if err != nil {
		return err
	}
	return s.showReview(w, r, http.StatusUnprocessableEntity, reviewView{Form: typed(f, in.answers), Errors: in.wrong, Edit: f.Written})
}

// typed puts what was typed into the form.
func typed(f review.Form, a review.Answers) review.Form {
	for i := range f.Lines {
		if said, ok := a[f.Lines[i].Key]; ok {
			f.Lines[i].Stars, f.Lines[i].Text = said.Stars, said.Text
		}
	}
	return f
}

// input is a form as it came.
type input struct {
	do      string
	edit    bool
	answers review.Answers
	wrong   map[string]string
}

const fieldMax = 64 << 10 // bytes of one field of text

// read reads a form of any of the two types. Pictures are kept as they come:
// none is ever in memory beside another.
func (s *Store) read(r *http.Request, token string, closed bool) (input, error) {
	in := input{answers: review.Answers{}, wrong: map[string]string{}}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		if err := r.ParseForm(); err != nil {
			return in, unreadable(err)
		}
		for name, v := range r.PostForm {
			in.field(name, v[0])
		}
		return in, s.drop(r, token, r.PostForm.Get("drop"))
	}
	parts, err := r.MultipartReader()
	if err != nil {
		return in, unreadable(err)
	}
	drop := ""
	for {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return in, s.drop(r, token, drop)
		}
		if err != nil {
			return in, unreadable(err)
		}
		if line, ok := strings.CutPrefix(p.FormName(), "photo."); ok {
			if p.FileName() == "" || closed {
				continue
			}
			if err := s.takePhoto(r, token, line, p, &in); err != nil {
				return in, err
			}
			continue
		}
		b, err := io.ReadAll(io.LimitReader(p, fieldMax))
		if err != nil {
			return in, unreadable(err)
		}
		if p.FormName() == "drop" {
			drop = string(b)
		}
		in.field(p.FormName(), string(b))
	}
}

func (s *Store) drop(r *http.Request, token, id string) error {
	if id == "" {
		return nil
	}
	return s.d.Reviews.DropPhoto(r.Context(), token, id)
}

func unreadable(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return errs.E(errs.TooLarge, "shopui.form.too_large", err)
	}
	return errs.E(errs.Malformed, "shopui.form.unreadable", err)
}

func (s *Store) takePhoto(r *http.Request, token, line string, body io.Reader, in *input) error {
	_, err := s.d.Reviews.AddPhoto(r.Context(), token, line, body)
	e := errs.As(err)
	switch {
	case err == nil:
		return nil
	case e != nil && (e.Kind == errs.Invalid || e.Kind == errs.TooLarge) && e.Key != "web.too_large":
		in.wrong["photo."+line] = i18n.T(web.Of(r.Context()).Lang, e.Key, e.Args...)
		_, err = io.Copy(io.Discard, body)
		if err != nil {
			return unreadable(err)
		}
		return nil
	}
	return unreadableOr(err)
}

// unreadableOr tells a body that was cut from other errors.
func unreadableOr(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) || errors.Is(err, io.ErrUnexpectedEOF) {
		return unreadable(err)
	}
	return err
}

func (in *input) field(name, value string) {
	what, line, _ := strings.Cut(name, ".")
	said := in.answers[line]
	switch what {
	case "do":
		in.do = value
		return
	case "drop":
		in.do = "keep"
		return
	case "edit":
		in.edit = value != ""
		return
	case "stars":
		said.Stars, _ = strconv.Atoi(value) // what is no number is no star
	case "text":
		said.Text = value
	default:
		return
	}
	in.answers[line] = said
}

// photo shows a picture: of a published review to anybody, of a form to who
// has its link.
func (s *Store) photo(w http.ResponseWriter, r *http.Request) error {
	token := r.URL.Query().Get("t")
	name, err := s.d.Reviews.PhotoFile(r.Context(), r.PathValue("id"), token, "")
	if err != nil {
		return err
	}
	return servePhoto(w, r, name, token == "")
}

func servePhoto(w http.ResponseWriter, r *http.Request, name string, public bool) error {
	h := w.Header()
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Disposition", "inline")
	h.Set("Cache-Control", "private, max-age=300")
	if public {
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	http.ServeFile(w, r, name)
	return nil
}
