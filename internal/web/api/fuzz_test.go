package api

import (
	"bytes"
	"net/http"
	"testing"

	"imreport/internal/errs"
	"imreport/internal/web/rest"
)

// FuzzBodies reads any bytes as every body that comes from outside: each is
// taken, or refused with words.
func FuzzBodies(f *testing.F) {
	f.Add([]byte(rawDataJSON("a")))
	f.Add([]byte(`{"period":{"from":"2026-01-01","to":null,"last_days":"7"},"schedule":{"daily_at":"07:30"},"template_id":7,"force":true}`))
	f.Add([]byte(`{"customer_id":12345678901234567890,"owner_customer_id":null,"until":"2026-11-24T07:30:00+09:00","role":"viewer"}`))
	f.Add([]byte(`{"schedule":null,"reports":"AD","name":"\u0000\ud800"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		raw := new(rawDataBody)
		for _, v := range []any{raw, new(changeRawDataBody), new(refreshBody), new(pauseBody), new(newKeyBody), new(changeKeyBody),
			new(newAccountBody), new(changeAccountBody), new(newWorkspaceBody), new(changeWorkspaceBody), new(newInvitationBody),
			new(changeMemberBody), new(newTokenBody), new(changeProfileBody), new(passwordBody)} {
			r, err := http.NewRequest("POST", "/", bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if err := rest.Decode(r, v); err != nil && errs.As(err) == nil {
				t.Errorf("%T: %v has no words", v, err)
			}
		}
		if _, _, err := raw.input(); err != nil && errs.KindOf(err) != errs.Invalid {
			t.Errorf("%v is not about a field", err)
		}
	})
}
