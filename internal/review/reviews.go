package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// Visibility is whether a review is shown.
type Visibility string

// The visibilities.
const (
	Pending   Visibility = "pending" // the shop has not looked yet
	Published Visibility = "published"
	Hidden    Visibility = "hidden"
)

// Review is what a customer says about one line of an order.
type Review struct {
	ID           string
	ShopID       string
	OrderID      string
	OrderName    string
	ExternalID   string // of the order
	Line         string
	ProductID    string
	Product      string
	Stars        int
	Text         string
	Author       string // as shown: "김*민"
	Lang         string
	State        Visibility
	Reply        string // the shop's answer
	Incentivised bool   // it was rewarded; said beside it
	Photos       []Photo
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

const reviewColumns = `id, shop_id, order_id, order_name, line, product_id, product, stars, body, author, lang, state, reply, incentivised, created_us, updated_us,
	coalesce((SELECT o.external_id FROM shop_order o WHERE o.id = review.order_id), '')`

func scanReview(r db.Scanner) (v Review, err error) {
	var created, updated int64
	err = r.Scan(&v.ID, &v.ShopID, &v.OrderID, &v.OrderName, &v.Line, &v.ProductID, &v.Product, &v.Stars, &v.Text, &v.Author, &v.Lang, &v.State,
		&v.Reply, &v.Incentivised, &created, &updated, &v.ExternalID)
	v.CreatedAt, v.UpdatedAt = db.Time(created), db.Time(updated)
	return v, err
}

// ReviewFilter picks reviews of a shop.
type ReviewFilter struct {
	State     Visibility
	ProductID string
	Stars     int // 0: any
	OrderID   string
}

// Reviews is a page of a shop's reviews, the newest first, before the id
// cursor when it is not empty, with their pictures.
func (s *Service) Reviews(ctx context.Context, shopID string, f ReviewFilter, cursor string, limit int) ([]Review, error) {
	if cursor == "" {
		cursor = "~"
	}
	where, args := "shop_id = $1 AND id < $2", []any{shopID, cursor}
	add := func(column string, v any) {
		args = append(args, v)
		where += " AND " + column + " = $" + strconv.Itoa(len(args))
	}
	if f.State != "" {
		if f.State != Pending && f.State != Published && f.State != Hidden {
			return nil, errs.InvalidField("state", "review.state_unknown", string(f.State))
		}
		add("state", string(f.State))
	}
	if f.ProductID != "" {
		add("product_id", f.ProductID)
	}
	if f.Stars != 0 {
		add("stars", f.Stars)
	}
	if f.OrderID != "" {
		add("order_id", f.OrderID)
	}
	args = append(args, limit)
	all, err := db.All(ctx, s.d, scanReview, `SELECT `+reviewColumns+` FROM review WHERE `+where+` ORDER BY id DESC LIMIT $`+strconv.Itoa(len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("list reviews: %w", err)
	}
	return all, s.illustrate(ctx, all)
}

func (s *Service) reviewsOf(ctx context.Context, q db.Queryer, shopID, orderID string) ([]Review, error) {
	all, err := db.All(ctx, q, scanReview, `SELECT `+reviewColumns+` FROM review WHERE shop_id = $1 AND order_id = $2 ORDER BY id`, shopID, orderID)
	if err != nil {
		return nil, fmt.Errorf("reviews of order %s: %w", orderID, err)
	}
	return all, nil
}

// Review is one review of a shop; review.review_not_found when there is none.
func (s *Service) Review(ctx context.Context, shopID, id string) (Review, error) {
	v, err := scanReview(s.d.QueryRow(ctx, `SELECT `+reviewColumns+` FROM review WHERE shop_id = $1 AND id = $2`, shopID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return v, errs.E(errs.NotFound, "review.review_not_found", nil)
	}
	if err != nil {
		return v, fmt.Errorf("review %s: %w", id, err)
	}
	one := []Review{v}
	err = s.illustrate(ctx, one)
	return one[0], err
}

// Moderate shows or hides a review. A reason is wanted, and logged with who:
// hiding only what displeases is not allowed (표시광고법), so that one can be
// asked for it.
func (s *Service) Moderate(ctx context.Context, shopID, id string, to Visibility, actor, why string) (Review, error) {
	why = strings.TrimSpace(why)
	switch {
	case to != Published && to != Hidden:
		return Review{}, errs.InvalidField("state", "review.state_unknown", string(to))
	case to == Hidden && why == "":
		return Review{}, errs.InvalidField("why", "review.why_missing")
	case utf8.RuneCountInString(why) > 500:
		return Review{}, errs.InvalidField("why", "review.setting.too_long", 500)
	}
	err := s.d.InTx(ctx, func(tx *db.Tx) error {
		at := s.now()
		n, err := tx.Exec(ctx, `UPDATE review SET state = $3, updated_us = $4 WHERE shop_id = $1 AND id = $2 AND state <> $3`, shopID, id, string(to), db.US(at))
		if err != nil {
			return fmt.Errorf("moderate review %s: %w", id, err)
		}
		if n == 0 {
			return nil // it is so already, or there is none: read below
		}
		return logReview(ctx, tx, id, to, actor, why, at)
	})
	if err != nil {
		return Review{}, err
	}
	return s.Review(ctx, shopID, id)
}

// Answer writes the shop's answer below a review; an empty text removes it.
func (s *Service) Answer(ctx context.Context, shopID, id, text, actor string) (Review, error) {
	if text = clean(strings.TrimSpace(text)); utf8.RuneCountInString(text) > reviewMax {
		return Review{}, errs.InvalidField("reply", "review.text_too_long", reviewMax)
	}
	err := s.d.InTx(ctx, func(tx *db.Tx) error {
		at := s.now()
		var state Visibility
		err := tx.QueryRow(ctx, `UPDATE review SET reply = $3, updated_us = $4 WHERE shop_id = $1 AND id = $2 RETURNING state`, shopID, id, text, db.US(at)).Scan(&state)
		if errors.Is(err, sql.ErrNoRows) {
			return errs.E(errs.NotFound, "review.review_not_found", nil)
		}
		if err != nil {
			return fmt.Errorf("answer review %s: %w", id, err)
		}
		return logReview(ctx, tx, id, state, actor, "↩ "+text, at)
	})
	if err != nil {
		return Review{}, err
	}
	return s.Review(ctx, shopID, id)
}

// ModerationRow is a line of a review's log.
type ModerationRow struct {
	State Visibility
	Actor string // empty: the customer
	Why   string
	At    time.Time
}

// ReviewLog is what was done to a review, the oldest first.
func (s *Service) ReviewLog(ctx context.Context, shopID, id string) ([]ModerationRow, error) {
	if _, err := s.Review(ctx, shopID, id); err != nil {
		return nil, err
	}
	all, err := db.All(ctx, s.d, func(r db.Scanner) (v ModerationRow, err error) {
		var at int64
		err = r.Scan(&v.State, &v.Actor, &v.Why, &at)
		v.At = db.Time(at)
		return v, err
	}, `SELECT state, actor, why, at_us FROM review_log WHERE review_id = $1 ORDER BY seq`, id)
	if err != nil {
		return nil, fmt.Errorf("log of review %s: %w", id, err)
	}
	return all, nil
}

func logReview(ctx context.Context, tx *db.Tx, id string, state Visibility, actor, why string, at time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO review_log (review_id, seq, state, actor, why, at_us)
		SELECT $1, coalesce(max(seq), 0) + 1, $2, $3, $4, $5 FROM review_log WHERE review_id = $1`, id, string(state), actor, clean(why), db.US(at))
	if err != nil {
		return fmt.Errorf("log review %s: %w", id, err)
	}
	return nil
}

// Rating is what a product's published reviews come to.
type Rating struct {
	Count   int
	Average float64 // 1 to 5; 0 without reviews
	Stars   [5]int  // how many of one star, two, …
}

// Rating of a product, or of the whole shop when productID is empty.
func (s *Service) Rating(ctx context.Context, shopID, productID string) (v Rating, err error) {
	rows, err := db.All(ctx, s.d, func(r db.Scanner) (n [2]int, err error) {
		err = r.Scan(&n[0], &n[1])
		return n, err
	}, `SELECT stars, count(*) FROM review WHERE shop_id = $1 AND state = 'published' AND ($2 = '' OR product_id = $2) GROUP BY stars`, shopID, productID)
	if err != nil {
		return v, fmt.Errorf("rating: %w", err)
	}
	sum := 0
	for _, n := range rows {
		v.Stars[n[0]-1] = n[1]
		v.Count += n[1]
		sum += n[0] * n[1]
	}
	if v.Count > 0 {
		v.Average = float64(sum) / float64(v.Count)
	}
	return v, nil
}
