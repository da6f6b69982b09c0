// Command imreport fills spreadsheets from ad platforms and asks customers
// for reviews: a server, its workers, simulators and benchmarks in one binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"imreport/internal/errs"
	"imreport/internal/i18n"
)

// version is set at build time: -ldflags "-X main.version=1.2.3".
var version = "dev"

// Exit codes of the contract.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// cli is every command.
type cli struct {
	Config kong.ConfigFlag `name:"config" type:"existingfile" help:"A YAML file with settings, named as the flags."`

	Demo    demoCmd    `cmd:"" help:"Start everything with simulators and sample data; leaves nothing outside its data folder."`
	Serve   serveCmd   `cmd:"" help:"Start the server: pages, API and workers."`
	Worker  workerCmd  `cmd:"" help:"Start workers only (PostgreSQL)."`
	Import  importCmd  `cmd:"" help:"Fill one spreadsheet without a server."`
	Migrate migrateCmd `cmd:"" help:"Bring the database to this program's version."`
	Doctor  doctorCmd  `cmd:"" help:"Check settings, database, folder and keys."`
	Token   tokenCmd   `cmd:"" help:"API tokens."`
	Sim     simCmd     `cmd:"" help:"Start a simulator of a vendor."`
	Bench   benchCmd   `cmd:"" help:"Run a benchmark."`
	Bounce  bounceCmd  `cmd:"" help:"Take a bounce or complaint: one mail from standard input."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// out is where commands print.
type out struct{ stdout, stderr io.Writer }

// run is main with its ends loose, for tests.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	defer func() {
		if v := recover(); v != nil {
			fmt.Fprintln(stderr, "imreport:", i18n.T(terminalLang(), "cli.internal"))
			fmt.Fprintln(stderr, " ", i18n.T(terminalLang(), "cli.internal.action"))
			fmt.Fprintf(stderr, "  (%v)\n", v)
			if os.Getenv("IMREPORT_LOG_LEVEL") == "debug" {
				fmt.Fprintf(stderr, "%s\n", debug.Stack())
			}
			code = exitFailed
		}
	}()
	var c cli
	exit := -1
	parser, err := kong.New(&c, kong.Name("imreport"),
		kong.Description("Spreadsheets from ad platforms, and review requests. Start with: imreport demo"),
		kong.UsageOnError(), kong.Writers(stdout, stderr), kong.Exit(func(code int) { exit = code }),
		kong.Configuration(yamlConfig), kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(&out{stdout, stderr}),
		kong.TypeMapper(reflect.TypeFor[listFlag](), listMapper{}),
	)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	k, err := parser.Parse(args)
	if exit >= 0 { // --help
		return exit
	}
	if err != nil {
		var perr *kong.ParseError
		if errors.As(err, &perr) {
			parser.Stdout = stderr
			_ = perr.Context.PrintUsage(true)
		}
		fmt.Fprintln(stderr, "imreport:", err)
		return exitUsage
	}
	if err := k.Run(); err != nil {
		return explain(stderr, err)
	}
	return exitOK
}

// terminalLang is the language of the person at the terminal.
func terminalLang() i18n.Lang {
	return i18n.Accept(firstOf(os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG")))
}

// explain prints an error in the user's language and returns the exit code.
func explain(w io.Writer, err error) int {
	e := errs.As(err)
	if e == nil && errors.Is(err, context.Canceled) {
		return exitFailed
	}
	fmt.Fprint(w, "imreport: ")
	describe(w, terminalLang(), "  ", err)
	if e != nil && (e.Kind == errs.Invalid || e.Kind == errs.Malformed) && !errors.As(err, new(failed)) {
		return exitUsage
	}
	return exitFailed
}

// failed marks what went wrong at work: nothing about the command line, also
// where its error is of Kind Invalid (a key that Naver does not accept).
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// describe prints what an error says to people: what, in detail, what to do,
// and what the machine said; further lines with indent.
func describe(w io.Writer, lang i18n.Lang, indent string, err error) {
	e := errs.As(err)
	switch {
	case e == nil:
		fmt.Fprintf(w, "%v\n", err)
		return
	case len(e.Fields) > 0:
		for i, f := range e.Fields {
			if i > 0 {
				fmt.Fprint(w, indent)
			}
			fmt.Fprintf(w, "%s: %s\n", f.Name, i18n.T(lang, f.Key, f.Args...))
		}
	default:
		fmt.Fprintln(w, i18n.T(lang, e.Key, e.Args...))
	}
	for _, part := range []string{".detail", ".action"} {
		if i18n.Has(e.Key + part) {
			fmt.Fprintf(w, "%s%s\n", indent, i18n.T(lang, e.Key+part, e.Args...))
		}
	}
	if e.Cause != nil && e.Kind != errs.Invalid {
		fmt.Fprintf(w, "%s(%v)\n", indent, e.Cause)
	}
}

// firstOf is the first text that is not empty, as a language tag; English when
// the environment names none, as for any command line.
func firstOf(all ...string) string {
	for _, s := range all {
		if s != "" && s != "C" && s != "POSIX" {
			name, _, _ := strings.Cut(s, ".")
			if strings.HasPrefix(name, "C") {
				break
			}
			return strings.ReplaceAll(name, "_", "-")
		}
	}
	return "en"
}

// yamlConfig reads the file of --config. Keys are flag names; "-" and "_" are
// the same.
func yamlConfig(r io.Reader) (kong.Resolver, error) {
	values := settings{}
	if err := yaml.NewDecoder(r).Decode(&values); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("config file: %w", err)
	}
	return values, nil
}

// settings are what a config file says, by the names of flags.
type settings map[string]any

// names are how a config file may call a flag.
func names(f *kong.Flag) []string { return []string{f.Name, strings.ReplaceAll(f.Name, "-", "_")} }

// Validate refuses a setting that no command has: misspelt, it would be left
// at its default without a word.
func (s settings) Validate(app *kong.Application) error {
	known := map[string]bool{}
	_ = kong.Visit(app, func(n kong.Visitable, next kong.Next) error {
		if f, ok := n.(*kong.Flag); ok {
			for _, name := range names(f) {
				known[name] = true
			}
		}
		return next(nil)
	})
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if !known[name] {
			return fmt.Errorf("config file: there is no setting %q", name)
		}
	}
	return nil
}

// Resolve is the file's value of a flag; nil leaves it to its default.
func (s settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, env := range flag.Envs {
		if _, set := os.LookupEnv(env); set {
			return nil, nil // the environment overrides the file
		}
	}
	for _, name := range names(flag) {
		if v, ok := s[name]; ok {
			return fmt.Sprint(v), nil
		}
	}
	return nil, nil
}

// listFlag is a comma separated list, also when the flag is given again.
type listFlag []string

type listMapper struct{}

func (listMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	var s string
	if err := ctx.Scan.PopValueInto("list", &s); err != nil {
		return err
	}
	l, _ := target.Interface().(listFlag)
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			l = append(l, part)
		}
	}
	target.Set(reflect.ValueOf(l))
	return nil
}
