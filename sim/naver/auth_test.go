package naver

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSignatureVectors(t *testing.T) {
	const a = "AQAAAABTZWNyZXRLZXlGb3JUZXN0aW5nT25seTAwMDAwMQ=="
	for _, v := range []struct{ ts, method, path, a, b string }{
		{"1457082455307", "GET", "/ncc/campaigns", "O0JYAbcXJ0gVaP9erftTH+qMajaeNUihfz1TVKUBXfY=", "ckSI724Q+iulH7vV9wgI+scb53/QgFrYNOOFoGtHX90="},
		{"1457082455307", "POST", "/stat-reports", "P30IAcpnvoeW5OeiF4iRIqzrUBolsui/kI4Kthaj+Yk=", "DCyfDKzXddNLnVNqQpgoqicMwQnaMi3JZmaeQ8lj7bQ="},
		{"1767225600000", "GET", "/stats", "16DesAkge5dd7hgl2El9HF5EBbboGpTSRRrXC4k8rYw=", "mvkzk7FAxnR+CAoFTT0p9+AuvI0PL/w87btWwyEP2Io="},
		{"1767225600000", "GET", "/stat-reports/39402424", "boGpXJ5RDfo2nai4JKtjyuC2Fr9epVwYyQewJ1+fMP0=", "+mapPvrsE+iK/QiryISJQbMmAHHsHP/4+jQzpoUqKVE="},
		{"1767225600000", "GET", "/report-download", "rlnHEYRC9BiLBSTToBL3jjW+pT0hcRv+lt1p7jyLklA=", "arWB5Viir9kSBzM5KYDl84jIv2f8ecBUswpB6opTmXA="},
		{"1767225600000", "DELETE", "/master-reports/5C83BA8B1ACDDA1FE8CA20E32FB2394C", "2XIVBtXoq+eWMc3d1q2NfcWAJXG6/D0qiBF7KqsoNjY=", "nrfe7eq0FNFpuOnX0GW/bzS5QHAQJw+SJl4L24AdoAs="},
		{"1767225600000", "GET", "/keywordstool", "SWO+ufmMUdsyRliBcCaNvlsvdZB23qypTvHQ/9U4cpA=", "E9FJB4E85bvHGvZ+yNAE6AQ/yapzWR0m3MNkHtQzwAU="},
		{"1767225600000", "GET", "/manager-accounts/12345/child-ad-accounts", "q6hOmFQ3EOh98W+rGZE9G0N6YPv0w7YQSdqwDOfiPzU=", "e2q+YhsgwEAop8TuQyOVEAkIz3rI02hyewIsJy2L7bY="},
	} {
		if got := Sign(a, v.ts, v.method, v.path); got != v.a {
			t.Errorf("%s %s with A: %s", v.method, v.path, got)
		}
		if got := Sign("secret", v.ts, v.method, v.path); got != v.b {
			t.Errorf("%s %s with B: %s", v.method, v.path, got)
		}
	}
}

func TestMustFailSignatures(t *testing.T) {
	const secret, ms = "AQAAAABTZWNyZXRLZXlGb3JUZXN0aW5nT25seTAwMDAwMQ==", 1457082455307
	ck := &clock{t: time.UnixMilli(ms)}
	c := newClient(t, Options{Secret: secret, Accounts: 2, Now: ck.now})
	for name, sig := range map[string]string{
		"right":             "O0JYAbcXJ0gVaP9erftTH+qMajaeNUihfz1TVKUBXfY=",
		"secret decoded":    "fnlUE029FqdArWxKAV4+ZeXQ9PAc+yBq7QF38WXGWR8=",
		"hex":               "3b425801b71727481568ff5eadfb531fea8c6a369e3548a17f3d5354a5015df6",
		"lower-case method": "CJnTHfUjGWmf3FNOX0yXz+l4zPZA0aihEozeAT9+7l8=",
		"seconds":           "wZ8o/2b7RHV0Dh6/ZaDCl7dsGrljJQsKEnG/qXThDjk=",
	} {
		r, _ := http.NewRequest("GET", c.url+"/ncc/campaigns", nil)
		r.Header.Set("X-Timestamp", strconv.Itoa(ms))
		r.Header.Set("X-API-KEY", c.license)
		r.Header.Set("X-Customer", strconv.FormatInt(c.customer, 10))
		r.Header.Set("X-Signature", sig)
		code, _, body := c.send(r)
		if name == "right" != (code == 200) || name != "right" && !strings.Contains(body, "Signature '"+sig+"' is invalid.") {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	ck.t = time.UnixMilli(1767225600000)
	r, _ := http.NewRequest("GET", c.url+"/stats?ids=a", nil)
	r.Header = http.Header{"X-Timestamp": {"1767225600000"}, "X-Api-Key": {c.license}, "X-Customer": {strconv.FormatInt(c.customer, 10)},
		"X-Signature": {"ds+r++fmvHxD1q+r4JR/EJmsyjWY2Xv1/45DsKXydyI="}}
	if code, _, body := c.send(r); code != 403 || !strings.Contains(body, "invalid-signature") {
		t.Errorf("query signed: %d %s", code, body)
	}
}

func TestAuthBodies(t *testing.T) {
	c := newClient(t, Options{Accounts: 20})
	foreign := "1999999"
	ask := func(edit func(http.Header)) (int, string) {
		r, _ := http.NewRequest("GET", c.url+"/ncc/campaigns", nil)
		ts := strconv.FormatInt(c.clock.now().UnixMilli(), 10)
		r.Header.Set("X-Timestamp", ts)
		r.Header.Set("X-API-KEY", c.license)
		r.Header.Set("X-Customer", strconv.FormatInt(c.customer, 10))
		r.Header.Set("X-Signature", Sign(c.secret, ts, "GET", "/ncc/campaigns"))
		edit(r.Header)
		code, _, body := c.send(r)
		return code, body
	}
	stamped := func(d time.Duration) func(http.Header) {
		return func(h http.Header) {
			ts := strconv.FormatInt(c.clock.now().Add(d).UnixMilli(), 10)
			h.Set("X-Timestamp", ts)
			h.Set("X-Signature", Sign(c.secret, ts, "GET", "/ncc/campaigns"))
		}
	}
	for _, tc := range []struct {
		name string
		edit func(http.Header)
		want string // in the body; "" is success
	}{
		{"good", func(http.Header) {}, ""},
		{"no key", func(h http.Header) { h.Del("X-API-KEY") }, "HTTP header required: X-API-KEY"},
		{"no signature", func(h http.Header) { h.Del("X-Signature") }, "HTTP header required: X-Signature"},
		{"unknown key", func(h http.Header) { h.Set("X-API-KEY", "0100") }, "API-KEY '0100' is invalid."},
		{"key before timestamp", func(h http.Header) { h.Set("X-API-KEY", "0100"); h.Set("X-Timestamp", "1") }, "invalid-apikey"},
		{"60 s old", stamped(-60 * time.Second), ""},
		{"60.001 s old", stamped(-60001 * time.Millisecond), `"title":"Invalid Timestamp"`},
		{"60.001 s ahead", stamped(60001 * time.Millisecond), "Request has expired."},
		{"timestamp before signature", func(h http.Header) { h.Set("X-Timestamp", "1"); h.Set("X-Signature", "x") }, "invalid-timestamp"},
		{"wrong signature", func(h http.Header) { h.Set("X-Signature", "yEMd") }, "Signature 'yEMd' is invalid."},
		{"signature before customer", func(h http.Header) { h.Set("X-Customer", foreign); h.Set("X-Signature", "x") }, "invalid-signature"},
		{"foreign customer", func(h http.Header) { h.Set("X-Customer", foreign) }, "Auth failed with api-key: " + c.license + ", customer-id: " + foreign},
	} {
		code, body := ask(tc.edit)
		if tc.want == "" && code != 200 || tc.want != "" && (code != 403 || !strings.Contains(body, tc.want) || !strings.Contains(body, `"status":403`)) {
			t.Errorf("%s: %d %s", tc.name, code, body)
		}
	}
	c.sim.Forbid(c.customer, true)
	if code, body := ask(func(http.Header) {}); code != 403 || !strings.Contains(body, "auth-failed") {
		t.Errorf("forbidden customer: %d %s", code, body)
	}
	c.sim.Forbid(c.customer, false)
	if code, _, body := c.do("GET", "/customer-links?type=MYCLIENTS", ""); code != 403 || !strings.Contains(body, "permission to access on this server (resource)") {
		t.Errorf("links of another customer: %d %s", code, body)
	}
	old := c.secret
	c.secret = c.sim.RotateSecret(c.license)
	if code, body := ask(func(http.Header) {}); code != 200 {
		t.Errorf("new secret: %d %s", code, body)
	}
	c.secret = old
	if code, body := ask(func(http.Header) {}); code != 403 || !strings.Contains(body, "invalid-signature") {
		t.Errorf("old secret: %d %s", code, body)
	}
	c.sim.SetSkew(2 * time.Minute)
	code, h, body := c.do("GET", "/ncc/campaigns", "")
	if date, err := http.ParseTime(h.Get("Date")); code != 403 || !strings.Contains(body, "invalid-timestamp") || err != nil ||
		date.Sub(c.clock.now()) != 2*time.Minute || len(h.Get("X-Transaction-ID")) != 16 {
		t.Errorf("skewed: %d %s %v", code, body, h)
	}
	c.sim.RevokeLicense(c.license)
	if code, body := ask(func(http.Header) {}); code != 403 || !strings.Contains(body, "invalid-apikey") {
		t.Errorf("revoked: %d %s", code, body)
	}
}

func TestLicenceReachesItsCustomersOnly(t *testing.T) {
	c := newClient(t, Options{Accounts: 4})
	other := c.sim.Customers()[2].ID
	c.sim.AddLicense("0100000000ab", "second", c.customer)
	c.license, c.secret = "0100000000ab", "second"
	if code, _, body := c.do("GET", "/ncc/campaigns", ""); code != 200 {
		t.Errorf("own: %d %s", code, body)
	}
	c.customer = other
	if code, _, body := c.do("GET", "/ncc/campaigns", ""); code != 403 {
		t.Errorf("other: %d %s", code, body)
	}
}
