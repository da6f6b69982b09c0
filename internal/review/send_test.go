package review_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
	"imreport/internal/mail"
	"imreport/internal/mail/post"
	"imreport/internal/order"
	"imreport/internal/review"
	"imreport/internal/seal"
	"imreport/internal/shop"
	sim "imreport/sim/smtp"

	"net"
)

// street is a shop, its orders and a real mail server.
type street struct {
	t       *testing.T
	d       *db.DB
	box     *sim.Server
	addr    string
	key     *seal.Box
	shops   *shop.Service
	orders  *order.Service
	reviews *review.Service
	shop    shop.Shop
}

func ptr[T any](v T) *T { return &v }

func (s *street) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func newStreet(t *testing.T, d *db.DB) *street {
	t.Helper()
	s := &street{t: t, d: d, box: sim.New(sim.Config{Dir: t.TempDir(), NoSync: true, Scale: 0.02})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.ok(err)
	s.addr = l.Addr().String()
	go func() { _ = s.box.Serve(l) }()
	t.Cleanup(func() { _ = s.box.Close() })
	s.key, err = seal.New(make([]byte, seal.KeySize))
	s.ok(err)
	_, err = d.Exec(t.Context(), `INSERT INTO workspace (id, name, zone, lang, created_us) VALUES ('w', 'W', 'Asia/Seoul', 'ko', 1) ON CONFLICT (id) DO NOTHING`)
	s.ok(err)
	s.shops = shop.New(d, s.key, shop.Options{})
	s.shop, _, err = s.shops.Create(t.Context(), "w", shop.Input{Name: ptr("s"), ReviewDelay: ptr("0s"), Cooldown: ptr("0s"), MailRetryAfter: ptr("1s"),
		MailRatePerSecond: ptr(1000.0), MailFrom: ptr(fmt.Sprintf("s@%d.example", time.Now().UnixNano()))})
	s.ok(err)
	s.orders = order.New(d, s.shops, s.key, order.Options{})
	s.reviews = s.service()
	s.reviews.Register(s.orders)
	return s
}

// service is another process over the same database.
func (s *street) service() *review.Service {
	s.t.Helper()
	m, err := mail.NewSMTP(mail.SMTPOptions{URL: "smtp://" + s.addr, From: "s@example.kr", CommandWithin: time.Second, DotWithin: time.Second})
	s.ok(err)
	return review.New(s.d, s.key, s.shops, s.orders, review.Options{Carrier: post.New(m), PublicURL: "https://r.example", Lease: 2 * time.Second})
}

func (s *street) put(n int) {
	s.t.Helper()
	for i := range n {
		at, id := time.Now(), fmt.Sprint(1000+i)
		e := order.Event{ShopID: s.shop.ID, ExternalID: id, Name: "#" + id, Origin: order.Origin{Source: order.Webhook, Live: true, At: at},
			Parcels: []order.Parcel{{ID: "f" + id, Status: "success", Created: db.US(at), Updated: db.US(at)}},
			Snapshot: &order.Snapshot{Updated: db.US(at), Created: db.US(at), Name: "#" + id, Email: "c" + id + "@example.com", Financial: order.Paid, Fulfillment: order.Fulfilled,
				Lines: []order.Line{{ID: "1", Title: "mug", Quantity: 1, Left: 1, Fulfilled: true}}}}
		s.ok(s.d.InTx(s.t.Context(), func(tx *db.Tx) error { _, err := s.orders.Apply(s.t.Context(), tx, e); return err }))
	}
}

// run works with these services until nothing more goes out by itself.
func (s *street) run(all ...*review.Service) map[review.State]int {
	s.t.Helper()
	ctx, stop := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer stop()
	done := make(chan error, len(all))
	for _, x := range all {
		go func() { done <- x.Run(ctx) }()
	}
	for ctx.Err() == nil {
		var left int
		s.ok(s.d.QueryRow(ctx, `SELECT count(*) FROM message WHERE shop_id = $1 AND state IN ('scheduled', 'queued', 'sending', 'dot')`, s.shop.ID).Scan(&left))
		if left == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if ctx.Err() != nil {
		s.t.Error("not all went out")
	}
	stop()
	for range all {
		s.ok(<-done)
	}
	n, err := s.reviews.Counts(s.t.Context(), s.shop.ID)
	s.ok(err)
	for _, st := range review.States {
		if n[st] == 0 {
			delete(n, st)
		}
	}
	for token, mails := range s.box.Counts() {
		if mails > 1 {
			s.t.Errorf("%s: %d mails", token, mails)
		}
	}
	return n
}

// sendings are what a mail server may do, and what becomes of eight messages.
var sendings = []struct {
	name   string
	faults []sim.Fault
	limits sim.Limits
	want   map[review.State]int
	mails  int
}{
	{name: "a healthy server", want: map[review.State]int{review.Sent: 8}, mails: 8},
	{name: "4xx at each phase, once", faults: []sim.Fault{{At: sim.AtConnect, Do: sim.Reply, Code: 421, Next: 1}, {At: sim.AtMail, Do: sim.Reply, Code: 451, Next: 1},
		{At: sim.AtRcpt, Do: sim.Reply, Code: 450, Next: 1}, {At: sim.AtData, Do: sim.Reply, Code: 452, Next: 1}, {At: sim.AtDot, Do: sim.Reply, Code: 451, Next: 1}},
		want: map[review.State]int{review.Sent: 8}, mails: 8},
	{name: "5xx about one address", faults: []sim.Fault{{At: sim.AtRcpt, Do: sim.Reply, Code: 550, Recipient: "c1003@example.com"}},
		want: map[review.State]int{review.Sent: 7, review.Failed: 1}, mails: 7},
	{name: "5xx after one dot", faults: []sim.Fault{{At: sim.AtDot, Do: sim.Reply, Code: 554, Next: 1}}, want: map[review.State]int{review.Sent: 7, review.Failed: 1}, mails: 7},
	{name: "a reply is lost", faults: []sim.Fault{{At: sim.AtStored, Do: sim.Drop, Next: 1}}, want: map[review.State]int{review.Sent: 7, review.Unknown: 1}, mails: 8},
	{name: "hang of 11 minutes", faults: []sim.Fault{{At: sim.AtStored, Do: sim.Hang, For: 11 * time.Minute, Next: 1}},
		want: map[review.State]int{review.Sent: 7, review.Unknown: 1}, mails: 8},
	{name: "250, then everything fails", faults: []sim.Fault{{At: sim.AtDone, Do: sim.Drop}, {At: sim.AtRset, Do: sim.Drop}, {At: sim.AtQuit, Do: sim.Drop}},
		want: map[review.State]int{review.Sent: 8}, mails: 8},
	{name: "454 above a rate", limits: sim.Limits{PerSecond: 3}, want: map[review.State]int{review.Sent: 8}, mails: 8},
}

func TestSending(t *testing.T) {
	try := func(t *testing.T, d *db.DB, name string) {
		for _, c := range sendings {
			if c.name != name {
				continue
			}
			s := newStreet(t, d)
			for _, f := range c.faults {
				s.box.MustFault(f)
			}
			s.box.SetLimits(c.limits)
			s.put(8)
			got := s.run(s.reviews)
			if fmt.Sprint(got) != fmt.Sprint(c.want) || len(s.box.Mails()) != c.mails {
				t.Errorf("%v and %d mails, want %v and %d", got, len(s.box.Mails()), c.want, c.mails)
			}
		}
	}
	for _, c := range sendings {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			try(t, dbtest.SQLite(t), c.name)
		})
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		d := dbtest.Postgres(t)
		for _, name := range []string{"a reply is lost", "5xx about one address", "4xx at each phase, once"} {
			t.Run(name, func(t *testing.T) { try(t, d, name) })
		}
	})
}

func TestAStoppingProcessWaitsForReplies(t *testing.T) {
	t.Parallel()
	s := newStreet(t, dbtest.SQLite(t))
	s.box.MustFault(sim.Fault{At: sim.AtStored, Do: sim.Hang})
	s.put(1)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.reviews.Run(ctx) }()
	for s.box.Stats().Hanging == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	s.box.Release()
	s.ok(<-done)
	if n, err := s.reviews.Counts(t.Context(), s.shop.ID); err != nil || n[review.Sent] != 1 {
		t.Errorf("%v, %v", n, err)
	}
}

func TestWithoutAMailServerMailsWait(t *testing.T) {
	t.Parallel()
	s := newStreet(t, dbtest.SQLite(t))
	_ = s.box.Close()
	s.put(1)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.reviews.Run(ctx) }()
	for range 200 {
		all, err := s.reviews.List(t.Context(), s.shop.ID, review.Filter{}, "", 1)
		s.ok(err)
		if all[0].Reason == review.Unreachable && all[0].State == review.Queued {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	s.ok(<-done)
	all, err := s.reviews.List(t.Context(), s.shop.ID, review.Filter{}, "", 1)
	s.ok(err)
	if all[0].State != review.Queued || all[0].Reason != review.Unreachable {
		t.Errorf("%+v", all[0])
	}
}

// Several processes over one database send each mail once.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	s := newStreet(t, dbtest.Postgres(t))
	s.put(30)
	got := s.run(s.reviews, s.service(), s.service())
	if got[review.Sent] != 30 || len(s.box.Mails()) != 30 {
		t.Errorf("%v and %d mails", got, len(s.box.Mails()))
	}
}
