package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imreport/internal/i18n"
)

// program runs a command line to its end.
func program(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Setenv("LANG", "en_US.UTF-8")
	var out, err bytes.Buffer
	code = run(context.Background(), args, &out, &err)
	return code, out.String(), err.String()
}

func TestEveryCommandHasHelp(t *testing.T) {
	for _, c := range [][]string{
		{}, {"demo"}, {"serve"}, {"worker"}, {"import"}, {"migrate"}, {"doctor"}, {"token"}, {"token", "create"}, {"version"},
		{"sim"}, {"sim", "naver"}, {"sim", "smtp"}, {"sim", "shopify"}, {"bench"}, {"bench", "queue"}, {"bench", "xlsx"},
	} {
		code, out, _ := program(t, append(c, "--help")...)
		if code != exitOK || !strings.Contains(out, "Usage: imreport") || !strings.Contains(out, "--help") {
			t.Errorf("%v: %d %s", c, code, out)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing":       {nil, exitUsage, "expected one of"},
		"unknown":       {[]string{"fly"}, exitUsage, "unexpected argument"},
		"missing_flags": {[]string{"import"}, exitUsage, "missing flags"},
		"bad_duration":  {[]string{"serve", "--retry-for", "long"}, exitUsage, "retry-for"},
		"bad_profile":   {[]string{"sim", "naver", "--profile", "none"}, exitUsage, "There is no profile none"},
		"version":       {[]string{"version"}, exitOK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := program(t, c.args...)
			if code != c.code || !strings.Contains(stderr, c.want) {
				t.Errorf("exit code %d, want %d, and %q in %s", code, c.code, c.want, stderr)
			}
		})
	}
}

// Flags override the environment, the environment the file.
func TestSettingsComeInOrder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "settings.yaml")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inUse := filepath.Join(dir, "file")
	if err := os.WriteFile(inUse, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// A data folder that is a file names itself in the error.
	refused := func(want string, args ...string) {
		t.Helper()
		code, _, stderr := program(t, append([]string{"--config", file, "migrate"}, args...)...)
		if code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%v: %d %s, want %s", args, code, stderr, want)
		}
	}
	write("data: " + inUse + "/of-file\n")
	refused("of-file")
	t.Setenv("IMREPORT_DATA", inUse+"/of-environment")
	refused("of-environment")
	refused("of-flag", "--data", inUse+"/of-flag")
	write("dta: x\n")
	refused(`no setting "dta"`)
	write("log_level: debug\nretry-for: 1h\n") // other commands' settings may stand there
	refused("of-environment")
	write("data: [")
	if code, _, stderr := program(t, "--config", file, "migrate"); code != exitUsage {
		t.Errorf("an unreadable file: %d %s", code, stderr)
	}
}

func TestTheTerminalsLanguage(t *testing.T) {
	for _, c := range []struct {
		all, lang string
		want      i18n.Lang
	}{
		{"", "ko_KR.UTF-8", i18n.Korean}, {"", "en_US.UTF-8", i18n.English}, {"", "C", i18n.English}, {"", "C.UTF-8", i18n.English},
		{"", "", i18n.English}, {"ko_KR", "en_US", i18n.Korean}, {"POSIX", "ko_KR", i18n.Korean},
	} {
		t.Setenv("LC_ALL", c.all)
		t.Setenv("LC_MESSAGES", "")
		t.Setenv("LANG", c.lang)
		if got := terminalLang(); got != c.want {
			t.Errorf("LC_ALL=%q LANG=%q: %s, want %s", c.all, c.lang, got, c.want)
		}
	}
}

func TestNumbersAreGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := number(n); got != want {
			t.Errorf("%d reads %s, want %s", n, got, want)
		}
	}
}
