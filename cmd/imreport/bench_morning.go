package main

import (
	"context"

	"imreport/bench/morning"
)

type benchMorningCmd struct {
	figures
	Accounts   int      `help:"Ad accounts: 300 if not given, 30 in full size."`
	PerAccount int      `default:"3" help:"Raw data of each."`
	Mornings   int      `default:"30" help:"Mornings of the month."`
	Scenario   listFlag `help:"Only these, by the beginning of their names: month, late, storm, D-1, lever, full size." placeholder:"NAME,…"`
	Seed       uint64   `default:"1" help:"Of the simulated Naver."`
}

// Run plays mornings of an agency in virtual time.
func (c *benchMorningCmd) Run(ctx context.Context, o *out) error {
	morning.Child()
	f, err := morning.Run(ctx, morning.Options{
		Accounts: c.Accounts, PerAccount: c.PerAccount, Mornings: c.Mornings, Only: c.Scenario, Seed: c.Seed,
	}, o.stdout)
	if err != nil {
		return err
	}
	return c.save(f)
}
