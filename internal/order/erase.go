package order

import (
	"context"
	"time"

	"imreport/internal/db"
)

// Erasure is a privacy request at work: what listeners have to forget.
type Erasure struct {
	ShopID string
	// Email is the normalised address; empty when the whole shop is erased or
	// only orders were named.
	Email string
	// OrderIDs are the orders (Order.ID) that became tombstones.
	OrderIDs []string
	// Shop: everything of the shop.
	Shop bool
	At   time.Time
}

// EraseListener is told of an erasure inside its transaction.
type EraseListener func(ctx context.Context, tx *db.Tx, e Erasure) error

// EraseRequest says whose data goes: one address, or named orders with it.
type EraseRequest struct {
	Email       string
	ExternalIDs []string
	Shop        bool // everything
}

// Erase makes tombstones of a customer's orders and tells the listeners.
func (s *Service) Erase(ctx context.Context, tx *db.Tx, shopID string, r EraseRequest, at time.Time) (Erasure, error) {
	return Erasure{}, nil
}

// Export is all that is kept of a customer's orders.
func (s *Service) Export(ctx context.Context, shopID, email string) ([]Order, error) {
	return nil, nil
}

// Apply takes one event inside a transaction and tells the listeners of what
// changed.
func (s *Service) Apply(ctx context.Context, tx *db.Tx, e Event) (Result, error) {
	return Result{}, nil
}

// Start begins the work on imports and the purge of old uploads, until Stop.
func (s *Service) Start(ctx context.Context) error { return nil }

// Stop ends the work; an import under way goes on at the next start.
func (s *Service) Stop(ctx context.Context) error { return nil }

// NormalEmail is the form in which addresses are kept and compared: trimmed,
// the domain in lower case. Empty for what is no address.
func NormalEmail(v string) string { return v }
