package shopify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Delivery is one webhook to one address.
type Delivery struct {
	ID       string // X-Shopify-Webhook-Id
	Event    string // X-Shopify-Event-Id
	Topic    string
	URL      string
	Fired    time.Time
	Body     []byte
	Attempts int
	Status   int    // of the last answer; 0: none
	Error    string // of the last attempt
	Done     bool   // answered 2xx, or given up
	sub      string // the subscription; empty: declared with the app
}

// Sign is the signature of a body.
func Sign(secret string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// Header is what a delivery's request carries.
func (s *Server) Header(d *Delivery) http.Header {
	return http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"Shopify-Captain-Hook"}, "X-Shopify-Topic": {d.Topic},
		"X-Shopify-Hmac-Sha256": {Sign(s.cfg.Secret, d.Body)}, "X-Shopify-Shop-Domain": {s.cfg.Domain}, "X-Shopify-Api-Version": {"2026-10"},
		"X-Shopify-Webhook-Id": {d.ID}, "X-Shopify-Event-Id": {d.Event}, "X-Shopify-Triggered-At": {d.Fired.UTC().Format("2006-01-02T15:04:05.999999999Z")},
	}
}

func (s *Server) actionID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uuid()
}

// uuid makes an id of the seed; the lock is held.
func (s *Server) uuid() string {
	a, b := s.rng.Uint64(), s.rng.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", uint32(a>>32), uint16(a>>16), a&0xfff, uint16(b>>48)&0x3fff|0x8000, b&0xffffffffffff)
}

// emit sends the topics of one action on an order.
func (s *Server) emit(id int64, topics ...string) {
	s.mu.Lock()
	o, event := s.orders[id], s.uuid()
	full := s.webhook(o)
	bodies := map[string]any{}
	for _, t := range topics {
		switch t {
		case "orders/delete":
			bodies[t] = map[string]any{"id": o.ID}
		case "refunds/create":
			bodies[t] = s.refund(o, &o.Refunds[len(o.Refunds)-1])
		case "fulfillments/create", "fulfillments/update":
			bodies[t] = s.parcel(o, &o.Parcels[len(o.Parcels)-1])
		case "fulfillment_events/create":
			p := &o.Parcels[len(o.Parcels)-1]
			bodies[t] = map[string]any{"id": p.ID + 1, "fulfillment_id": p.ID, "order_id": o.ID, "status": p.Shipment, "happened_at": s.stamp(p.Updated)}
		default:
			bodies[t] = full
		}
	}
	s.mu.Unlock()
	for _, t := range topics {
		s.send(t, bodies[t], event)
	}
}

// send makes the deliveries of one topic and, unless the deliveries are held,
// sets them going.
func (s *Server) send(topic string, body any, event string) {
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // maps of plain values always marshal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		if sub.Topic != topic {
			continue
		}
		fired := s.now().Add(time.Duration(s.rng.Int64N(int64(time.Millisecond))))
		d := &Delivery{ID: s.uuid(), Event: event, Topic: topic, URL: sub.URL, Fired: fired, Body: raw}
		if sub.API {
			d.sub = sub.ID
		}
		s.stats.Fired++
		s.deliveries = append(s.deliveries, d)
		if !s.held && len(s.deliveries) > deliveriesKept {
			s.deliveries = slices.DeleteFunc(s.deliveries, func(d *Delivery) bool { return d.Done })
		}
		if s.held {
			continue
		}
		if s.rng.Float64() < s.prof.lost {
			s.stats.Lost++
			d.Done = true
			continue
		}
		copies := 1
		for s.rng.Float64() < s.prof.again && copies < 4 {
			copies++
		}
		for range copies {
			late := time.Duration(s.rng.Float64() * float64(s.prof.spread))
			s.wg.Go(func() { s.deliver(d, late) })
		}
	}
}

const deliveriesKept = 10_000

// retries are the pauses before each of the 8 retries, over 4 hours.
var retries = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 22 * time.Minute, 40 * time.Minute, time.Hour, 100 * time.Minute}

// deliver sends d until it is taken.
func (s *Server) deliver(d *Delivery, late time.Duration) {
	for try := 0; ; try++ {
		if !s.sleep(late) {
			return
		}
		if s.attempt(d) {
			return
		}
		if try == len(retries) {
			s.giveUp(d)
			return
		}
		late = retries[try]
	}
}

// sleep waits for a time of the shop; false when the server is closed.
func (s *Server) sleep(d time.Duration) bool {
	select {
	case <-time.After(time.Duration(float64(d) * s.cfg.Scale)):
		return true
	case <-s.quit:
		return false
	}
}

// attempt sends d once: the whole answer has to come within 5 s.
func (s *Server) attempt(d *Delivery) (ok bool) {
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	status, text := 0, ""
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err == nil {
		req.Header = s.Header(d)
		var res *http.Response
		if res, err = s.client.Do(req); err == nil {
			status = res.StatusCode
			_ = res.Body.Close()
		}
	}
	if err != nil {
		text = err.Error()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d.Attempts++
	d.Status, d.Error = status, text
	s.stats.Attempts++
	ok = status/100 == 2
	if ok {
		d.Done = true
		s.stats.Taken++
	} else {
		s.stats.Refused++
	}
	return ok
}

func (s *Server) giveUp(d *Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.Done = true
	s.stats.GivenUp++
	if d.sub != "" {
		s.subs = slices.DeleteFunc(s.subs, func(sub Subscription) bool { return sub.ID == d.sub })
	}
}

// Hold keeps deliveries from being sent by themselves: take them with
// Deliveries and send them with Send, in any sequence and as often as wanted.
func (s *Server) Hold(hold bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = hold
}

// Deliveries are those that were fired, the oldest first.
func (s *Server) Deliveries() []*Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.deliveries)
}

// Send sends a delivery once, now, and returns the status of the answer.
func (s *Server) Send(d *Delivery) (status int, err error) {
	s.attempt(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Error != "" {
		return 0, fmt.Errorf("shopify: %s", d.Error)
	}
	return d.Status, nil
}

// Wait returns once no delivery is on its way, or false when within has passed.
func (s *Server) Wait(within time.Duration) bool {
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-time.After(within):
		return false
	}
}
