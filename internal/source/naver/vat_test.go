package naver

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"imreport/internal/table"
)

func TestCosts(t *testing.T) {
	for _, c := range []struct {
		name, day       string
		raw, incl, excl float64
	}{
		{"last day without VAT", "2026-03-29", 1000, 1100, 1000},
		{"first day with VAT", "2026-03-30", 1100, 1100, 1000},
		{"a half won", "2026-03-29", 0.5, 0.55, 0.5},
		{"half up, though binary is below", "2026-03-29", 1.15, 1.27, 1.15}, // 1.265
		{"half up", "2026-03-29", 0.05, 0.06, 0.05},                         // 0.055
		{"thirds", "2026-03-30", 1000, 1000, 909.09},
		{"up", "2026-03-30", 7, 7, 6.36}, // 6.3636…
		{"nothing", "2026-03-30", 0, 0, 0},
		{"much", "2026-03-30", 123456789012, 123456789012, 112233444556.36},
	} {
		t.Run(c.name, func(t *testing.T) {
			if incl, excl := costs(day(c.day), c.raw); incl != c.incl || excl != c.excl {
				t.Errorf("%v, %v; want %v, %v", incl, excl, c.incl, c.excl)
			}
		})
	}
}

// TestCostsAreRoundedHalfUp compares with exact arithmetic.
func TestCostsAreRoundedHalfUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1e13).Draw(t, "ten-thousandths")
		after := rapid.Bool().Draw(t, "after")
		d := vatSince - 1
		exact := big.NewRat(n, 10_000)
		wantIncl, wantExcl := new(big.Rat).Mul(exact, big.NewRat(11, 10)), exact
		if after {
			d = vatSince
			wantIncl, wantExcl = exact, new(big.Rat).Mul(exact, big.NewRat(10, 11))
		}
		incl, excl := costs(d, float64(n)/10_000)
		if incl != roundHalfUp(wantIncl) || excl != roundHalfUp(wantExcl) {
			t.Errorf("%d on %s: %v, %v; want %v, %v", n, d, incl, excl, roundHalfUp(wantIncl), roundHalfUp(wantExcl))
		}
	})
}

func roundHalfUp(r *big.Rat) float64 {
	x := new(big.Rat).Mul(r, big.NewRat(100, 1))
	x.Add(x, big.NewRat(1, 2))
	f, _ := new(big.Rat).SetFrac(new(big.Int).Div(x.Num(), x.Denom()), big.NewInt(100)).Float64()
	return f
}

func TestVATSince(t *testing.T) {
	if vatSince != day("2026-03-30") || table.Day(vatSince-1).String() != "2026-03-29" {
		t.Error(vatSince)
	}
}
