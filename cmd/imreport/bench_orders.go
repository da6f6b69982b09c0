package main

import (
	"context"

	"imreport/bench/orders"
)

type benchOrdersCmd struct {
	figures
	Part        string `enum:",permutations,webhooks,csv" default:"" help:"Only permutations, webhooks or csv."`
	Orders      int    `default:"10000" help:"Orders of the webhook part; six events and three copies each."`
	Copies      int    `default:"3" help:"Copies of each webhook."`
	Connections int    `default:"64" help:"Connections that send them."`
	Rows        int    `default:"1000000" help:"Rows of the CSV file."`
	Postgres    string `env:"IMREPORT_TEST_PG" help:"PostgreSQL server to measure on as well; a scratch database is made there."`
}

// Run measures webhooks and files of orders.
func (c *benchOrdersCmd) Run(ctx context.Context, o *out) error {
	res, err := orders.Run(ctx, orders.Options{Part: c.Part, Orders: c.Orders, Copies: c.Copies, Connections: c.Connections, Rows: c.Rows,
		PostgresURL: c.Postgres}, o.stdout)
	if err != nil {
		return err
	}
	return c.save(res)
}
