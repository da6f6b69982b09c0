package main

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"imreport/sim/naver"
)

func TestProbePrintsWhatItFound(t *testing.T) {
	t.Setenv("LC_ALL", "en_US.UTF-8")
	t.Setenv("NAVER_API_KEY", naver.DefaultLicense)
	t.Setenv("NAVER_SECRET_KEY", naver.DefaultSecret)
	s := naver.New(naver.Options{Seed: 1, Profile: "perlicence"})
	srv := httptest.NewServer(s)
	defer srv.Close()
	all := s.Customers()
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"doctor", "--probe", "--naver-url", srv.URL, "--probe-step", "200ms", "--probe-pause", "100ms", "--probe-rate", "12",
		"--customer", fmt.Sprintf("%d,%d", all[0].ID, all[1].ID)}, &out, &errs)
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	for _, want := range []string{"GET /ncc/campaigns", "GET /stat-reports", "nothing needs to be set"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
	out.Reset()
	if code := run(t.Context(), []string{"doctor", "--probe", "--naver-url", srv.URL}, &out, &errs); code != exitUsage {
		t.Errorf("without a customer: exit %d", code)
	}
}
