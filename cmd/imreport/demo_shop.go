package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"imreport/sim/shopify"
	"imreport/sim/smtp"
)

// vendors are the simulated servers of a demo besides Naver: a Shopify shop
// and a mail server. All listen on this machine only.
type vendors struct {
	shop    *shopify.Server
	shopURL string // of its Admin API
	mails   *smtp.Server
	smtpURL string
	mailbox string // address of the page with the mails
	ended   chan error
}

// startVendors starts them; the mailbox keeps its mails in the demo's folder.
func startVendors(ctx context.Context, dir string, seed uint64) (*vendors, error) {
	v := &vendors{
		shop:  shopify.New(shopify.Config{Seed: seed}),
		mails: smtp.New(smtp.Config{Dir: filepath.Join(dir, "mailbox"), Seed: seed}),
		ended: make(chan error, 3),
	}
	var l [3]net.Listener
	for i := range l {
		var err error
		if l[i], err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			for _, open := range l[:i] {
				_ = open.Close()
			}
			return nil, fmt.Errorf("demo: %w", err)
		}
	}
	shop := &http.Server{Handler: v.shop.Handler(), ReadHeaderTimeout: 10 * time.Second}
	page := &http.Server{Handler: v.mails.Handler(), ReadHeaderTimeout: 10 * time.Second}
	v.shopURL, v.mailbox, v.smtpURL = "http://"+l[0].Addr().String(), "http://"+l[1].Addr().String(), "smtp://"+l[2].Addr().String()+"?tls=off"
	go func() { v.ended <- closed(shop.Serve(l[0])) }()
	go func() { v.ended <- closed(page.Serve(l[1])) }()
	go func() { v.ended <- closed(v.mails.Serve(l[2])) }()
	go func() {
		<-ctx.Done()
		v.shop.Close()
		_ = errors.Join(shop.Close(), page.Close(), v.mails.Close())
	}()
	return v, nil
}

func closed(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, smtp.ErrClosed) {
		return nil
	}
	return err
}

// wait waits until all have ended.
func (v *vendors) wait() (err error) {
	for range cap(v.ended) {
		err = errors.Join(err, <-v.ended)
	}
	return err
}

// Times in the life of the demo's shop.
const (
	orderEvery = 40 * time.Second
	stepEvery  = 3 * time.Second
)

// live places an order now and then and sees it through: paid, shipped,
// delivered; each tenth is cancelled. Ids are told by the clock, so that those
// of a later start are others.
func (v *vendors) live(ctx context.Context, hook string) {
	v.shop.Subscribe(hook, shopify.Topics...)
	for n := time.Now().Unix(); ; n++ {
		o := v.shop.Place(shopify.Order{ID: 5_600_000_000_000 + n, Name: fmt.Sprintf("#%d", n%1_000_000), Email: fmt.Sprintf("customer%d@example.com", n)})
		steps := []func(int64) error{v.shop.Pay, v.shop.Ship, v.shop.Deliver}
		if n%10 == 0 {
			steps = []func(int64) error{v.shop.Pay, v.shop.Cancel}
		}
		for _, step := range steps {
			if !pause(ctx, stepEvery) || step(o.ID) != nil {
				return
			}
		}
		if !pause(ctx, orderEvery) {
			return
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
