package naver

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Totals are the sums of a report's columns; those it does not have are 0.
type Totals struct {
	Rows int   `json:"rows"`
	Imp  int64 `json:"imp"`
	Clk  int64 `json:"clk"`
	View int64 `json:"view"`
	Rank int64 `json:"rank"`
	// Cost is in half won, as the vendor means it on that day: without VAT
	// before 2026-03-30, with VAT from then.
	Cost  int64 `json:"cost_half_won"`
	CCnt  int64 `json:"ccnt"`
	CSale int64 `json:"csales"`
}

// Truth is what a correct client reads from a report.
type Truth struct {
	// Rows as in the file, field by field.
	Rows [][]string `json:"rows"`
	Sum  Totals     `json:"sum"`
}

// question finds account and day of an admin call; report may be "".
func (s *Server) question(customer int64, report, statDay string) (query, error) {
	i, ok := s.byID[customer]
	if !ok {
		return query{}, fmt.Errorf("%w customer %d", ErrUnknown, customer)
	}
	if _, ok := reportTypes[report]; !ok && report != "" {
		return query{}, fmt.Errorf("%w report %q", ErrUnknown, report)
	}
	d, err := parseDay(statDay)
	return query{acct: i, d: d, rev: s.revision(i, d)}, err
}

// Truth tells the exact rows of a stat report as it is now, without faults,
// whether or not it may be asked for.
func (s *Server) Truth(customer int64, report, statDay string) (Truth, error) {
	q, err := s.question(customer, report, statDay)
	if err == nil && report == "" {
		err = fmt.Errorf("%w report %q", ErrUnknown, report)
	}
	if err != nil {
		return Truth{}, err
	}
	t := Truth{Rows: [][]string{}}
	s.lines(report, q, spoil{}, func(line []byte) {
		f := strings.Split(string(line), "\t")
		t.Rows = append(t.Rows, f)
		t.Sum.add(report, f)
	})
	return t, nil
}

// add sums one line by the positions of its last columns.
func (t *Totals) add(report string, f []string) {
	t.Rows++
	n := len(f)
	num := func(i int) int64 {
		v, _ := strconv.ParseInt(f[i], 10, 64)
		return v
	}
	half := func(i int) int64 {
		v, _ := strconv.ParseFloat(f[i], 64)
		return int64(v * 2)
	}
	if reportTypes[report].conversions {
		t.CCnt += num(n - 2)
		t.CSale += num(n - 1)
		return
	}
	switch report {
	case "CRITERION":
		t.Imp, t.Clk, t.Cost = t.Imp+num(n-3), t.Clk+num(n-2), t.Cost+half(n-1)
	case "EXPKEYWORD", "SHOPPINGBRANDPRODUCT":
		t.Imp, t.Clk, t.Cost, t.View = t.Imp+num(n-4), t.Clk+num(n-3), t.Cost+half(n-2), t.View+num(n-1)
	default:
		t.Imp, t.Clk, t.Cost, t.Rank, t.View = t.Imp+num(n-5), t.Clk+num(n-4), t.Cost+half(n-3), t.Rank+num(n-2), t.View+num(n-1)
	}
}

// TruthMaster tells the exact rows of a full master report as of now. A name
// with a tab is one field here and two in the file.
func (s *Server) TruthMaster(customer int64, item string) ([][]string, error) {
	i, ok := s.byID[customer]
	if !ok {
		return nil, fmt.Errorf("%w customer %d", ErrUnknown, customer)
	}
	if _, ok := masterItems[item]; !ok {
		return nil, fmt.Errorf("%w item %q", ErrUnknown, item)
	}
	out := [][]string{}
	s.masterRows(masterQuery{acct: i, item: item, now: s.now()}, func(fields []string) bool {
		out = append(out, slices.Clone(fields))
		return true
	})
	return out, nil
}
