package order

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"imreport/internal/db"
	"imreport/internal/seal"
	"imreport/internal/shop"
)

// Options of a Service.
type Options struct {
	// Dir is where uploads are kept for 30 days; processes share it.
	Dir string
	// Process names this process, for the leases of imports.
	Process string
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: silent
}

// Service keeps the orders of all shops.
type Service struct {
	d     *db.DB
	shops *shop.Service
	box   *seal.Box
	o     Options

	listeners []Listener
	erasers   []EraseListener
	mailable  Mailable

	wake chan struct{} // an import waits
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// New makes a Service. Register listeners, then Start it.
func New(d *db.DB, shops *shop.Service, box *seal.Box, o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{d: d, shops: shops, box: box, o: o, wake: make(chan struct{}, 1)}
}

// OnChange adds a listener. Call it before Start.
func (s *Service) OnChange(fn Listener) { s.listeners = append(s.listeners, fn) }

// OnErase adds a listener. Call it before Start.
func (s *Service) OnErase(fn EraseListener) { s.erasers = append(s.erasers, fn) }

// Mailable counts which of some orders of one shop would be mailed if they
// were live, for the preview of an import; skipped counts the others by
// reason. It only reads. The orders need not be stored yet.
type Mailable func(ctx context.Context, shopID string, orders []Order) (would int, skipped map[string]int, err error)

// SetMailable says who judges previews. Call it before Start.
func (s *Service) SetMailable(fn Mailable) { s.mailable = fn }
