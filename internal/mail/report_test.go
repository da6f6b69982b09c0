package mail

import (
	"errors"
	"strings"
	"testing"
	"time"

	sim "imreport/sim/smtp"
)

const token = "019ab0c1-0000-7000-8000-000000000001"

// sentMail is a mail of ours as a server has it.
var sentMail = sim.Mail{ID: "x-1", At: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC), From: "reviews@shop.example", To: []string{"jimin@example.com"}, EnvID: token,
	MessageID: "<rr-" + token + ".0@reviews.example>", Token: token}

func sentBytes(withToken bool) []byte {
	h := "From: reviews@shop.example\r\nTo: jimin@example.com\r\nMessage-ID: <rr-" + token + ".0@reviews.example>\r\nSubject: hello\r\n"
	if withToken {
		h += "X-Imreport-Message: " + token + "\r\n"
	}
	return []byte(h + "\r\nbody\r\n")
}

func TestReports(t *testing.T) {
	for name, c := range map[string]struct {
		raw  []byte
		want Report
	}{
		"hard":           {sim.DSN(sentMail, sentBytes(true), sim.Bounce{}), Report{Token: token, Action: "failed", Status: "5.1.1"}},
		"Korean words":   {sim.DSN(sentMail, sentBytes(true), sim.Bounce{Korean: true, Full: true}), Report{Token: token, Action: "failed", Status: "5.1.1"}},
		"by Message-ID":  {sim.DSN(sentMail, sentBytes(false), sim.Bounce{Status: "5.2.2"}), Report{Token: token, Action: "failed", Status: "5.2.2"}},
		"delayed":        {sim.DSN(sentMail, sentBytes(true), sim.Bounce{Status: "4.4.1"}), Report{Token: token, Action: "delayed", Status: "4.4.1"}},
		"delivered":      {sim.DSN(sentMail, sentBytes(true), sim.Bounce{Status: "2.0.0"}), Report{Token: token, Action: "delivered", Status: "2.0.0"}},
		"from a mailbox": {append([]byte("From MAILER-DAEMON Tue Nov 24 12:00:00 2026\n"), sim.DSN(sentMail, sentBytes(true), sim.Bounce{})...), Report{Token: token, Action: "failed", Status: "5.1.1"}},
		"bare line ends": {[]byte(strings.ReplaceAll(string(sim.DSN(sentMail, sentBytes(true), sim.Bounce{})), "\r\n", "\n")), Report{Token: token, Action: "failed", Status: "5.1.1"}},
		"complaint":      {sim.ARF(sentMail, sentBytes(true), sim.Complaint{}), Report{Token: token, Complaint: true}},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := ParseReports(c.raw)
			if err != nil || len(all) != 1 {
				t.Fatalf("%+v, %v\n%s", all, err, c.raw)
			}
			got := all[0]
			if got.Words == "" || got.Address != "jimin@example.com" && !got.Complaint {
				t.Errorf("%+v", got)
			}
			got.Words, got.Address = "", ""
			if got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
	for name, raw := range map[string][]byte{
		"an absence note": sim.AutoReply(sentMail, sentMail.At), "a mail": sentBytes(true), "nothing": nil, "noise": []byte("\x00\xff\r\n\r\n"),
		"free text": sim.FreeTextBounce(sentMail, sentBytes(true), sim.Bounce{}), "too large": make([]byte, ReportMax+1),
	} {
		if all, err := ParseReports(raw); !errors.Is(err, ErrNoReport) || all != nil {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
	}
}

func FuzzParseReports(f *testing.F) {
	f.Add(sim.DSN(sentMail, sentBytes(true), sim.Bounce{Korean: true}))
	f.Add(sim.ARF(sentMail, sentBytes(true), sim.Complaint{}))
	f.Add([]byte("Content-Type: multipart/report; boundary=x\n\n--x\nContent-Type: message/delivery-status\n\nA: b\n\n c\nAction: failed\n--x--\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, err := ParseReports(raw)
		if (err == nil) == (len(all) == 0) {
			t.Errorf("%d reports, %v", len(all), err)
		}
		for _, r := range all {
			if len(r.Words) > reportWords+10 || r.Token != "" && !tokenForm.MatchString(r.Token) || strings.ContainsAny(r.Words, "\r\n") {
				t.Errorf("%+v", r)
			}
		}
	})
}
