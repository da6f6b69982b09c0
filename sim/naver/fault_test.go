package naver

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestRequestFaults(t *testing.T) {
	c := newClient(t, Options{Accounts: 2})
	for kind, want := range map[string]struct {
		code int
		body string
	}{
		"500": {500, "InternalServerError"}, "500java": {500, "SocketTimeoutException"}, "500empty": {500, ""}, "502": {502, "Bad Gateway"},
		"504": {504, "Gateway Time-out"}, "1020": {500, `"code":1020`}, "429html": {429, "<h1>429"}, "503": {503, "Service Unavailable"},
		"11001": {400, "11001"}, "html": {200, "<html>"}, "empty": {200, ""}, "drop": {0, "EOF"},
	} {
		id, err := c.sim.AddFault(Fault{Kind: kind, Path: "/ncc", Method: "GET", Times: 1})
		if err != nil {
			t.Fatal(err)
		}
		if kind == "drop" { // a GET would be repeated by the transport on a used connection
			c.sim.AddFault(Fault{Kind: kind, Path: "/ncc", Times: 3})
		}
		code, _, body := c.do("GET", "/ncc/campaigns", "")
		if code != want.code || !strings.Contains(body, want.body) {
			t.Errorf("%s: %d %s", kind, code, body)
		}
		if f := c.sim.Faults(); f[0].Hits != 1 || !c.sim.RemoveFault(id) {
			t.Errorf("%s: %+v", kind, f)
		}
		c.sim.ClearFaults()
		c.get("GET", "/ncc/campaigns", "", nil)
	}
	if _, err := c.sim.AddFault(Fault{Kind: "no such"}); err == nil {
		t.Error("unknown kind accepted")
	}
	c.sim.AddFault(Fault{Kind: "500", Customer: c.sim.Customers()[1].ID})
	c.get("GET", "/ncc/campaigns", "", nil)
	c.sim.SetMaintenance(true)
	if code, _, body := c.do("GET", "/ad-accounts", ""); code != 503 || body != `{"status":503,"title":"Service Unavailable"}`+"\n" {
		t.Errorf("maintenance: %d %s", code, body)
	}
}

func TestJobFaults(t *testing.T) {
	c := newClient(t, Options{Accounts: 2})
	end := func(kind string) statJob {
		t.Helper()
		c.sim.ClearFaults()
		if _, err := c.sim.AddFault(Fault{Kind: kind, Report: "AD", Day: "20260519", Times: 1}); err != nil {
			t.Fatal(err)
		}
		c.post("AD_CONVERSION", "20260519") // not struck
		j := c.post("AD", "20260519")
		c.clock.add(time.Hour)
		return c.state(j.ReportJobID)
	}
	for kind, want := range map[string]string{"stuck": stRunning, "error": stError, "none": stNone, "nourl": stBuilt, "hiccup": stBuilt} {
		j := end(kind)
		if j.Status != want || (j.DownloadURL == "") != (kind != "hiccup") {
			t.Errorf("%s: %+v", kind, j)
		}
	}
	if code, _, body := c.do("GET", end("hiccup").DownloadURL, ""); code != 500 || !strings.Contains(body, "InternalServerError") {
		t.Errorf("hiccup: %d %s", code, body)
	}
	file := func(kind string) string {
		_, _, raw := c.do("GET", end(kind).DownloadURL, "")
		return raw
	}
	whole := strings.Count(file("column"), "\n")
	if part := strings.Count(file("partial"), "\n"); part < whole/4 || part > whole*2/3 {
		t.Errorf("partial: %d of %d lines", part, whole)
	}
	for _, f := range tsv(file("column")) {
		if len(f) != 15 {
			t.Fatalf("extra column: %q", f)
		}
	}
	if utf8.ValidString(file("badutf8")) {
		t.Error("badutf8 is valid")
	}
	c.sim.ClearFaults()
	if _, err := c.sim.AddFault(Fault{Kind: "nonames", Report: "Campaign"}); err != nil {
		t.Fatal(err)
	}
	for _, f := range c.master(`{"item":"Campaign"}`) {
		if f[2] != "" {
			t.Errorf("a name in %q", f)
		}
	}
}

func TestCutDownload(t *testing.T) {
	c := newClient(t, Options{Accounts: 2})
	j := c.post("AD", "20260519")
	c.clock.add(time.Minute)
	j = c.state(j.ReportJobID)
	if _, err := c.sim.AddFault(Fault{Kind: "cut", After: 500, Times: 1}); err != nil {
		t.Fatal(err)
	}
	if code, h, body := c.do("GET", j.DownloadURL, ""); code != 0 || h == nil || len(body) != 500 {
		t.Errorf("cut: %d, %d bytes", code, len(body))
	}
	if code, _, body := c.do("GET", j.DownloadURL, ""); code != 200 || len(body) < 5000 {
		t.Errorf("again: %d, %d bytes", code, len(body))
	}
}

func TestHang(t *testing.T) {
	c := newClient(t, Options{Accounts: 2})
	if _, err := c.sim.AddFault(Fault{Kind: "hang", ForMS: 10, Times: 1}); err != nil {
		t.Fatal(err)
	}
	c.get("GET", "/ncc/campaigns", "", nil)
	if f := c.sim.Faults(); f[0].Hits != 1 {
		t.Errorf("%+v", f)
	}
}
