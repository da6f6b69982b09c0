package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"imreport/internal/errs"
	"imreport/sim/naver"
	"imreport/sim/shopify"
	"imreport/sim/smtp"
)

type simCmd struct {
	Naver   simNaverCmd   `cmd:"" help:"Naver Search Ads with simulated accounts."`
	Shopify simShopifyCmd `cmd:"" help:"A Shopify shop that signs, repeats and retries."`
	SMTP    simSMTPCmd    `cmd:"" name:"smtp" help:"A mail server that keeps what it gets and fails on demand."`
}

type simNaverCmd struct {
	Addr      string `default:"127.0.0.1:9090" help:"Address to listen on."`
	Seed      uint64 `default:"1" help:"Decides all names, numbers and delays."`
	Profile   string `help:"Which limits bind: one of the profiles above; perlicence when absent."`
	Accounts  int    `default:"40" help:"Ad accounts of the licence."`
	Campaigns int    `default:"6" help:"Campaigns of each account."`
	AdGroups  int    `default:"24" help:"Ad groups of each account."`
	Keywords  int    `default:"300" help:"Keywords of each account; as many rows of AD a day."`
	Published bool   `help:"Yesterday is published at any hour."`
}

// Help is the end of --help.
func (simNaverCmd) Help() string {
	return "Profiles: " + strings.Join(naver.Profiles(), ", ") + ".\nThe key that works: licence " + naver.DefaultLicense +
		", secret " + naver.DefaultSecret + ".\nAdmin and metrics are under /_sim/."
}

// Run answers as Naver until ctx ends.
func (c *simNaverCmd) Run(ctx context.Context, o *out) error {
	if err := known("--profile", c.Profile, naver.Profiles()); err != nil {
		return err
	}
	if min(c.Accounts, c.Campaigns, c.AdGroups, c.Keywords) < 1 {
		return errs.E(errs.Invalid, "cli.sim_size", nil)
	}
	s := naver.New(naver.Options{Seed: c.Seed, Profile: c.Profile, Accounts: c.Accounts,
		Campaigns: c.Campaigns, AdGroups: c.AdGroups, Keywords: c.Keywords, PublishedFromStart: c.Published})
	return serveSim(ctx, c.Addr, s, func(url string) {
		fmt.Fprintf(o.stdout, "Naver Search Ads, simulated (seed %d): %s\n  NAVER_API_KEY=%s\n  NAVER_SECRET_KEY=%s\n",
			c.Seed, url, naver.DefaultLicense, naver.DefaultSecret)
	})
}

type simSMTPCmd struct {
	Addr    string `default:"127.0.0.1:2525" help:"Address to listen on for SMTP."`
	HTTP    string `name:"http" default:"127.0.0.1:8025" help:"Address of the mailbox page; empty for none."`
	Data    string `default:"imreport-mailbox" help:"Folder that keeps the mails."`
	Seed    uint64 `default:"1" help:"Decides the faults that strike by chance."`
	Profile string `help:"Which faults it has from the start."`
}

// Help is the end of --help.
func (simSMTPCmd) Help() string { return "Profiles: " + strings.Join(smtp.Profiles(), ", ") + "." }

// Run takes mails until ctx ends.
func (c *simSMTPCmd) Run(ctx context.Context, o *out) error {
	if err := known("--profile", c.Profile, smtp.Profiles()); err != nil {
		return err
	}
	s := smtp.New(smtp.Config{Addr: c.Addr, HTTPAddr: c.HTTP, Dir: c.Data, Seed: c.Seed, Profile: c.Profile})
	fmt.Fprintf(o.stdout, "Mail server, simulated (seed %d): smtp://%s", c.Seed, c.Addr)
	if c.HTTP != "" {
		fmt.Fprintf(o.stdout, ", mailbox http://%s", c.HTTP)
	}
	fmt.Fprintln(o.stdout)
	if err := s.Run(ctx); err != nil && !errors.Is(err, smtp.ErrClosed) && ctx.Err() == nil {
		return err
	}
	return nil
}

type simShopifyCmd struct {
	Addr    string        `default:"127.0.0.1:9091" help:"Address to listen on: Admin API and admin page."`
	Hook    string        `help:"Address that webhooks are sent to: http://localhost:8080/hooks/shopify/CODE." placeholder:"URL"`
	Domain  string        `default:"our-test-shop.myshopify.com" help:"Domain of the shop."`
	Seed    uint64        `default:"1" help:"Decides names and chances."`
	Profile string        `help:"What the network does to deliveries."`
	Every   time.Duration `default:"15s" help:"A new order so often; 0 for none."`
}

// Help is the end of --help.
func (simShopifyCmd) Help() string {
	return "Profiles: " + strings.Join(shopify.Profiles(), ", ") + ".\nWebhooks are signed with " + shopSecret + "; the Admin API's token is " + shopToken + "."
}

// Run is a shop until ctx ends.
func (c *simShopifyCmd) Run(ctx context.Context, o *out) error {
	if err := known("--profile", c.Profile, shopify.Profiles()); err != nil {
		return err
	}
	s := shopify.New(shopify.Config{Addr: c.Addr, Domain: c.Domain, HookURL: c.Hook, Seed: c.Seed, Profile: c.Profile, OrdersEvery: c.Every,
		Secret: shopSecret, Token: shopToken})
	fmt.Fprintf(o.stdout, "Shopify shop, simulated (seed %d): http://%s, webhooks signed with %s\n", c.Seed, c.Addr, shopSecret)
	return s.Run(ctx)
}

func known(flag, profile string, all []string) error {
	for _, p := range all {
		if profile == "" || p == profile {
			return nil
		}
	}
	return errs.InvalidField(flag, "cli.profile_unknown", profile, strings.Join(all, ", "))
}

// serveSim answers on addr until ctx ends; ready is told the address.
func serveSim(ctx context.Context, addr string, h http.Handler, ready func(url string)) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return errs.E(errs.Conflict, "cli.addr_in_use", err, addr)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	ready("http://" + l.Addr().String())
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
