package order

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// PrivacyKind is what a privacy request asks for.
type PrivacyKind string

// The kinds.
const (
	DataRequest    PrivacyKind = "data_request"    // the merchant hands over what is kept
	RedactCustomer PrivacyKind = "redact_customer" // done by itself
	RedactShop     PrivacyKind = "redact_shop"     // done by itself
)

// PrivacyWithin is how long privacy law, as Shopify puts it, gives.
const PrivacyWithin = 30 * 24 * time.Hour

// PrivacyRequest is a request under privacy law.
type PrivacyRequest struct {
	ID         string
	ShopID     string
	Kind       PrivacyKind
	Email      string // empty once it is done
	CustomerID string
	Orders     []string // external ids
	ReceivedAt time.Time
	DoneAt     time.Time // zero: open
}

// AddPrivacyRequest notes a request.
func (s *Service) AddPrivacyRequest(ctx context.Context, tx *db.Tx, r PrivacyRequest) (id string, err error) {
	orders, _ := json.Marshal(append([]string{}, r.Orders...)) // strings always marshal
	id = db.NewID()
	_, err = tx.Exec(ctx, `INSERT INTO privacy_request (id, shop_id, kind, email, customer_id, orders, received_us, done_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`, id, r.ShopID, string(r.Kind), r.Email, r.CustomerID, string(orders), db.US(r.ReceivedAt))
	if err != nil {
		return "", fmt.Errorf("privacy request: %w", err)
	}
	return id, nil
}

// EndPrivacyRequest notes that a request was met; its address is forgotten.
// order.privacy_not_found when there is no such request.
func (s *Service) EndPrivacyRequest(ctx context.Context, shopID, id string, at time.Time) error {
	n, err := s.d.Exec(ctx, `UPDATE privacy_request SET done_us = $3, email = '' WHERE shop_id = $1 AND id = $2 AND done_us = 0`, shopID, id, db.US(at))
	if err == nil && n == 0 {
		return errs.E(errs.NotFound, "order.privacy_not_found", nil)
	}
	return err
}

// PrivacyRequests lists a shop's requests, newest first, before the id cursor
// when it is not empty.
func (s *Service) PrivacyRequests(ctx context.Context, shopID, cursor string, limit int) ([]PrivacyRequest, error) {
	all, err := db.All(ctx, s.d, func(r db.Scanner) (p PrivacyRequest, err error) {
		var orders string
		var received, done int64
		if err = r.Scan(&p.ID, &p.ShopID, &p.Kind, &p.Email, &p.CustomerID, &orders, &received, &done); err != nil {
			return p, err
		}
		p.ReceivedAt, p.DoneAt = db.Time(received), db.Time(done)
		return p, json.Unmarshal([]byte(orders), &p.Orders)
	}, `SELECT id, shop_id, kind, email, customer_id, orders, received_us, done_us FROM privacy_request
		WHERE shop_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, shopID, before(cursor), limit)
	if err != nil {
		return nil, fmt.Errorf("privacy requests: %w", err)
	}
	return all, nil
}

// before is the id that a page of a list begins below: every id when cursor is
// empty.
func before(cursor string) string {
	if cursor == "" {
		return "~"
	}
	return cursor
}
