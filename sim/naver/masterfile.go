package naver

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// masterQuery asks for the rows of one master item: what lives at now, or all
// that was made, changed or deleted from from on.
type masterQuery struct {
	acct      int
	item      string
	from, now time.Time
	spoil     spoil
}

// masterItem says how rows of an item are made. fill gives the columns between
// and around regTm and delTm; "reg" and "del" stand for these two.
type masterItem struct {
	columns int
	kind    kind
	// only picks entities of the kind; nil takes all.
	only func(s *Server, e ent) bool
	fill func(s *Server, m *masterRow) []string
	// global items do not depend on the customer and know no delta.
	noDelta bool
	global  [][]string
}

// masterRow is an entity about to be written.
type masterRow struct {
	e    ent
	h    uint64
	cust string
	id   string
	life life
	name string
	reg  string
	del  string
}

// Values of ON/OFF and inspection columns: 0 is on; 20 is approved.
func (m *masterRow) off() string {
	if mix(m.h, 40)%12 == 0 {
		return "1"
	}
	return "0"
}

func (m *masterRow) inspect() string {
	return [...]string{"20", "20", "20", "20", "20", "20", "20", "10", "30", "40"}[mix(m.h, 41)%10]
}

// bid in KRW, 70 to 100,000 in steps of 10; it moves with each edit.
func (s *Server) bid(e ent, l life) int64 {
	return 70 + 10*int64(mix(mix(s.hash(e), 42), uint64(l.edit.Unix()))%400)
}

func (s *Server) daily(e ent, l life) int64 { return 10000 + 1000*int64(mix(s.hash(e), 43)%200) }

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// masterRows visits the rows until emit answers false.
func (s *Server) masterRows(q masterQuery, emit func(fields []string) bool) {
	item := masterItems[q.item]
	if item.global != nil {
		for _, row := range item.global {
			if !emit(row) {
				return
			}
		}
		return
	}
	if q.acct < 0 || item.kind == "" {
		return
	}
	cust, seen := itoa(s.accts[q.acct].ID), map[ent]life{}
	for e := range s.entities(q.acct, item.kind) {
		if item.only != nil && !item.only(s, e) {
			continue
		}
		l := s.lifeIn(e, q.now, seen)
		switch {
		case l.reg.After(q.now): // not made yet
			continue
		case q.from.IsZero() && !l.del.IsZero():
			continue
		case !q.from.IsZero() && l.edit.Before(q.from) && l.reg.Before(q.from) && (l.del.IsZero() || l.del.Before(q.from)):
			continue
		}
		m := &masterRow{e: e, h: s.hash(e), cust: cust, id: s.id(e), life: l, reg: stamp(l.reg)}
		if !l.del.IsZero() {
			m.del = stamp(l.del)
		}
		if !q.spoil.noNames {
			m.name = s.name(e)
		}
		if !emit(item.fill(s, m)) {
			return
		}
	}
}

func (s *Server) anyMaster(q masterQuery) bool {
	found := false
	s.masterRows(q, func([]string) bool { found = true; return false })
	return found
}

func (s *Server) writeMaster(w io.Writer, q masterQuery) error {
	bw := bufio.NewWriterSize(w, 64<<10)
	var err error
	s.masterRows(q, func(f []string) bool {
		line := strings.Join(f, "\t")
		if q.spoil.keep > 0 && unit(mixString(s.o.Seed, line)) >= q.spoil.keep {
			return true
		}
		if q.spoil.column {
			line += "\t"
		}
		if q.spoil.badUTF8 {
			line, q.spoil.badUTF8 = line+"\xff", false
		}
		_, _ = bw.WriteString(line)
		err = bw.WriteByte('\n')
		return err == nil
	})
	if err == nil {
		err = bw.Flush()
	}
	if err != nil {
		return fmt.Errorf("write master %s: %w", q.item, err)
	}
	return nil
}

// MasterItems lists the items that POST /master-reports takes.
func MasterItems() []string {
	var out []string
	for k := range masterItems {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
