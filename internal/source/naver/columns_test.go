package naver

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"imreport/internal/i18n"
	"imreport/internal/table"
)

var kindWords = map[table.Kind]string{
	table.Text: "text", table.ID: "id", table.Int: "int", table.Decimal: "decimal", table.Money: "money", table.Percent: "percent", table.Date: "date",
}

// TestColumnsAreDocumented: docs/columns.md says what the code does, in both
// languages.
func TestColumnsAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../../docs/columns.md")
	if err != nil {
		t.Fatal(err)
	}
	meaning := map[string][]string{} // name → kind, English, Korean, meaning, 뜻
	tabs := map[string]string{}      // report → tab and columns
	code := regexp.MustCompile("`([^`]*)`")
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case len(cells) == 6 && strings.HasPrefix(cells[0], "`"):
			meaning[strings.Trim(cells[0], "`")] = cells[1:]
		case len(cells) == 3 && strings.Contains(cells[2], "`"):
			var names []string
			for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
				names = append(names, m[1])
			}
			tabs[cells[1]] = cells[0] + ": " + strings.Join(names, " ")
		}
	}
	used := map[string]bool{}
	for _, rt := range Types() {
		var names []string
		for _, c := range Columns(rt.Name) {
			names = append(names, c.Name)
			used[c.Name] = true
			m := meaning[c.Name]
			if m == nil {
				t.Errorf("%s is not documented", c.Name)
				continue
			}
			want := []string{kindWords[c.Kind], i18n.T(i18n.English, "column."+c.Name), i18n.T(i18n.Korean, "column."+c.Name)}
			if !slices.Equal(m[:3], want) {
				t.Errorf("%s is documented as %q, want %q", c.Name, m[:3], want)
			}
			if m[3] == "" || m[4] == "" || m[3] == m[4] {
				t.Errorf("%s has no meaning in both languages", c.Name)
			}
		}
		if want := tabName(rt.Name) + ": " + strings.Join(names, " "); tabs[rt.Name] != want {
			t.Errorf("tab of %s is documented as\n%s\nwant\n%s", rt.Name, tabs[rt.Name], want)
		}
		if n := len(tabName(rt.Name)); n > tabNameMax {
			t.Errorf("%s: a tab name of %d characters", rt.Name, n)
		}
	}
	for name := range meaning {
		if !used[name] {
			t.Errorf("%s is documented, but in no tab", name)
		}
	}
}

// TestContractHeaders: the names that scripts rely on.
func TestContractHeaders(t *testing.T) {
	want := []string{"Date", "Customer ID", "Campaign ID", "Campaign", "Ad group ID", "Ad group", "Keyword ID", "Keyword", "Search term", "Ad ID",
		"Channel ID", "Media", "Device", "Hour", "Region", "Impressions", "Clicks", "Cost", "Cost incl. VAT", "Cost excl. VAT", "Rank sum",
		"Average rank", "Views", "Conversion method", "Conversion type", "Conversions", "Conversion value"}
	have := map[string]bool{}
	for _, rt := range Types() {
		for _, lang := range []i18n.Lang{i18n.English, i18n.Korean} {
			heads := map[string]bool{}
			for _, c := range Columns(rt.Name) {
				h := i18n.T(lang, "column."+c.Name)
				if heads[h] {
					t.Errorf("%s has the header %s twice", rt.Name, h)
				}
				heads[h], have[h] = true, true
			}
		}
	}
	for _, h := range want {
		if !have[h] {
			t.Errorf("no column is called %s", h)
		}
	}
}
