package main

import (
	"strings"
	"testing"
)

// What a finding says stands below it, indented.
func TestDoctorIndentsWhatItFound(t *testing.T) {
	t.Setenv("LC_ALL", "en_US.UTF-8")
	code, out, _ := program(t, "doctor", "--data", t.TempDir(), "--naver-url", "http://127.0.0.1:1")
	if code != exitFailed || !strings.Contains(out, "✗ Naver Search Ads http://127.0.0.1:1\n    Naver Search Ads cannot be reached\n") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}
