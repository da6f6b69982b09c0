package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"imreport/internal/config"
	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/incident"
	"imreport/internal/jobs"
	"imreport/internal/order"
	"imreport/internal/review"
	"imreport/internal/shop"
	"imreport/internal/web/shopapi"
)

// TakeBounce takes a bounce or complaint, as the mail that it came as, beside
// a server that may be running. The error shopapi.no_report says that the mail
// is neither.
func TakeBounce(ctx context.Context, c config.Store, raw []byte) (t review.Taken, err error) {
	if c.DatabaseURL == "" {
		if _, err := os.Stat(filepath.Join(c.Data, "imreport.db")); errors.Is(err, os.ErrNotExist) {
			return t, errs.E(errs.Conflict, "workspace.none", nil)
		}
	}
	d, err := db.Open(ctx, db.Options{URL: c.DatabaseURL, Dir: c.Data, Shared: true})
	if err != nil {
		return t, err
	}
	defer func() { _ = d.Close() }()
	if current, err := d.Current(ctx); err != nil {
		return t, err
	} else if !current {
		return t, errs.E(errs.Conflict, "cli.schema_old", nil)
	}
	box, err := openBox(ctx, c, d, true)
	if err != nil {
		return t, err
	}
	shops := shop.New(d, box, shop.Options{})
	reviews := review.New(d, box, shops, order.New(d, shops, box, order.Options{}),
		review.Options{Incidents: incident.New(d, jobs.New(d, jobs.Options{}), nil)})
	return shopapi.TakeBounce(ctx, reviews, raw)
}
