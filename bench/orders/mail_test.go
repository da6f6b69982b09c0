package orders

import (
	"context"
	"math"
	"os"
	"testing"

	"imreport/internal/review"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if IsMailChild() {
		if err := MailChild(context.Background()); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// A process that is killed at each named step of claiming and sending, and at
// any moment, sends no mail twice and loses none.
func TestKilledWhileSending(t *testing.T) {
	all, err := Run(t.Context(), Options{Part: "mail", Mails: 120, Kills: 2 * len(review.Steps), Seed: 7, PostgresURL: os.Getenv("IMREPORT_TEST_PG")}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		m := r.Mail
		if m.Doubled != 0 || m.Lost != 0 || m.FalseSent != 0 || m.Sent+m.Unknown+m.Skipped != m.Messages || m.Unknown > m.Kills*m.Connections {
			t.Errorf("%s: %+v", r.Database, m)
		}
		// A server may commit what a killed client sent after we have looked:
		// kill by kill the bound holds for certain where the file is ours.
		if r.Database == "sqlite" && m.MostUnknown > m.Connections {
			t.Errorf("%s: one kill left %d unknown: %+v", r.Database, m.MostUnknown, m)
		}
		reached := 0
		for _, step := range review.Steps {
			if m.AtStep[step] > 0 {
				reached++
			} else { // the machine was slow, and all was sent before
				t.Logf("%s: never killed at %q", r.Database, step)
			}
		}
		if reached == 0 {
			t.Errorf("%s: never killed at a named step: %+v", r.Database, m)
		}
	}
}

func TestUpperBound(t *testing.T) {
	for _, c := range []struct {
		k, n int
		want float64
	}{{0, 1000, 0.0029912}, {0, 100, 0.0295130}, {1, 100, 0.0466}, {10, 10, 1}} {
		if got := upper95(c.k, c.n); math.Abs(got-c.want) > 1e-4 {
			t.Errorf("%d of %d: %v, want %v", c.k, c.n, got, c.want)
		}
	}
}
