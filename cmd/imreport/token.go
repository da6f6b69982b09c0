package main

import (
	"context"
	"fmt"

	"imreport/internal/app"
	"imreport/internal/config"
	"imreport/internal/workspace"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make an API token of the first workspace's owner and print it, once."`
}

type tokenCreateCmd struct {
	config.Store
	Name     string `default:"cli" help:"What it is for."`
	Role     string `default:"owner" help:"owner, admin, editor, viewer or client."`
	Instance bool   `help:"With the rights over the whole instance: to make workspaces."`
}

// Run makes a token beside a server that may be running.
func (c *tokenCreateCmd) Run(ctx context.Context, o *out) error {
	people, done, err := app.OpenPeople(ctx, c.Store)
	if err != nil {
		return err
	}
	defer done()
	who, err := people.Local(ctx)
	if err != nil {
		return err
	}
	_, text, err := people.CreateToken(ctx, who, workspace.NewToken{Name: c.Name, Role: workspace.Role(c.Role), Instance: c.Instance})
	if err != nil {
		return err
	}
	fmt.Fprintln(o.stdout, text)
	return nil
}
