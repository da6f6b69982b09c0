package order

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/unicode"

	"imreport/internal/errs"
	"imreport/internal/i18n"
)

// run uploads a file and works on it until it has ended.
func (f *fixture) run(data string, o UploadOptions) Import {
	f.t.Helper()
	i, err := f.Upload(bg, f.shop.ID, strings.NewReader(data), o)
	f.ok(err)
	_, err = f.RunNext(bg)
	f.ok(err)
	i, err = f.Import(bg, f.shop.ID, i.ID)
	f.ok(err)
	return i
}

func counts(i Import) string {
	r := i.Report
	return fmt.Sprintf("%s new %d updated %d unchanged %d refused %d/%d", i.State, r.Orders.New, r.Orders.Updated, r.Orders.Unchanged, r.OrdersRefused, r.RowsRefused)
}

func (f *fixture) want(i Import, want string) {
	f.t.Helper()
	if got := counts(i); got != want {
		f.t.Errorf("got %s, want %s (%s; %+v)", got, want, i.Failure, i.Report.Errors)
	}
}

func codes(i Import) (out []string) {
	for _, n := range i.Report.Notices {
		out = append(out, n.Code)
	}
	return out
}

const eleven = "order_id,order_name,ordered_at,order_status,fulfilled_at,customer_name,customer_email,product_id,product_name,quantity,email_consent\n"

func TestElevenColumns(t *testing.T) {
	each(t, func(f *fixture) {
		data := eleven +
			"5550000000001,#1001,2026-11-02 10:00:00 +0900,paid,2026-11-04T09:00:04+09:00,김지민,Jimin.Kim@EXAMPLE.com,MUG,머그컵,2,yes\n" +
			"5550000000001,#1001,2026-11-02 10:00:00 +0900,paid,2026-11-04T09:00:04+09:00,김지민,Jimin.Kim@EXAMPLE.com,TEE,\"티셔츠\n블랙\",1,yes\n" +
			"5550000000002,#1002,2026-11-02 11:00:00 +0900,cancelled,,이서연,seo@example.com,MUG,머그컵,1,no\n" +
			"5.55E+12,#1003,2026-11-02 11:00:00 +0900,paid,,박,park@example.com,MUG,머그컵,1,no\n" +
			",#1004,2026-11-02,paid,,박,park@example,MUG,머그컵,many,no\n" +
			"\n" +
			",#1005,2026-11-02,paid,,최,choi@example.com,MUG,머그컵,1,\n"
		dry := f.run(data, UploadOptions{DryRun: true})
		f.want(dry, "done new 3 updated 0 unchanged 0 refused 2/2")
		if f.count() != 0 || !dry.CanConfirm() || !dry.Report.DryRun || dry.Done != 6 {
			f.t.Fatalf("%d orders after a dry run, %+v", f.count(), dry)
		}
		confirmed, err := f.Confirm(bg, f.shop.ID, dry.ID, false, 0)
		f.ok(err)
		_, err = f.RunNext(bg)
		f.ok(err)
		i, err := f.Import(bg, f.shop.ID, confirmed.ID)
		f.ok(err)
		f.want(i, "done new 3 updated 0 unchanged 0 refused 2/2")
		var got []string
		for _, e := range i.Report.In(i18n.English).Errors {
			got = append(got, fmt.Sprintf("%d %s %s", e.Line, e.Column, e.Code))
			if e.Message == "" || strings.HasPrefix(e.Message, "order.") || strings.Contains(e.Message, "park@") {
				f.t.Errorf("message %q", e.Message)
			}
		}
		// The quoted line break counts: the refused rows stand in lines 6 and 7.
		if want := []string{"6 order_id id_damaged", "7 customer_email email_invalid", "7 quantity quantity_invalid"}; !slices.Equal(got, want) {
			f.t.Errorf("errors %v, want %v", got, want)
		}
		o := f.get("5550000000001")
		if o.Email != "Jimin.Kim@example.com" || len(o.Lines) != 2 || o.Lines[0].Quantity != 2 || o.Lines[1].Title != "티셔츠\n블랙" || o.FinancialStatus != Paid ||
			o.FulfillmentStatus != Fulfilled || !o.FulfilledAt.Equal(time.Date(2026, 11, 4, 0, 0, 4, 0, time.UTC)) || o.Consent != ConsentGiven || o.Live || o.CustomerName != "김지민" {
			f.t.Errorf("%+v", o)
		}
		if o := f.get("5550000000002"); o.CancelledAt.IsZero() || o.FulfillmentStatus != "" {
			f.t.Errorf("%+v", o)
		}
		if o := f.get("name:1005"); !o.Provisional || !o.CreatedAt.Equal(time.Date(2026, 11, 1, 15, 0, 0, 0, time.UTC)) {
			f.t.Errorf("%+v", o)
		}
		f.want(f.run(data, UploadOptions{}), "done new 0 updated 0 unchanged 3 refused 2/2")
		var out bytes.Buffer
		f.ok(f.ErrorFile(bg, f.shop.ID, i.ID, i18n.Korean, &out))
		if s := out.String(); !strings.HasPrefix(s, "\ufeff행,열,코드,이유\n6,order_id,id_damaged,") || strings.Count(s, "\n") != 4 || strings.Contains(s, "park@") {
			f.t.Errorf("%q", s)
		}
		if _, err := f.Confirm(bg, f.shop.ID, i.ID, false, 0); errs.KindOf(err) != errs.Conflict {
			f.t.Errorf("confirmed twice: %v", err)
		}
	})
}

func TestOldTemplateWithThirteenColumns(t *testing.T) {
	f := newSQLite(t)
	head := "order_id,order_name,ordered_at,order_status,fulfilled_at,customer_name,customer_email,product_id,product_name,quantity,email_consent,web_push_consent,sms_consent\n"
	i := f.run(head+"5550000000001,#1001,2026-11-02 10:00:00 +0900,paid,2026-11-04 09:00:04 +0900,김지민,a@example.com,MUG,머그컵,2,yes,no,yes\n", UploadOptions{})
	f.want(i, "done new 1 updated 0 unchanged 0 refused 0/0")
	if got := codes(i); !slices.Equal(got, []string{"columns_dropped"}) {
		t.Errorf("notices %v", got)
	}
}

func newSQLite(t *testing.T) *fixture { t.Helper(); return newFixture(t, sqlite(t)) }

func TestEncodingsAndSeparators(t *testing.T) {
	korean := strings.Join([]string{"주문 내역입니다", "", "주문번호;주문일시;주문자명;이메일;주문상품명(기본);수량;배송상태",
		"20261102-0000123;2026-11-02 오후 3:04:05;김지민;a@example.com;똠방각하 머그컵;2;배송완료",
		"20261102-0000123;2026-11-02 오후 3:04:05;김지민;a@example.com;펲시콜라;1;배송완료",
		"20261103-0000124;2026.11.03 09:00;이서연;b@example.com;뷁;1;배송준비중", ""}, "\r\n")
	for name, enc := range map[string]func(string) string{
		"utf-8":     func(s string) string { return s },
		"utf-8 bom": func(s string) string { return "\ufeff" + s },
		"cp949":     func(s string) string { return encode(t, cp949, s) },
		"utf-16le":  func(s string) string { return encode(t, utf16le, s) },
		"utf-16be":  func(s string) string { return encode(t, utf16be, s) },
		"no mark":   func(s string) string { return encode(t, utf16le, s)[2:] },
		"tabs":      func(s string) string { return strings.ReplaceAll(s, ";", "\t") },
		"commas":    func(s string) string { return strings.ReplaceAll(s, ";", ",") },
		"pipes":     func(s string) string { return strings.ReplaceAll(s, ";", "|") },
		"old mac":   func(s string) string { return strings.ReplaceAll(s, "\r\n", "\r") },
		"decomposed": func(s string) string {
			return strings.Replace(s, "이메일", "\u110b\u1175\u1106\u1166\u110b\u1175\u11af", 1)
		},
		"quoted head": func(s string) string { return "\ufeff" + strings.Replace(s, "주문번호", `"주문번호"`, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newSQLite(t)
			i := f.run(enc(korean), UploadOptions{})
			f.want(i, "done new 2 updated 0 unchanged 0 refused 0/0")
			o := f.get("20261102-0000123")
			if len(o.Lines) != 2 || o.Lines[0].Title != "똠방각하 머그컵" || !o.CreatedAt.Equal(time.Date(2026, 11, 2, 6, 4, 5, 0, time.UTC)) ||
				o.FulfillmentStatus != Fulfilled || f.get("20261103-0000124").FulfillmentStatus != "" {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestShopifyExport(t *testing.T) {
	data, err := os.ReadFile("testdata/shopify.csv")
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(f *fixture) {
		f.apply(snap("5550000000002", 1_000_000, 1, func(s *Snapshot) { s.Name = "#1002" })) // known by webhook, and newer
		i := f.run(string(data), UploadOptions{})
		f.want(i, "done new 2 updated 0 unchanged 1 refused 0/0")
		o := f.get("5550000000001")
		if len(o.Lines) != 2 || o.Name != "#1001" || o.CustomerName != "김지민" || o.Lines[1].Quantity != 1 || o.FinancialStatus != Paid || o.FulfillmentStatus != Fulfilled {
			f.t.Errorf("%+v", o)
		}
		if o := f.get("5550000000003"); o.FinancialStatus != RefundedStatus || !o.Refunded || o.CancelledAt.IsZero() {
			f.t.Errorf("%+v", o)
		}
		if o := f.get("5550000000002"); o.Source != Webhook || o.Email != "jimin.kim@example.com" {
			f.t.Errorf("%+v", o)
		}
		f.want(f.run(string(data), UploadOptions{}), "done new 0 updated 0 unchanged 3 refused 0/0")
		// The same rows, sorted by product: still three orders.
		lines := strings.SplitAfter(string(data), "\n")
		sorted := lines[0] + lines[1] + lines[3] + lines[2] + strings.Join(lines[4:], "")
		i = f.run(sorted, UploadOptions{})
		f.want(i, "done new 0 updated 0 unchanged 3 refused 0/0")
		if !slices.Contains(codes(i), "rows_scattered") {
			f.t.Errorf("notices %v", codes(i))
		}
		// A webhook that is older than the file's word fills in what it knows.
		f.apply(snap("5550000000001", -1_000_000, 1, nil))
		if f.count() != 3 || f.get("5550000000001").CustomerName != "김지민" {
			f.t.Errorf("%d orders, %+v", f.count(), f.get("5550000000001"))
		}
	})
}

// Merchants delete columns of Shopify's export: "Name" stays the order's name,
// which is all that rows of further lines have of it.
func TestShopifyExportWithFewColumns(t *testing.T) {
	each(t, func(f *fixture) {
		i := f.run("Name,Email,Created at,Lineitem quantity,Lineitem name,Id\n"+
			"#1001,a@example.com,2026-11-08 10:00:00 +0900,1,머그컵,5550000000001\n"+
			"#1001,a@example.com,2026-11-08 10:00:00 +0900,2,티셔츠,\n"+
			"#1002,b@example.com,2026-11-08 10:00:00 +0900,1,머그컵,5550000000002\n", UploadOptions{})
		f.want(i, "done new 2 updated 0 unchanged 0 refused 0/0")
		if o := f.get("5550000000001"); len(o.Lines) != 2 || o.Name != "#1001" || o.CustomerName != "" {
			f.t.Errorf("%+v", o)
		}
	})
}

func TestWorkbooks(t *testing.T) {
	b := excelize.NewFile()
	sheet := "발주발송관리"
	if err := b.SetSheetName("Sheet1", sheet); err != nil {
		t.Fatal(err)
	}
	for i, row := range [][]any{
		{"다운로드 받은 파일로 엑셀 일괄발송 처리하는 방법…"},
		{"상품주문번호", "주문번호", "구매자명", "구매자ID", "상품명", "수량", "결제일", "발송처리일", "주문상태"},
		{"2026110212345671", "2026110298765431", "김지민", "jim****", "머그컵", 2, 46328.4, 46330.5, "구매확정"},
		{"2026110212345672", "2026110298765431", "김지민", "jim****", "티셔츠", 1, 46328.4, 46330.5, "구매확정"},
		{"2026110212345673", "2026110298765432", "이서연", "seo****", "머그컵", 1, "2026-11-03 10:00:00", "", "취소완료"},
	} {
		if err := b.SetSheetRow(sheet, fmt.Sprintf("A%d", i+1), &row); err != nil {
			t.Fatal(err)
		}
	}
	var plain, locked bytes.Buffer
	if err := errors.Join(b.Write(&plain), b.Write(&locked, excelize.Options{Password: "비밀 1234"})); err != nil {
		t.Fatal(err)
	}
	f := newSQLite(t)
	for name, o := range map[string]UploadOptions{"order.password_needed": {}, "order.password_wrong": {Password: "no"}} {
		if _, err := f.Upload(bg, f.shop.ID, bytes.NewReader(locked.Bytes()), o); !errs.Is(err, name) {
			t.Errorf("%v, want %s", err, name)
		}
	}
	i := f.run(locked.String(), UploadOptions{FileName: "orders.xlsx", Password: "비밀 1234"})
	f.want(i, "done new 2 updated 0 unchanged 0 refused 0/0")
	if !slices.Contains(codes(i), "no_addresses") {
		t.Errorf("notices %v", codes(i))
	}
	o := f.get("2026110298765431")
	if len(o.Lines) != 2 || o.Email != "" || o.FulfillmentStatus != Fulfilled || o.CreatedAt.Format("2006-01-02 15:04") != "2026-11-02 00:36" {
		t.Errorf("%+v", o)
	}
	var sealed string
	f.ok(f.db.QueryRow(bg, `SELECT password FROM order_import WHERE id = $1`, i.ID).Scan(&sealed))
	if sealed != "" {
		t.Error("the password is kept")
	}
	f.want(f.run(plain.String(), UploadOptions{Password: "not needed"}), "done new 0 updated 0 unchanged 2 refused 0/0")
}

func TestRowsOfOneOrderMayDiffer(t *testing.T) {
	f := newSQLite(t)
	head := "주문번호,결제일,이메일,상품명,수량,주문상태,클레임상태,배송완료일\n"
	i := f.run(head+"2026110298765431,2026-11-02 10:00,a@example.com,머그컵,1,구매확정,,2026-11-05\n"+
		"2026110298765431,2026-11-02 10:00,a@example.com,티셔츠,1,구매확정,반품완료,2026-11-05\n"+
		"2026110298765432,2026-11-02 10:00,b@example.com,머그컵,1,취소완료,취소완료,\n"+
		"2026110298765433,2026-11-02 10:00,c@example.com,머그컵,1,배송중,취소철회,\n", UploadOptions{})
	f.want(i, "done new 3 updated 0 unchanged 0 refused 0/0")
	if o := f.get("2026110298765431"); len(o.Lines) != 2 || len(o.Reviewable()) != 1 || !o.CancelledAt.IsZero() || o.FinancialStatus != Paid || o.FulfillmentStatus != Fulfilled {
		t.Errorf("%+v", o)
	}
	if o := f.get("2026110298765432"); o.CancelledAt.IsZero() {
		t.Errorf("%+v", o)
	}
	if o := f.get("2026110298765433"); !o.CancelledAt.IsZero() || o.FulfillmentStatus != Fulfilled {
		t.Errorf("%+v", o)
	}
}

func TestRefusedWhole(t *testing.T) {
	f := newSQLite(t)
	for key, data := range map[string]string{
		"order.file_empty":          "",
		"order.header_missing":      "a,b,c\n1,2,3\n",
		"order.columns_missing":     "order_id,ordered_at,product_name\n1,2026-11-02,x\n",
		"order.encoding_unknown":    "order_id,ordered_at,email,product_name\n1,2026-11-02,a@example.com,\xff\xff\xff\xff\n",
		"order.workbook_unreadable": "PK\x03\x04nonsense",
		"order.workbook_old":        oleMagic + "an old workbook",
	} {
		_, err := f.Upload(bg, f.shop.ID, strings.NewReader(data), UploadOptions{})
		if !errs.Is(err, key) || !i18n.Has(key) {
			t.Errorf("%q: %v, want %s", data, err, key)
		}
	}
	left, err := os.ReadDir(f.uploads())
	f.ok(err)
	if len(left) != 0 {
		t.Errorf("%d refused files are left", len(left))
	}
	i := f.run(eleven+"5550000000001,#1,2026-11-02,paid,,a,a@example.com,x,\"never closed,1,\n", UploadOptions{})
	if i.State != ImportDone && errs.As(i.Err()) == nil {
		t.Errorf("%+v", i)
	}
}

func TestMappingIsRemembered(t *testing.T) {
	f := newSQLite(t)
	data := "번호표,언제,어디로,무엇\n5550000000001,2026-11-02,a@example.com,머그컵\n"
	if _, err := f.Upload(bg, f.shop.ID, strings.NewReader(data), UploadOptions{}); !errs.Is(err, "order.header_missing") {
		t.Fatal(err)
	}
	m := map[string]string{"order_id": "번호표", "ordered_at": "언제", "customer_email": "어디로", "product_name": "무엇"}
	f.want(f.run(data, UploadOptions{Mapping: m}), "done new 1 updated 0 unchanged 0 refused 0/0")
	f.want(f.run(data, UploadOptions{}), "done new 0 updated 0 unchanged 1 refused 0/0")
}

func TestImportGoesOnWhereItStopped(t *testing.T) {
	each(t, func(f *fixture) {
		var b strings.Builder
		b.WriteString(eleven)
		for i := range 2*importBatch + 20 {
			mail := fmt.Sprintf("a%d@example.com", i)
			if i%100 == 7 {
				mail = "broken"
			}
			fmt.Fprintf(&b, "%d,#%d,2026-11-02 10:00:00 +0900,paid,,김,%s,MUG,머그컵,1,yes\n", 5550000000000+i, i, mail)
		}
		i, err := f.Upload(bg, f.shop.ID, strings.NewReader(b.String()), UploadOptions{})
		f.ok(err)
		ctx, stop := context.WithCancel(bg)
		f.OnChange(func(_ context.Context, _ txT, _ *Order, o Order, _ Origin) error {
			if o.ExternalID == fmt.Sprint(5550000000000+importBatch+5) {
				stop() // in the middle of the second part
				return context.Canceled
			}
			return nil
		})
		_, err = f.RunNext(ctx)
		if !errors.Is(err, context.Canceled) {
			f.t.Fatal(err)
		}
		if n := f.count(); n != importBatch-5 {
			f.t.Errorf("%d orders after the first part", n)
		}
		f.listeners = nil
		_, err = f.RunNext(bg)
		f.ok(err)
		i, err = f.Import(bg, f.shop.ID, i.ID)
		f.ok(err)
		f.want(i, fmt.Sprintf("done new %d updated 0 unchanged 0 refused 11/11", 2*importBatch+20-11))
		var out bytes.Buffer
		f.ok(f.ErrorFile(bg, f.shop.ID, i.ID, i18n.English, &out))
		if n := strings.Count(out.String(), "\n"); n != 12 {
			f.t.Errorf("%d lines in the error file, want 12", n)
		}
		f.now = f.now.Add(31 * 24 * time.Hour)
		f.ok(f.Purge(bg))
		if _, err := f.Import(bg, f.shop.ID, i.ID); errs.KindOf(err) != errs.NotFound {
			f.t.Errorf("after 30 days: %v", err)
		}
		if left, _ := os.ReadDir(f.uploads()); len(left) != 0 {
			f.t.Errorf("%d files are left", len(left))
		}
	})
}

func TestMailIsAskedFor(t *testing.T) {
	f := newSQLite(t)
	f.SetMailable(func(_ context.Context, _ string, orders []Order) (int, map[string]int, error) {
		n := 0
		for _, o := range orders {
			if o.FulfillmentStatus == Fulfilled && o.Live {
				n++
			}
		}
		return n, map[string]int{"not_fulfilled": len(orders) - n}, nil
	})
	data := eleven + "5550000000001,#1,2026-11-02 10:00:00 +0900,paid,2026-11-03 10:00:00 +0900,김,a@example.com,MUG,머그컵,1,yes\n" +
		"5550000000002,#2,2026-11-02 10:00:00 +0900,paid,,김,a@example.com,MUG,머그컵,1,yes\n"
	i := f.run(data, UploadOptions{DryRun: true})
	if i.Report.Mailable != 1 || i.Report.WouldMail != 0 || i.Report.WouldSkip["not_fulfilled"] != 1 {
		t.Errorf("%+v", i.Report)
	}
	i = f.run(data, UploadOptions{DryRun: true, Mail: true})
	if i.Report.WouldMail != 1 {
		t.Errorf("%+v", i.Report)
	}
	f.run(data, UploadOptions{})
	if o := f.get("5550000000001"); o.Live {
		t.Errorf("%+v", o)
	}
	i = f.run(data, UploadOptions{Mail: true})
	f.want(i, "done new 0 updated 0 unchanged 2 refused 0/0")
	if o := f.get("5550000000001"); !o.Live {
		t.Errorf("%+v", o)
	}
}

func TestCancelledImportStops(t *testing.T) {
	f := newSQLite(t)
	i, err := f.Upload(bg, f.shop.ID, strings.NewReader(eleven+"1,#1,2026-11-02,paid,,김,a@example.com,MUG,머그컵,1,yes\n"), UploadOptions{})
	f.ok(err)
	_, err = f.CancelImport(bg, f.shop.ID, i.ID)
	f.ok(err)
	if worked, err := f.RunNext(bg); worked || err != nil || f.count() != 0 {
		t.Errorf("worked %v, %v, %d orders", worked, err, f.count())
	}
	if _, err = f.CancelImport(bg, f.shop.ID, i.ID); errs.KindOf(err) != errs.Conflict {
		t.Errorf("cancelled twice: %v", err)
	}
	if _, err := f.Import(bg, "another", i.ID); errs.KindOf(err) != errs.NotFound {
		t.Errorf("another shop's: %v", err)
	}
}

var (
	cp949   = korean.EUCKR
	utf16le = unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM)
	utf16be = unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM)
)
