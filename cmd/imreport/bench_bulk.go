package main

import (
	"context"

	"imreport/bench/bulk"
)

type benchBulkCmd struct {
	figures
	World     listFlag `help:"Only these worlds: fixed, drifting, drop, windows, sliding, third party, crowd, minute, A-H2, P-T, K, M." placeholder:"NAME,…"`
	Client    listFlag `help:"Only these clients: gate, oracle 100 %, …" placeholder:"NAME,…"`
	Seeds     int      `default:"10" help:"Mornings of each mean."`
	FirstSeed uint64   `default:"9001" help:"Their first seed."`
	HTTP      bool     `name:"http" help:"A short morning over a real connection, in real time."`
	Processes bool     `help:"Three processes beside one on PostgreSQL, in real time."`
	Pairs     int      `default:"5" help:"How often they are measured in turn."`
	Postgres  string   `env:"IMREPORT_TEST_PG" default:"postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable" help:"PostgreSQL server for --processes; a scratch database is made there."`
	Picture   string   `type:"path" help:"Draw a morning of the gate to this SVG file."`
}

// Run plays the morning's bulk with the gate and with other clients.
func (c *benchBulkCmd) Run(ctx context.Context, o *out) error {
	if was, err := bulk.Child(ctx); was {
		return err
	}
	if c.Picture != "" {
		if err := bulk.Draw(c.Picture, c.FirstSeed); err != nil {
			return err
		}
		if len(c.World) == 0 && !c.HTTP && !c.Processes {
			return nil
		}
	}
	opts := bulk.Options{Worlds: c.World, Clients: c.Client, Seeds: c.Seeds, FirstSeed: c.FirstSeed, HTTP: c.HTTP, Pairs: c.Pairs}
	if c.Processes {
		opts.Postgres = c.Postgres
	}
	f, err := bulk.Run(ctx, opts, o.stdout)
	if err != nil {
		return err
	}
	return c.save(f)
}
