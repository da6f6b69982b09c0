package order

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/text/encoding"

	"imreport/internal/db"
	"imreport/internal/db/dbtest"
)

type txT = *db.Tx

func sqlite(t *testing.T) *db.DB { t.Helper(); return dbtest.SQLite(t) }

func encode(t *testing.T, e encoding.Encoding, s string) string {
	t.Helper()
	out, err := e.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDates(t *testing.T) {
	seoul := time.FixedZone("KST", 9*3600)
	for text, want := range map[string]string{
		"2026-11-02 10:00:00 +0900": "2026-11-02T10:00:00+09:00",
		"2026-11-02T01:00:00Z":      "2026-11-02T10:00:00+09:00",
		"2026-11-02 10:00:00":       "2026-11-02T10:00:00+09:00",
		"2026-11-02":                "2026-11-02T00:00:00+09:00",
		"2026.11.02 15:04":          "2026-11-02T15:04:00+09:00",
		"2026/1/2 3:04 PM":          "2026-01-02T15:04:00+09:00",
		"2026-01-02 오후 3:04:05":     "2026-01-02T15:04:05+09:00",
		"2026-01-02 오전 12:04:05":    "2026-01-02T00:04:05+09:00",
		"2026. 1. 2. 오후 3:04:05":    "2026-01-02T15:04:05+09:00",
		"'2026-11-02":               "2026-11-02T00:00:00+09:00",
		"46328.4":                   "2026-11-02T09:36:00+09:00",
		"2026년 11월 2일":              "2026-11-02T00:00:00+09:00",
		"yesterday":                 "",
		"":                          "",
		"0001-01-01":                "",
	} {
		d := dates{zone: seoul}
		got, ok := d.parse(text)
		if (want != "") != ok || ok && got.In(seoul).Format(time.RFC3339) != want {
			t.Errorf("%q: %v %v, want %s", text, got.In(seoul), ok, want)
		}
	}
}

func TestDamagedIDs(t *testing.T) {
	for id, want := range map[string]bool{"5.55E+12": true, "5E+12": true, "2,3e+17": true, "5550000000001": false, "1E5": true,
		"20261102-0000123": false, "2026110298765000": false, "202611029876543000": true, "E12": false, "5550000000000": false} {
		if isDamaged(id) != want {
			t.Errorf("%s: %v", id, !want)
		}
	}
}

func TestStatuses(t *testing.T) {
	for text, want := range map[string]standing{
		"paid": {financial: Paid}, "Partially_Refunded": {financial: PartiallyRefunded}, "취소완료": {cancelled: true}, "배송완료": {financial: Paid, fulfillment: Fulfilled},
		"completed": {financial: Paid, fulfillment: Fulfilled}, "unfulfilled": {}, "unpaid": {financial: "pending"}, "": {}, "환불완료": {financial: RefundedStatus}, "canceled": {cancelled: true},
	} {
		if got, ok := parseStatus(text); got != want || !ok {
			t.Errorf("%s: %+v %v", text, got, ok)
		}
	}
	if _, ok := parseStatus("???"); ok {
		t.Error("knows ???")
	}
}

func TestAddresses(t *testing.T) {
	for v, want := range map[string]bool{"a@example.com": true, "a.b+c@sub.example.co.kr": true, "김@예시.한국": true, "a@example": false, "a b@example.com": false,
		"@example.com": false, "a@@example.com": false, "a@example.com,b@example.com": false, "a@-x.com": false, "a..b@example.com": false, "": false, "a@example.com\n": false} {
		if ValidEmail(v) != want {
			t.Errorf("%q: %v", v, !want)
		}
	}
	if got := NormalEmail(" Jimin.Kim+a@Example.COM "); got != "Jimin.Kim+a@example.com" {
		t.Error(got)
	}
	if got := MaskEmail("지민@example.com"); got != "지***@example.com" {
		t.Error(got)
	}
}

// FuzzFile feeds any bytes through detection, reading, grouping and building.
func FuzzFile(f *testing.F) {
	shopify, _ := os.ReadFile("testdata/shopify.csv")
	f.Add(shopify)
	f.Add([]byte(eleven + "5550000000001,#1,2026-11-02,paid,,김,a@example.com,MUG,머그컵,1,yes\n5.5E+12,,,,,,,,,,\n"))
	f.Add([]byte("\xff\xfe" + "o\x00r\x00"))
	f.Add([]byte("주문번호;이메일;상품명;주문일시\n\"a;b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 || len(data) > 3 && string(data[:4]) == zipMagic {
			return // workbooks are excelize's
		}
		name := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		format, l, err := detect(name, "", "", nil)
		if err != nil {
			return
		}
		in, err := openRows(name, "", format)
		if err != nil {
			t.Fatal(err)
		}
		o, err := survey(in, &l, func(int64) error { return nil })
		_ = in.close()
		if err != nil {
			return
		}
		if in, err = openRows(name, "", format); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = in.close() }()
		b := builder{l: &l, dates: dates{zone: time.UTC}, unknownStatus: map[string]bool{}}
		rows := int64(0)
		err = groups(in, &l, o, t.TempDir(), func(g []fileRow) error {
			rows += int64(len(g))
			e, wrong := b.build(g)
			if len(wrong) == 0 && (e.ExternalID == "" && Alias(e.Name) == "" || e.File.Created == 0 || l.has(fEmail) && !ValidEmail(e.File.Email) || len(e.File.Lines) == 0) {
				t.Errorf("built %+v", e)
			}
			return nil
		})
		if err != nil || rows != o.rows {
			t.Errorf("%d rows of %d, %v", rows, o.rows, err)
		}
	})
}
