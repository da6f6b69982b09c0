package order

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"imreport/internal/db"
	"imreport/internal/errs"
)

// row is an order as stored.
type row struct {
	id, shopID, externalID string
	rev                    int64 // 0: not stored yet
	parts                  parts
}

const rowColumns = `id, shop_id, external_id, rev, parts`

func scanRow(r db.Scanner) (w row, err error) {
	var raw string
	if err = r.Scan(&w.id, &w.shopID, &w.externalID, &w.rev, &raw); err != nil {
		return w, err
	}
	if err = json.Unmarshal([]byte(raw), &w.parts); err != nil {
		err = fmt.Errorf("order %s: %w", w.id, err)
	}
	return w, err
}

func scanOrder(r db.Scanner) (Order, error) {
	w, err := scanRow(r)
	return w.order(), err
}

// Get is an order of a shop by its ID or its ExternalID; order.not_found when
// there is none.
func (s *Service) Get(ctx context.Context, shopID, id string) (Order, error) {
	return one(scanOrder(s.d.QueryRow(ctx, `SELECT `+rowColumns+` FROM shop_order
		WHERE shop_id = $1 AND (id = $2 OR external_id = $2) AND source <> ''`, shopID, id)))
}

// ByID is an order by its ID, whatever its shop. q is an open transaction; nil
// reads outside of one.
func (s *Service) ByID(ctx context.Context, q db.Queryer, id string) (Order, error) {
	if q == nil {
		q = s.d
	}
	return one(scanOrder(q.QueryRow(ctx, `SELECT `+rowColumns+` FROM shop_order WHERE id = $1`, id)))
}

// ByIDs are several orders by their IDs, in no order; what does not exist is
// left out. At most 500 ids.
func (s *Service) ByIDs(ctx context.Context, q db.Queryer, ids []string) (map[string]Order, error) {
	out := make(map[string]Order, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	if q == nil {
		q = s.d
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	all, err := db.All(ctx, q, scanOrder, `SELECT `+rowColumns+` FROM shop_order WHERE id IN (`+db.Params(1, len(ids))+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("orders: %w", err)
	}
	for _, o := range all {
		out[o.ID] = o
	}
	return out, nil
}

func one(o Order, err error) (Order, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return o, errs.E(errs.NotFound, "order.not_found", nil)
	}
	if err != nil {
		return o, fmt.Errorf("order: %w", err)
	}
	return o, nil
}

// List lists a shop's orders, the newest order first. cursor is what the last
// page returned as next; empty for the first page. next is empty at the end.
func (s *Service) List(ctx context.Context, shopID string, f Filter, cursor string, limit int) (page []Order, next string, err error) {
	where, args := []string{"shop_id = $1", "source <> ''"}, []any{shopID}
	add := func(text string, v ...any) {
		for _, a := range v {
			args = append(args, a)
			text = strings.Replace(text, "?", "$"+strconv.Itoa(len(args)), 1)
		}
		where = append(where, text)
	}
	if cursor != "" {
		at, id, ok := strings.Cut(cursor, "~")
		us, err := strconv.ParseInt(at, 10, 64)
		if !ok || err != nil {
			return nil, "", errs.InvalidField("cursor", "order.cursor.malformed")
		}
		add("(created_us, id) < (?, ?)", us, id)
	}
	if !f.Gone {
		where = append(where, "NOT gone")
	}
	if f.Source != "" {
		add("source = ?", string(f.Source))
	}
	if f.Status != "" {
		add("status = ?", f.Status)
	}
	if q := strings.TrimSpace(f.Search); q != "" {
		like := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(q)) + "%"
		add(`(lower(name) LIKE ? ESCAPE '\' OR lower(email) LIKE ? ESCAPE '\' OR external_id = ?)`, like, like, q)
	}
	args = append(args, limit+1)
	page, err = db.All(ctx, s.d, scanOrder, `SELECT `+rowColumns+` FROM shop_order WHERE `+strings.Join(where, " AND ")+
		` ORDER BY created_us DESC, id DESC LIMIT $`+strconv.Itoa(len(args)), args...)
	if err != nil {
		return nil, "", fmt.Errorf("list orders: %w", err)
	}
	if len(page) > limit {
		page = page[:limit]
		last := page[limit-1]
		next = strconv.FormatInt(db.US(last.CreatedAt), 10) + "~" + last.ID
	}
	return page, next, nil
}
