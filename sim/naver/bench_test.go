package naver

import (
	"io"
	"testing"
)

// The size of bench morning: 20 campaigns, 400 groups, 8,000 keywords.
func large() *Server {
	return New(Options{Accounts: 300, Campaigns: 20, AdGroups: 400, Keywords: 8000, Profile: "calm"})
}

func BenchmarkReports(b *testing.B) {
	s := large()
	for _, report := range []string{"AD", "AD_DETAIL", "AD_CONVERSION", "EXPKEYWORD"} {
		b.Run(report, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				q := query{acct: i % 300, d: date(2026, 5, 19)}
				if err := s.writeReport(io.Discard, report, q, spoil{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("master Keyword", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			if err := s.writeMaster(io.Discard, masterQuery{acct: i % 300, item: "Keyword", now: morning().t}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPost(b *testing.B) {
	s := large()
	for i := range b.N {
		if acct := i % 300; !s.any("AD", query{acct: acct, d: date(2026, 5, 19)}) && acct%20 != 19 {
			b.Fatal("no rows")
		}
	}
}
