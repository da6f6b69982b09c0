package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"imreport/internal/app"
	"imreport/internal/config"
	"imreport/internal/mail"
)

type bounceCmd struct {
	config.Store
}

// Run takes one mail from standard input: a pipe of the mail server, as
// "|imreport bounce --data DIR" in an alias.
func (c *bounceCmd) Run(ctx context.Context, o *out) error {
	return c.take(ctx, os.Stdin, o)
}

func (c *bounceCmd) take(ctx context.Context, r io.Reader, o *out) error {
	raw, err := io.ReadAll(io.LimitReader(r, mail.ReportMax+1))
	if err != nil {
		return fmt.Errorf("read the mail: %w", err)
	}
	t, err := app.TakeBounce(ctx, c.Store, raw)
	if err != nil {
		return err
	}
	switch {
	case t.Again:
		fmt.Fprintln(o.stdout, "This report was taken before.")
	case t.MessageID == "":
		fmt.Fprintln(o.stdout, "The report is about no mail of ours.")
	default:
		fmt.Fprintf(o.stdout, "message %s: %s\n", t.MessageID, t.Kind)
	}
	return nil
}
