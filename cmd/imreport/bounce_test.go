package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"imreport/internal/app"
	"imreport/internal/config"
	"imreport/internal/errs"
	sim "imreport/sim/smtp"
)

// A bounce is taken beside a server: once, and nothing else is taken for one.
func TestBounce(t *testing.T) {
	c := bounceCmd{Store: config.Store{Data: t.TempDir()}}
	if err := c.take(context.Background(), strings.NewReader("x"), &out{}); !errs.Is(err, "workspace.none") {
		t.Errorf("before the first start: %v", err)
	}
	a, err := app.New(context.Background(), config.Config{Store: c.Store}, app.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	sent := sim.Mail{ID: "1", To: []string{"jimin@example.com"}, From: "a@example.kr"}
	dsn := string(sim.DSN(sent, []byte("Subject: x\r\n\r\n"), sim.Bounce{}))
	for _, want := range []string{"about no mail of ours", "was taken before"} {
		var out1 bytes.Buffer
		if err := c.take(context.Background(), strings.NewReader(dsn), &out{stdout: &out1, stderr: &out1}); err != nil || !strings.Contains(out1.String(), want) {
			t.Errorf("%q, %v", out1.String(), err)
		}
	}
	if err := c.take(context.Background(), strings.NewReader("Subject: hello\r\n\r\nbye"), &out{}); !errs.Is(err, "shopapi.no_report") {
		t.Errorf("a mail was taken for a report: %v", err)
	}
}
