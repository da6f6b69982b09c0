package queue

import (
	"io"
	"os"
	"testing"
)

// A small load: the benchmark works, strands no lane and never runs two.
func TestSmall(t *testing.T) {
	o := Options{Lanes: 40, Seconds: 1, PostgresURL: os.Getenv("IMREPORT_TEST_PG")}
	var out io.Writer = io.Discard
	if testing.Verbose() {
		out = os.Stdout
	}
	all, err := Run(t.Context(), o, out)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Stranded != 0 || r.TwoActive != 0 || r.PickupSample == 0 {
			t.Errorf("%+v", r)
		}
	}
}
