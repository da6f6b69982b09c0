package orders

import (
	"context"
	"os"
	"testing"
)

// TestSmall keeps the benchmark working; its figures mean nothing.
func TestSmall(t *testing.T) {
	all, err := Run(context.Background(), Options{Orders: 20, Copies: 2, Connections: 4, Rows: 3000, Mails: 20, Kills: 2, List: 2000, PostgresURL: os.Getenv("IMREPORT_TEST_PG")}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Permutations.Sequences != 120 || r.Permutations.Wrong != 0 || r.Webhooks.Wrong != 0 || r.Webhooks.Twins != 0 || r.CSV.Differences != 0 {
			t.Errorf("%+v %+v %+v", r.Permutations, r.Webhooks, r.CSV)
		}
	}
}
