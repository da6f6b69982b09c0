package order

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"imreport/internal/i18n"
)

// field is what a column of a file means: the eleven columns of docs/orders.md,
// and those of Shopify's own export that say parts of one of them.
type field int

const (
	fOrderID field = iota
	fOrderName
	fOrderEither // "주문번호": an id or a name, as its values show
	fOrderedAt
	fStatus
	fClaim // cancellations and returns, beside the status
	fFinancial
	fFulfillment
	fCancelledAt
	fRefunded
	fTotal
	fFulfilledAt
	fName
	fFirstName
	fLastName
	fEmail
	fProductID
	fProduct
	fQuantity
	fConsent
	fields
)

// canonical names the fields that people map columns to.
var canonical = map[string]field{
	"order_id": fOrderID, "order_name": fOrderName, "ordered_at": fOrderedAt, "order_status": fStatus, "fulfilled_at": fFulfilledAt,
	"customer_name": fName, "customer_email": fEmail, "product_id": fProductID, "product_name": fProduct, "quantity": fQuantity,
	"email_consent": fConsent,
}

// Canonical are the names of the eleven columns, in their order.
var Canonical = []string{"order_id", "order_name", "ordered_at", "order_status", "fulfilled_at", "customer_name", "customer_email",
	"product_id", "product_name", "quantity", "email_consent"}

// spellings are the headers of each field, the most telling first: where
// several columns of a file mean one field, the first that is filled counts.
// Sources: docs/orders.md (Shopify's export, Cafe24, Smart Store, WooCommerce,
// Matrixify).
var spellings = [fields][]string{
	fOrderID:     {"order_id", "주문 ID", "Order ID", "Id", "external_order_id", "주문코드"},
	fOrderName:   {"order_name", "주문명", "order_number", "Order Number", "쇼핑몰주문번호", "Order", "Number"},
	fOrderEither: {"주문번호"},
	fOrderedAt: {"ordered_at", "주문일시", "Created at", "order_date", "주문일", "주문일자", "date", "Paid at", "결제일시(입금확인일)", "결제일시",
		"결제일", "Processed At"},
	fStatus:      {"order_status", "주문상태", "status", "주문처리상태"},
	fClaim:       {"클레임상태", "취소상태", "취소/반품 상태"},
	fFinancial:   {"Financial Status", "Payment: Status", "결제상태"},
	fFulfillment: {"Fulfillment Status", "Order Fulfillment Status", "배송상태"},
	fCancelledAt: {"Cancelled at", "취소일시", "취소일", "취소완료일"},
	fRefunded:    {"Refunded Amount"},
	fTotal:       {"Total"},
	fFulfilledAt: {"fulfilled_at", "발송일시", "Fulfilled at", "발송처리일", "발송일", "배송시작일", "Fulfillment: Processed At", "delivered_at",
		"배송완료일", "구매확정일"},
	fName:      {"customer_name", "구매자명", "주문자명", "주문자", "Billing Name", "Shipping Name", "수취인명", "수령인"},
	fFirstName: {"billing_first_name", "Billing First Name"},
	fLastName:  {"billing_last_name", "Billing Last Name"},
	fEmail: {"customer_email", "이메일", "Email", "e-mail", "billing_email", "주문자 이메일", "구매자 이메일", "회원 이메일", "이메일주소", "메일",
		"주문자 E-mail"},
	fProductID: {"product_id", "상품코드", "Lineitem sku", "sku", "Line: SKU", "product_handle", "상품번호", "자체 상품코드", "상품품목코드",
		"판매자 상품코드"},
	fProduct:  {"product_name", "상품명", "Lineitem name", "주문상품명", "주문상품명(기본)", "상품명(한국어 쇼핑몰)", "product_title", "Line: Title", "item"},
	fQuantity: {"quantity", "수량", "Lineitem quantity", "qty", "주문수량", "구매수량", "Line: Quantity"},
	fConsent:  {"email_consent", "이메일 수신동의", "Accepts Marketing", "buyer_accepts_marketing", "이메일수신여부", "메일수신", "광고성 정보 수신동의"},
}

// dropped are the columns of old templates that mean nothing any more.
var dropped = []string{"web_push_consent", "sms_consent", "웹푸시 수신동의", "웹 푸시 수신동의", "앱푸시 수신동의", "SMS 수신동의", "문자 수신동의", "SMS수신여부"}

// anonymous are headers of exports that know no address of the customer
// (docs/orders.md): Smart Store.
var anonymous = []string{"상품주문번호", "발주확인일", "구매자ID"}

var (
	byHeader  = map[string]field{}
	rankOf    = map[string]int{}
	isDropped = map[string]bool{}
	isAnon    = map[string]bool{}
)

func init() {
	for f, all := range spellings {
		for i, h := range all {
			byHeader[headerKey(h)], rankOf[headerKey(h)] = field(f), i
		}
	}
	for _, h := range dropped {
		isDropped[headerKey(h)] = true
	}
	for _, h := range anonymous {
		isAnon[headerKey(h)] = true
	}
}

// headerKey is the form in which headers are compared: composed Hangul, lower
// case, without spaces, underscores and signs that people vary.
func headerKey(h string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), r == '_', r == '-', r == '*', r == '\ufeff', r == '\u200b', r == '\u200c', r == '\u200d', r == '\u2060', r == '\u00a0':
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFC.String(h))
}

// bareKey is headerKey without what stands in brackets: a second try.
func bareKey(h string) string {
	out, depth := strings.Builder{}, 0
	for _, r := range headerKey(h) {
		switch r {
		case '(', '[', '（':
			depth++
		case ')', ']', '）':
			depth = max(0, depth-1)
		default:
			if depth == 0 {
				out.WriteRune(r)
			}
		}
	}
	return out.String()
}

// layout says where a file has what.
type layout struct {
	header  []string
	line    int64 // of the header
	cols    [fields][]int
	shopify bool // Shopify's own export
	anon    bool // an export that knows no addresses
	dropped []string
	unknown []string
}

// readHeader finds out what the columns of a row mean. score counts the fields
// that it knows.
func readHeader(cells []string, mapping map[string]string) (l layout, score int) {
	l.header = make([]string, len(cells))
	mapped := map[string]field{}
	for name, header := range mapping {
		if f, ok := canonical[name]; ok && headerKey(header) != "" {
			mapped[headerKey(header)] = f
		}
	}
	type hit struct{ col, rank int }
	var hits [fields][]hit
	nameCol, lineItem := -1, false
	for i, c := range cells {
		l.header[i] = strings.TrimSpace(strings.Trim(c, "\ufeff"))
		key := headerKey(c)
		if key == "" {
			continue
		}
		if f, ok := mapped[key]; ok {
			hits[f] = append(hits[f], hit{i, -1})
			continue
		}
		if key == "name" {
			nameCol = i
			continue
		}
		lineItem = lineItem || strings.HasPrefix(key, "lineitem")
		f, ok := byHeader[key]
		if !ok {
			key = bareKey(c)
			f, ok = byHeader[key]
		}
		switch {
		case ok:
			hits[f] = append(hits[f], hit{i, rankOf[key]})
		case isDropped[key]:
			l.dropped = append(l.dropped, l.header[i])
		case isAnon[key]:
			l.anon = true
		default:
			l.unknown = append(l.unknown, l.header[i])
		}
	}
	if nameCol >= 0 {
		// In Shopify's export "Name" is the order's, elsewhere the customer's. Of
		// that export people delete columns, but not those of its lines.
		f := fName
		if lineItem || len(hits[fFinancial]) > 0 || len(hits[fOrderID])+len(hits[fOrderName])+len(hits[fOrderEither]) == 0 || len(hits[fFirstName])+len(hits[fName]) > 0 && len(hits[fOrderName]) == 0 {
			f = fOrderName
		}
		hits[f] = append(hits[f], hit{nameCol, 0})
	}
	for f := range hits {
		slices.SortStableFunc(hits[f], func(a, b hit) int { return a.rank - b.rank })
		for _, h := range hits[f] {
			l.cols[f] = append(l.cols[f], h.col)
		}
		if len(hits[f]) > 0 {
			score++
		}
	}
	l.shopify = len(l.cols[fFinancial]) > 0 && len(l.cols[fProduct]) > 0 && nameCol >= 0
	return l, score
}

func (l *layout) has(f field) bool { return len(l.cols[f]) > 0 }

// missing are the canonical columns that the file needs and has not.
func (l *layout) missing() (names []string) {
	if !l.has(fOrderID) && !l.has(fOrderName) && !l.has(fOrderEither) {
		names = append(names, "order_id")
	}
	for _, c := range []struct {
		f    field
		name string
	}{{fOrderedAt, "ordered_at"}, {fEmail, "customer_email"}, {fProduct, "product_name"}} {
		if !l.has(c.f) && !(c.f == fEmail && l.anon) && !(c.f == fProduct && l.has(fProductID)) {
			names = append(names, c.name)
		}
	}
	return names
}

// column is how the file names a field; the canonical name where it has none.
func (l *layout) column(f field) string {
	if c := l.cols[f]; len(c) > 0 {
		return l.header[c[0]]
	}
	for name, v := range canonical {
		if v == f {
			return name
		}
	}
	return ""
}

// notices are what to know about the columns.
func (l *layout) notices() (out []Notice) {
	if len(l.dropped) > 0 {
		out = append(out, note("columns_dropped", strings.Join(l.dropped, ", ")))
	}
	if len(l.unknown) > 0 && !l.shopify && !l.anon {
		out = append(out, note("columns_unknown", strings.Join(firstFew(l.unknown, 20), ", ")))
	}
	if !l.has(fEmail) {
		out = append(out, note("no_addresses"))
	}
	if !l.has(fFulfilledAt) && !l.has(fFulfillment) {
		out = append(out, note("shipping_unknown", unknownShippingDays))
	}
	return out
}

func firstFew(all []string, n int) []string {
	if len(all) > n {
		return append(slices.Clone(all[:n]), "…")
	}
	return all
}

// note makes a notice; its sentence is "order.notice.CODE".
func note(code string, args ...any) Notice { return Notice{Code: code, Args: args} }

// In gives the notice its sentence in a language.
func (n Notice) In(l i18n.Lang) Notice {
	n.Message = i18n.T(l, "order.notice."+n.Code, n.Args...)
	n.Args = nil
	return n
}
