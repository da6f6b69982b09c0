package workspace

import (
	"os"
	"strings"
	"testing"

	"imreport/internal/errs"
	"imreport/internal/i18n"
)

// The matrix in docs/roles.md is the expectation; the code must agree with
// every cell, and no action may be missing in either.
func TestRolesAreAsDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/roles.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[Action]bool{}
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 9 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		do := Action(strings.Trim(strings.TrimSpace(cells[1]), "`"))
		documented[do] = true
		for i, r := range Roles {
			want := strings.TrimSpace(cells[3+i]) == "✓"
			a := Actor{Role: r}
			if got := a.May(do); got != want {
				t.Errorf("%s %s: code says %v, docs say %v", r, do, got, want)
			}
			if err := a.Need(do); (err == nil) != want || !want && !errs.Is(err, "workspace.forbidden") {
				t.Errorf("%s needs %s: %v", r, do, err)
			}
		}
	}
	for do := range least {
		if !documented[do] {
			t.Errorf("%s is not in docs/roles.md", do)
		}
	}
	if len(documented) != len(least) {
		t.Errorf("docs have %d actions, code %d", len(documented), len(least))
	}
}

func TestMay(t *testing.T) {
	for name, c := range map[string]struct {
		a    Actor
		do   Action
		want bool
	}{
		"nobody":                       {Actor{}, ReadRawData, false},
		"unknown role":                 {Actor{Role: "king"}, ReadRawData, false},
		"unknown action":               {Actor{Role: Owner}, "moon.fly", false},
		"owner of a workspace":         {Actor{Role: Owner}, WriteInstance, false},
		"owner of the instance":        {Actor{Role: Viewer, InstanceOwner: true}, WriteInstance, true},
		"instance owner, weak role":    {Actor{Role: Viewer, InstanceOwner: true}, WriteKeys, false},
		"the program itself":           {System("w"), WriteRawData, true},
		"the program and the instance": {System("w"), WriteInstance, false},
	} {
		if got := c.a.May(c.do); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestEveryRoleHasAName(t *testing.T) {
	for _, r := range Roles {
		if !i18n.Has("role." + string(r)) {
			t.Errorf("%s has no name", r)
		}
	}
}
