package orders

import (
	"context"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/review"
)

// List is how long pages of a long list of messages take.
type List struct {
	Messages int        `json:"messages"`
	Pages    []ListPage `json:"pages"`
}

// ListPage is one kind of page.
type ListPage struct {
	What  string        `json:"what"`
	Times int           `json:"times"`
	Worst time.Duration `json:"worst_ns"`
	Rows  int           `json:"rows"`
}

// list fills the table of messages and turns pages of it.
func (h *house) list(ctx context.Context, o Options) (*List, error) {
	reviews, err := reviewsOn(h.d, review.Options{})
	if err != nil {
		return nil, err
	}
	middle, err := h.fill(ctx, o.List)
	if err != nil {
		return nil, err
	}
	if h.d.Dialect() == db.Postgres {
		if _, err := h.d.Exec(ctx, `ANALYZE message`); err != nil {
			return nil, err
		}
	}
	v := &List{Messages: o.List}
	for _, p := range []struct {
		what   string
		f      review.Filter
		cursor string
	}{
		{what: "first page"},
		{what: "page in the middle", cursor: middle},
		{what: "one state", f: review.Filter{States: []review.State{review.Skipped}}, cursor: middle},
		{what: "a rare state", f: review.Filter{States: []review.State{review.Unknown}}},
		{what: "several states", f: review.Filter{States: []review.State{review.Scheduled, review.Queued, review.Failed}}},
		{what: "search by order name", f: review.Filter{Search: "#500"}},
		{what: "search by address", f: review.Filter{Search: "nobody@example.com"}},
	} {
		x := ListPage{What: p.what, Times: 20}
		for range x.Times {
			began := time.Now()
			rows, err := reviews.List(ctx, h.shop.ID, p.f, p.cursor, 100)
			if err != nil {
				return nil, err
			}
			x.Worst, x.Rows = max(x.Worst, time.Since(began)), len(rows)
		}
		v.Pages = append(v.Pages, x)
	}
	began := time.Now()
	if _, err := reviews.Counts(ctx, h.shop.ID); err != nil {
		return nil, err
	}
	v.Pages = append(v.Pages, ListPage{What: "counts of all states", Times: 1, Worst: time.Since(began)})
	return v, nil
}

// fill inserts n messages: mostly sent, some of every state. It returns the id
// of one in the middle.
func (h *house) fill(ctx context.Context, n int) (middle string, err error) {
	const batch = 2000
	now := time.Now().Add(-time.Duration(n) * time.Second)
	for from := 0; from < n; from += batch {
		err := h.d.InTx(ctx, func(tx *db.Tx) error {
			for i := from; i < min(n, from+batch); i++ {
				id, at := db.NewID(), db.US(now.Add(time.Duration(i)*time.Second))
				state, sent := "sent", at
				switch {
				case i%10_000 == 5000:
					state, sent = "unknown", 0
				case i%100 < 5:
					state, sent = "skipped", 0
				case i%100 < 8:
					state, sent = "scheduled", 0
				case i%100 == 99:
					state, sent = "failed", 0
				}
				_, err := tx.Exec(ctx, `INSERT INTO message (id, shop_id, order_id, kind, seq, state, reason, reason_args, asked, clock_us, due_us, attempts, first_us,
						attempt_id, lease_us, addr_hash, addr_masked, order_name, external_id, find, sent_us, reply, bounce, created_us, updated_us)
					VALUES ($1, $2, $3, 'review_request', 0, $4, '', '[]', 0, $5, $5, 1, $5, '', 0, $6, 'c***@example.com', $7, $8, $9, $10, '', '', $5, $5)`,
					id, h.shop.ID, fmt.Sprintf("o%d", i), state, at, fmt.Sprintf("h%d", i), fmt.Sprintf("#%d", i), fmt.Sprint(5_550_000_000_000+i), fmt.Sprint(i), sent)
				if err != nil {
					return err
				}
				if i == n/2 {
					middle = id
				}
			}
			return nil
		})
		if err != nil {
			return "", err
		}
	}
	return middle, nil
}
