package bulk

// Aim is what the gate should reach in a world.
type Aim struct {
	Makespan float64 `json:"makespan_to_ideal"`
	Refused  float64 `json:"refused_percent"`
	P95      float64 `json:"interactive_p95_s"`
}

// verdict marks what was missed, after rounding as the aims are written.
func (a Aim) verdict(r Row) string {
	s := ""
	if r.Makespan > a.Makespan+0.005 || r.DNF > 0 {
		s += " slow"
	}
	if r.Refused > a.Refused+0.05 {
		s += " refused"
	}
	if r.P95 > a.P95+0.05 {
		s += " p95"
	}
	if s == "" {
		return " ✓"
	}
	return " ✗" + s
}

// aims of the worlds with one limit: refusals free and counted.
var aims = map[string][2]Aim{
	"fixed":       {{1.01, 1.0, 2}, {1.02, 1.5, 3}},
	"drifting":    {{1.03, 1.3, 3}, {1.05, 1.5, 3}},
	"drop":        {{1.06, 1.1, 2.5}, {1.06, 1.5, 2.5}},
	"windows":     {{1.07, 2.0, 2}, {1.07, 2.0, 3}},
	"sliding":     {{1.25, 1.8, 3}, {1.25, 1.8, 3}},
	"S":           {{1.25, 1.8, 3}, {1.25, 1.8, 3}},
	"third party": {{1.15, 3.0, 6}, {1.53, 3.5, 9}},
}

// scopeAims of an agency's worlds: makespan in the variants free, counted,
// drifting, both; refusals free and otherwise; the person's p95.
var scopeAims = map[string]struct {
	makespan        [4]float64
	refused, others float64
	p95             float64
}{
	"A":  {[4]float64{1.02, 1.03, 1.03, 1.05}, 1.2, 1.8, 3.5},
	"B":  {[4]float64{1.04, 1.06, 1.06, 1.09}, 1.3, 1.8, 2.5},
	"C":  {[4]float64{1.08, 1.13, 1.12, 1.15}, 1.5, 2.0, 3},
	"D":  {[4]float64{1.02, 1.03, 1.03, 1.05}, 1.2, 1.8, 3.5},
	"E":  {[4]float64{1.03, 1.06, 1.06, 1.09}, 1.2, 1.8, 3.5},
	"F":  {[4]float64{1.02, 1.04, 1.03, 1.05}, 1.2, 1.8, 4.5},
	"G":  {[4]float64{1.07, 1.17, 1.13, 1.35}, 1.5, 2.5, 5},
	"H1": {[4]float64{1.07, 1.13, 1.08, 1.15}, 1.6, 2.3, 4},
	"H2": {[4]float64{1.07, 1.13, 1.08, 1.15}, 1.6, 2.3, 4},
	"K":  {[4]float64{1.35, 1.40, 1.40, 1.45}, 0.8, 0.8, 2.5},
	"M":  {[4]float64{1.12, 1.22, 1.20, 1.30}, 1.5, 2.0, 8},
}

func aimOf(w world, v variant) *Aim {
	i := 0
	if v.punish {
		i = 1
	}
	if a, ok := aims[w.name]; ok {
		return &a[i]
	}
	s, ok := scopeAims[w.name]
	if !ok {
		return nil
	}
	refused := s.refused
	if v != (variant{}) {
		refused = s.others
	}
	if v.drift {
		i += 2
	}
	return &Aim{s.makespan[i], refused, s.p95}
}
