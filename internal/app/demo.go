package app

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"imreport/internal/account"
	"imreport/internal/config"
	"imreport/internal/errs"
	"imreport/internal/quota"
	"imreport/internal/report"
	"imreport/internal/run"
	"imreport/internal/shop"
	"imreport/internal/workspace"
)

// DemoOptions say what a demo shows.
type DemoOptions struct {
	Version         string
	License, Secret string // of the simulated Naver
	// The simulated shop.
	ShopDomain, ShopSecret, ShopToken string
}

// Demo is an App with sample data.
type Demo struct {
	*App
	o DemoOptions
}

// NewDemo puts a demo together. Its sample data come with the first Serve; a
// later one goes on with them.
func NewDemo(ctx context.Context, c config.Config, o DemoOptions) (*Demo, error) {
	a, err := New(ctx, c, Options{Version: o.Version, Migrate: true, Work: true, Web: true})
	if err != nil {
		return nil, err
	}
	return &Demo{App: a, o: o}, nil
}

// DemoToken is the API token of the demo in dir, made when absent. Only a demo
// keeps a token in a file.
func DemoToken(dir string) (string, error) {
	name := filepath.Join(dir, "api-token")
	b, err := os.ReadFile(name)
	if err == nil && len(b) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", errs.E(errs.Invalid, "db.data_dir_unusable", err, dir)
	}
	token := "imr_demo_" + rand.Text()
	err = os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.WriteFile(name, []byte(token+"\n"), 0o600)
	}
	if err != nil {
		return "", errs.E(errs.Invalid, "db.data_dir_unusable", err, dir)
	}
	return token, nil
}

// Serve is App.Serve; the sample data come while it serves.
func (d *Demo) Serve(ctx context.Context, ready func(url string)) error {
	return d.App.Serve(ctx, func(url string) {
		ready(url)
		go func() {
			if err := d.samples(ctx); err != nil && ctx.Err() == nil {
				d.log.ErrorContext(ctx, "sample data", "error", err)
			}
		}()
	})
}

// SignIn is an address that signs the demo's owner in; each start has a fresh
// one.
func (d *Demo) SignIn(ctx context.Context) (string, error) {
	if _, err := d.people.EnsureFirst(ctx); err != nil {
		return "", err
	}
	who, err := d.people.Local(ctx)
	if err != nil {
		return "", err
	}
	token, err := d.people.SignInLink(ctx, who)
	if err != nil {
		return "", err
	}
	return d.base() + workspace.LinkPath + token, nil
}

// ShopHook is the address to which the demo's shop sends its webhooks; the shop
// is made at the first start. Its access code is kept in the demo's folder,
// because it is shown only once.
func (d *Demo) ShopHook(ctx context.Context) (string, error) {
	hook := func(code string) string { return d.base() + "/hooks/shopify/" + code }
	name := d.dir("shop-code")
	b, err := os.ReadFile(name)
	if err == nil && len(b) > 0 {
		return hook(strings.TrimSpace(string(b))), nil
	}
	who, err := d.people.Local(ctx)
	if err != nil {
		return "", err
	}
	title, delay, none, rate := "데모 가게", "10s", "0s", 5.0
	_, code, err := d.shop.shops.Create(ctx, who.WorkspaceID, shop.Input{
		Name: &title, Domain: &d.o.ShopDomain, WebhookSecret: &d.o.ShopSecret, AdminToken: &d.o.ShopToken,
		ReviewDelay: &delay, Cooldown: &none, MailRatePerSecond: &rate,
	})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(name, []byte(code+"\n"), 0o600); err != nil {
		return "", errs.E(errs.Invalid, "db.data_dir_unusable", err, d.c.Data)
	}
	return hook(code), nil
}

// sample is a raw data of the demo.
type sample struct {
	name    string
	account int // which of the accounts
	reports []string
	days    int
	class   quota.Class
}

// sampleData shows a little of everything: small ones that are ready at once,
// larger ones to watch, and several of one account that wait for each other.
var sampleData = []sample{
	{"브랜드 일간 보고서", 0, []string{"AD"}, 3, quota.Interactive},
	{"전환 보고서", 0, []string{"AD", "AD_CONVERSION"}, 14, quota.Interactive},
	{"키워드 상세", 0, []string{"AD_DETAIL"}, 7, quota.Interactive},
	{"쇼핑 캠페인", 1, []string{"AD", "SHOPPINGKEYWORD_DETAIL"}, 7, quota.Interactive},
	{"월간 보고서", 2, []string{"AD", "AD_CONVERSION"}, 31, quota.Bulk},
	{"주간 보고서 A", 3, []string{"AD"}, 7, quota.Bulk},
	{"주간 보고서 B", 4, []string{"AD"}, 7, quota.Bulk},
	{"주간 보고서 C", 5, []string{"AD", "AD_DETAIL"}, 7, quota.Bulk},
	{"주간 보고서 D", 6, []string{"AD"}, 7, quota.Bulk},
	{"분기 보고서", 7, []string{"AD"}, 90, quota.Bulk},
}

// samples registers the simulated key, finds its accounts and asks for the
// sample raw data, unless that has been done.
func (d *Demo) samples(ctx context.Context) error {
	who, err := d.people.Local(ctx)
	if err != nil {
		return err
	}
	keys, err := d.keys.Keys(ctx, who.WorkspaceID, "", 1)
	if err != nil {
		return err
	}
	var keyID string
	if len(keys) > 0 {
		keyID = keys[0].ID
	} else {
		k, err := d.keys.AddKey(ctx, who.WorkspaceID, account.NewKey{Name: "데모 라이선스", License: d.o.License, Secret: d.o.Secret}, time.Now())
		if err != nil {
			return err
		}
		keyID = k.ID
	}
	accounts, err := d.keys.Accounts(ctx, who.WorkspaceID, keyID, "", 1)
	if err != nil {
		return err
	}
	if len(accounts) == 0 {
		if _, err := d.keys.Sync(ctx, who.WorkspaceID, keyID, time.Now()); err != nil {
			return err
		}
	}
	there, err := d.reports.List(ctx, who.WorkspaceID, "", 1)
	if err != nil || len(there) > 0 {
		return err
	}
	if accounts, err = d.keys.Accounts(ctx, who.WorkspaceID, keyID, "", 500); err != nil {
		return err
	}
	slices.Reverse(accounts) // in the order in which they were found
	for _, s := range sampleData {
		if s.account >= len(accounts) {
			continue
		}
		_, _, err := d.runs.Create(ctx, who.WorkspaceID, who.PersonID, report.Input{
			Name: s.name, AccountID: accounts[s.account].ID, Reports: s.reports, Period: report.Period{LastDays: s.days},
			Destination: report.Destination{Type: report.XLSX},
			Schedule:    &report.Schedule{DailyAt: "07:30", Mode: report.ReadyBy, Zone: "Asia/Seoul"},
		}, run.Request{Class: s.class})
		if err != nil {
			return err
		}
	}
	return nil
}
