package main

import (
	"context"
	"fmt"

	"imreport/internal/app"
	"imreport/internal/config"
	"imreport/internal/errs"
	"imreport/internal/i18n"
)

type doctorCmd struct {
	config.Config
	probeFlags
}

// Run examines settings, database, folder, clock and keys.
func (c *doctorCmd) Run(ctx context.Context, o *out) error {
	if c.Probe {
		return c.probe(ctx, c.NaverURL, o)
	}
	lang, faults := terminalLang(), 0
	ok := app.Doctor(ctx, c.Config, app.Checks, func(f app.Finding) {
		mark := "✓"
		switch {
		case f.Err != nil && f.Warn:
			mark = "!"
		case f.Err != nil:
			mark = "✗"
			faults++
		}
		fmt.Fprintf(o.stdout, "%s %s\n", mark, f.Title(lang))
		if f.Err != nil {
			fmt.Fprint(o.stdout, "    ")
			describe(o.stdout, lang, "    ", f.Err)
		}
	})
	if !ok {
		return errs.E(errs.Conflict, "cli.doctor.ill", nil, faults)
	}
	fmt.Fprintln(o.stdout, i18n.T(lang, "cli.doctor.well"))
	return nil
}
