package main

import (
	"context"

	"imreport/bench/orders"
)

type benchOrdersCmd struct {
	figures
	Part        string `enum:",permutations,webhooks,csv,mail,list" default:"" help:"Only permutations, webhooks, csv, mail or list."`
	Orders      int    `default:"10000" help:"Orders of the webhook part; six events and three copies each."`
	Copies      int    `default:"3" help:"Copies of each webhook."`
	Connections int    `default:"64" help:"Connections that send them."`
	Rows        int    `default:"1000000" help:"Rows of the CSV file."`
	Mails       int    `default:"2000" help:"Messages of the mail part."`
	Kills       int    `default:"200" help:"How often the sending process is killed."`
	List        int    `default:"1000000" help:"Messages of the list part."`
	Postgres    string `env:"IMREPORT_TEST_PG" help:"PostgreSQL server to measure on as well; a scratch database is made there."`
}

// Run measures webhooks and files of orders.
func (c *benchOrdersCmd) Run(ctx context.Context, o *out) error {
	if orders.IsMailChild() {
		return orders.MailChild(ctx)
	}
	res, err := orders.Run(ctx, orders.Options{Part: c.Part, Orders: c.Orders, Copies: c.Copies, Connections: c.Connections, Rows: c.Rows, Mails: c.Mails, Kills: c.Kills, List: c.List,
		PostgresURL: c.Postgres}, o.stdout)
	if err != nil {
		return err
	}
	return c.save(res)
}
