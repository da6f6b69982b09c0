package shopify

import (
	"net/http"
	"testing"
)

// Computed with another implementation.
var vectors = []struct{ body, header string }{
	{`{"id":5550000000001,"name":"#1001"}`, "7WQ4JXw/ItG+cS0k/r9I5USayi6kYX0Tvv+hqXi/T2c="},
	{`{"id":5550000000001,"name":"#1001"}` + "\n", "yUvZ3qZ+07dcyFgl3pgfkXesy8nOxgRM9p+JEQW8XWo="},
	{`{"id": 5550000000001, "name": "#1001"}`, "DQUmNUXtOIaey5E/zVFEsQHtPxPS2AHoAkaY/d55uCk="},
	{`{"id":5550000000002,"customer":{"first_name":"지민","last_name":"김"},"updated_at":"2026-11-20T10:15:00+09:00"}`, "pG03ZUBUYV+73wKtFAX7tDwm8dYSAdwmVe65OHNaCYM="},
	{`{"id":5550000000002,"customer":{"first_name":"\uc9c0\ubbfc","last_name":"\uae40"},"updated_at":"2026-11-20T10:15:00+09:00"}`, "p7bNNLAXt6mh6S5bv0iPviB412PikhY9ZLmD0u8+wag="},
	{`{"id":5550000000003,"order_status_url":"https:\/\/shop.example\/orders\/abc"}`, "0QCUhSrQMtaFEh4pDSqzcuWTzBLcMtP36+GazlPYM98="},
	{`{}`, "Dcf4Bj94AqNsEZHIDR3hzQEIZTJwIzH0tjq2t2tdWLQ="},
	{``, "+p5stcTgICiy/w8Zs+iJHGtrgeYpi72KWOKJoRyIqsI="},
}

const vectorSecret = "imreport-test-client-secret-0001"

func TestSignatureVectors(t *testing.T) {
	for i, v := range vectors {
		for k, other := range vectors {
			h := http.Header{"X-Shopify-Hmac-Sha256": {other.header}}
			if got := Signed(h, []byte(v.body), []string{vectorSecret}); got != (i == k) {
				t.Errorf("body %d with header %d: %v", i+1, k+1, got)
			}
		}
	}
	body := []byte(vectors[0].body)
	second := "imreport-test-client-secret-0002"
	for name, c := range map[string]struct {
		h       http.Header
		secrets []string
		want    bool
	}{
		"second secret":    {http.Header{"X-Shopify-Hmac-Sha256": {"xCRUwlRypcme6wKRezcCpDCBSG/htuzpwYRruePOeUg="}}, []string{vectorSecret, second}, true},
		"no X":             {http.Header{"Shopify-Hmac-Sha256": {vectors[0].header}}, []string{vectorSecret}, true},
		"hex":              {http.Header{"X-Shopify-Hmac-Sha256": {"ed6438257c3f22d1"}}, []string{vectorSecret}, false},
		"absent":           {http.Header{}, []string{vectorSecret}, false},
		"two headers":      {http.Header{"X-Shopify-Hmac-Sha256": {vectors[0].header, vectors[0].header}}, []string{vectorSecret}, false},
		"trailing space":   {http.Header{"X-Shopify-Hmac-Sha256": {vectors[0].header + " "}}, []string{vectorSecret}, false},
		"no secrets":       {http.Header{"X-Shopify-Hmac-Sha256": {vectors[0].header}}, nil, false},
		"an empty secret":  {http.Header{"X-Shopify-Hmac-Sha256": {vectors[0].header}}, []string{""}, false},
		"another's secret": {http.Header{"X-Shopify-Hmac-Sha256": {vectors[0].header}}, []string{second}, false},
	} {
		if got := Signed(c.h, body, c.secrets); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
