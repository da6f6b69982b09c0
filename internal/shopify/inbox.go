package shopify

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"imreport/internal/db"
)

// receipt is one webhook on its way into the inbox.
type receipt struct {
	id        string
	shopID    string
	topic     string
	dedupe    string
	eventID   string
	webhookID string
	triggered string
	body      []byte
	at        time.Time
	problem   string // kept aside
	applied   bool   // nothing to apply
	news      News
	done      chan error
	fresh     bool // it was not in the inbox before
}

// newReceipt makes the receipt of a delivery. Topics whose every delivery
// counts are never taken for repeats.
func newReceipt(shopID string, d Delivery, at time.Time) *receipt {
	r := &receipt{id: db.NewID(), shopID: shopID, topic: clean(d.Topic, 100), eventID: clean(d.EventID, 100), webhookID: clean(d.WebhookID, 100),
		triggered: clean(d.Triggered, 100), body: d.Body, at: at, done: make(chan error, 1)}
	r.dedupe = r.id
	if strings.HasPrefix(r.topic, "orders/") || strings.HasPrefix(r.topic, "refunds/") || strings.HasPrefix(r.topic, "fulfillment") {
		h := sha256.New()
		h.Write([]byte(r.topic + "\x00" + r.triggered + "\x00"))
		h.Write(d.Body)
		r.dedupe = base64.RawStdEncoding.EncodeToString(h.Sum(nil))
	}
	return r
}

// key tells repeats of all shops.
func (r *receipt) key() string { return r.shopID + r.dedupe }

// pack is the body as text that both databases can hold.
func pack(body []byte) (s string, packed bool) {
	if s := string(body); utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return s, false
	}
	return base64.StdEncoding.EncodeToString(body), true
}

func unpack(s string, packed bool) ([]byte, error) {
	if !packed {
		return []byte(s), nil
	}
	return base64.StdEncoding.DecodeString(s)
}

// Bounds of one synced commit.
const (
	commitMost  = 128     // webhooks
	commitBytes = 4 << 20 // of bodies, beyond the first
)

// committer writes receipts into the inbox: while one commit is being synced,
// the webhooks that come meanwhile gather for the next, so that many share one
// sync. Whoever finds nobody at work starts the work; nothing runs while no
// webhook comes.
type committer struct {
	d     *db.DB
	taken func([]*receipt) // told of the fresh ones, after the commit
	step  func(string)

	mu    sync.Mutex
	queue []*receipt
	busy  bool
	wg    sync.WaitGroup
}

// add returns once r is committed and synced, or ctx ends.
func (c *committer) add(ctx context.Context, r *receipt) error {
	c.mu.Lock()
	c.queue = append(c.queue, r)
	if !c.busy {
		c.busy = true
		c.wg.Go(c.work)
	}
	c.mu.Unlock()
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err() // it may be committed yet: the caller's retry does no harm
	}
}

func (c *committer) next() []*receipt {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, size := 0, 0
	for n < len(c.queue) && n < commitMost && (n == 0 || size+len(c.queue[n].body) <= commitBytes) {
		size += len(c.queue[n].body)
		n++
	}
	if n == 0 {
		c.busy, c.queue = false, nil
		return nil
	}
	part := c.queue[:n:n]
	c.queue = c.queue[n:]
	return part
}

func (c *committer) work() {
	for part := c.next(); part != nil; part = c.next() {
		err := c.commit(part)
		if err == nil {
			c.step(StepReceived)
			c.taken(part)
		}
		for _, r := range part {
			r.done <- err
		}
	}
}

// commitWithin bounds one commit: a webhook wants its answer within 5 s.
const commitWithin = 4 * time.Second

func (c *committer) commit(part []*receipt) error {
	ctx, stop := context.WithTimeout(context.Background(), commitWithin)
	defer stop()
	return c.d.InSyncedTx(ctx, func(tx *db.Tx) error {
		byID := make(map[string]*receipt, len(part))
		var id, shop, topic, dedupe, event, webhook, triggered, body, problem []string
		var packed []bool
		var received, due, attempts, applied []int64
		seen := map[string]bool{}
		for _, r := range part {
			r.fresh = false
			if seen[r.key()] {
				continue
			}
			seen[r.key()], byID[r.id] = true, r
			text, is := pack(r.body)
			done := int64(0)
			if r.applied {
				done = db.US(r.at)
			}
			id, shop, topic, dedupe = append(id, r.id), append(shop, r.shopID), append(topic, r.topic), append(dedupe, r.dedupe)
			event, webhook, triggered = append(event, r.eventID), append(webhook, r.webhookID), append(triggered, r.triggered)
			body, packed, problem = append(body, text), append(packed, is), append(problem, r.problem)
			received, due = append(received, db.US(r.at)), append(due, db.US(r.at.Add(sweepAfter)))
			attempts, applied = append(attempts, 0), append(applied, done)
		}
		bind := c.d.Bind()
		ids, err := db.All(ctx, tx, db.Value[string], `INSERT INTO inbox (id, shop_id, topic, dedupe, event_id, webhook_id, triggered, body, packed,
			received_us, due_us, attempts, applied_us, problem) `+
			bind.Rows(id, shop, topic, dedupe, event, webhook, triggered, body, packed, received, due, attempts, applied, problem)+
			` ON CONFLICT (shop_id, dedupe) DO NOTHING RETURNING id`, bind.Args...)
		if err != nil {
			return fmt.Errorf("inbox: %w", err)
		}
		for _, id := range ids {
			byID[id].fresh = true
		}
		c.step(StepReceiving)
		return nil
	})
}
