package smtp

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// rich is a mail with both parts and a link in each.
const rich = "From: Shop <reviews@shop.example>\r\nTo: jimin@example.com\r\nSubject: hi\r\nMIME-Version: 1.0\r\n" +
	"List-Unsubscribe: <https://shop.example/u/1>\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n7ZuE6riwIGh0dHBzOi8vc2hvcC5leGFtcGxlL3IvMQ==\r\n" +
	"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<a href=3D\"https://shop.example/r/1?a=3D1&amp;b=3D2\">=ED=9B=84=EA=B8=B0</a><script>1</script>\r\n--b--\r\n"

// call asks the handler and decodes JSON into out, if it is not nil.
func call(t *testing.T, h http.Handler, method, path, body string, out any) (int, string, http.Header) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	b, _ := io.ReadAll(w.Body)
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, b)
		}
	}
	return w.Code, string(b), w.Header()
}

func TestHandler(t *testing.T) {
	var posted string
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		posted = r.Header.Get("Content-Type") + "\n" + string(b)
	}))
	defer sink.Close()
	s, addr := start(t, Config{BounceURL: sink.URL})
	h := s.Handler()
	if code, page, _ := call(t, h, "GET", "/", "", nil); code != 200 || !strings.Contains(page, "아직 도착한 메일이 없습니다") {
		t.Errorf("empty box: %d %s", code, page)
	}
	c := dial(t, addr)
	for _, body := range []string{letter("t1"), rich, letter("t1")} {
		if step, err := send(c, "jimin@example.com", body); err != nil {
			t.Fatal(step, err)
		}
	}
	id := s.Mails()[1].ID

	var list struct {
		Count int
		Items []Mail
	}
	call(t, h, "GET", "/api/mails?to=JIMIN@example.com&limit=2", "", &list)
	if list.Count != 3 || len(list.Items) != 2 || list.Items[0].ID != s.Mails()[2].ID {
		t.Errorf("list = %+v", list)
	}
	call(t, h, "GET", "/api/mails?token=t1&q=후기", "", &list)
	if list.Count != 2 {
		t.Errorf("by token = %+v", list)
	}
	counts := map[string]int{}
	call(t, h, "GET", "/api/counts?above=1", "", &counts)
	if len(counts) != 1 || counts["t1"] != 2 {
		t.Errorf("doubled = %v", counts)
	}
	if code, raw, hd := call(t, h, "GET", "/api/mails/"+id+"/raw", "", nil); code != 200 || raw != rich || hd.Get("Content-Type") != "message/rfc822" {
		t.Errorf("raw: %d %q", code, raw)
	}
	var one struct {
		ID     string
		Header map[string][]string
	}
	if call(t, h, "GET", "/api/mails/"+id, "", &one); one.ID != id || one.Header["Subject"][0] != "hi" {
		t.Errorf("one = %+v", one)
	}
	if code, _, _ := call(t, h, "GET", "/api/mails/nope/raw", "", nil); code != 404 {
		t.Errorf("unknown mail: %d", code)
	}

	t.Run("pages", func(t *testing.T) {
		if _, page, _ := call(t, h, "GET", "/?lang=en", "", nil); !strings.Contains(page, "Mailbox") || !strings.Contains(page, "mail/"+id) {
			t.Error(page)
		}
		_, page, hd := call(t, h, "GET", "/mail/"+id, "", nil)
		if !strings.Contains(page, `src="`+id+`/html"`) || !strings.Contains(page, "반송 처리") || !strings.Contains(hd.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Error(page)
		}
		_, html, hd := call(t, h, "GET", "/mail/"+id+"/html", "", nil)
		if !strings.Contains(html, ">후기</a>") || !strings.Contains(hd.Get("Content-Security-Policy"), "sandbox allow-popups") {
			t.Error(html, hd)
		}
		links := ReadContent([]byte(rich)).Links
		if strings.Join(links, " ") != "https://shop.example/r/1 https://shop.example/r/1?a=1&b=2" {
			t.Errorf("links = %q", links)
		}
		if code, _, hd := call(t, h, "GET", "/mail/nope", "", nil); code != 303 || hd.Get("Location") != "../" {
			t.Errorf("unknown mail: %d %v", code, hd)
		}
	})
	t.Run("bounce and complaint", func(t *testing.T) {
		if _, dsn, _ := call(t, h, "GET", "/api/mails/"+id+"/bounce?status=5.2.1", "", nil); !strings.Contains(dsn, "Status: 5.2.1\r\n") {
			t.Error(dsn)
		}
		if code, _, _ := call(t, h, "GET", "/api/mails/"+id+"/bounce?status=9", "", nil); code != 400 {
			t.Errorf("bad status: %d", code)
		}
		if code, body, _ := call(t, h, "POST", "/api/mails/"+id+"/complaint", "", nil); code != 200 || !strings.HasPrefix(posted, "message/rfc822\n") || !strings.Contains(posted, "Feedback-Type: abuse") {
			t.Errorf("%d %s: posted %q", code, body, posted)
		}
		sink.Close()
		if code, _, _ := call(t, h, "POST", "/api/mails/"+id+"/bounce", "", nil); code != 502 {
			t.Errorf("sink away: %d", code)
		}
	})
	t.Run("faults", func(t *testing.T) {
		var f Fault
		code, body, _ := call(t, h, "POST", "/api/faults", `{"at":"stored","do":"hang","for":"11m","next":1}`, &f)
		if code != 200 || f.For != 11*time.Minute || f.ID == 0 {
			t.Errorf("%d %s", code, body)
		}
		for _, bad := range []string{`{"at":"noon","do":"drop"}`, `{"at":"dot","do":"drop","often":true}`, `{`, `{"at":"dot","do":"hang","for":"soon"}`} {
			if code, body, _ := call(t, h, "POST", "/api/faults", bad, nil); code != 400 {
				t.Errorf("%s: %d %s", bad, code, body)
			}
		}
		if code, _, _ := call(t, h, "DELETE", "/api/faults/99", "", nil); code != 404 {
			t.Errorf("delete 99: %d", code)
		}
		if call(t, h, "DELETE", "/api/faults", "", nil); len(s.Faults()) != 0 {
			t.Error("faults left")
		}
		call(t, h, "PUT", "/api/limits", `{"per_second":3,"reply_delay":"5ms"}`, nil)
		if l := s.Limits(); l.PerSecond != 3 || l.ReplyDelay != 5*time.Millisecond {
			t.Errorf("limits = %+v", l)
		}
	})
	if call(t, h, "DELETE", "/api/mails", "", nil); len(s.Mails()) != 0 {
		t.Error("mails left")
	}
	var st Stats
	if call(t, h, "GET", "/api/stats", "", &st); st.Mails != 3 {
		t.Errorf("stats = %+v", st)
	}
}

func TestRun(t *testing.T) {
	if err := New(Config{Dir: t.TempDir(), Addr: "256.0.0.1:1"}).Run(t.Context()); err == nil {
		t.Error("a bad address is no error")
	}
}
