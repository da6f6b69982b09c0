package smtp

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed mailbox.html
var pages embed.FS

// Handler serves the mailbox page and the admin API. Mount it at a root of its
// own, or under a prefix with http.StripPrefix: its links are relative.
//
//	GET    ./                       the mailbox, Korean or English (?lang=ko|en)
//	GET    ./mail/{id}              one mail, its text and its HTML in a frame
//	GET    ./mail/{id}/html         the HTML part alone, sandboxed
//	GET    ./api/mails              {count, items}; ?to= ?q= ?message_id= ?token= ?limit= (newest first)
//	GET    ./api/mails/{id}         one mail's envelope and header
//	GET    ./api/mails/{id}/raw     the bytes as they came
//	GET    ./api/mails/{id}/bounce  a DSN for it; ?status=5.1.1 &full=1 &korean=1 &free=1
//	GET    ./api/mails/{id}/complaint  an ARF report for it; ?redact=1
//	POST   the two above            posts it to Config.BounceURL
//	DELETE ./api/mails              empties the mailbox
//	GET    ./api/counts             {"token or Message-ID": mails}; ?above=1 only doubled ones
//	GET    ./api/stats              Stats
//	GET    ./api/faults             the faults with their counts
//	POST   ./api/faults             adds a Fault, answers it with its id; "for" is text ("11m") or nanoseconds
//	DELETE ./api/faults[/{id}]      ends all or one
//	GET|PUT ./api/limits            Limits
//	POST   ./api/release            ends every Hang
//
// Errors are {"error": "words"} with 400, 404, 409 or 502.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.getBox)
	mux.HandleFunc("GET /mail/{id}", s.getMail)
	mux.HandleFunc("GET /mail/{id}/html", s.getHTML)
	mux.HandleFunc("GET /api/mails", s.apiMails)
	mux.HandleFunc("DELETE /api/mails", func(w http.ResponseWriter, r *http.Request) {
		answer(w, map[string]bool{"ok": true}, s.Clear())
	})
	mux.HandleFunc("GET /api/mails/{id}", s.apiMail)
	mux.HandleFunc("GET /api/mails/{id}/raw", s.apiRaw)
	mux.HandleFunc("GET /api/mails/{id}/bounce", s.apiReport)
	mux.HandleFunc("GET /api/mails/{id}/complaint", s.apiReport)
	mux.HandleFunc("POST /api/mails/{id}/bounce", s.apiReport)
	mux.HandleFunc("POST /api/mails/{id}/complaint", s.apiReport)
	mux.HandleFunc("GET /api/counts", s.apiCounts)
	mux.HandleFunc("GET /api/stats", func(w http.ResponseWriter, r *http.Request) { answer(w, s.Stats(), nil) })
	mux.HandleFunc("GET /api/faults", func(w http.ResponseWriter, r *http.Request) { answer(w, s.Faults(), nil) })
	mux.HandleFunc("POST /api/faults", s.apiAddFault)
	mux.HandleFunc("DELETE /api/faults", func(w http.ResponseWriter, r *http.Request) {
		s.ClearFaults()
		answer(w, map[string]bool{"ok": true}, nil)
	})
	mux.HandleFunc("DELETE /api/faults/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.Atoi(r.PathValue("id"))
		if !s.RemoveFault(id) {
			answer(w, nil, fmt.Errorf("%w: fault %s", ErrNoMail, r.PathValue("id")))
			return
		}
		answer(w, map[string]bool{"ok": true}, nil)
	})
	mux.HandleFunc("GET /api/limits", func(w http.ResponseWriter, r *http.Request) { answer(w, s.Limits(), nil) })
	mux.HandleFunc("PUT /api/limits", s.apiLimits)
	mux.HandleFunc("POST /api/release", func(w http.ResponseWriter, r *http.Request) {
		s.Release()
		answer(w, map[string]bool{"ok": true}, nil)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// badRequest is an error of the caller, answered with 400.
type badRequest struct{ error }

// answer writes v, or err with its status.
func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if err != nil {
		status := http.StatusInternalServerError
		var bad badRequest
		switch {
		case errors.As(err, &bad):
			status = http.StatusBadRequest
		case errors.Is(err, ErrNoMail):
			status = http.StatusNotFound
		case errors.Is(err, errNoBounceURL):
			status = http.StatusConflict
		case errors.Is(err, errNotTaken):
			status = http.StatusBadGateway
		}
		w.WriteHeader(status)
		v = map[string]string{"error": err.Error()}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client went away: nothing left to say
}

// UnmarshalJSON reads For as text ("11m") or as nanoseconds.
func (f *Fault) UnmarshalJSON(b []byte) error {
	type plain Fault
	v := struct {
		*plain
		For json.RawMessage `json:"for"`
	}{plain: (*plain)(f)}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return err
	}
	d, err := duration(v.For)
	f.For = d
	return err
}

// UnmarshalJSON reads ReplyDelay as text ("200ms") or as nanoseconds.
func (l *Limits) UnmarshalJSON(b []byte) error {
	type plain Limits
	v := struct {
		*plain
		ReplyDelay json.RawMessage `json:"reply_delay"`
	}{plain: (*plain)(l)}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return err
	}
	d, err := duration(v.ReplyDelay)
	l.ReplyDelay = d
	return err
}

func duration(raw json.RawMessage) (time.Duration, error) {
	if len(raw) == 0 {
		return 0, nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return time.ParseDuration(text)
	}
	var d time.Duration
	err := json.Unmarshal(raw, &d)
	return d, err
}

func (s *Server) apiAddFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&f); err != nil {
		answer(w, nil, badRequest{err})
		return
	}
	id, err := s.AddFault(f)
	if err != nil {
		answer(w, nil, badRequest{err})
		return
	}
	f.ID, f.Hits, f.Seen = id, 0, 0
	answer(w, f, nil)
}

func (s *Server) apiLimits(w http.ResponseWriter, r *http.Request) {
	var l Limits
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&l); err != nil {
		answer(w, nil, badRequest{err})
		return
	}
	s.SetLimits(l)
	answer(w, l, nil)
}

func (s *Server) apiMails(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	items := s.find(q.Get("to"), q.Get("q"))
	items = slices.DeleteFunc(items, func(m Mail) bool {
		return q.Has("message_id") && m.MessageID != q.Get("message_id") || q.Has("token") && m.Token != q.Get("token")
	})
	n := len(items)
	if limit, err := strconv.Atoi(q.Get("limit")); err == nil && limit >= 0 && limit < n {
		items = items[:limit]
	}
	answer(w, map[string]any{"count": n, "items": items}, nil)
}

// find lists mails to an address and with words in address, subject or token,
// newest first.
func (s *Server) find(to, words string) []Mail {
	to, words = strings.ToLower(to), strings.ToLower(words)
	out := slices.DeleteFunc(s.Mails(), func(m Mail) bool {
		all := strings.ToLower(strings.Join(append(slices.Clone(m.To), m.Subject, m.MessageID, m.Token), "\n"))
		return to != "" && !slices.ContainsFunc(m.To, func(a string) bool { return strings.ToLower(a) == to }) ||
			!strings.Contains(all, words)
	})
	slices.Reverse(out)
	return out
}

func (s *Server) apiMail(w http.ResponseWriter, r *http.Request) {
	m, err := s.box.get(r.PathValue("id"))
	if err != nil {
		answer(w, nil, err)
		return
	}
	raw, err := s.Raw(m.ID)
	if err != nil {
		answer(w, nil, err)
		return
	}
	h := mail.Header{}
	if msg, err := mail.ReadMessage(bytes.NewReader(raw)); err == nil {
		h = msg.Header
	}
	answer(w, struct {
		Mail
		Header mail.Header `json:"header"`
	}{m, h}, nil)
}

func (s *Server) apiRaw(w http.ResponseWriter, r *http.Request) {
	raw, err := s.Raw(r.PathValue("id"))
	if err != nil {
		answer(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "message/rfc822")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(raw)
}

func (s *Server) apiCounts(w http.ResponseWriter, r *http.Request) {
	counts := s.Counts()
	if above, err := strconv.Atoi(r.URL.Query().Get("above")); err == nil {
		for key, n := range counts {
			if n <= above {
				delete(counts, key)
			}
		}
	}
	answer(w, counts, nil)
}

var (
	errNoBounceURL = errors.New("no BounceURL is configured: take the report with GET")
	errNotTaken    = errors.New("the BounceURL did not take the report")
)

// apiReport answers or posts a bounce or a complaint.
func (s *Server) apiReport(w http.ResponseWriter, r *http.Request) {
	m, err := s.box.get(r.PathValue("id"))
	if err != nil {
		answer(w, nil, err)
		return
	}
	raw, err := s.Raw(m.ID)
	if err != nil {
		answer(w, nil, err)
		return
	}
	on := func(name string) bool { return r.FormValue(name) == "1" || r.FormValue(name) == "true" }
	var out []byte
	status := r.FormValue("status")
	b := Bounce{Status: status, Recipient: r.FormValue("recipient"), Full: on("full"), Korean: on("korean")}
	switch {
	case status != "" && (len(status) < 5 || !strings.Contains("245", status[:1])):
		answer(w, nil, badRequest{fmt.Errorf("status %q is not like 5.1.1", status)})
		return
	case strings.HasSuffix(r.URL.Path, "/complaint"):
		out = ARF(m, raw, Complaint{Redact: on("redact")})
	case on("free"):
		out = FreeTextBounce(m, raw, b)
	default:
		out = DSN(m, raw, b)
	}
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "message/rfc822")
		_, _ = w.Write(out)
		return
	}
	if s.cfg.BounceURL == "" {
		answer(w, nil, errNoBounceURL)
		return
	}
	res, err := (&http.Client{Timeout: 10 * time.Second}).Post(s.cfg.BounceURL, "message/rfc822", bytes.NewReader(out))
	if err != nil {
		answer(w, nil, fmt.Errorf("%w: %w", errNotTaken, err))
		return
	}
	res.Body.Close()
	if res.StatusCode/100 != 2 {
		answer(w, nil, fmt.Errorf("%w: %s", errNotTaken, res.Status))
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		seeOther(w, "../../../mail/"+m.ID)
		return
	}
	answer(w, map[string]bool{"ok": true}, nil)
}

// seeOther redirects relative to the address that the browser asked, which
// http.Redirect cannot do behind http.StripPrefix.
func seeOther(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// words of the two pages.
var words = map[string]map[string]string{
	"ko": {"lang": "ko", "box": "메일함", "none": "아직 도착한 메일이 없습니다.", "to": "받는 사람", "subject": "제목", "from": "보낸 사람", "at": "시각",
		"search": "주소나 제목 검색", "go": "찾기", "back": "메일함으로", "raw": "원문 보기", "plain": "텍스트로 보기", "bounce": "반송 처리", "complaint": "스팸 신고",
		"other": "English", "otherlang": "en", "note": "데모용 메일함입니다. 여기 도착한 메일은 실제로 발송되지 않습니다.", "unsub": "수신거부 주소", "mails": "통", "all": "전체"},
	"en": {"lang": "en", "box": "Mailbox", "none": "No mail has arrived yet.", "to": "To", "subject": "Subject", "from": "From", "at": "Time",
		"search": "Search address or subject", "go": "Search", "back": "Back to the mailbox", "raw": "Source", "plain": "As text", "bounce": "Make it bounce", "complaint": "Report as spam",
		"other": "한국어", "otherlang": "ko", "note": "This is the demo's mailbox. Nothing that arrives here leaves this machine.", "unsub": "Unsubscribe address", "mails": "mails", "all": "All"},
}

// tongue picks the page language: ?lang, then Accept-Language, then Korean.
func tongue(r *http.Request) map[string]string {
	if w, ok := words[r.URL.Query().Get("lang")]; ok {
		return w
	}
	al := r.Header.Get("Accept-Language")
	if en, ko := strings.Index(al, "en"), strings.Index(al, "ko"); en >= 0 && (ko < 0 || en < ko) {
		return words["en"]
	}
	return words["ko"]
}

var tmpl = template.Must(template.New("").Funcs(template.FuncMap{
	"local": func(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") },
	"join":  strings.Join,
}).ParseFS(pages, "mailbox.html"))

func (s *Server) page(w http.ResponseWriter, name string, data any) {
	var b bytes.Buffer
	if err := tmpl.ExecuteTemplate(&b, name, data); err != nil {
		answer(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'")
	w.Header().Set("Referrer-Policy", "same-origin")
	_, _ = w.Write(b.Bytes())
}

func (s *Server) getBox(w http.ResponseWriter, r *http.Request) {
	items := s.find("", r.URL.Query().Get("q"))
	n := len(items)
	s.page(w, "box", map[string]any{"T": tongue(r), "Q": r.URL.Query().Get("q"), "Count": n, "Mails": items[:min(n, 200)]})
}

func (s *Server) getMail(w http.ResponseWriter, r *http.Request) {
	m, err := s.box.get(r.PathValue("id"))
	if err != nil {
		seeOther(w, "../")
		return
	}
	raw, err := s.Raw(m.ID)
	if err != nil {
		answer(w, nil, err)
		return
	}
	c := ReadContent(raw)
	s.page(w, "mail", map[string]any{"T": tongue(r), "M": m, "C": c, "Bounces": s.cfg.BounceURL != ""})
}

func (s *Server) getHTML(w http.ResponseWriter, r *http.Request) {
	raw, err := s.Raw(r.PathValue("id"))
	if err != nil {
		answer(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// A mail may style itself and be followed in a new tab; it runs nothing.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src * data:; sandbox allow-popups allow-popups-to-escape-sandbox")
	_, _ = w.Write([]byte(`<base target="_blank">` + ReadContent(raw).HTML))
}
