package review

import (
	"context"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/i18n"
	"imreport/internal/order"
	"imreport/internal/shop"
)

// AskedAlready is the reason of a previewed order that has its request.
const AskedAlready Reason = "asked_already"

// mailablePart bounds the orders that are looked up at once.
const mailablePart = 200

// Mailable counts which of some orders of a shop would be mailed if they were
// live; it is an order.Mailable. Two orders of one person count once where the
// cool-down is on. It asks the database a handful of questions per 200 orders,
// because files have a million.
func (s *Service) Mailable(ctx context.Context, shopID string, orders []order.Order) (would int, skipped map[string]int, err error) {
	skipped = map[string]int{}
	sh, err := s.shops.ByID(ctx, nil, shopID)
	if err != nil {
		return 0, nil, err
	}
	set, err := settings(ctx, s.d, shopID)
	if err != nil {
		return 0, nil, err
	}
	p := &preview{s: s, shop: sh, set: set, at: s.now(), ad: map[i18n.Lang]bool{}, seen: map[string]bool{}}
	for len(orders) > 0 {
		n := min(len(orders), mailablePart)
		if err := p.load(ctx, orders[:n]); err != nil {
			return 0, nil, err
		}
		for _, o := range orders[:n] {
			r, err := p.judge(ctx, o)
			if err != nil {
				return 0, nil, err
			}
			if r == "" {
				would++
			} else {
				skipped[string(r)]++
			}
		}
		orders = orders[n:]
	}
	return would, skipped, nil
}

// preview is what a file's orders are judged in.
type preview struct {
	s    *Service
	shop shop.Shop
	set  Settings
	at   time.Time
	ad   map[i18n.Lang]bool // by language: the mail is advertising
	seen map[string]bool    // people of this file who would be asked

	suppressed map[string]string // by address: why
	asked      map[string]int64  // by address: when
	written    map[string]bool   // by order
	has        map[string]bool   // by order: a request that is not skipped
}

type pair[V any] struct {
	key string
	v   V
}

func lookup[V any](ctx context.Context, q db.Queryer, query string, args ...any) (map[string]V, error) {
	all, err := db.All(ctx, q, func(r db.Scanner) (p pair[V], err error) {
		err = r.Scan(&p.key, &p.v)
		return p, err
	}, query, args...)
	out := make(map[string]V, len(all))
	for _, p := range all {
		out[p.key] = p.v
	}
	return out, err
}

// load reads what is known of some orders and their people.
func (p *preview) load(ctx context.Context, orders []order.Order) (err error) {
	ids, people := []any{p.shop.ID}, []any{p.shop.ID}
	for _, o := range orders {
		if o.ID != "" {
			ids = append(ids, o.ID)
		}
		if h := p.s.hash(o.Email); h != "" {
			people = append(people, h)
		}
	}
	d := p.s.d
	p.suppressed, p.asked, p.written, p.has = nil, nil, nil, nil
	if n := len(people) - 1; n > 0 {
		in := db.Params(2, n)
		p.suppressed, err = lookup[string](ctx, d, `SELECT addr_hash, why FROM suppression WHERE shop_id IN ($1, '') AND addr_hash IN (`+in+`)
			AND (until_us = 0 OR until_us > `+fmt.Sprintf("$%d", n+2)+`)`, append(people, db.US(p.at))...)
		if err == nil {
			p.asked, err = lookup[int64](ctx, d, `SELECT addr_hash, asked_us FROM contact WHERE shop_id = $1 AND addr_hash IN (`+in+`)`, people...)
		}
	}
	if n := len(ids) - 1; n > 0 && err == nil {
		in := db.Params(2, n)
		p.written, err = lookup[bool](ctx, d, `SELECT order_id, submitted_us > 0 FROM review_form WHERE shop_id = $1 AND order_id IN (`+in+`)`, ids...)
		if err == nil {
			p.has, err = lookup[bool](ctx, d, `SELECT DISTINCT order_id, 1 = 1 FROM message
				WHERE shop_id = $1 AND order_id IN (`+in+`) AND kind = 'review_request' AND state <> 'skipped'`, ids...)
		}
	}
	if err != nil {
		return fmt.Errorf("preview of mails: %w", err)
	}
	return nil
}

// judge is why an order's customer would not be asked; empty: they would.
func (p *preview) judge(ctx context.Context, o order.Order) (Reason, error) {
	l := langOf(p.shop, o)
	ad, known := p.ad[l]
	if !known {
		t, err := template(ctx, p.s.d, p.shop, l, Request)
		if err != nil {
			return "", err
		}
		ad = t.Mode == Ad
		p.ad[l] = ad
	}
	hash := p.s.hash(o.Email)
	o.Live = true
	v := Judge(Facts{Order: o, SuppressedBy: p.suppressed[hash], Reviewed: p.written[o.ID], Asked: 1, Kind: Request, MaxAge: p.shop.MaxOrderAge,
		Uninstalled: !p.shop.UninstalledAt.IsZero(), Ad: ad, OptOutTag: p.set.OptOutTag, Judged: p.at})
	asked := p.asked[hash]
	switch {
	case !v.OK:
		return v.Reason, nil
	case p.has[o.ID]:
		return AskedAlready, nil
	case p.shop.Cooldown > 0 && (p.seen[hash] || asked > 0 && p.at.Sub(db.Time(asked)) < p.shop.Cooldown):
		return InCooldown, nil
	}
	p.seen[hash] = true
	return "", nil
}
