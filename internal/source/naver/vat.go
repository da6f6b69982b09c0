package naver

import (
	"math"

	"imreport/internal/table"
)

// vatSince is the first day whose cost includes VAT; that of earlier days does
// not, also in reports that are made now (notice of 2026-02-11).
var vatSince = table.Day(20542) // 2026-03-30

// costs are a cost with and without the VAT of 10 %, each rounded half up to a
// hundredth of a won. Naver gives no more than a few decimals; what it gives is
// counted in ten-thousandths, so that no binary fraction decides a half.
func costs(day table.Day, raw float64) (incl, excl float64) {
	n := int64(math.Round(raw * 10_000))
	if day >= vatSince {
		return hundredths(n, 100), hundredths(n*10, 1100)
	}
	return hundredths(n*11, 1000), hundredths(n, 100)
}

// hundredths is n/d hundredths, the quotient rounded half away from zero.
func hundredths(n, d int64) float64 {
	if n < 0 {
		return -hundredths(-n, d)
	}
	return float64((2*n+d)/(2*d)) / 100
}

// half rounds half up to a hundredth.
func half(f float64) float64 { return hundredths(int64(math.Round(f*1_000_000)), 10_000) }
