package naver

import (
	"encoding/base64"
	"encoding/hex"
	"testing"
	"time"
)

const (
	secretA = "AQAAAABTZWNyZXRLZXlGb3JUZXN0aW5nT25seTAwMDAwMQ=="
	secretB = "secret"
)

func TestSign(t *testing.T) {
	for _, c := range []struct {
		ms           int64
		method, path string
		a, b         string
	}{
		{1457082455307, "GET", "/ncc/campaigns", "O0JYAbcXJ0gVaP9erftTH+qMajaeNUihfz1TVKUBXfY=", "ckSI724Q+iulH7vV9wgI+scb53/QgFrYNOOFoGtHX90="},
		{1457082455307, "POST", "/stat-reports", "P30IAcpnvoeW5OeiF4iRIqzrUBolsui/kI4Kthaj+Yk=", "DCyfDKzXddNLnVNqQpgoqicMwQnaMi3JZmaeQ8lj7bQ="},
		{1767225600000, "GET", "/stats", "16DesAkge5dd7hgl2El9HF5EBbboGpTSRRrXC4k8rYw=", "mvkzk7FAxnR+CAoFTT0p9+AuvI0PL/w87btWwyEP2Io="},
		{1767225600000, "GET", "/stat-reports/39402424", "boGpXJ5RDfo2nai4JKtjyuC2Fr9epVwYyQewJ1+fMP0=", "+mapPvrsE+iK/QiryISJQbMmAHHsHP/4+jQzpoUqKVE="},
		{1767225600000, "GET", "/report-download", "rlnHEYRC9BiLBSTToBL3jjW+pT0hcRv+lt1p7jyLklA=", "arWB5Viir9kSBzM5KYDl84jIv2f8ecBUswpB6opTmXA="},
		{1767225600000, "DELETE", "/master-reports/5C83BA8B1ACDDA1FE8CA20E32FB2394C", "2XIVBtXoq+eWMc3d1q2NfcWAJXG6/D0qiBF7KqsoNjY=", "nrfe7eq0FNFpuOnX0GW/bzS5QHAQJw+SJl4L24AdoAs="},
		{1767225600000, "GET", "/keywordstool", "SWO+ufmMUdsyRliBcCaNvlsvdZB23qypTvHQ/9U4cpA=", "E9FJB4E85bvHGvZ+yNAE6AQ/yapzWR0m3MNkHtQzwAU="},
		{1767225600000, "GET", "/manager-accounts/12345/child-ad-accounts", "q6hOmFQ3EOh98W+rGZE9G0N6YPv0w7YQSdqwDOfiPzU=", "e2q+YhsgwEAop8TuQyOVEAkIz3rI02hyewIsJy2L7bY="},
	} {
		for secret, want := range map[string]string{secretA: c.a, secretB: c.b} {
			ts, got := Sign(secret, time.UnixMilli(c.ms), c.method, c.path)
			if got != want {
				t.Errorf("%d.%s.%s with %.6s: %s, want %s", c.ms, c.method, c.path, secret, got, want)
			}
			if len(ts) != 13 {
				t.Errorf("timestamp %q is not in milliseconds", ts)
			}
		}
	}
}

// The classic mistakes give other signatures; what Sign makes is none of them.
func TestSignIsNotAMistake(t *testing.T) {
	at := time.UnixMilli(1457082455307)
	_, right := Sign(secretA, at, "GET", "/ncc/campaigns")
	decoded, err := base64.StdEncoding.DecodeString(secretA)
	if err != nil {
		t.Fatal(err)
	}
	_, fromDecoded := Sign(string(decoded), at, "GET", "/ncc/campaigns")
	_, lower := Sign(secretA, at, "get", "/ncc/campaigns")
	_, seconds := Sign(secretA, time.UnixMilli(at.Unix()), "GET", "/ncc/campaigns")
	raw, err := base64.StdEncoding.DecodeString(right)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ got, wrong string }{
		"secret decoded":    {fromDecoded, "fnlUE029FqdArWxKAV4+ZeXQ9PAc+yBq7QF38WXGWR8="},
		"hex":               {hex.EncodeToString(raw), "3b425801b71727481568ff5eadfb531fea8c6a369e3548a17f3d5354a5015df6"},
		"lower-case method": {lower, "CJnTHfUjGWmf3FNOX0yXz+l4zPZA0aihEozeAT9+7l8="},
		"seconds":           {seconds, "wZ8o/2b7RHV0Dh6/ZaDCl7dsGrljJQsKEnG/qXThDjk="},
	} {
		if c.got != c.wrong {
			t.Errorf("%s: the mistake gives %s, the fact sheet says %s", name, c.got, c.wrong)
		}
		if right == c.wrong {
			t.Errorf("%s: Sign makes this mistake", name)
		}
	}
	if _, q := Sign(secretA, time.UnixMilli(1767225600000), "GET", "/stats?ids=a"); q != "ds+r++fmvHxD1q+r4JR/EJmsyjWY2Xv1/45DsKXydyI=" {
		t.Errorf("query included: %s", q)
	}
}
