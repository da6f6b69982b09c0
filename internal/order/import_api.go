package order

import (
	"context"
	"io"
	"time"

	"imreport/internal/errs"
)

// Upload takes a file for a shop and sets its import going.
func (s *Service) Upload(ctx context.Context, shopID string, r io.Reader, o UploadOptions) (Import, error) {
	return Import{}, errs.E(errs.Unavailable, "order.import_unavailable", nil)
}

// Confirm writes the orders of an import that was previewed.
func (s *Service) Confirm(ctx context.Context, shopID, id string, mail bool, rate float64) (Import, error) {
	return Import{}, errs.E(errs.Unavailable, "order.import_unavailable", nil)
}

// CancelImport stops an import; what it has written stays.
func (s *Service) CancelImport(ctx context.Context, shopID, id string) (Import, error) {
	return Import{}, errs.E(errs.Unavailable, "order.import_unavailable", nil)
}

// Import is an import of a shop; order.import_not_found when there is none.
func (s *Service) Import(ctx context.Context, shopID, id string) (Import, error) {
	return Import{}, errs.E(errs.NotFound, "order.import_not_found", nil)
}

// WaitImport is Import once it has ended or within has passed.
func (s *Service) WaitImport(ctx context.Context, shopID, id string, within time.Duration) (Import, error) {
	return s.Import(ctx, shopID, id)
}

// Imports lists a shop's imports, newest first, before the id cursor when it
// is not empty.
func (s *Service) Imports(ctx context.Context, shopID, cursor string, limit int) ([]Import, error) {
	return nil, nil
}

// ErrorFile writes the refused rows of an import as CSV, personal data masked.
func (s *Service) ErrorFile(ctx context.Context, shopID, id string, w io.Writer) error {
	return errs.E(errs.NotFound, "order.import_not_found", nil)
}

// Start begins the work on imports and the purge of old uploads, until Stop.
func (s *Service) Start(ctx context.Context) error { return nil }

// Stop ends the work; an import under way goes on at the next start.
func (s *Service) Stop(ctx context.Context) error { return nil }
