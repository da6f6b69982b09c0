package shopapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/order"
	"imreport/internal/web"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

const (
	// importMax bounds an uploaded file with what multipart adds to it.
	importMax = order.UploadMost + 1<<20 // bytes
	// importWithin is how long an answer waits for the report.
	importWithin = 30 * time.Second
)

type importDoc struct {
	ID        string        `json:"id"`
	FileName  string        `json:"file_name"`
	Bytes     int64         `json:"bytes"`
	State     string        `json:"state" enum:"waiting,running,done,failed,cancelled"`
	DryRun    bool          `json:"dry_run"`
	Mail      bool          `json:"mail"`
	Progress  progressDoc   `json:"progress"`
	Failure   *reasonDoc    `json:"failure"`
	Columns   []string      `json:"columns"`
	Report    *order.Report `json:"report"` // once it is done
	CreatedAt time.Time     `json:"created_at"`
	EndedAt   *time.Time    `json:"ended_at"`
}

type progressDoc struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

type confirmBody struct {
	Mail          bool    `json:"mail"`
	MailPerSecond float64 `json:"mail_per_second"`
}

func (a *API) importCalls() []rest.Operation {
	const tag = "shop-imports"
	upload := a.does("order.import")
	upload.MaxBody, upload.Creates = importMax, true
	media := []string{"text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/octet-stream", "multipart/form-data"}
	return []rest.Operation{
		rest.Raw("POST", "/shop/orders/import", "importOrders", tag, "application/json", upload, a.importOrders).Reads(media...).Or(202).With(
			rest.Param{Name: "dry_run", Type: "boolean"}, rest.Param{Name: "mail", Type: "boolean"}, rest.Param{Name: "mail_per_second", Type: "string"},
			rest.Param{Name: "encoding", Type: "string", Enum: []string{"utf-8", "cp949", "utf-16le", "utf-16be"}}, rest.Param{Name: "file_name", Type: "string"}),
		rest.Op("GET", "/shop/imports", "listImports", tag, 200, a.reads(), a.listImports).With(rest.Paging...),
		rest.Op("GET", "/shop/imports/{id}", "getImport", tag, 200, a.reads(), a.getImport),
		rest.Op("POST", "/shop/imports/{id}/confirm", "confirmImport", tag, 202, a.does("order.import"), a.confirmImport),
		rest.Op("POST", "/shop/imports/{id}/cancel", "cancelImport", tag, 200, a.does("order.import_cancel"), a.cancelImport),
		rest.Raw("GET", "/shop/imports/{id}/errors", "getImportErrors", tag, "text/csv", a.reads(), a.importErrors),
	}
}

// importOf shows an import; its report once it has ended.
func importOf(l i18n.Lang, i order.Import) importDoc {
	d := importDoc{ID: i.ID, FileName: i.FileName, Bytes: i.Bytes, State: string(i.State), DryRun: i.DryRun, Mail: i.Mail,
		Progress: progressDoc{i.Done, i.Total}, Columns: append([]string{}, i.Columns...), CreatedAt: i.CreatedAt, EndedAt: instant(i.EndedAt)}
	if i.Failure != "" {
		e := errs.E(errs.Invalid, i.Failure, nil)
		d.Failure = &reasonDoc{Code: e.Code(), Text: i18n.T(l, i.Failure)}
		if key := i.Failure + ".action"; i18n.Has(key) {
			d.Failure.Action = i18n.T(l, key)
		}
	}
	if i.State == order.ImportDone {
		r := i.Report.In(l)
		d.Report = &r
	}
	return d
}

// importOrders takes a file, as the body or as the field "file" of a form, and
// answers with the report when it is there in time.
func (a *API) importOrders(w http.ResponseWriter, r *http.Request) error {
	info := web.Of(r.Context())
	c := &rest.Call{W: w, R: r, Actor: info.Actor, Lang: info.Lang}
	o := order.UploadOptions{FileName: c.Query("file_name"), Encoding: c.Query("encoding"), By: actor(c)}
	var err error
	if o.DryRun, err = c.Bool("dry_run"); err != nil {
		return err
	}
	if o.Mail, err = c.Bool("mail"); err != nil {
		return err
	}
	if raw := c.Query("mail_per_second"); raw != "" {
		if o.Rate, err = strconv.ParseFloat(raw, 64); err != nil || !(o.Rate > 0 && o.Rate <= 1000) {
			return errs.InvalidField("mail_per_second", "api.not_a_number")
		}
	}
	file, err := fileOf(r, &o)
	if err != nil {
		return err
	}
	id := theShop(r.Context()).ID
	i, err := a.d.Orders.Upload(r.Context(), id, file, o)
	if err != nil {
		return err
	}
	web.Subject(r.Context(), i.ID, i.FileName)
	if i, err = a.d.Orders.WaitImport(r.Context(), id, i.ID, importWithin); err != nil {
		return err
	}
	if !i.State.Ended() {
		w.Header().Set("Location", rest.Prefix+"/shop/imports/"+i.ID)
		return web.WriteJSON(w, http.StatusAccepted, importOf(info.Lang, i))
	}
	if i.State == order.ImportFailed {
		return errs.E(errs.Invalid, i.Failure, nil).With("import_id", i.ID)
	}
	return web.WriteJSON(w, http.StatusOK, struct {
		ID string `json:"id"`
		order.Report
	}{i.ID, i.Report.In(info.Lang)})
}

// fileOf finds the file in a request. Fields of a form that stand before it
// are heeded: password, encoding.
func fileOf(r *http.Request, o *order.UploadOptions) (io.Reader, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		o.Password = r.Header.Get("X-File-Password")
		return r.Body, nil
	}
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, errs.E(errs.Malformed, "shopapi.form_unreadable", err)
	}
	for {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, errs.InvalidField("file", "shopapi.file_missing")
		}
		if err != nil {
			return nil, errs.E(errs.Malformed, "shopapi.form_unreadable", err)
		}
		switch p.FormName() {
		case "file":
			if o.FileName == "" {
				o.FileName = p.FileName()
			}
			return p, nil
		case "password", "encoding":
			b, err := io.ReadAll(io.LimitReader(p, 1000))
			if err != nil {
				return nil, errs.E(errs.Malformed, "shopapi.form_unreadable", err)
			}
			if p.FormName() == "password" {
				o.Password = string(b)
			} else {
				o.Encoding = strings.TrimSpace(string(b))
			}
		}
	}
}

func (a *API) listImports(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[importDoc], error) {
	return rest.List(c, func(cursor string, limit int) ([]order.Import, error) {
		return a.d.Orders.Imports(ctx, theShop(ctx).ID, cursor, limit)
	}, func(i order.Import) string { return i.ID }, func(i order.Import) importDoc { return importOf(c.Lang, i) })
}

func (a *API) getImport(ctx context.Context, c *rest.Call, _ *rest.None) (importDoc, error) {
	i, err := a.d.Orders.Import(ctx, theShop(ctx).ID, c.ID())
	return importOf(c.Lang, i), err
}

func (a *API) confirmImport(ctx context.Context, c *rest.Call, b *confirmBody) (importDoc, error) {
	i, err := a.d.Orders.Confirm(ctx, theShop(ctx).ID, c.ID(), b.Mail, b.MailPerSecond)
	if err != nil {
		return importDoc{}, err
	}
	c.Subject(i.ID, i.FileName)
	c.W.Header().Set("Location", rest.Prefix+"/shop/imports/"+i.ID)
	return importOf(c.Lang, i), nil
}

func (a *API) cancelImport(ctx context.Context, c *rest.Call, _ *rest.None) (importDoc, error) {
	i, err := a.d.Orders.CancelImport(ctx, theShop(ctx).ID, c.ID())
	c.Subject(c.ID(), "")
	return importOf(c.Lang, i), err
}

func (a *API) importErrors(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if _, err := a.d.Orders.Import(r.Context(), theShop(r.Context()).ID, id); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="import-errors.csv"`)
	return a.d.Orders.ErrorFile(r.Context(), theShop(r.Context()).ID, id, web.Of(r.Context()).Lang, w)
}

// privacyAccess is the access of calls about people's privacy.
func (a *API) privacyAccess(action string) web.Access {
	return web.Access{Role: workspace.Admin, Authenticate: a.authenticate, Action: action}
}
