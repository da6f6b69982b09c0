package naver

import (
	"slices"
	"sync"

	"imreport/internal/table"
)

// seen gathers the ids that rows speak of, by the list that has their names.
// Several reports are read into it at once.
type seen struct {
	mu  sync.Mutex
	ids map[string]map[string]bool // item → id
}

func newSeen() *seen { return &seen{ids: map[string]map[string]bool{}} }

func (s *seen) add(item, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids[item] == nil {
		s.ids[item] = map[string]bool{}
	}
	s.ids[item][id] = true
}

// of are the ids of a list, in order.
func (s *seen) of(item string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]string, 0, len(s.ids[item]))
	for id := range s.ids[item] {
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

// reader returns a function for the rows of one report with this schema. The
// lock is only taken for an id that the report did not have before.
func (s *seen) reader(schema table.Schema) func(table.Row) {
	type column struct {
		at   int
		item string
		last string
		had  map[string]bool
	}
	var columns []column
	for i, c := range schema {
		if item := itemOf(c.Name); item != "" {
			columns = append(columns, column{at: i, item: item, had: map[string]bool{}})
		}
	}
	return func(row table.Row) {
		for i := range columns {
			c := &columns[i]
			v := row[c.at]
			if v.Null || v.Str == c.last || c.had[v.Str] {
				continue
			}
			c.last, c.had[v.Str] = v.Str, true
			s.add(c.item, v.Str)
		}
	}
}
