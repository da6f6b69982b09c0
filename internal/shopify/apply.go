package shopify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"imreport/internal/db"
	"imreport/internal/order"
)

const (
	// sweepAfter is how long the process that took a webhook has to apply it,
	// before any process's sweep does: 2xx means in force within 5 s.
	sweepAfter = 3 * time.Second
	sweepEvery = time.Second
	sweepLease = 30 * time.Second
	sweepMost  = 200

	applyMost = 200 // webhooks in one transaction
	// waitingMost bounds what waits in memory; the sweep has the rest.
	waitingMost  = 20_000
	waitingBytes = 64 << 20
)

// applier applies what was received, in this process, right after the commit.
// It works while there is something to do.
type applier struct {
	apply func(context.Context, []*receipt)

	mu    sync.Mutex
	queue []*receipt
	bytes int
	busy  bool
	wg    sync.WaitGroup
}

// add queues the fresh receipts that have something to apply.
func (a *applier) add(part []*receipt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range part {
		if !r.fresh || r.applied || r.problem != "" || len(a.queue) >= waitingMost || a.bytes >= waitingBytes {
			continue
		}
		a.queue = append(a.queue, r)
		a.bytes += len(r.body)
	}
	if len(a.queue) > 0 && !a.busy {
		a.busy = true
		a.wg.Go(a.work)
	}
}

func (a *applier) work() {
	for {
		a.mu.Lock()
		part := a.queue[:min(len(a.queue), applyMost)]
		a.queue = a.queue[len(part):]
		for _, r := range part {
			a.bytes -= len(r.body)
		}
		if len(part) == 0 {
			a.busy, a.queue = false, nil
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		a.apply(context.Background(), part)
	}
}

// applyPart applies receipts together and, when that fails, one by one, so
// that a bad one holds nobody up.
func (s *Service) applyPart(ctx context.Context, part []*receipt) {
	ctx, stop := context.WithTimeout(ctx, sweepLease)
	defer stop()
	var together []*receipt
	for _, r := range part {
		if r.news.Privacy != nil {
			s.failed(ctx, r, s.applyPrivacy(ctx, r))
			continue
		}
		together = append(together, r)
	}
	if len(together) == 0 {
		return
	}
	err := s.applyTogether(ctx, together)
	if err == nil || ctx.Err() != nil {
		return // what is left, the sweep takes
	}
	for _, r := range together {
		s.failed(ctx, r, s.applyTogether(ctx, []*receipt{r}))
	}
}

func (s *Service) applyTogether(ctx context.Context, part []*receipt) error {
	now := s.o.Now()
	var events []order.Event
	ids := make([]string, 0, len(part))
	shops, ask := map[string]time.Time{}, map[string]bool{}
	for _, r := range part {
		ids = append(ids, r.id)
		shops[r.shopID] = r.at
		ask[r.shopID] = ask[r.shopID] || r.news.Ask
		if e := r.news.Event; e != nil {
			e := *e
			e.ShopID, e.Origin = r.shopID, order.Origin{Source: order.Webhook, Live: true, Topic: r.topic, At: r.at}
			events = append(events, e)
		}
	}
	heard := s.unheard(shops, now)
	err := s.d.InTx(ctx, func(tx *db.Tx) error {
		if len(events) > 0 {
			if _, err := s.orders.ApplyAll(ctx, tx, events); err != nil {
				return err
			}
		}
		for _, r := range part {
			if r.news.Uninstalled {
				at := r.at
				if fired := nanos(r.triggered); fired != 0 {
					at = time.Unix(0, fired)
				}
				if err := s.shops.Uninstalled(ctx, tx, r.shopID, at); err != nil {
					return err
				}
			}
		}
		for id, at := range heard {
			if err := s.shops.Heard(ctx, tx, id, at); err != nil {
				return err
			}
		}
		for id, yes := range ask {
			if !yes {
				continue
			}
			if err := s.shops.ReconcileSoon(ctx, tx, id, now.Add(askAfter)); err != nil {
				return err
			}
		}
		bind := s.d.Bind()
		_, err := tx.Exec(ctx, `UPDATE inbox SET applied_us = `+bind.Add(db.US(now))+` WHERE id `+bind.In(ids), bind.Args...)
		if err != nil {
			return fmt.Errorf("mark applied: %w", err)
		}
		s.o.Step(StepApplying)
		return nil
	})
	if err == nil {
		s.o.Step(StepApplied)
	}
	return err
}

// askAfter is when the Admin API is asked about a change that a webhook told
// only by half; others of the same moment come meanwhile.
const askAfter = 10 * time.Second

// unheard leaves those shops whose last webhook was noted a minute ago or more.
func (s *Service) unheard(shops map[string]time.Time, now time.Time) map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]time.Time{}
	for id, at := range shops {
		if now.Sub(s.heard[id]) >= time.Minute {
			s.heard[id], out[id] = now, at
		}
	}
	return out
}

// applyPrivacy meets a privacy request. Erasing is done in parts and marked
// last: a crash repeats it, which changes nothing more.
func (s *Service) applyPrivacy(ctx context.Context, r *receipt) error {
	p := r.news.Privacy
	now := s.o.Now()
	if p.Kind != order.DataRequest {
		e := order.EraseRequest{Email: p.Email, ExternalIDs: p.Orders, Shop: p.Kind == order.RedactShop}
		if e.Shop || e.Email != "" || len(e.ExternalIDs) > 0 {
			if _, err := s.orders.Erase(ctx, r.shopID, e, now); err != nil {
				return err
			}
		}
	}
	return s.d.InTx(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE inbox SET applied_us = $1 WHERE id = $2 AND applied_us = 0`, db.US(now), r.id)
		if err != nil || n == 0 {
			return err
		}
		if p.Kind != order.DataRequest {
			// What it says about the person goes with the person.
			if _, err := tx.Exec(ctx, `UPDATE inbox SET body = '', packed = FALSE WHERE id = $1`, r.id); err != nil {
				return err
			}
			return s.forgetBodies(ctx, tx, r.shopID, p)
		}
		_, err = s.orders.AddPrivacyRequest(ctx, tx, order.PrivacyRequest{ShopID: r.shopID, Kind: p.Kind, Email: p.Email,
			CustomerID: p.CustomerID, Orders: p.Orders, ReceivedAt: r.at})
		return err
	})
}

// forgetBodies empties the stored webhooks that name an erased person.
func (s *Service) forgetBodies(ctx context.Context, tx *db.Tx, shopID string, p *Privacy) error {
	if p.Kind == order.RedactShop {
		_, err := tx.Exec(ctx, `UPDATE inbox SET body = '', packed = FALSE WHERE shop_id = $1 AND applied_us > 0`, shopID)
		return err
	}
	var like []string
	if p.Email != "" {
		like = append(like, p.Email)
	}
	for _, id := range p.Orders {
		like = append(like, `"id":`+id, `"id": `+id, `"order_id":`+id, `"order_id": `+id)
	}
	for _, word := range like {
		if _, err := tx.Exec(ctx, `UPDATE inbox SET body = '', packed = FALSE WHERE shop_id = $1 AND applied_us > 0 AND body LIKE $2 ESCAPE '\'`,
			shopID, "%"+likeText.Replace(word)+"%"); err != nil {
			return fmt.Errorf("forget bodies: %w", err)
		}
	}
	return nil
}

// failed notes that a webhook could not be applied; it comes again after
// growing pauses, for as long as its body is kept.
func (s *Service) failed(ctx context.Context, r *receipt, err error) {
	if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return
	}
	s.log.WarnContext(ctx, "webhook not applied", "inbox", r.id, "topic", r.topic, "error", err)
	_, err = s.d.Exec(ctx, `UPDATE inbox SET attempts = attempts + 1, due_us = CAST($2 AS BIGINT) + 1000000 * (CASE WHEN attempts < 8 THEN (attempts + 1) * (attempts + 1) * 10 ELSE 900 END)
		WHERE id = $1`, r.id, db.US(s.o.Now()))
	if err != nil {
		s.log.WarnContext(ctx, "webhook not applied", "inbox", r.id, "error", err)
	}
}

// Sweep applies webhooks that are stored but were not applied in time: after a
// crash, or when the process had too many. It returns how many it took up.
func (s *Service) Sweep(ctx context.Context) (taken int, err error) {
	for {
		part, err := s.claim(ctx)
		if err != nil {
			return taken, err
		}
		if len(part) > 0 {
			s.applyPart(ctx, part)
		}
		taken += len(part)
		if len(part) < sweepMost {
			return taken, nil
		}
	}
}

// claim takes some webhooks that are due, so that no other process's sweep
// does the same work meanwhile.
func (s *Service) claim(ctx context.Context) (part []*receipt, err error) {
	now := s.o.Now()
	// Mostly there is nothing: look without a transaction.
	var due int
	if err := s.d.QueryRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM inbox WHERE applied_us = 0 AND problem = '' AND due_us <= $1 LIMIT 1) AS t`,
		db.US(now)).Scan(&due); err != nil || due == 0 {
		return nil, err
	}
	err = s.d.InTx(ctx, func(tx *db.Tx) (err error) {
		part, err = db.All(ctx, tx, scanReceipt, `UPDATE inbox SET due_us = $2 WHERE applied_us = 0 AND problem = '' AND due_us <= $1
			AND id IN (SELECT id FROM inbox WHERE applied_us = 0 AND problem = '' AND due_us <= $1 ORDER BY due_us LIMIT $3) RETURNING `+receiptColumns,
			db.US(now), db.US(now.Add(sweepLease)), sweepMost)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim webhooks: %w", err)
	}
	good := part[:0]
	for _, r := range part {
		if r.news, err = Decode(r.topic, r.triggered, r.body); err != nil {
			// It was readable when it came: another version of this program.
			if _, err := s.d.Exec(ctx, `UPDATE inbox SET problem = $2 WHERE id = $1`, r.id, problemOf(err)); err != nil {
				return nil, err
			}
			continue
		}
		good = append(good, r)
	}
	return good, nil
}

const receiptColumns = `id, shop_id, topic, triggered, body, packed, received_us, problem`

func scanReceipt(r db.Scanner) (*receipt, error) {
	var v receipt
	var body string
	var packed bool
	var at int64
	if err := r.Scan(&v.id, &v.shopID, &v.topic, &v.triggered, &body, &packed, &at, &v.problem); err != nil {
		return nil, err
	}
	v.at, v.fresh = db.Time(at), true
	var err error
	v.body, err = unpack(body, packed)
	return &v, err
}
