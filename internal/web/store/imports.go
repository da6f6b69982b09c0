package store

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/order"
	"imreport/internal/review"
	"imreport/internal/web"
	"imreport/internal/workspace"
)

// importMax bounds an uploaded file with what the form adds to it.
const importMax = order.UploadMost + 1<<20 // bytes

// previewWithin is how long the page waits for a preview before it shows the
// progress instead.
const previewWithin = 3 * time.Second

func (s *Store) mountImports() {
	upload := does(workspace.Editor, "order.import")
	upload.MaxBody = importMax
	s.site.Page("GET /shops/{shop}/imports", looks(), s.imports)
	s.site.Page("POST /shops/{shop}/imports", upload, s.upload)
	s.site.Page("GET /shops/{shop}/imports/{id}", looks(), s.oneImport)
	s.site.Page("POST /shops/{shop}/imports/{id}/confirm", does(workspace.Editor, "order.import"), s.confirm)
	s.site.Page("POST /shops/{shop}/imports/{id}/cancel", does(workspace.Editor, "order.import_cancel"), s.cancelImport)
	s.site.Page("GET /shops/{shop}/imports/{id}/errors", web.Access{Role: workspace.Editor}, s.importErrors)
}

func (s *Store) imports(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	all, err := s.d.Orders.Imports(r.Context(), sh.ID, r.URL.Query().Get("after"), 30)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "imports", "imports", sh, nil, all)
}

// upload takes a file and previews it: nothing is written before Confirm.
func (s *Store) upload(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	parts, err := r.MultipartReader()
	if err != nil {
		return unreadable(err)
	}
	o := order.UploadOptions{DryRun: true, By: actor(r)}
	for {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return errs.InvalidField("file", "shopapi.file_missing")
		}
		if err != nil {
			return unreadable(err)
		}
		switch p.FormName() {
		case "password", "encoding":
			b, err := io.ReadAll(io.LimitReader(p, 1000))
			if err != nil {
				return unreadable(err)
			}
			if p.FormName() == "password" {
				o.Password = string(b)
			} else {
				o.Encoding = strings.TrimSpace(string(b))
			}
		case "file":
			if p.FileName() == "" {
				return errs.InvalidField("file", "shopapi.file_missing")
			}
			o.FileName = p.FileName()
			i, err := s.d.Orders.Upload(r.Context(), sh.ID, p, o)
			if err != nil {
				return err
			}
			web.Subject(r.Context(), i.ID, i.FileName)
			if _, err := s.d.Orders.WaitImport(r.Context(), sh.ID, i.ID, previewWithin); err != nil {
				return err
			}
			return to(w, r, "/shops/"+sh.ID+"/imports/"+i.ID, "")
		}
	}
}

type importView struct {
	order.Import
	Fault    string // why it failed
	FaultDo  string
	Skipped  []skipped
	Percent  int
	MayWrite bool
}

func (v importView) moving() bool { return !v.State.Ended() }

type skipped struct {
	Why string
	N   int
}

func (s *Store) oneImport(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	i, err := s.d.Orders.Import(r.Context(), sh.ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	l := web.Of(r.Context()).Lang
	i.Report = i.Report.In(l)
	v := importView{Import: i, MayWrite: i.CanConfirm()}
	if i.Failure != "" {
		v.Fault = i18n.T(l, i.Failure)
		if i18n.Has(i.Failure + ".action") {
			v.FaultDo = i18n.T(l, i.Failure+".action")
		}
	}
	for _, code := range reasons {
		if n := i.Report.WouldSkip[string(code)]; n > 0 {
			v.Skipped = append(v.Skipped, skipped{i18n.T(l, "review.reason."+string(code), "–"), n})
		}
	}
	if i.Total > 0 {
		v.Percent = int(100 * i.Done / i.Total)
	}
	return s.render(w, r, http.StatusOK, "import", "imports", sh, nil, v)
}

// reasons are those for which an import's orders are not mailed, in the order
// of the page.
var reasons = []review.Reason{review.NoEmail, review.BadEmail, review.Suppressed, review.AlreadyReviewed, review.AskedAlready, review.InCooldown,
	review.OrderCancelled, review.OrderRefunded, review.NotPaid, review.NotFulfilled, review.PartlyFulfilled, review.TooOld, review.NoReviewableLine,
	review.NoConsent, review.OptedOut, review.TestOrder}

func (s *Store) confirm(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	rate, _ := strconv.ParseFloat(r.PostForm.Get("rate"), 64) // 0 is the shop's own
	i, err := s.d.Orders.Confirm(r.Context(), sh.ID, r.PathValue("id"), r.PostForm.Get("mail") == "yes", max(0, rate/60))
	if err != nil {
		return err
	}
	web.Subject(r.Context(), i.ID, i.FileName)
	return to(w, r, "/shops/"+sh.ID+"/imports/"+i.ID, "import_started")
}

func (s *Store) cancelImport(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	if _, err := s.d.Orders.CancelImport(r.Context(), sh.ID, r.PathValue("id")); err != nil {
		return err
	}
	web.Subject(r.Context(), r.PathValue("id"), "")
	return to(w, r, "/shops/"+sh.ID+"/imports", "")
}

func (s *Store) importErrors(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	i, err := s.d.Orders.Import(r.Context(), sh.ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="import-errors.csv"`)
	return s.d.Orders.ErrorFile(r.Context(), sh.ID, i.ID, web.Of(r.Context()).Lang, w)
}
