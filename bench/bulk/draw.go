package bulk

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"

	"imreport/internal/quota"
)

// Draw plays one morning of the gate and writes a picture of it: what the
// server allowed, what was sent and accepted, and each refusal, over time.
func Draw(file string, seed uint64) error {
	rnd := rand.New(rand.NewPCG(seed, 77))
	c := &course{steps: []step{{0, 24}}, draw: func(at, last float64) (float64, float64) {
		switch {
		case at < 30:
			return 30, 19
		case at < 90:
			return 90, 27
		case at < 150:
			return 150, 6 // the platform is in trouble for 40 s
		case at < 190:
			return 190, 25
		}
		return at + uniform(rnd, 20, 50), uniform(rnd, 16, 29)
	}}
	l := bucket(quota.Licence, c, false, rnd)
	l.burst, l.tokens = 3, 3
	set := &setup{load: equal(24, 300), lic: []*limit{l}, half: rnd}
	s := &sim{rnd: rand.New(rand.NewPCG(seed, 78)), server: set.server(), load: set.load, client: newGate(set), limit: 6 * set.ideal()}
	g := s.client.(*gate)
	var taken []float64 // per second
	var refusals, rates []float64
	s.trace = func(now float64, refused bool) {
		if refused {
			refusals = append(refusals, now)
			return
		}
		for len(taken) <= int(now) {
			taken = append(taken, 0)
		}
		taken[int(now)]++
	}
	s.each = func(float64) { rates = append(rates, g.learned()) }
	s.run()
	svg := drawing(s, c, taken, refusals, rates)
	if err := os.WriteFile(file, []byte(svg), 0o644); err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	return nil
}

// The picture's measures, in pixels.
const (
	drawW, drawH      = 960., 400.
	drawL, drawT      = 52., 46.
	drawR, drawB      = 16., 70.
	drawTop           = 36. // calls per second at the upper edge
	drawSmoothSeconds = 5
)

func drawing(s *sim, c *course, taken, refusals, rates []float64) string {
	end := s.makespan
	x := func(t float64) float64 { return drawL + t/end*(drawW-drawL-drawR) }
	y := func(r float64) float64 { return drawT + (1-min(r, drawTop)/drawTop)*(drawH-drawT-drawB) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="system-ui, sans-serif" font-size="12" fill="#333">`+"\n", drawW, drawH)
	fmt.Fprintf(&b, `<rect width="%.0f" height="%.0f" fill="#fff"/>`+"\n", drawW, drawH)
	fmt.Fprintf(&b, `<text x="%.0f" y="22" font-size="15">A morning: %d calls in %.0f s, %.2f %% refused</text>`+"\n",
		drawL, s.sends-s.refusals, end, 100*float64(s.refusals)/float64(s.sends))
	for r := 0.; r <= 30; r += 10 {
		fmt.Fprintf(&b, `<path d="M%.1f %.1fH%.1f" stroke="#e4e4e4"/><text x="%.1f" y="%.1f" text-anchor="end">%.0f/s</text>`+"\n", drawL, y(r), drawW-drawR, drawL-6, y(r)+4, r)
	}
	for t := 0.; t <= end; t += 60 {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle">%.0f min</text>`+"\n", x(t), drawH-drawB+34, t/60)
	}
	var line strings.Builder
	fmt.Fprintf(&line, "M%.1f %.1f", x(0), y(c.rate(0)))
	for t := 0.; t < end; {
		n := min(end, c.next(t))
		fmt.Fprintf(&line, "H%.1f", x(n))
		if n < end {
			fmt.Fprintf(&line, "V%.1f", y(c.rate(n)))
		}
		t = n
	}
	fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="#9aa0a6" stroke-width="2"/>`+"\n", line.String())
	polyline(&b, len(taken), "#1a73e8", 1.6, func(i int) (float64, float64) {
		sum, n := 0., 0.
		for k := max(0, i-drawSmoothSeconds/2); k <= min(len(taken)-1, i+drawSmoothSeconds/2); k++ {
			sum, n = sum+taken[k], n+1
		}
		return x(min(end, float64(i)+0.5)), y(sum / n)
	})
	polyline(&b, len(rates), "#188038", 1, func(i int) (float64, float64) { return x(min(end, float64(i+1))), y(rates[i]) })
	for _, t := range refusals {
		fmt.Fprintf(&b, `<path d="M%.1f %.1fv10" stroke="#d93025"/>`, x(t), drawH-drawB+6)
	}
	b.WriteString("\n")
	for i, k := range []struct{ colour, text string }{{"#9aa0a6", "allowed by the server"}, {"#1a73e8", "accepted (mean of 5 s)"}, {"#188038", "learned rate"}, {"#d93025", "a refusal (429)"}} {
		at := drawL + float64(i)*190
		fmt.Fprintf(&b, `<rect x="%.0f" y="%.0f" width="14" height="4" fill="%s"/><text x="%.0f" y="%.0f">%s</text>`+"\n", at, drawH-18, k.colour, at+20, drawH-12, k.text)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func polyline(b *strings.Builder, n int, colour string, width float64, at func(int) (float64, float64)) {
	fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="%.1f" points="`, colour, width)
	for i := range n {
		if px, py := at(i); !math.IsNaN(py) {
			fmt.Fprintf(b, "%.1f,%.1f ", px, py)
		}
	}
	b.WriteString(`"/>` + "\n")
}
