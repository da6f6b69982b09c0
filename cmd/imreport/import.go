package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"imreport/internal/app"
	"imreport/internal/config"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/table"
)

type importCmd struct {
	Customer string        `required:"" help:"Customer id (CUSTOMER_ID) of the ad account." placeholder:"ID"`
	Report   listFlag      `required:"" help:"Report types, comma separated: AD,AD_CONVERSION." placeholder:"TYPE,…"`
	From     string        `required:"" help:"First day, 2026-01-31." placeholder:"DAY"`
	To       string        `required:"" help:"Last day; yesterday in Korea at the latest." placeholder:"DAY"`
	Out      string        `required:"" help:"The spreadsheet to write." placeholder:"FILE.xlsx" type:"path"`
	Template string        `help:"A workbook to lay over the data; not available yet." placeholder:"FILE.xlsx"`
	Lang     string        `help:"Language of the headers: ko or en; that of the terminal when absent."`
	License  string        `name:"license" env:"NAVER_API_KEY" help:"Access licence; better given by NAVER_API_KEY." hidden:""`
	Secret   string        `name:"secret" env:"NAVER_SECRET_KEY" help:"Secret key; better given by NAVER_SECRET_KEY." hidden:""`
	Cache    string        `env:"IMREPORT_CACHE" help:"Folder that keeps what was collected, so that a second start goes on; in the user's cache folder when absent." type:"path"`
	NaverURL string        `name:"naver-url" env:"IMREPORT_NAVER_URL" default:"https://api.searchad.naver.com" help:"Naver Search Ads API."`
	Deadline time.Duration `name:"report-deadline" env:"IMREPORT_REPORT_DEADLINE" default:"10m" help:"A report job that takes longer is created again, once."`
	Probe    time.Duration `name:"probe-interval" env:"IMREPORT_PROBE_INTERVAL" default:"1m" help:"How often to ask whether Naver has published yesterday."`
	RetryFor time.Duration `name:"retry-for" env:"IMREPORT_RETRY_FOR" default:"6h" help:"How long passing faults are tried again."`
	Quiet    bool          `short:"q" help:"Print nothing but errors."`
}

// Help is the end of --help.
func (importCmd) Help() string {
	return `The key is read from NAVER_API_KEY (access licence) and NAVER_SECRET_KEY.
On a terminal a bar shows how far it is; otherwise there are plain lines.
Ctrl-C leaves nothing broken, and the same command takes up where it stopped.

  export NAVER_API_KEY=0100… NAVER_SECRET_KEY=AQAAAA…
  imreport import --customer 1234567 --report AD --from 2026-11-01 --to 2026-11-20 --out report.xlsx`
}

// Run fills one spreadsheet.
func (c *importCmd) Run(ctx context.Context, o *out) error {
	lang := terminalLang()
	opts, err := c.options(lang)
	if err != nil {
		return err
	}
	bar := newBar(o, lang, c.Quiet)
	defer bar.close()
	opts.Tell = bar.say
	im, err := app.NewImport(ctx, config.Config{
		NaverURL: c.NaverURL, ReportDeadline: c.Deadline, ProbeInterval: c.Probe, LogLevel: quietLevel, LogFormat: "text",
	}, opts)
	if err != nil {
		return err
	}
	defer im.Close()
	if n := im.Cached(ctx); n > 0 {
		bar.say("cli.import_resumes", n)
	}
	bar.follow(ctx, im)
	r, err := im.Run(ctx)
	bar.close()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return errs.E(errs.Unavailable, "cli.import_stopped", nil)
	}
	if err != nil {
		return failed{err}
	}
	bar.say("cli.import_done", c.Out, number(r.Rows), number(r.Requests), r.Took.Round(time.Second))
	return nil
}

// options checks what only the command line knows.
func (c *importCmd) options(lang i18n.Lang) (app.ImportOptions, error) {
	o := app.ImportOptions{
		Customer: c.Customer, Reports: upper(c.Report), Out: c.Out, License: c.License, Secret: c.Secret, Lang: lang,
		Cache: c.Cache, RetryFor: c.RetryFor,
	}
	if c.Template != "" {
		return o, errs.InvalidField("--template", "report.template.not_available")
	}
	var wrong []errs.Field
	for _, d := range []struct {
		flag, text string
		day        *table.Day
	}{{"--from", c.From, &o.From}, {"--to", c.To, &o.To}} {
		day, err := table.ParseDay(d.text)
		if err != nil {
			wrong = append(wrong, errs.Field{Name: d.flag, Key: "report.period.unreadable"})
		}
		*d.day = day
	}
	if c.License == "" {
		wrong = append(wrong, errs.Field{Name: "NAVER_API_KEY", Key: "account.license.required"})
	}
	if c.Secret == "" {
		wrong = append(wrong, errs.Field{Name: "NAVER_SECRET_KEY", Key: "account.secret.required"})
	}
	if c.Lang != "" {
		l, ok := i18n.Parse(c.Lang)
		if !ok {
			wrong = append(wrong, errs.Field{Name: "--lang", Key: "workspace.lang.unknown", Args: []any{c.Lang}})
		}
		o.Lang = l
	}
	if len(wrong) > 0 {
		return o, errs.InvalidFields(wrong...)
	}
	if o.Cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return o, errs.InvalidField("--cache", "cli.cache_unknown")
		}
		o.Cache = filepath.Join(dir, "imreport")
	}
	return o, nil
}

// number groups digits by thousands.
func number(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
