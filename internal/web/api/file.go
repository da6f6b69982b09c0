package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"imreport/internal/errs"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/web"
)

const xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// file answers the current spreadsheet, whole or in part. Its ETag is that of
// the filling, so a download that broke off goes on only with the same one.
func (a *API) file(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	ws := web.Of(ctx).Actor.WorkspaceID
	rd, f, content, size, err := a.openFile(ctx, ws, r.PathValue("id"))
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	a.noteOpened(ctx, rd)
	sum := sha256.Sum256([]byte(f.Object))
	h := w.Header()
	h.Set("Content-Type", xlsxType)
	h.Set("Content-Disposition", attachment(rd.Name))
	h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	h.Set("Cache-Control", "private, no-cache") // may be kept, but is asked for each time
	if size == 0 {
		return fmt.Errorf("the file of raw data %s is empty", rd.ID)
	}
	http.ServeContent(w, r, "", time.Time{}, content)
	return nil
}

// openFile opens the current spreadsheet. The one that was current a moment
// ago may be gone when a run has just ended: then the next one is there.
func (a *API) openFile(ctx context.Context, workspaceID, id string) (rd report.RawData, f run.File, c io.ReadSeekCloser, size int64, err error) {
	for try := 0; ; try++ {
		if rd, f, err = a.d.Runs.FileOf(ctx, workspaceID, id); err != nil {
			return rd, f, nil, 0, err
		}
		c, size, err = a.d.Files.Open(ctx, f)
		gone := errors.Is(err, fs.ErrNotExist) || errs.KindOf(err) == errs.NotFound
		if err == nil || !gone || try > 0 {
			return rd, f, c, size, err
		}
	}
}

// attachment is a Content-Disposition that saves under a raw data's name: in
// UTF-8 for browsers of this century (RFC 6266), in ASCII for all others.
func attachment(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || strings.ContainsRune(`<>:"/\|?*`, r) {
			return '_' // what a file name may not hold somewhere
		}
		return r
	}, strings.TrimSpace(name))
	if strings.Trim(name, "._ ") == "" {
		name = "raw-data"
	}
	ascii := strings.Map(func(r rune) rune {
		if r > '~' || r == '%' {
			return '_'
		}
		return r
	}, name)
	return fmt.Sprintf(`attachment; filename="%s.xlsx"; filename*=UTF-8''%s.xlsx`, ascii, strings.ReplaceAll(url.QueryEscape(name), "+", "%20"))
}
