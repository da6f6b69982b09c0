package order

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// damaged is what Excel makes of a long number: "5.55E+12" (docs/orders.md).
var damaged = regexp.MustCompile(`^\d([.,]\d+)?[eE]\+?\d+$`)

// isDamaged reports whether an id went through Excel: the scientific form, or
// more than 15 digits whose tail was zeroed. Three zeros at least: one or two
// may well be the id's own.
func isDamaged(id string) bool {
	if len(id) > 2 && damaged.MatchString(id) {
		return true
	}
	return len(id) >= 18 && digits(id) && strings.Trim(id[15:], "0") == ""
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// looksLikeID tells an order's id from its name, for columns that may hold
// either: a long number (Shopify), or a day and a number (Cafe24).
func looksLikeID(v string) bool {
	if digits(v) {
		return len(v) >= 10
	}
	day, n, ok := strings.Cut(v, "-")
	return ok && len(day) == 8 && digits(day) && len(n) >= 5 && digits(n)
}

// cleanID takes off what exports put around ids.
func cleanID(v string) string {
	v = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(v), "'"))
	if rest, ok := strings.CutPrefix(v, "gid://shopify/Order/"); ok {
		return rest
	}
	// A workbook's number cell: "5550000000001.0".
	if whole, ok := strings.CutSuffix(v, ".0"); ok && digits(whole) {
		return whole
	}
	return v
}

// The layouts of dates, the most likely first (docs/orders.md).
var dateLayouts = []string{
	"2006-01-02 15:04:05 -0700",
	time.RFC3339Nano,
	"2006-01-02 15:04:05",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04",
	"2006-01-02",
	"2006.01.02 15:04:05",
	"2006.01.02 15:04",
	"2006.01.02",
	"2006. 1. 2. 3:04:05 PM",
	"2006. 1. 2. 3:04 PM",
	"2006. 1. 2. 15:04:05",
	"2006. 1. 2. 15:04",
	"2006. 1. 2.",
	"2006/1/2 15:04:05",
	"2006/1/2 15:04",
	"2006/1/2",
	"2006/1/2 3:04 PM",
	"2006/1/2 3:04:05 PM",
	"2006-1-2 3:04:05 PM",
	"2006-1-2 3:04 PM",
	"2006-1-2 15:04:05",
	"2006-1-2 15:04",
	"2006-1-2",
	"2006.1.2 15:04",
	"2006.1.2",
	"20060102150405",
	"20060102",
	"2006. 1. 2. 3:04:05 PM",
	"2006. 1. 2. 3:04 PM",
	"2006. 1. 2. 15:04:05",
	"2006년 1월 2일 15:04",
	"2006년 1월 2일",
	"2006년 01월 02일",
	"1/2/2006 15:04:05",
	"1/2/2006 3:04:05 PM",
	"1/2/2006 15:04",
	"1/2/2006",
}

// dates reads dates; it remembers which layout fitted last.
type dates struct {
	zone *time.Location
	last int
	// assumed: some date had no offset and was taken for the shop's zone.
	assumed bool
}

// parse reads a date; ok is false for what is none, or is out of all reason.
func (d *dates) parse(v string) (t time.Time, ok bool) {
	v = strings.TrimSpace(strings.TrimPrefix(v, "'"))
	if strings.Contains(v, "오") { // "2026-11-02 오후 3:04:05"
		for _, half := range [][2]string{{"오전", " AM"}, {"오후", " PM"}} {
			if before, after, found := strings.Cut(v, half[0]); found {
				v = strings.TrimSpace(before) + " " + strings.TrimSpace(after) + half[1]
			}
		}
	}
	if v == "" {
		return t, false
	}
	for i := range dateLayouts {
		n := (d.last + i) % len(dateLayouts)
		layout := dateLayouts[n]
		p, err := time.ParseInLocation(layout, v, d.zone)
		if err != nil {
			continue
		}
		if n > 1 { // the first two carry an offset
			d.assumed = true
		}
		d.last = n
		return p, sensible(p)
	}
	// A workbook's serial: days since 1899-12-30.
	if n, err := strconv.ParseFloat(v, 64); err == nil && n > 30_000 && n < 80_000 {
		days := math.Floor(n)
		day := time.Date(1899, 12, 30, 0, 0, 0, 0, d.zone).AddDate(0, 0, int(days))
		d.assumed = true
		p := day.Add(time.Duration(math.Round((n-days)*86400)) * time.Second)
		return p, sensible(p)
	}
	return t, false
}

func sensible(t time.Time) bool { return t.Year() >= 1990 && t.Year() <= 2100 }

// parseQuantity reads a count; empty is 1.
func parseQuantity(v string) (n int, ok bool) {
	v = strings.ReplaceAll(strings.TrimSpace(v), ",", "")
	if v == "" {
		return 1, true
	}
	if whole, ok := strings.CutSuffix(v, ".0"); ok {
		v = whole
	}
	n, err := strconv.Atoi(strings.TrimSuffix(v, "개"))
	return n, err == nil && n >= 0 && n <= 1_000_000
}

// parseConsent reads a yes or no; anything else is unknown.
func parseConsent(v string) Consent {
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "yes", "true", "y", "1", "o", "동의", "수신", "수신동의", "예", "수신함", "subscribed":
		return ConsentGiven
	case "no", "false", "n", "0", "x", "미동의", "거부", "수신거부", "아니오", "아니요", "수신안함", "unsubscribed":
		return ConsentRefused
	}
	return ConsentUnknown
}

// standing is what the status columns of an order say.
type standing struct {
	financial   string
	fulfillment string
	cancelled   bool
}

// statusWords maps parts of status texts, the weightier first, because one
// text may hold several ("취소완료", "배송완료").
var statusWords = []struct {
	part string
	is   standing
}{
	{"partially_refunded", standing{financial: PartiallyRefunded}},
	{"partially refunded", standing{financial: PartiallyRefunded}},
	{"부분환불", standing{financial: PartiallyRefunded}},
	{"부분취소", standing{financial: PartiallyRefunded}},
	{"취소철회", standing{}}, // a claim was taken back
	{"반품철회", standing{}},
	{"cancel", standing{cancelled: true}},
	{"취소", standing{cancelled: true}},
	{"refunded", standing{financial: RefundedStatus}},
	{"환불", standing{financial: RefundedStatus}},
	{"반품완료", standing{financial: RefundedStatus}},
	{"반품", standing{financial: RefundedStatus}},
	{"voided", standing{financial: Voided}},
	{"unpaid", standing{financial: "pending"}},
	{"failed", standing{financial: Voided}},
	{"partially_paid", standing{financial: "partially_paid"}},
	{"미입금", standing{financial: "pending"}},
	{"입금대기", standing{financial: "pending"}},
	{"입금전", standing{financial: "pending"}},
	{"결제대기", standing{financial: "pending"}},
	{"pending", standing{financial: "pending"}},
	{"authorized", standing{financial: "authorized"}},
	{"on-hold", standing{financial: "pending"}},
	{"unfulfilled", standing{}},
	{"restocked", standing{}},
	{"partially_fulfilled", standing{fulfillment: Partial}},
	{"partial", standing{fulfillment: Partial}},
	{"부분배송", standing{fulfillment: Partial}},
	{"fulfilled", standing{fulfillment: Fulfilled}},
	{"shipped", standing{fulfillment: Fulfilled}},
	{"delivered", standing{fulfillment: Fulfilled}},
	{"completed", standing{financial: Paid, fulfillment: Fulfilled}},
	{"배송완료", standing{financial: Paid, fulfillment: Fulfilled}},
	{"구매확정", standing{financial: Paid, fulfillment: Fulfilled}},
	{"배송중", standing{financial: Paid, fulfillment: Fulfilled}},
	{"발송완료", standing{financial: Paid, fulfillment: Fulfilled}},
	{"배송준비", standing{financial: Paid}},
	{"상품준비", standing{financial: Paid}},
	{"발송대기", standing{financial: Paid}},
	{"신규주문", standing{financial: Paid}},
	{"processing", standing{financial: Paid}},
	{"결제완료", standing{financial: Paid}},
	{"입금완료", standing{financial: Paid}},
	{"paid", standing{financial: Paid}},
	{"완료", standing{financial: Paid, fulfillment: Fulfilled}},
}

// parseStatus reads a status text; ok is false for words that it does not
// know.
func parseStatus(v string) (s standing, ok bool) {
	v = strings.ToLower(strings.TrimSpace(v))
	if v == "" {
		return s, true
	}
	for _, w := range statusWords {
		if strings.Contains(v, w.part) {
			return w.is, true
		}
	}
	return s, false
}

// parseAmount reads money; what is none is 0.
func parseAmount(v string) float64 {
	n, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSpace(v), ",", ""), 64)
	if err != nil || math.IsNaN(n) {
		return 0
	}
	return n
}

// shown is a value as an error may show it: short, and addresses masked.
func shown(v string) string {
	if strings.Contains(v, "@") {
		v = MaskEmail(v)
	}
	if r := []rune(v); len(r) > 40 {
		v = string(r[:40]) + "…"
	}
	return v
}
