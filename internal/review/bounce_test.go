package review

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"imreport/internal/errs"
	"imreport/internal/shop"
)

// sentTo sends a request for an order of this id.
func (f *fixture) sentTo(id string) Message {
	f.t.Helper()
	f.put(f.fulfilled(id, id+"@"+f.shop.ID+".example"))
	f.sendDue()
	all, err := f.List(f.ctx, f.shop.ID, Filter{OrderID: id}, "", 1)
	if err != nil || len(all) != 1 || all[0].State != Sent {
		f.t.Fatalf("%+v, %v", all, err)
	}
	return all[0]
}

var _ = add("Bounces", shop.Input{ReviewDelay: ptr("0s")}, func(t *testing.T, f *fixture, _ *carrier) {
	for i, c := range []struct {
		report     Report
		kind       string
		suppressed string
	}{
		{Report{Action: "failed", Status: "5.1.1"}, "hard", WhyBounced},
		{Report{Action: "failed", Status: "5.2.2"}, "soft", ""},
		{Report{Action: "delayed", Status: "4.4.1"}, "", ""},
		{Report{Action: "delivered", Status: "2.0.0"}, "delivered", ""},
		{Report{Complaint: true}, "complaint", WhyComplained},
	} {
		m := f.sentTo(fmt.Sprint("b", i))
		c.report.Token, c.report.Raw = m.ID, []byte(m.ID)
		for n := range 2 {
			got, err := f.Bounced(f.ctx, c.report)
			if err != nil || got.MessageID != m.ID || got.Kind != c.kind || got.Again != (n == 1) {
				t.Errorf("%+v: %+v, %v", c.report, got, err)
			}
		}
		why, err := suppressed(f.ctx, f.d, f.shop.ID, m.addrHash, f.clock.now())
		if err != nil || why != c.suppressed {
			t.Errorf("%+v: suppressed %q, %v", c.report, why, err)
		}
		if c.report.Complaint { // for every shop
			if why, _ := suppressed(f.ctx, f.d, "another", m.addrHash, f.clock.now()); why != WhyComplained {
				t.Errorf("another shop may still mail: %q", why)
			}
			if err := f.Lift(f.ctx, f.shop.ID, m.addrHash); errs.KindOf(err) != errs.NotFound {
				t.Errorf("a complaint was lifted: %v", err)
			}
		}
	}
	if got, err := f.Bounced(f.ctx, Report{Action: "failed", Status: "5.1.1", Token: "019ab0c1-0000-7000-8000-0000000000ff", Raw: []byte("x")}); err != nil || got.MessageID != "" {
		t.Errorf("%+v, %v", got, err)
	}
})

var _ = add("AnUnknownOneIsResolvedByEvidence", shop.Input{ReviewDelay: ptr("0s")}, func(t *testing.T, f *fixture, c *carrier) {
	c.fate = func(Letter) Outcome { return Outcome{Fate: FateUnknown} }
	f.put(f.fulfilled("1", "evidence@example.com"))
	f.sendDue()
	m := f.only()
	if _, err := f.Bounced(f.ctx, Report{Action: "delivered", Status: "2.0.0", Token: m.ID, Raw: []byte("e" + m.ID)}); err != nil {
		t.Fatal(err)
	}
	if m = f.only(); m.State != Sent || m.Reason != Evidence {
		t.Errorf("%+v", m)
	}
})

var _ = add("TheBreakerStopsAShop", shop.Input{ReviewDelay: ptr("0s")}, func(t *testing.T, f *fixture, c *carrier) {
	bounce := func(m Message) {
		if _, err := f.Bounced(f.ctx, Report{Action: "failed", Status: "5.1.1", Token: m.ID, Raw: []byte("s" + m.ID)}); err != nil {
			t.Fatal(err)
		}
	}
	var all []Message
	for i := range 99 {
		all = append(all, f.sentTo(fmt.Sprint("s", i)))
		if i < 4 {
			bounce(all[i]) // 4 of 1..4: too few mails to say anything
		}
	}
	if v, _ := f.Settings(f.ctx, f.shop.ID); v.Stopped() {
		t.Fatalf("stopped at 4 of 99: %+v", v)
	}
	bounce(all[50])
	v, err := f.Settings(f.ctx, f.shop.ID)
	if err != nil || !v.Stopped() || v.StoppedWhy != StopBounces {
		t.Fatalf("5 of 99 bounced: %+v, %v", v, err)
	}
	n := c.count()
	f.put(f.fulfilled("later", "later@example.com"))
	f.sendDue()
	if c.count() != n {
		t.Error("a stopped shop mails")
	}
	if err := f.Resume(f.ctx, f.shop.ID); err != nil {
		t.Fatal(err)
	}
	f.clock.add(time.Second)
	f.sendDue()
	if c.count() != n+1 {
		t.Error("it does not go on")
	}
})

var _ = add("RefusedAddresses", shop.Input{ReviewDelay: ptr("0s")}, func(t *testing.T, f *fixture, c *carrier) {
	c.fate = func(Letter) Outcome {
		return Outcome{Fate: FateDenied, Address: true, Code: 550, Status: "5.1.1", Reply: "5.1.1 <nobody@refused.example>: no such user", Phase: "rcpt"}
	}
	f.put(f.fulfilled("1", "nobody@refused.example"))
	f.sendDue()
	m := f.only()
	if m.State != Failed || m.Reason != RefusedByMail || m.Bounce != "hard" {
		t.Errorf("%+v", m)
	}
	log, err := f.Log(f.ctx, f.shop.ID, m.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range log {
		if text := fmt.Sprint(w, m.Args); strings.Contains(text, "nobody@") {
			t.Errorf("the log names the person: %s", text)
		}
	}
	c.fate = nil
	f.put(f.fulfilled("2", "nobody@refused.example"))
	f.sendDue()
	if all := f.messages(); all[1].State != Skipped || all[1].Reason != Suppressed || c.count() != 0 {
		t.Errorf("%+v", all)
	}
	if err := f.Lift(f.ctx, f.shop.ID, m.addrHash); err != nil {
		t.Fatal(err)
	}
	if _, err := f.SendNow(f.ctx, f.shop.ID, m.ID, "민수"); err != nil {
		t.Fatal(err)
	}
	f.sendDue()
	if c.count() != 1 {
		t.Errorf("%d mails", c.count())
	}
})

var _ = add("DraftsThatAreNeverSentGo", shop.Input{ReviewDelay: ptr("0s")}, func(t *testing.T, f *fixture, _ *carrier) {
	m := f.sentTo("d1")
	token := f.token(forReview, m.ID)
	if err := f.SaveDraft(f.ctx, token, Answers{"1": {Stars: 3, Text: "쓰다 만 글"}}); err != nil {
		t.Fatal(err)
	}
	drafts := func() (n int) {
		if err := f.d.QueryRow(f.ctx, `SELECT count(*) FROM review_form WHERE shop_id = $1`, f.shop.ID).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, want := range []int{1, 0} {
		if err := f.tidyUp(f.ctx); err != nil {
			t.Fatal(err)
		}
		if n := drafts(); n != want {
			t.Errorf("%d drafts, want %d", n, want)
		}
		f.clock.add(keepDrafts + time.Hour)
	}
})
