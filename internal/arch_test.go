package internal

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// ranks is the order of the house (docs/adr/0001): a package imports only its
// own rank or lower. A folder stands for all below it that is not named.
var ranks = map[string]int{
	"imreport/cmd":                  5,
	"imreport/internal/app":         5,
	"imreport/bench":                5,
	"imreport/test":                 5,
	"imreport/internal/web":         4,
	"imreport/internal/source":      3,
	"imreport/internal/destination": 3,
	"imreport/internal/shopify":     3,
	"imreport/internal/mail":        3,
	"imreport/internal/notify":      3,
	"imreport/internal/workspace":   2,
	"imreport/internal/account":     2,
	"imreport/internal/report":      2,
	"imreport/internal/run":         2,
	"imreport/internal/schedule":    2,
	"imreport/internal/incident":    2,
	"imreport/internal/shop":        2,
	"imreport/internal/order":       2,
	"imreport/internal/review":      2,
	"imreport/internal/config":      1,
	"imreport/internal/archive":     1,
	"imreport/internal/quota":       1,
	"imreport/internal/seal":        1,
	"imreport/internal/jobs":        1,
	"imreport/internal/db":          1,
	"imreport/internal/errs":        0,
	"imreport/internal/i18n":        0,
	"imreport/internal/table":       0,
}

// reportSide and shopSide never import each other.
var (
	reportSide = []string{"account", "report", "run", "schedule", "source", "destination"}
	shopSide   = []string{"shop", "order", "review", "shopify"}
)

func rank(path string) (int, bool) {
	for p := path; p != ""; {
		if r, ok := ranks[p]; ok {
			return r, true
		}
		i := strings.LastIndexByte(p, '/')
		if i < 0 {
			break
		}
		p = p[:i]
	}
	return 0, false
}

func side(path string, names []string) bool {
	for _, n := range names {
		p := "imreport/internal/" + n
		if path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

func TestRanks(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "imreport/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath == "imreport/internal" {
			continue // this test
		}
		seen++
		isSim := strings.HasPrefix(p.ImportPath, "imreport/sim/")
		own, ok := rank(p.ImportPath)
		if !ok && !isSim {
			t.Errorf("%s has no rank: add it to ranks", p.ImportPath)
		}
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, "imreport/") {
				if strings.HasPrefix(imp, "github.com/riverqueue/") && !strings.HasPrefix(p.ImportPath, "imreport/internal/jobs") &&
					!strings.HasPrefix(p.ImportPath, "imreport/bench/queue") {
					t.Errorf("%s imports River; only jobs may", p.ImportPath)
				}
				continue
			}
			if isSim {
				if strings.HasPrefix(imp, "imreport/internal") {
					t.Errorf("%s imports %s: simulators import nothing of ours", p.ImportPath, imp)
				}
				continue
			}
			if strings.HasPrefix(imp, "imreport/sim/") {
				if own < 5 {
					t.Errorf("%s imports the simulator %s", p.ImportPath, imp)
				}
				continue
			}
			if r, _ := rank(imp); r > own {
				t.Errorf("%s (rank %d) imports %s (rank %d)", p.ImportPath, own, imp, r)
			}
			if side(p.ImportPath, reportSide) && side(imp, shopSide) || side(p.ImportPath, shopSide) && side(imp, reportSide) {
				t.Errorf("%s imports %s: the report side and the shop side never meet", p.ImportPath, imp)
			}
		}
	}
	if seen < 5 {
		t.Fatalf("go list showed only %d packages", seen)
	}
}
