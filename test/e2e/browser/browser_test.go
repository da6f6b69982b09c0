// Package browser drives the pages in a real Chromium: the whole program in
// this process, simulated vendors beside it, and a script as the person.
package browser

import (
	"context"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"imreport/internal/app"
	"imreport/internal/config"
	"imreport/sim/naver"
	"imreport/sim/smtp"
)

// missing says that this machine has no browser. In CI that is a failure.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("IMREPORT_TEST_ALL") != "" {
		t.Fatalf("%s is missing, and IMREPORT_TEST_ALL wants every test to run", what)
	}
	t.Skipf("%s is missing", what)
}

// journey starts the whole program with the settings that change makes, and
// lets script be the person; env is what it needs to know beside the address.
func journey(t *testing.T, script string, change func(*config.Config), env ...string) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node")
	}
	if _, err := os.Stat("node_modules/playwright-core"); err != nil {
		missing(t, "playwright-core (npm ci in test/e2e/browser)")
	}
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Minute)
	defer stop()
	free, err := net.Listen("tcp", "127.0.0.1:0") // links in mails are built from the address
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	_ = free.Close()
	c := config.Config{Store: config.Store{Data: t.TempDir()}, Addr: addr, PublicURL: "http://" + addr, LogLevel: slog.LevelWarn,
		ProbeInterval: time.Second, ReportDeadline: time.Minute, RetryFor: time.Hour}
	change(&c)
	a, err := app.New(ctx, c, app.Options{Version: "test", Migrate: true, Work: true, Web: true})
	if err != nil {
		t.Fatal(err)
	}
	address, served := make(chan string, 1), make(chan error, 1)
	serve, quit := context.WithCancel(ctx)
	go func() { served <- a.Serve(serve, func(url string) { address <- url }) }()
	defer func() {
		quit()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	var base string
	select {
	case base = <-address:
	case err := <-served:
		served <- err
		t.Fatal(err)
	}
	link, err := a.FirstSignIn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, node, script)
	cmd.Env = append(append(os.Environ(), "CHROMIUM="+chromium, "BASE="+base, "LINK="+link, "SHOTS="+os.Getenv("IMREPORT_TEST_SHOTS")), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// TestPages is a marketer's journey.
func TestPages(t *testing.T) {
	vendor := httptest.NewServer(naver.New(naver.Options{Seed: 1, Accounts: 5, PublishedFromStart: true,
		BuildMin: time.Millisecond, BuildMax: 50 * time.Millisecond}))
	defer vendor.Close()
	journey(t, "pages.mjs", func(c *config.Config) { c.NaverURL = vendor.URL },
		"LICENSE="+naver.DefaultLicense, "SECRET="+naver.DefaultSecret)
}

// TestShop is a merchant's and a customer's journey.
func TestShop(t *testing.T) {
	vendor := httptest.NewServer(naver.New(naver.Options{Seed: 1, Accounts: 1}))
	defer vendor.Close()
	mailbox := t.TempDir()
	post := smtp.New(smtp.Config{Dir: mailbox})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = post.Serve(l) }() // ends with Close
	defer func() { _ = post.Close() }()
	const token = "a token for the shop's journey"
	journey(t, "shop.mjs", func(c *config.Config) {
		c.NaverURL, c.SMTPURL, c.AdminToken = vendor.URL, "smtp://"+l.Addr().String(), token
	}, "TOKEN="+token, "MAILBOX="+mailbox)
}
