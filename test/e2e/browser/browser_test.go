// Package browser drives the pages in a real Chromium: the whole program in
// this process, a simulated Naver beside it, and pages.mjs as the person.
package browser

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"imreport/internal/app"
	"imreport/internal/config"
	"imreport/sim/naver"
)

// missing says that this machine has no browser. In CI that is a failure.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("IMREPORT_TEST_ALL") != "" {
		t.Fatalf("%s is missing, and IMREPORT_TEST_ALL wants every test to run", what)
	}
	t.Skipf("%s is missing", what)
}

func TestPages(t *testing.T) {
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
	sim := naver.New(naver.Options{Seed: 1, Accounts: 5, PublishedFromStart: true, BuildMin: time.Millisecond, BuildMax: 50 * time.Millisecond})
	vendor := httptest.NewServer(sim)
	defer vendor.Close()

	ctx, stop := context.WithTimeout(t.Context(), 4*time.Minute)
	defer stop()
	c := config.Config{Store: config.Store{Data: t.TempDir()}, Addr: "127.0.0.1:0", LogLevel: slog.LevelWarn, NaverURL: vendor.URL, ProbeInterval: time.Second,
		ReportDeadline: time.Minute, RetryFor: time.Hour}
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
	cmd := exec.CommandContext(ctx, node, "pages.mjs")
	cmd.Env = append(os.Environ(), "CHROMIUM="+chromium, "BASE="+base, "LINK="+link,
		"LICENSE="+naver.DefaultLicense, "SECRET="+naver.DefaultSecret, "SHOTS="+os.Getenv("IMREPORT_TEST_SHOTS"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
}
