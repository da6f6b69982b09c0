package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"imreport/internal/app"
	"imreport/internal/config"
	"imreport/internal/i18n"
	"imreport/sim/naver"
)

type demoCmd struct {
	Data        string `default:"imreport-demo" help:"Folder that holds everything the demo writes." type:"path"`
	Addr        string `help:"Address to listen on; port 8080, or another one that is free."`
	Seed        uint64 `default:"1" help:"Decides all simulated names and numbers."`
	Profile     string `default:"perlicence" help:"Which of Naver's limits binds; imreport sim naver --help lists them."`
	LateMorning bool   `help:"Naver has not published yesterday yet; it does after two minutes."`
	Log         bool   `help:"Show the log."`
}

// Help is the end of --help.
func (demoCmd) Help() string {
	return `Starts the server and, in the same process, a simulated Naver with 40 ad
accounts under one licence, a Shopify shop and a mailbox. Raw data are being
filled while you watch, orders come in, and reviews are asked for by mail.
Ctrl-C and a second start: everything goes on where it stood.
Delete the folder to begin anew.`
}

// buildMax is how long the simulated Naver takes for a report at most; the
// real one takes up to 20 s, which is long to watch.
const buildMax = 6 * time.Second

// lateFor is how long Naver is late with --late-morning.
const lateFor = 2 * time.Minute

// Run starts the demo and blocks until ctx ends.
func (c *demoCmd) Run(ctx context.Context, o *out) error {
	lang := terminalLang()
	if err := known("--profile", c.Profile, naver.Profiles()); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	url := make(chan string, 1)
	s := naver.New(naver.Options{Seed: c.Seed, Profile: c.Profile, PublishedFromStart: true, BuildMax: buildMax})
	if c.LateMorning {
		s.SetPublished(false)
		late := time.AfterFunc(lateFor, func() { s.SetPublished(true) })
		defer late.Stop()
	}
	go func() {
		err := serveSim(ctx, "127.0.0.1:0", s, func(u string) { url <- u })
		if err != nil {
			stop()
		}
		ended <- err
	}()
	v, err := startVendors(ctx, c.Data, c.Seed)
	if err != nil {
		return err
	}
	cfg, err := c.config()
	if err != nil {
		return err
	}
	select {
	case cfg.NaverURL = <-url:
	case err := <-ended:
		return err
	}
	cfg.ShopifyURL, cfg.SMTPURL = v.shopURL, v.smtpURL
	simulated := cfg.NaverURL + "/_sim/"
	d, err := app.NewDemo(ctx, cfg, app.DemoOptions{
		Version: version, License: naver.DefaultLicense, Secret: naver.DefaultSecret,
		ShopDomain: shopDomain, ShopSecret: shopSecret, ShopToken: shopToken,
	})
	if err != nil {
		return err
	}
	err = d.Serve(ctx, func(url string) {
		fmt.Fprintln(o.stdout, i18n.T(lang, "cli.demo_ready", url, c.Data))
		if link, err := d.SignIn(ctx); err == nil {
			fmt.Fprintln(o.stdout, i18n.T(lang, "cli.demo_link", link))
		}
		fmt.Fprintln(o.stdout, i18n.T(lang, "cli.demo_token", cfg.AdminToken, url))
		fmt.Fprintln(o.stdout, i18n.T(lang, "cli.demo_vendors", simulated, v.mailbox))
		fmt.Fprintln(o.stdout, i18n.T(lang, "cli.demo_stop"))
		go func() {
			hook, err := d.ShopHook(ctx)
			if err != nil {
				fmt.Fprintln(o.stderr, "imreport: demo shop:", err)
				return
			}
			v.live(ctx, hook)
		}()
	})
	stop()
	return errors.Join(err, <-ended, v.wait())
}

// config is the settings of the demo. Environment variables of a real
// installation are left alone: the demo touches nothing outside its folder.
func (c *demoCmd) config() (config.Config, error) {
	cfg := config.Config{
		Store: config.Store{Data: c.Data}, Addr: c.Addr, MailFrom: "데모 가게 <shop@example.com>", LogFormat: "text", LogLevel: quietLevel,
		ProbeInterval: 10 * time.Second, ReportDeadline: 2 * time.Minute, RetryFor: time.Hour,
	}
	if c.Log {
		cfg.LogLevel = 0
	}
	if cfg.Addr == "" {
		cfg.Addr = freeAddr(":8080")
	}
	var err error
	cfg.AdminToken, err = app.DemoToken(c.Data)
	return cfg, err
}

// freeAddr is addr, or one with a free port where addr is taken.
func freeAddr(addr string) string {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return addr
		}
		addr = l.Addr().String()
	}
	_ = l.Close()
	return addr
}

// The simulated shop, as package shopify makes it when nothing else is said.
const (
	shopDomain = "our-test-shop.myshopify.com"
	shopSecret = "imreport-sim-secret"
	shopToken  = "shpat_sim"
)
