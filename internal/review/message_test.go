package review

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"imreport/internal/db"
	"imreport/internal/errs"
	"imreport/internal/order"
	"imreport/internal/shop"
)

func now(delay string) shop.Input { return shop.Input{ReviewDelay: &delay} }

var _ = add("ARequestIsSentOnce", shop.Input{}, func(t *testing.T, f *fixture, c *carrier) {
	o := f.fulfilled("1001", "jimin@example.com")
	f.put(o)
	for range 3 {
		f.put(o) // repeats
	}
	m := f.only()
	if m.State != Scheduled || !m.DueAt.Equal(noon.Add(14*24*time.Hour)) || m.OrderName != "#1001" || m.Address != "j***@example.com" {
		t.Fatalf("%+v", m)
	}
	f.sendDue()
	if c.count() != 0 {
		t.Fatal("sent before its time")
	}
	f.clock.add(14 * 24 * time.Hour)
	for range 3 {
		f.sendDue()
		f.put(o)
	}
	m = f.only()
	if c.count() != 1 || m.State != Sent || m.SentAt.IsZero() || m.Attempts != 1 {
		t.Fatalf("%d mails; %+v", c.count(), m)
	}
	if got := f.states(m.ID); !slices.Equal(got, []State{Scheduled, Sending, Dot, Sent}) {
		t.Errorf("log %v", got)
	}
	l := c.sent[0]
	if l.To != "jimin@example.com" || !strings.Contains(l.Text, "머그컵, 티셔츠") || !strings.Contains(l.Text, f.ReviewLink(m.ID)) ||
		!strings.Contains(l.HTML, f.ReviewLink(m.ID)) || l.Unsubscribe != f.UnsubscribeLink(m.ID) || len(l.Unsubscribe) > len("https://reviews.example/u/")+43 {
		t.Errorf("letter %+v", l)
	}
})

var _ = add("OrdersThatChange", shop.Input{}, func(t *testing.T, f *fixture, c *carrier) {
	o := f.fulfilled("1001", "jimin@example.com")
	early := o
	early.FinancialStatus, early.FulfillmentStatus, early.FulfilledAt = "pending", "", time.Time{}
	f.put(early)
	early.FinancialStatus, early.FulfillmentStatus = order.Paid, order.Partial
	f.put(early)
	if len(f.messages()) != 0 {
		t.Fatal("a message before the order was shipped")
	}
	f.put(o)
	cancelled := o
	cancelled.CancelledAt = f.clock.now()
	f.put(cancelled)
	if m := f.only(); m.State != Skipped || m.Reason != OrderCancelled {
		t.Fatalf("cancelled: %+v", m)
	}
	f.clock.add(48 * time.Hour)
	f.put(o)
	m := f.only()
	if m.State != Scheduled || !m.DueAt.Equal(f.clock.now().Add(14*24*time.Hour)) {
		t.Fatalf("the clock did not start anew: %+v", m)
	}
	delivered := o
	delivered.DeliveredAt = f.clock.now().Add(24 * time.Hour)
	f.put(delivered)
	if m := f.only(); !m.DueAt.Equal(delivered.DeliveredAt.Add(14 * 24 * time.Hour)) {
		t.Fatalf("delivered: %+v", m)
	}
	if _, err := f.Cancel(f.ctx, f.shop.ID, m.ID, "민수"); err != nil {
		t.Fatal(err)
	}
	f.put(cancelled)
	f.put(delivered)
	f.clock.add(100 * 24 * time.Hour)
	f.sendDue()
	if m := f.only(); m.State != Cancelled || c.count() != 0 {
		t.Fatalf("what a person cancelled came back: %+v", m)
	}
})

var _ = add("LiveAndPastOrders", now("0s"), func(t *testing.T, f *fixture, c *carrier) {
	file := func(id string) order.Order {
		o := f.fulfilled(id, id+"@example.com")
		o.Source, o.Live, o.FinancialStatus, o.FulfillmentStatus = order.CSV, false, "", ""
		o.CreatedAt = noon.AddDate(-1, 0, 0)
		return o
	}
	f.putBy(file("1"), order.Origin{Source: order.CSV, ImportID: "i1"})
	asked := file("2")
	asked.Live = true
	f.putBy(asked, order.Origin{Source: order.CSV, ImportID: "i2", Live: true})
	old := f.fulfilled("3", "3@example.com")
	old.CreatedAt = noon.AddDate(0, -3, 0)
	f.put(old)
	f.sendDue()
	all := f.messages()
	if len(all) != 2 || all[0].State != Sent || all[1].State != Skipped || all[1].Reason != TooOld || c.count() != 1 {
		t.Fatalf("%d mails; %+v", c.count(), all)
	}
	// A live webhook about an imported order is a live event.
	live := f.fulfilled("1", "1@example.com")
	f.put(live)
	f.sendDue()
	if c.count() != 2 {
		t.Errorf("%d mails", c.count())
	}
})

var _ = add("ImportsAreSpread", now("0s"), func(t *testing.T, f *fixture, _ *carrier) {
	for _, id := range []string{"1", "2", "3"} {
		f.putBy(f.fulfilled(id, id+"@example.com"), order.Origin{Source: order.CSV, ImportID: "i", Live: true, MailRate: 0.5})
	}
	for i, m := range f.messages() {
		if want := noon.Add(time.Duration(i) * 2 * time.Second); !m.DueAt.Equal(want) {
			t.Errorf("%d is due at %v, want %v", i, m.DueAt, want)
		}
	}
})

var _ = add("Cooldown", now("0s"), func(t *testing.T, f *fixture, c *carrier) {
	f.put(f.fulfilled("1", "jimin@example.com"))
	f.put(f.fulfilled("2", "JIMIN@example.com"))
	var wg sync.WaitGroup
	for _, m := range f.messages() {
		wg.Go(func() {
			a, ok, err := f.claim(f.ctx, m.ID)
			if err != nil {
				t.Error(err)
			} else if ok {
				_, _ = f.attempt(f.ctx, f.ctx, a)
			}
		})
	}
	wg.Wait()
	all := f.messages()
	n := map[State]int{}
	var skipped Message
	for _, m := range all {
		n[m.State]++
		if m.State == Skipped {
			skipped = m
		}
	}
	if c.count() != 1 || n[Sent] != 1 || n[Skipped] != 1 || skipped.Reason != InCooldown {
		t.Fatalf("%d mails; %+v", c.count(), all)
	}
	// It is skipped for good; a person may send it nevertheless.
	f.clock.add(40 * 24 * time.Hour)
	o, _ := f.orders.ByID(f.ctx, nil, skipped.OrderID)
	f.put(o)
	if m, _ := f.Get(f.ctx, f.shop.ID, skipped.ID); m.State != Skipped {
		t.Errorf("came back: %+v", m)
	}
	_, err := f.SendNow(f.ctx, f.shop.ID, skipped.ID, "민수")
	if e := errs.As(err); e == nil || e.Kind != errs.Conflict || e.Extra["state"] != "skipped" || e.Extra["reason"] != InCooldown {
		t.Errorf("send-now of a skipped one: %v", err)
	}
	if _, err := f.Resend(f.ctx, f.shop.ID, skipped.ID, "민수", "고객 요청"); err != nil {
		t.Fatal(err)
	}
	f.sendDue()
	if c.count() != 2 {
		t.Errorf("%d mails", c.count())
	}
})

// A request that failed for good does not keep the person from being asked.
var _ = add("AFailedRequestCoolsNobody", now("0s"), func(t *testing.T, f *fixture, c *carrier) {
	c.fate = func(Letter) Outcome { return Outcome{Fate: FateDenied, Code: 554, Reply: "no", Phase: "dot"} }
	f.put(f.fulfilled("1", "a@example.com"))
	f.sendDue()
	c.fate = nil
	f.put(f.fulfilled("2", "a@example.com"))
	f.sendDue()
	if all := f.messages(); all[0].State != Failed || all[1].State != Sent {
		t.Errorf("%+v", all)
	}
})

var _ = add("SendNow", shop.Input{}, func(t *testing.T, f *fixture, c *carrier) {
	f.put(f.fulfilled("1", "a@example.com"))
	m := f.only()
	for range 2 {
		got, err := f.SendNow(f.ctx, f.shop.ID, m.ID, "민수")
		if err != nil || got.State != Queued {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if got := f.states(m.ID); !slices.Equal(got, []State{Scheduled, Queued}) {
		t.Errorf("two clicks left %v", got)
	}
	f.sendDue()
	_, err := f.SendNow(f.ctx, f.shop.ID, m.ID, "민수")
	if e := errs.As(err); e == nil || e.Code() != "message_sent" || e.Kind != errs.Conflict || e.Extra["state"] != "sent" {
		t.Errorf("again: %v", err)
	}
	if _, err := f.Resend(f.ctx, f.shop.ID, m.ID, "민수", " "); errs.KindOf(err) != errs.Invalid {
		t.Errorf("without a why: %v", err)
	}
	again, err := f.Resend(f.ctx, f.shop.ID, m.ID, "민수", "고객이 못 받았다고 함")
	if err != nil || again.Seq != 1 || again.State != Queued {
		t.Fatalf("%+v, %v", again, err)
	}
	if _, err := f.Resend(f.ctx, f.shop.ID, m.ID, "민수", "두 번째 클릭"); errs.KindOf(err) != errs.Conflict {
		t.Errorf("second click: %v", err)
	}
	f.sendDue()
	if c.count() != 2 || c.sent[0].MessageID == c.sent[1].MessageID {
		t.Errorf("%d mails", c.count())
	}
	if _, err := f.SendNow(f.ctx, "another shop", m.ID, ""); errs.KindOf(err) != errs.NotFound {
		t.Errorf("another shop's: %v", err)
	}
})

var _ = add("SendNowKeepsToSuppression", shop.Input{}, func(t *testing.T, f *fixture, c *carrier) {
	f.put(f.fulfilled("1", "a@example.com"))
	m := f.only()
	token := strings.TrimPrefix(f.UnsubscribeLink(m.ID), "https://reviews.example/u/")
	if _, err := f.Leave(f.ctx, token); err != nil {
		t.Fatal(err)
	}
	if m := f.only(); m.State != Scheduled {
		t.Fatal("looking at the page unsubscribed")
	}
	for range 2 {
		if err := f.Unsubscribe(f.ctx, token); err != nil {
			t.Fatal(err)
		}
	}
	if m := f.only(); m.State != Skipped || m.Reason != Suppressed {
		t.Fatalf("%+v", m)
	}
	if _, err := f.Resend(f.ctx, f.shop.ID, m.ID, "민수", "꼭"); errs.KindOf(err) != errs.Conflict || errs.As(err).Code() != "message_not_eligible" {
		t.Errorf("resend: %v", err)
	}
	f.put(f.fulfilled("2", "a@example.com"))
	f.clock.add(30 * 24 * time.Hour)
	f.sendDue()
	if c.count() != 0 {
		t.Error("mailed after unsubscribing")
	}
})

// Between the claim and the dot the world may change: the mark looks again.
var _ = add("TheMarkLooksAgain", now("0s"), func(t *testing.T, f *fixture, c *carrier) {
	o := f.fulfilled("1", "a@example.com")
	f.put(o)
	c.at = func() {
		gone := o
		gone.CancelledAt = f.clock.now()
		f.put(gone)
	}
	f.sendDue()
	if m := f.only(); c.count() != 0 || m.State != Skipped || m.Reason != OrderCancelled {
		t.Fatalf("%d mails, %+v", c.count(), m)
	}
	o2 := f.fulfilled("2", "b@example.com")
	f.put(o2)
	c.at = func() {
		moved := o2
		moved.Email = "b2@example.com"
		f.put(moved)
	}
	f.sendDue()
	if c.count() != 0 {
		t.Fatal("sent to the old address")
	}
	c.at = nil
	f.clock.add(time.Minute)
	f.sendDue()
	if c.count() != 1 || c.sent[0].To != "b2@example.com" {
		t.Errorf("%+v", c.sent)
	}
})

var _ = add("Retries", now("0s"), func(t *testing.T, f *fixture, c *carrier) {
	c.fate = func(Letter) Outcome { return Outcome{Fate: FateLater, Code: 451, Reply: "4.3.0 later", Phase: "rcpt"} }
	f.put(f.fulfilled("1", "a@example.com"))
	pause := time.Minute
	for i := range 4 {
		f.sendDue()
		m := f.only()
		if m.State != Queued || m.Reason != Retrying || m.Attempts != i+1 || m.DueAt.Sub(f.clock.now()) != pause {
			t.Fatalf("attempt %d: %+v, pause %v", i+1, m, m.DueAt.Sub(f.clock.now()))
		}
		f.clock.add(pause)
		pause *= 2
	}
	f.clock.add(giveUpAfter)
	f.sendDue()
	if m := f.only(); m.State != Failed || m.Reason != GaveUp {
		t.Errorf("%+v", m)
	}
	c.fate = nil
	if _, err := f.SendNow(f.ctx, f.shop.ID, f.only().ID, ""); err != nil {
		t.Fatal(err)
	}
	f.sendDue()
	if m := f.only(); m.State != Sent || c.count() != 1 {
		t.Errorf("%+v", m)
	}
})

var _ = add("ThrottlingUsesUpNoAttempt", now("0s"), func(t *testing.T, f *fixture, c *carrier) {
	c.fate = func(Letter) Outcome { return Outcome{Fate: FateLater, Throttled: true, Code: 454, Phase: "dot"} }
	f.put(f.fulfilled("1", "a@example.com"))
	for range 5 {
		f.sendDue()
	}
	if m := f.only(); m.State != Queued || m.Reason != Throttled || m.Attempts != 0 || m.DueAt.After(f.clock.now()) {
		t.Errorf("%+v", m)
	}
})

var _ = add("UnknownIsNotSentAgain", now("0s"), func(t *testing.T, f *fixture, c *carrier) {
	c.fate = func(Letter) Outcome { return Outcome{Fate: FateUnknown, Phase: "dot", Err: errors.New("EOF")} }
	f.put(f.fulfilled("1", "a@example.com"))
	f.sendDue()
	f.clock.add(24 * time.Hour)
	f.sendDue()
	m := f.only()
	if m.State != Unknown || c.count() != 1 {
		t.Fatalf("%d mails, %+v", c.count(), m)
	}
	if _, err := f.SendNow(f.ctx, f.shop.ID, m.ID, ""); errs.As(err) == nil || errs.As(err).Extra["state"] != "unknown" {
		t.Errorf("send-now: %v", err)
	}
	c.fate = nil
	if _, err := f.Resend(f.ctx, f.shop.ID, m.ID, "민수", "확인함"); err != nil {
		t.Fatal(err)
	}
	f.sendDue()
	if c.count() != 2 {
		t.Errorf("%d mails", c.count())
	}
})

var _ = add("Reminders", now("0s"), func(t *testing.T, f *fixture, c *carrier) {
	week := 7 * 24 * time.Hour
	if _, err := f.SetSettings(f.ctx, f.shop.ID, SettingsInput{ReminderDelay: &week, Reminders: ptr(2)}); err != nil {
		t.Fatal(err)
	}
	f.put(f.fulfilled("1", "a@example.com"))
	for range 4 {
		f.sendDue()
		f.clock.add(week)
	}
	all := f.messages()
	if c.count() != 3 || len(all) != 3 || all[1].Kind != Reminder || all[1].Seq != 0 || all[2].Seq != 1 {
		t.Fatalf("%d mails, %+v", c.count(), all)
	}
	// Who has written is not reminded.
	f.put(f.fulfilled("2", "b@example.com"))
	f.sendDue()
	token := f.token(forReview, f.messages()[3].ID)
	if _, _, err := f.Submit(f.ctx, token, Answers{"1": {Stars: 5}}, false); err != nil {
		t.Fatal(err)
	}
	f.clock.add(week)
	f.sendDue()
	if all = f.messages(); all[4].State != Skipped || all[4].Reason != AlreadyReviewed {
		t.Errorf("%+v", all[4])
	}
})

var nights = &shop.Hours{From: "21:00", To: "08:00"}

var _ = add("QuietHours", shop.Input{ReviewDelay: ptr("10h"), QuietHours: &nights}, func(t *testing.T, f *fixture, c *carrier) {
	f.put(f.fulfilled("1", "a@example.com")) // noon + 10 h = 22:00
	want := time.Date(2026, 11, 24, 23, 0, 0, 0, time.UTC)
	if m := f.only(); !m.DueAt.Equal(want) {
		t.Fatalf("due %v, want %v", m.DueAt, want)
	}
	// A retry that falls into the night waits as well.
	c.fate = func(Letter) Outcome { return Outcome{Fate: FateLater, Code: 451} }
	f.clock.add(20*time.Hour + 12*time.Hour + 59*time.Minute + 30*time.Second) // 20:59:30
	f.sendDue()
	c.fate = nil
	f.clock.add(2 * time.Minute)
	f.sendDue()
	if m := f.only(); c.count() != 0 || m.State != Scheduled || m.Reason != QuietNow || !m.DueAt.Equal(want.Add(24*time.Hour)) {
		t.Errorf("%+v", m)
	}
	if _, err := f.SendNow(f.ctx, f.shop.ID, f.only().ID, ""); err != nil {
		t.Fatal(err)
	}
	f.sendDue()
	if c.count() != 1 {
		t.Error("send-now heeds quiet hours")
	}
})

var _ = add("Bulk", shop.Input{}, func(t *testing.T, f *fixture, c *carrier) {
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		f.put(f.fulfilled(id, id+"@example.com"))
	}
	if n, err := f.BulkPreview(f.ctx, f.shop.ID, BulkSendNow, Filter{}); err != nil || n != 5 {
		t.Fatalf("preview %d, %v", n, err)
	}
	b, err := f.StartBulk(f.ctx, f.shop.ID, BulkSendNow, Filter{}, 120, "민수")
	if err != nil {
		t.Fatal(err)
	}
	step := func() Bulk {
		if err := f.bulks(f.ctx); err != nil {
			t.Fatal(err)
		}
		f.sendDue()
		f.clock.add(time.Second)
		b, err := f.Bulk(f.ctx, f.shop.ID, b.ID)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if b := step(); b.Done != 2 || c.count() != 2 || b.State != "running" {
		t.Fatalf("%+v; %d mails", b, c.count())
	}
	if _, err := f.StopBulk(f.ctx, f.shop.ID, b.ID); err != nil {
		t.Fatal(err)
	}
	if b := step(); b.Done != 2 || b.State != "stopped" || c.count() != 2 {
		t.Fatalf("%+v; %d mails", b, c.count())
	}
	if b, err = f.StartBulk(f.ctx, f.shop.ID, BulkCancel, Filter{States: []State{Scheduled}}, 6000, "민수"); err != nil || b.Total != 3 {
		t.Fatalf("%+v, %v", b, err)
	}
	if b := step(); b.Done != 3 || b.State != "done" {
		t.Fatalf("%+v", b)
	}
})

var _ = add("MailablePreviewsAFile", shop.Input{}, func(t *testing.T, f *fixture, _ *carrier) {
	f.put(f.fulfilled("asked", "asked@preview.example"))
	var all []order.Order
	next := func(id, email string, change func(*order.Order)) {
		o := f.fulfilled(id, email)
		o.Source, o.Live = order.CSV, false
		if change != nil {
			change(&o)
		}
		all = append(all, o)
	}
	next("asked", "asked@preview.example", nil)
	next("n1", "new@preview.example", func(o *order.Order) { o.ID, o.CreatedAt = "", noon.AddDate(-3, 0, 0) })
	next("n2", "NEW@preview.example", nil)
	next("n3", "", nil)
	next("n4", "cancelled@preview.example", func(o *order.Order) { o.CancelledAt = noon })
	for i := range 450 {
		next(fmt.Sprint("m", i), fmt.Sprintf("m%d@preview.example", i), nil)
	}
	if err := f.SuppressByHand(f.ctx, f.shop.ID, "m7@preview.example", ""); err != nil {
		t.Fatal(err)
	}
	would, skipped, err := f.Mailable(f.ctx, f.shop.ID, all)
	want := map[string]int{"asked_already": 1, "cooldown": 1, "no_email": 1, "cancelled": 1, "suppressed": 1}
	if err != nil || would != 450 || fmt.Sprint(skipped) != fmt.Sprint(want) {
		t.Errorf("%d, %v, %v", would, skipped, err)
	}
})

var _ = add("Erasure", now("0s"), func(t *testing.T, f *fixture, c *carrier) {
	m := f.sentTo("e1")
	token := f.token(forReview, m.ID)
	if _, _, err := f.Submit(f.ctx, token, Answers{"1": {Stars: 5, Text: "좋아요"}}, false); err != nil {
		t.Fatal(err)
	}
	o, _ := f.orders.ByID(f.ctx, nil, "e1")
	address := o.Email
	err := f.d.InTx(f.ctx, func(tx *db.Tx) error {
		return f.Erased(f.ctx, tx, order.Erasure{ShopID: f.shop.ID, Email: address, OrderIDs: []string{"e1"}, At: f.clock.now()})
	})
	if err != nil {
		t.Fatal(err)
	}
	if all, err := f.Reviews(f.ctx, f.shop.ID, ReviewFilter{}, "", 10); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	m, err = f.Get(f.ctx, f.shop.ID, m.ID)
	if err != nil || m.State != Sent || m.Address != "" || m.OrderName != "" {
		t.Errorf("%+v, %v", m, err)
	}
	// The person is not mailed again, whatever they order.
	f.put(f.fulfilled("e2", address))
	f.clock.add(40 * 24 * time.Hour)
	f.sendDue()
	if c.count() != 1 {
		t.Errorf("%d mails", c.count())
	}
	log, err := f.Log(f.ctx, f.shop.ID, m.ID, 0, 100)
	if err != nil || len(log) == 0 {
		t.Fatal(err)
	}
	for _, w := range log {
		if w.Detail != "" {
			t.Errorf("the log keeps %q", w.Detail)
		}
	}
})

var _ = add("AdvertisingNeedsConsent", now("0s"), func(t *testing.T, f *fixture, c *carrier) {
	if _, err := f.SetSettings(f.ctx, f.shop.ID, SettingsInput{SenderBlock: ptr("우리상점, 서울시 중구, 02-000-0000")}); err != nil {
		t.Fatal(err)
	}
	_, err := f.SetTemplate(f.ctx, f.shop.ID, Template{Lang: "ko", Kind: Request, Mode: Ad, Subject: "후기 쓰고 쿠폰 받으세요", Body: "{name}님\n\n{link}", Button: "쓰기"})
	if err != nil {
		t.Fatal(err)
	}
	f.put(f.fulfilled("1", "ad1@example.com"))
	agreed := f.fulfilled("2", "ad2@example.com")
	agreed.Consent = order.ConsentGiven
	f.put(agreed)
	f.sendDue()
	all := f.messages()
	if all[0].State != Skipped || all[0].Reason != NoConsent || all[1].State != Sent || c.count() != 1 {
		t.Fatalf("%+v", all)
	}
	l := c.sent[0]
	if !strings.HasPrefix(l.Subject, "(광고) 후기") {
		t.Errorf("subject %q", l.Subject)
	}
	for _, want := range []string{"02-000-0000", "수신을 원하지 않으시면", "refuse them free of charge", l.Unsubscribe} {
		if !strings.Contains(l.Text, want) || !strings.Contains(l.HTML, want) {
			t.Errorf("%q is missing", want)
		}
	}
})

// What happened to the order without our being told is seen at the claim,
// before anybody is connected to.
var _ = add("TheClaimLooksAgain", now("0s"), func(t *testing.T, f *fixture, c *carrier) {
	o := f.fulfilled("1", "claim@example.com")
	f.put(o)
	o.CancelledAt = f.clock.now()
	f.orders.all[o.ID] = o
	c.at = func() { t.Error("the mail server was asked") }
	f.sendDue()
	if m := f.only(); m.State != Skipped || m.Reason != OrderCancelled || m.Attempts != 0 {
		t.Errorf("%+v", m)
	}
})
