package seal

import (
	"bytes"
	"testing"

	"imreport/internal/errs"
)

func TestSealAndOpen(t *testing.T) {
	dir := t.TempDir()
	key, err := LoadOrMake(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrMake(dir)
	if err != nil || !bytes.Equal(key, again) {
		t.Fatalf("the key file gave another key: %v", err)
	}
	b, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	sealed := b.Seal("비밀", "api_key/1")
	if got, err := b.Open(sealed, "api_key/1"); err != nil || got != "비밀" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if b.Seal("비밀", "api_key/1") == sealed {
		t.Error("the same text sealed twice looks the same")
	}
	other, _ := New(bytes.Repeat([]byte{1}, KeySize))
	for name, try := range map[string]func() (string, error){
		"moved to another row": func() (string, error) { return b.Open(sealed, "api_key/2") },
		"another key":          func() (string, error) { return other.Open(sealed, "api_key/1") },
		"cut short":            func() (string, error) { return b.Open(sealed[:20], "api_key/1") },
	} {
		if _, err := try(); !errs.Is(err, "seal.wrong_key") {
			t.Errorf("%s: %v, want seal.wrong_key", name, err)
		}
	}
	if bytes.Equal(b.MAC("a", "x"), b.MAC("b", "x")) {
		t.Error("two purposes share a key")
	}
}

func TestParseKey(t *testing.T) {
	for _, s := range []string{"", "not base64!", "c2hvcnQ="} {
		if _, err := ParseKey(s); err == nil {
			t.Errorf("ParseKey(%q): want an error", s)
		}
	}
}
