package review

import (
	"testing"
	"time"

	"imreport/internal/i18n"
	"imreport/internal/order"
	"imreport/internal/shop"

	"pgregory.net/rapid"
)

func good() Facts {
	return Facts{Kind: Request, MaxAge: 60 * 24 * time.Hour, Judged: noon, Order: order.Order{
		Email: "a@example.com", FinancialStatus: order.Paid, FulfillmentStatus: order.Fulfilled, Live: true, Source: order.Webhook,
		CreatedAt: noon.AddDate(0, 0, -3), FulfilledAt: noon, Lines: []order.Line{{ID: "1", Title: "mug", Quantity: 1, Left: 1}}}}
}

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		change func(f *Facts)
		want   Reason // empty: eligible
		waits  bool
	}{
		"all well":                   {func(*Facts) {}, "", false},
		"not paid":                   {func(f *Facts) { f.Order.FinancialStatus = "pending" }, NotPaid, true},
		"paid is not known":          {func(f *Facts) { f.Order.FinancialStatus = "" }, NotPaid, true},
		"partly refunded":            {func(f *Facts) { f.Order.FinancialStatus = order.PartiallyRefunded }, "", false},
		"not shipped":                {func(f *Facts) { f.Order.FulfillmentStatus = "" }, NotFulfilled, true},
		"partly shipped":             {func(f *Facts) { f.Order.FulfillmentStatus = order.Partial }, PartlyFulfilled, true},
		"restocked":                  {func(f *Facts) { f.Order.FulfillmentStatus = "restocked" }, NotFulfilled, true},
		"cancelled":                  {func(f *Facts) { f.Order.CancelledAt = noon }, OrderCancelled, false},
		"wholly refunded":            {func(f *Facts) { f.Order.Refunded = true }, OrderRefunded, false},
		"refunded by status":         {func(f *Facts) { f.Order.FinancialStatus = order.RefundedStatus }, OrderRefunded, false},
		"voided":                     {func(f *Facts) { f.Order.FinancialStatus = order.Voided }, OrderRefunded, false},
		"test order":                 {func(f *Facts) { f.Order.Test = true }, TestOrder, false},
		"erased":                     {func(f *Facts) { f.Order.ErasedAt = noon }, OrderErased, false},
		"deleted":                    {func(f *Facts) { f.Order.DeletedAt = noon }, OrderDeleted, false},
		"no address":                 {func(f *Facts) { f.Order.Email = "" }, NoEmail, false},
		"an address without a dot":   {func(f *Facts) { f.Order.Email = "a@example" }, BadEmail, false},
		"an address with a comma":    {func(f *Facts) { f.Order.Email = "a@example.com,b@example.com" }, BadEmail, false},
		"suppressed":                 {func(f *Facts) { f.SuppressedBy = WhyBounced }, Suppressed, false},
		"written":                    {func(f *Facts) { f.Reviewed = true }, AlreadyReviewed, false},
		"gift card only":             {func(f *Facts) { f.Order.Lines[0].GiftCard = true }, NoReviewableLine, false},
		"all lines gone back":        {func(f *Facts) { f.Order.Lines[0].Left = 0 }, NoReviewableLine, false},
		"no lines known":             {func(f *Facts) { f.Order.Lines = nil }, "", false},
		"too old":                    {func(f *Facts) { f.Order.CreatedAt = noon.AddDate(0, 0, -61) }, TooOld, false},
		"as old as may be":           {func(f *Facts) { f.Order.CreatedAt = noon.AddDate(0, 0, -60) }, "", false},
		"too old, but asked for":     {func(f *Facts) { f.Order.CreatedAt = noon.AddDate(-1, 0, 0); f.Asked = 1 }, "", false},
		"a past order":               {func(f *Facts) { f.Order.Live = false }, PastOrder, true},
		"a past order, asked for":    {func(f *Facts) { f.Order.Live = false; f.Asked = 2 }, "", false},
		"a file that says nothing":   {func(f *Facts) { f.Order.Source, f.Order.FinancialStatus, f.Order.FulfillmentStatus = order.CSV, "", "" }, "", false},
		"a file that says unpaid":    {func(f *Facts) { f.Order.Source, f.Order.FinancialStatus = order.CSV, "pending" }, NotPaid, true},
		"advertising, no consent":    {func(f *Facts) { f.Ad = true }, NoConsent, false},
		"advertising, refused":       {func(f *Facts) { f.Ad = true; f.Order.Consent = order.ConsentRefused; f.Asked = 2 }, NoConsent, false},
		"advertising, with consent":  {func(f *Facts) { f.Ad = true; f.Order.Consent = order.ConsentGiven }, "", false},
		"tagged":                     {func(f *Facts) { f.OptOutTag = "no-review"; f.Order.Tags = "vip, No-Review" }, OptedOut, false},
		"another tag":                {func(f *Facts) { f.OptOutTag = "no-review"; f.Order.Tags = "no-review-please" }, "", false},
		"the app is gone":            {func(f *Facts) { f.Uninstalled = true }, Uninstalled, false},
		"a reminder of nothing":      {func(f *Facts) { f.Kind = Reminder }, RequestNotSent, false},
		"a reminder":                 {func(f *Facts) { f.Kind = Reminder; f.Requested = true }, "", false},
		"suppressed, a person wants": {func(f *Facts) { f.SuppressedBy = WhyUnsubscribed; f.Asked = 2 }, Suppressed, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := good()
			c.change(&f)
			v := Judge(f)
			if v.Reason != c.want || v.OK != (c.want == "") || v.Waits != c.waits {
				t.Errorf("%+v, want %q", v, c.want)
			}
			for _, l := range i18n.Langs {
				if !v.OK && v.Reason.Text(l, v.Args) == "" {
					t.Errorf("%s has no words in %s", v.Reason, l)
				}
			}
		})
	}
}

func TestDue(t *testing.T) {
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	york, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	night := &shop.QuietHours{From: 21 * 60, To: 8 * 60}
	at := func(z *time.Location, s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, z)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, c := range map[string]struct {
		clock, want time.Time
		delay       time.Duration
		q           *shop.QuietHours
		zone        *time.Location
	}{
		"no quiet hours":     {at(seoul, "2026-11-24 23:00"), at(seoul, "2026-11-25 00:00"), time.Hour, nil, seoul},
		"by day":             {at(seoul, "2026-11-24 12:00"), at(seoul, "2026-11-24 13:00"), time.Hour, night, seoul},
		"at the last minute": {at(seoul, "2026-11-24 20:59"), at(seoul, "2026-11-24 20:59"), 0, night, seoul},
		"at the first quiet": {at(seoul, "2026-11-24 21:00"), at(seoul, "2026-11-25 08:00"), 0, night, seoul},
		"after midnight":     {at(seoul, "2026-11-25 00:30"), at(seoul, "2026-11-25 08:00"), 0, night, seoul},
		"another zone":       {at(seoul, "2026-11-25 00:30"), at(seoul, "2026-11-25 00:30"), 0, night, york}, // 10:30 there
		"at noon":            {at(seoul, "2026-11-24 12:10"), at(seoul, "2026-11-24 13:00"), 0, &shop.QuietHours{From: 12 * 60, To: 13 * 60}, seoul},
		"all day is none":    {at(seoul, "2026-11-24 12:10"), at(seoul, "2026-11-24 12:10"), 0, &shop.QuietHours{From: 600, To: 600}, seoul},
		// On 2026-03-08 the hour from 2 to 3 does not exist in New York.
		"into the gap": {at(york, "2026-03-08 01:00"), at(york, "2026-03-08 03:00"), 0, &shop.QuietHours{From: 60, To: 150}, york},
		// On 2026-11-01 the hour from 1 to 2 comes twice: quiet until 1:30 the
		// second time is past.
		"the hour that comes twice": {at(york, "2026-11-01 00:30"), at(york, "2026-11-01 01:30"), 0, &shop.QuietHours{From: 0, To: 90}, york},
	} {
		t.Run(name, func(t *testing.T) {
			if got := due(c.clock, c.delay, c.q, c.zone); !got.Equal(c.want) {
				t.Errorf("%v, want %v", got.In(c.zone), c.want)
			}
		})
	}
}

// Whatever the hours and the zone: never early, never quiet, and at most a day
// late.
func TestDueKeepsItsLaws(t *testing.T) {
	zones := []string{"Asia/Seoul", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "Europe/Berlin"}
	rapid.Check(t, func(t *rapid.T) {
		z, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		q := &shop.QuietHours{From: rapid.IntRange(0, 1439).Draw(t, "from"), To: rapid.IntRange(0, 1439).Draw(t, "to")}
		at := noon.Add(time.Duration(rapid.Int64Range(0, int64(400*24*time.Hour)).Draw(t, "at")))
		got := loud(at, q, z)
		if got.Before(at) || q.Covers(got.In(z)) || got.Sub(at) > 25*time.Hour {
			t.Fatalf("%v with %+v gives %v", at.In(z), q, got.In(z))
		}
	})
}

func TestBackoff(t *testing.T) {
	for n, want := range map[int]time.Duration{1: time.Minute, 2: 2 * time.Minute, 5: 16 * time.Minute, 20: 24 * time.Hour} {
		if got := backoff(time.Minute, n, false); got != want {
			t.Errorf("after %d: %v, want %v", n, got, want)
		}
	}
	if got := backoff(time.Minute, 20, true); got != 15*time.Minute {
		t.Errorf("a silent server: %v", got)
	}
	if got := backoff(48*time.Hour, 1, true); got != 48*time.Hour {
		t.Errorf("a long first pause: %v", got)
	}
}

func TestMaskAndAuthor(t *testing.T) {
	for in, want := range map[string]string{"jimin@example.com": "j***@example.com", "한글@예시.한국": "한***@예시.한국", "x": "***", "": "", "@x": "***"} {
		if got := Mask(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	for in, want := range map[string]string{"김지민": "김*민", "이준": "이*", "남궁민수": "남**수", "Jane Doe": "J*** D***", " ": "", "김": "김"} {
		if got := Author(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestTokens(t *testing.T) {
	s := &Service{box: newBox(t)}
	id := "019ab0c1-0000-7000-8000-000000000001"
	r, u := s.token(forReview, id), s.token(forUnsubscribe, id)
	if len(r) != 43 || r == u {
		t.Errorf("%q %q", r, u)
	}
	if got, ok := s.opened(forReview, r); !ok || got != id {
		t.Errorf("%q %v", got, ok)
	}
	if _, ok := s.opened(forReview, u); ok {
		t.Error("the unsubscribe token opens the review page")
	}
	for i := range r {
		bad := []byte(r)
		if bad[i] = 'A'; bad[i] == r[i] {
			bad[i] = 'Q'
		}
		if _, ok := s.opened(forReview, string(bad)); ok && i < len(r)-1 {
			t.Errorf("changed at %d it still opens", i)
		}
	}
}
