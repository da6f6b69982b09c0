package shopify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
)

// Signed reports whether a webhook was signed with one of the secrets: base64
// of HMAC-SHA256 over the raw body, compared in constant time. Every secret is
// tried, so that the answer takes the same time whichever fits.
func Signed(h http.Header, body []byte, secrets []string) bool {
	given := header(h, "Hmac-Sha256")
	if len(given) != 1 {
		return false // none, or two that may contradict each other
	}
	want, err := base64.StdEncoding.Strict().DecodeString(given[0])
	if err != nil || len(want) != sha256.Size {
		return false
	}
	ok := false
	for _, secret := range secrets {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write(body)
		if secret != "" && hmac.Equal(want, m.Sum(nil)) {
			ok = true
		}
	}
	return ok
}

// header is a Shopify header in either spelling: the successor of webhooks
// ("Events") drops the "X-".
func header(h http.Header, name string) []string {
	if v := h.Values("X-Shopify-" + name); len(v) > 0 {
		return v
	}
	return h.Values("Shopify-" + name)
}

func first(h http.Header, name string) string {
	if v := header(h, name); len(v) > 0 {
		return v[0]
	}
	return ""
}
