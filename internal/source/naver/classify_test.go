package naver

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"imreport/internal/account"
	"imreport/internal/i18n"
	"imreport/internal/quota"
	"imreport/internal/run"
)

const transactionHeader = "0123456789abcdef"

// TestClassify has each body of the fact sheet (sections 1.4, 2.0, 2.5-2.7, 5)
// and what it must mean.
func TestClassify(t *testing.T) {
	for _, c := range []struct {
		name, op string
		status   int
		body     string
		want     class
	}{
		{"header missing", "stat-reports.list", 403, `{"header":"X-API-KEY","status":403,"type":"urn:naver:api:problem:missing-header","title":"Missing Header","detail":"HTTP header required: X-API-KEY"}`, headerMissing},
		{"licence", "stat-reports.list", 403, `{"apikey":"0100...","status":403,"type":"urn:naver:api:problem:invalid-apikey","title":"Invalid API-KEY","detail":"API-KEY '0100...' is invalid."}`, licenceUnknown},
		{"clock", "stat-reports.list", 403, `{"timestamp":"1687141399277","status":403,"type":"urn:naver:api:problem:invalid-timestamp","title":"Invalid Timestamp","detail":"Request has expired."}`, clockWrong},
		{"signature", "stat-reports.list", 403, `{"signature":"yEMd...","status":403,"type":"urn:naver:api:problem:invalid-signature","title":"Invalid Signature","detail":"Signature 'yEMd...' is invalid."}`, secretWrong},
		{"no right on the customer", "stat-reports.list", 403, `{"status":403,"type":"urn:naver:api:problem:auth-failed","title":"Auth Failed","detail":"Auth failed with api-key: 0100..., customer-id: 1069809"}`, forbidden},
		{"foreign resource", "customer-links", 403, `{"status":403,"title":"You don't have permission to access on this server (resource)."}`, notOwner},
		{"a gateway's 403 says nothing about the key", "stat-reports.list", 403, `<html><body><h1>403 Forbidden</h1></body></html>`, unreadable},
		{"not ready", "stat-reports.create", 400, `{"code":20007,"message":"해당 일자 지표 준비중입니다."}`, preparing},
		{"outside of the days", "stat-reports.create", 400, `{"code":10004,"message":"선택하신 조건에 지표가 확인되지 않습니다."}`, periodGone},
		{"malformed, or Naver's bug", "stats", 400, `{"code":11001,"message":"잘못된 파라미터 형식입니다."}`, badRequest},
		{"code as text", "stats", 400, `{"code":"11001","message":"잘못된 파라미터 형식입니다."}`, badRequest},
		{"content type", "stat-reports.create", 400, `{"code":11005,"message":"지원하지 않는 Content-Type입니다."}`, contentType},
		{"job of another or deleted", "stat-reports.list", 403, `{"code":20005,"message":"요청한 작업을 수행할 수 없습니다."}`, jobLost},
		{"job unknown", "report-download", 404, `{"code":20011,"message":"보고서를 찾을 수 없습니다."}`, jobLost},
		{"job unknown under another status", "report-download", 400, `{"code":20011,"message":"보고서를 찾을 수 없습니다."}`, jobLost},
		{"master cap", "master-reports.create", 400, `{"name":"BadRequest","status":400,"title":"Bad Request","detail":"exceeded limit of '100' numbers of 'job'"}`, jobCap},
		{"entity gone", "ncc.keywords", 404, `{"code":1018,"status":404,"title":"No permission to access the resource."}`, gone},
		{"entity not found", "ncc.ads", 400, `{"code":1001,"status":400,"title":"not found"}`, gone},
		{"address too long", "ncc.adgroups", 400, `<html><body><h1>400 Bad request</h1>Your browser sent an invalid request.</body></html>`, tooLong},
		{"414", "ncc.adgroups", 414, ``, tooLong},
		{"outage", "stat-reports.create", 500, `{"code":500,"message":"Internal Server Error"}`, serverFault},
		{"outage on download", "report-download", 500, `{"name":"InternalServerError","status":500,"title":"Internal Server Error","detail":"A failure of processing the request message"}`, serverFault},
		{"timeout inside Naver", "ncc.campaigns", 500, `{"timestamp":1,"status":500,"error":"Internal Server Error","exception":"java.net.SocketTimeoutException","message":"Read timed out"}`, serverFault},
		{"empty 500", "ncc.campaigns", 500, ``, serverFault},
		{"502 of a gateway", "ncc.campaigns", 502, `<html><h1>502 Bad Gateway</h1></html>`, serverFault},
		{"504", "ncc.campaigns", 504, ``, serverFault},
		{"external system", "ncc.ads", 500, `{"code":1020,"status":500,"title":"External system integration failure","detail":"..."}`, serverFault},
		{"too many connections", "ncc.ads", 400, `{"code":1016,"status":400,"title":"Too many connections"}`, serverFault},
		{"maintenance", "ncc.campaigns", 503, `{"status":503,"title":"Service Unavailable"}`, closed},
		{"maintenance by code", "ncc.campaigns", 500, `{"code":503,"message":"정기점검이 진행 중입니다."}`, closed},
		{"schema", "ncc.campaigns", 400, `{"code":1010,"status":400,"title":"schema","detail":"..."}`, badRequest},
		{"a redirect", "ncc.campaigns", 302, ``, unreadable},
		{"teapot", "ncc.campaigns", 418, `short and stout`, unreadable},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{"X-Transaction-Id": {transactionHeader}}
			if _, is := limited(c.op, c.status, h, []byte(c.body)); is {
				t.Fatal("taken for a refusal because of the rate")
			}
			f := classify(c.op, c.status, h, []byte(c.body))
			if f.class != c.want {
				t.Errorf("%s, want %s", f.class, c.want)
			}
			if f.transaction != transactionHeader {
				t.Errorf("transaction %q is lost", f.transaction)
			}
			if strings.Contains(f.Error(), "<h1>") {
				t.Errorf("tags in %q", f.Error())
			}
		})
	}
}

// TestLimited has the four forms of a refusal for the rate, and whom they name.
func TestLimited(t *testing.T) {
	with := http.Header{"X-Transaction-Id": {transactionHeader}}
	for _, c := range []struct {
		name, op, body string
		h              http.Header
		blames         string
	}{
		{"A", "keywordstool", `{"code":429,"message":"Too Many Requests"}`, with, ""},
		{"B", "stat-reports.list", `{"code":429,"status":429,"title":"Cannot handle the request. Too many requests already exist."}`, with, ""},
		{"C keyword tool", "keywordstool", `<html><body><h1>429 Too Many Requests</h1></body></html>`, http.Header{}, quota.IPKwtool},
		{"C", "stats", `<html><body><h1>429 Too Many Requests</h1></body></html>`, http.Header{}, quota.IP},
		{"D", "stat-reports.create", `{"code":429,"message":"Too Many Requests, Request Not Over 100 rps"}`, with, quota.IP},
	} {
		a, ok := limited(c.op, 429, c.h, []byte(c.body))
		if !ok || !a.Refused || a.Blames != c.blames || a.RetryAfter != 0 {
			t.Errorf("%s: %+v, %v; want blame %q", c.name, a, ok, c.blames)
		}
	}
	if _, ok := limited("stats", 200, with, []byte(`{"code":429}`)); ok {
		t.Error("an answer of 200 is no refusal")
	}
}

var allClasses = []class{licenceUnknown, secretWrong, clockWrong, headerMissing, forbidden, notOwner, preparing, closed, periodGone,
	badRequest, contentType, tooLong, gone, jobLost, jobCap, jobFailed, jobLate, serverFault, unreachable, unreadable, columnsChanged,
	suspiciousNone, suspiciousPart}

// TestEachClassHasItsSentence: a title and a detail in both languages, and what
// to do where a person can do something.
func TestEachClassHasItsSentence(t *testing.T) {
	byHand := map[class]bool{licenceUnknown: true, secretWrong: true, clockWrong: true, headerMissing: true, forbidden: true, periodGone: true, columnsChanged: true}
	titles := map[string]class{}
	for _, cl := range allClasses {
		key := (&fault{class: cl}).key()
		for _, part := range []string{"", ".detail"} {
			if !i18n.Has(key + part) {
				t.Errorf("no sentence %s", key+part)
			}
		}
		if byHand[cl] && !i18n.Has(key+".action") {
			t.Errorf("%s does not say what to do", key)
		}
		title := i18n.T(i18n.Korean, key)
		if other, ok := titles[title]; ok {
			t.Errorf("%s and %s say the same", cl, other)
		}
		titles[title] = cl
	}
	for _, r := range Reports() {
		if !i18n.Has(r.Label) || !i18n.Has(r.Hint) {
			t.Errorf("no label of %s", r.Name)
		}
	}
}

// TestTreatment: what a run does about each class.
func TestTreatment(t *testing.T) {
	cred := account.Credential{ID: "key-1", License: "0100", Revision: 3}
	for cl, want := range map[class]struct {
		do      run.Disposition
		reason  run.Code
		subject string
	}{
		licenceUnknown: {run.Park, run.CodeKeyInvalid, "key-1"},
		secretWrong:    {run.Park, run.CodeKeyInvalid, "key-1"},
		forbidden:      {run.Fail, run.CodeAccountForbidden, ""},
		preparing:      {run.Park, run.CodePlatformPreparing, Preparing},
		suspiciousNone: {run.Park, run.CodePlatformPreparing, ""},
		suspiciousPart: {run.Park, run.CodePlatformPreparing, ""},
		closed:         {run.Park, run.CodePlatformClosed, ""},
		periodGone:     {run.Fail, run.CodePeriodUnavailable, ""},
		columnsChanged: {run.Fail, run.CodePlatformError, ""},
		jobLate:        {run.Retry, run.CodePlatformError, ""},
		serverFault:    {run.Retry, run.CodePlatformError, Outage},
		unreachable:    {run.Retry, run.CodePlatformError, Outage},
	} {
		s, ok := stop(cred, &fault{class: cl, customer: "1"}).(*run.Stop)
		if !ok || s.Do != want.do || s.Reason != want.reason || s.Subject != want.subject {
			t.Errorf("%s: %+v, want %+v", cl, s, want)
		}
		if len(s.Args) == 0 || s.Args[0] != "naver."+string(cl) {
			t.Errorf("%s: arguments %v do not name the sentence", cl, s.Args)
		}
		_, dead := refusedBy(s)
		if wantDead := cl == licenceUnknown || cl == secretWrong; dead != wantDead {
			t.Errorf("%s: key refused: %v", cl, dead)
		}
	}
}

func refusedBy(err error) (r *account.Refused, ok bool) {
	for err != nil {
		if r, ok = err.(*account.Refused); ok {
			return r, true
		}
		u, is := err.(interface{ Unwrap() error })
		if !is {
			return nil, false
		}
		err = u.Unwrap()
	}
	return nil, false
}

// FuzzClassify: whatever a server answers, there is a class with a sentence,
// and nothing unprintable in it.
func FuzzClassify(f *testing.F) {
	f.Add("stat-reports.create", 400, `{"code":20007,"message":"해당 일자 지표 준비중입니다."}`)
	f.Add("stats", 200, `<html>`)
	f.Add("ncc.ads", 403, `{"type":":","status":{},"code":[1],"title":null}`)
	f.Add("report-download", 500, "\xff\xfe")
	f.Add("x", 429, ``)
	f.Fuzz(func(t *testing.T, op string, status int, body string) {
		h := http.Header{}
		limited(op, status, h, []byte(body))
		c := classify(op, status, h, []byte(body))
		known := false
		for _, cl := range allClasses {
			known = known || cl == c.class
		}
		if !known {
			t.Errorf("class %q", c.class)
		}
		if len(c.title) > 320 {
			t.Errorf("title of %d bytes", len(c.title))
		}
		if said := fmt.Sprint(c.arguments()...); !utf8.ValidString(said) || strings.ContainsRune(said, 0) {
			t.Errorf("unprintable: %q", said)
		}
	})
}

// What was asked for no customer says so in sentences, too.
func TestASentenceHasNoHoles(t *testing.T) {
	f := &fault{class: secretWrong, status: 403}
	if got := fmt.Sprint(f.sentence().Args...); got != fmt.Sprint("–", "HTTP 403", "–") {
		t.Errorf("said of %s", got)
	}
}
