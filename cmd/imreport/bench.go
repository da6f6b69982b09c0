package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"imreport/bench/queue"
	"imreport/bench/xlsx"
)

type benchCmd struct {
	Bulk    benchBulkCmd    `cmd:"" help:"The morning's bulk: the gate beside other clients, against limits that nobody tells."`
	Orders  benchOrdersCmd  `cmd:"" help:"Webhooks and files of orders: right in any sequence, and how fast."`
	Morning benchMorningCmd `cmd:"" help:"Mornings of an agency in virtual time: requests, deadlines, late publication."`
	Queue   benchQueueCmd   `cmd:"" help:"The lane machine: admissions, endings, pickup."`
	XLSX    benchXLSXCmd    `cmd:"" name:"xlsx" help:"The spreadsheet writer beside others."`
}

// figures is the flag that every benchmark has.
type figures struct {
	JSON string `name:"json" help:"Write the figures to this file." type:"path"`
}

func (f figures) save(v any) error {
	if f.JSON == "" {
		return nil
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.JSON), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(f.JSON, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("figures: %w", err)
	}
	return nil
}

type benchQueueCmd struct {
	figures
	Lanes    int    `default:"10000" help:"Ad accounts."`
	Postgres string `env:"IMREPORT_TEST_PG" help:"PostgreSQL server to measure on as well."`
}

// Run measures the lane machine.
func (c *benchQueueCmd) Run(ctx context.Context, o *out) error {
	res, err := queue.Run(ctx, queue.Options{Lanes: c.Lanes, PostgresURL: c.Postgres}, o.stdout)
	if err != nil {
		return err
	}
	return c.save(res)
}

type benchXLSXCmd struct {
	figures
	Rows int `default:"1000000" help:"Rows of 12 columns."`
}

// Run measures the spreadsheet writer.
func (c *benchXLSXCmd) Run(ctx context.Context, o *out) error {
	res, err := xlsx.Run(ctx, xlsx.Options{Rows: c.Rows}, o.stdout)
	if err != nil {
		return err
	}
	return c.save(res)
}
