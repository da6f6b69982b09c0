package xlsx

import (
	"math"
	"slices"

	"imreport/internal/table"
)

// Names of the columns that a summary knows.
const (
	dateColumn     = "date"
	campaignID     = "campaign_id"
	campaignColumn = "campaign"
)

// summed are the columns that are added up, in the order in which people read
// them.
var summed = []string{"impressions", "clicks", "cost", "cost_vat_incl", "conversions", "conversion_value", "purchases", "purchase_value"}

// maxCampaigns is how many campaigns are kept apart while rows pass by: a
// bound on memory. An account has some hundred at most.
const maxCampaigns = 10_000

// Totals are the sums of a report's rows, taken while they are written. They
// are what the formulas over the tabs give, so that programs which do not
// compute show them too.
type Totals struct {
	Metrics   []string // the columns that are summed
	All       []float64
	Days      map[table.Day][]float64
	Campaigns map[string]*Campaign // by id; "" are rows without one
	Overflow  bool                 // there were more campaigns than are kept

	columns        []int  // of the metrics
	whole          []bool // the metric is an Int
	date, id, name int    // columns; -1: none

	day      table.Day // of the row before
	dayAt    []float64
	camp     string
	campaign *Campaign
}

// Campaign is a campaign's sums.
type Campaign struct {
	Name string // the last one seen
	Sums []float64
}

func newTotals(s table.Schema) *Totals {
	t := &Totals{Days: map[table.Day][]float64{}, Campaigns: map[string]*Campaign{},
		date: s.Index(dateColumn), id: s.Index(campaignID), name: s.Index(campaignColumn)}
	if t.date >= 0 && s[t.date].Kind != table.Date {
		t.date = -1
	}
	for _, m := range summed {
		if i := s.Index(m); i >= 0 && s[i].Kind.Numeric() {
			t.Metrics, t.columns, t.whole = append(t.Metrics, m), append(t.columns, i), append(t.whole, s[i].Kind == table.Int)
		}
	}
	t.All = make([]float64, len(t.Metrics))
	return t
}

func (t *Totals) add(r table.Row) {
	if len(t.columns) == 0 {
		return
	}
	if t.date >= 0 {
		switch v := &r[t.date]; {
		case v.Null:
			t.dayAt = nil
		case t.dayAt == nil || t.day != table.Day(v.Num):
			t.day = table.Day(v.Num)
			if t.dayAt = t.Days[t.day]; t.dayAt == nil {
				t.dayAt = make([]float64, len(t.columns))
				t.Days[t.day] = t.dayAt
			}
		}
	}
	if t.id >= 0 {
		t.find(r)
	}
	for i, at := range t.columns {
		v := &r[at]
		f := v.Dec
		if t.whole[i] {
			f = float64(v.Num)
		}
		if v.Null || f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
			continue
		}
		t.All[i] += f
		if t.dayAt != nil {
			t.dayAt[i] += f
		}
		if t.campaign != nil {
			t.campaign.Sums[i] += f
		}
	}
}

// find makes t.campaign the one of r; nil if there are too many.
func (t *Totals) find(r table.Row) {
	id := &r[t.id]
	if t.campaign == nil || id.Str != t.camp {
		c, ok := t.Campaigns[id.Str]
		if !ok {
			if len(t.Campaigns) >= maxCampaigns {
				t.campaign, t.Overflow = nil, true
				return
			}
			c = &Campaign{Sums: make([]float64, len(t.columns))}
			t.Campaigns[string([]byte(id.Str))] = c
		}
		t.campaign, t.camp = c, string([]byte(id.Str))
	}
	if t.name >= 0 && r[t.name].Str != "" && r[t.name].Str != t.campaign.Name {
		t.campaign.Name = string([]byte(r[t.name].Str))
	}
}

// metric is the position of a metric; -1: the report does not have it.
func (t *Totals) metric(name string) int { return slices.Index(t.Metrics, name) }
