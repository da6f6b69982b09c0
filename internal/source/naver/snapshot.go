package naver

import (
	"context"
	"fmt"
	"time"

	"imreport/internal/archive"
	"imreport/internal/db"
)

// namesReport is under what the archive keeps a customer's names.
const namesReport = "@names"

// snapshot is the stored names of a customer.
type snapshot struct {
	names   *names
	version string // "" when none is stored
	at      time.Time
}

// names reads a customer's names; only ids for which want is true, all for nil.
// A snapshot that cannot be read any more counts as none: it is read anew from
// Naver.
func (s *Source) names(ctx context.Context, customer string, want func(id string) bool) (snapshot, error) {
	p, ok, err := s.o.Archive.Get(ctx, namesKey(customer))
	if err != nil || !ok {
		return snapshot{names: newNames()}, err
	}
	r, err := s.o.Archive.Rows(ctx, p, namesSchema)
	if err == nil {
		defer func() { _ = r.Close() }()
		var n *names
		if n, err = readNames(r, want); err == nil {
			return snapshot{n, p.ID, p.StoredAt}, nil
		}
	}
	if archive.IsDamaged(err) {
		s.o.Log.ErrorContext(ctx, "names cannot be read any more and are fetched anew", "customer", customer, "error", err)
		return snapshot{names: newNames(), version: p.ID}, nil
	}
	return snapshot{}, fmt.Errorf("names of customer %s: %w", customer, err)
}

// saveNames stores the names, merged with what others have stored since it was read.
func (s *Source) saveNames(ctx context.Context, customer string, snap *snapshot, guard func(context.Context, *db.Tx) error) error {
	for {
		p, err := s.o.Archive.PutIf(ctx, archive.Draft{
			Key: namesKey(customer), Schema: namesSchema, At: s.o.Now(), Guard: guard,
			Write: func(w *archive.Writer) error { return drain(snap.names.rows(), w.Write) },
		}, snap.version)
		if err == nil {
			snap.version, snap.at = p.ID, p.StoredAt
			return nil
		}
		if !archive.IsChanged(err) {
			return err
		}
		newer, err := s.names(ctx, customer, nil)
		if err != nil {
			return err
		}
		snap.names.merge(newer.names)
		snap.version = newer.version
	}
}

func namesKey(customer string) archive.Key {
	return archive.Key{Platform: Platform, CustomerID: customer, Report: namesReport}
}
