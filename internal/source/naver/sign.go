package naver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"
)

// Sign makes the headers X-Timestamp and X-Signature of a request. The secret
// is used as it stands, though it looks like base64; path is the URL's path
// without its query ("/stat-reports/1"). A timestamp about a minute old is
// refused, so sign just before sending, and again before each retry.
func Sign(secret string, at time.Time, method, path string) (timestamp, signature string) {
	timestamp = strconv.FormatInt(at.UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(timestamp + "." + method + "." + path)) // a hash never fails
	return timestamp, base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
