package xlsx

import (
	"imreport/internal/i18n"
	"os"
	"testing"
)

func TestDump(t *testing.T) {
	for _, l := range i18n.Langs {
		os.WriteFile("/tmp/lo/"+string(l)+".xlsx", sampleBook(l, 31).bytes(t, sample(1, 31, 40)...), 0o644)
		os.WriteFile("/tmp/lo/one-"+string(l)+".xlsx", sampleBook(l, 7).bytes(t, sample(1, 7, 40)[:1]...), 0o644)
	}
}
