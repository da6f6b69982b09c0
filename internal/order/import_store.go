package order

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// UploadMost bounds a file, bytes: a million rows of the eleven columns are
// some 160 MB.
const UploadMost = 256 << 20

func (s *Service) uploads() string { return filepath.Join(s.o.Dir, "imports") }

func (s *Service) fileOf(id string) string   { return filepath.Join(s.uploads(), id) }
func (s *Service) errorsOf(id string) string { return filepath.Join(s.uploads(), id+".errors") }

// Upload takes a file of orders for a shop and sets its import going. A file
// that cannot be one is refused at once: order.file_too_large (413) and the
// errors of detect (422).
func (s *Service) Upload(ctx context.Context, shopID string, r io.Reader, o UploadOptions) (i Import, err error) {
	i = Import{ID: db.NewID(), ShopID: shopID, FileName: cut(filepath.Base(o.FileName)), State: ImportWaiting, DryRun: o.DryRun, Mail: o.Mail,
		Rate: o.Rate, By: o.By, CreatedAt: s.o.Now(), password: o.Password}
	if o.FileName == "" {
		i.FileName = ""
	}
	if o.Rate < 0 {
		return i, errs.InvalidField("rate", "order.rate.out_of_range")
	}
	if len(o.Mapping) == 0 {
		if o.Mapping, err = s.lastMapping(ctx, shopID); err != nil {
			return i, err
		}
	}
	sum, err := s.store(&i, r)
	defer func() {
		if err != nil {
			_ = os.Remove(s.fileOf(i.ID))
		}
	}()
	if err != nil {
		return i, err
	}
	if i.format, i.layout, err = detect(s.fileOf(i.ID), o.Encoding, o.Password, o.Mapping); err != nil {
		return i, err
	}
	i.Columns = i.layout.header
	i.Report = Report{DryRun: o.DryRun}
	sealed := ""
	if o.Password != "" {
		sealed = s.box.Seal(o.Password, "order_import/"+i.ID)
	}
	mapping := ""
	if len(o.Mapping) > 0 {
		mapping = string(asJSON(o.Mapping))
	}
	_, err = s.d.Exec(ctx, `INSERT INTO order_import (id, shop_id, file_name, bytes, sha256, format, mapping, columns, password, state, dry_run,
			mail, rate, by_person, rows_done, rows_total, orders_done, errors_bytes, report, errors, failure, attempt, lease_us, created_us, ended_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'waiting', $10, $11, $12, $13, 0, 0, 0, 0, $14, '[]', '', 0, 0, $15, 0)`,
		i.ID, shopID, i.FileName, i.Bytes, sum, string(asJSON(i.format)), mapping, string(asJSON(i.Columns)), sealed, i.DryRun, i.Mail, i.Rate,
		i.By, string(asJSON(i.Report)), db.US(i.CreatedAt))
	if err != nil {
		return i, fmt.Errorf("insert import: %w", err)
	}
	s.poke()
	return i, nil
}

// store writes the upload into the data folder.
func (s *Service) store(i *Import, r io.Reader) (sum string, err error) {
	if err := os.MkdirAll(s.uploads(), 0o700); err != nil {
		return "", err
	}
	f, err := os.OpenFile(s.fileOf(i.ID), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	i.Bytes, err = io.Copy(io.MultiWriter(f, h), io.LimitReader(r, UploadMost+1))
	if err == nil && i.Bytes > UploadMost {
		err = errs.E(errs.TooLarge, "order.file_too_large", nil, UploadMost>>20)
	}
	if err == nil {
		err = f.Sync()
	}
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, f.Close())
}

// lastMapping is what somebody said last about the columns of the shop's
// files.
func (s *Service) lastMapping(ctx context.Context, shopID string) (m map[string]string, err error) {
	var text string
	err = s.d.QueryRow(ctx, `SELECT mapping FROM order_import WHERE shop_id = $1 AND mapping <> '' ORDER BY id DESC LIMIT 1`, shopID).Scan(&text)
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("mapping of shop %s: %w", shopID, err)
	}
	return m, json.Unmarshal([]byte(text), &m)
}

const importColumns = `id, shop_id, file_name, bytes, format, mapping, columns, password, state, dry_run, mail, rate, by_person,
	rows_done, rows_total, orders_done, errors_bytes, report, errors, failure, attempt, created_us, ended_us`

func (s *Service) scanImport(r db.Scanner) (i Import, err error) {
	var format, mapping, columns, password, report, wrong string
	var created, ended int64
	err = r.Scan(&i.ID, &i.ShopID, &i.FileName, &i.Bytes, &format, &mapping, &columns, &password, &i.State, &i.DryRun, &i.Mail, &i.Rate, &i.By,
		&i.Done, &i.Total, &i.groups, &i.errors, &report, &wrong, &i.Failure, &i.attempt, &created, &ended)
	if err != nil {
		return i, err
	}
	i.CreatedAt, i.EndedAt = db.Time(created), db.Time(ended)
	var m map[string]string
	if mapping != "" {
		err = json.Unmarshal([]byte(mapping), &m)
	}
	err = errors.Join(err, json.Unmarshal([]byte(format), &i.format), json.Unmarshal([]byte(columns), &i.Columns), json.Unmarshal([]byte(report), &i.Report), json.Unmarshal([]byte(wrong), &i.Report.Errors))
	if err == nil && password != "" {
		i.password, err = s.box.Open(password, "order_import/"+i.ID)
	}
	if err != nil {
		return i, fmt.Errorf("import %s: %w", i.ID, err)
	}
	i.layout, _ = readHeader(i.Columns, m)
	i.layout.line = i.format.Header
	return i, nil
}

// Import is an import of a shop; order.import_not_found when there is none.
func (s *Service) Import(ctx context.Context, shopID, id string) (Import, error) {
	i, err := s.scanImport(s.d.QueryRow(ctx, `SELECT `+importColumns+` FROM order_import WHERE shop_id = $1 AND id = $2`, shopID, id))
	if isMissing(err) {
		return i, errs.E(errs.NotFound, "order.import_not_found", nil)
	}
	return i, err
}

// Imports lists a shop's imports, newest first, before the id cursor when it
// is not empty.
func (s *Service) Imports(ctx context.Context, shopID, cursor string, limit int) ([]Import, error) {
	all, err := db.All(ctx, s.d, s.scanImport, `SELECT `+importColumns+` FROM order_import
		WHERE shop_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, shopID, before(cursor), limit)
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	return all, nil
}

// Err is why the import was refused whole, as an error; nil if it was not.
func (i Import) Err() error {
	if i.State != ImportFailed {
		return nil
	}
	switch i.Failure {
	case "order.internal":
		return errs.E(errs.Internal, "request.internal", nil, i.ID)
	case "order.too_many_rows":
		return errs.E(errs.TooLarge, i.Failure, nil, rowsMost)
	}
	return errs.E(errs.Invalid, i.Failure, nil)
}

// WaitImport is Import once it has ended or within has passed.
func (s *Service) WaitImport(ctx context.Context, shopID, id string, within time.Duration) (Import, error) {
	until := time.Now().Add(within)
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		i, err := s.Import(ctx, shopID, id)
		if err != nil || i.State.Ended() || time.Now().After(until) {
			return i, err
		}
		select {
		case <-ctx.Done():
			return i, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// Confirm writes the orders of an import whose dry run has ended. Errors:
// order.import_not_found, order.import_not_confirmable (409), which says the
// state.
func (s *Service) Confirm(ctx context.Context, shopID, id string, mail bool, rate float64) (Import, error) {
	n, err := s.d.Exec(ctx, `UPDATE order_import SET state = 'waiting', dry_run = FALSE, mail = $3, rate = $4, rows_done = 0, orders_done = 0,
		errors_bytes = 0, report = '{}', errors = '[]', ended_us = 0, lease_us = 0 WHERE shop_id = $1 AND id = $2 AND state = 'done' AND dry_run`, shopID, id, mail, rate)
	if err != nil {
		return Import{}, fmt.Errorf("confirm import %s: %w", id, err)
	}
	i, err := s.Import(ctx, shopID, id)
	if err == nil && n == 0 {
		return i, errs.E(errs.Conflict, "order.import_not_confirmable", nil).With("state", i.State)
	}
	s.poke()
	return i, err
}

// CancelImport stops an import; orders that it has written stay. Errors:
// order.import_not_found, order.import_ended (409).
func (s *Service) CancelImport(ctx context.Context, shopID, id string) (Import, error) {
	n, err := s.d.Exec(ctx, `UPDATE order_import SET state = 'cancelled', password = '', ended_us = $3
		WHERE shop_id = $1 AND id = $2 AND state IN ('waiting', 'running')`, shopID, id, db.US(s.o.Now()))
	if err != nil {
		return Import{}, fmt.Errorf("cancel import %s: %w", id, err)
	}
	i, err := s.Import(ctx, shopID, id)
	if err == nil && n == 0 {
		return i, errs.E(errs.Conflict, "order.import_ended", nil).With("state", i.State)
	}
	return i, err
}

// keepUploads is how long files and their reports are kept (design, 8).
const keepUploads = 30 * 24 * time.Hour

// Purge removes imports that are older than 30 days, their files first.
func (s *Service) Purge(ctx context.Context) error {
	ids, err := db.All(ctx, s.d, db.Value[string], `SELECT id FROM order_import WHERE created_us < $1 AND state NOT IN ('waiting', 'running')`,
		db.US(s.o.Now().Add(-keepUploads)))
	if err != nil {
		return fmt.Errorf("old imports: %w", err)
	}
	for _, id := range ids {
		if err := errors.Join(gone(s.fileOf(id)), gone(s.errorsOf(id))); err != nil {
			return err
		}
		if _, err := s.d.Exec(ctx, `DELETE FROM order_import WHERE id = $1`, id); err != nil {
			return fmt.Errorf("delete import %s: %w", id, err)
		}
	}
	return nil
}

func gone(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
