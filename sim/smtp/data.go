package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (c *session) cmdData(arg string) error {
	switch {
	case c.mail == nil:
		return c.refuse(503, "5.5.1 Error: need MAIL command")
	case len(c.mail.To) == 0:
		return c.refuse(554, "5.5.1 Error: no valid recipients")
	case arg != "":
		return c.refuse(501, "5.5.4 Syntax: DATA")
	}
	if done, err := c.fault(AtData); done {
		return err
	}
	c.inData(1)
	defer c.inData(-1)
	m := *c.mail
	c.mail = nil // whatever comes of it, the transaction ends here
	if err := c.reply(354, "End data with <CR><LF>.<CR><LF>"); err != nil {
		return err
	}
	raw, bad, err := c.body(m.To)
	if err != nil {
		return err
	}
	c.s.mu.Lock()
	c.s.stats.Dots++
	c.s.mu.Unlock()
	if bad == "" && c.s.prof.strict {
		bad = bulkRules(raw)
	}
	if bad != "" {
		code, _ := strconv.Atoi(bad[:3])
		return c.refuse(code, bad[4:])
	}
	if done, err := c.faultTo(AtDot, m.To); done {
		return err
	}
	if words := c.s.admit(); words != "" {
		return c.reply(454, words)
	}
	return c.store(m, raw)
}

// store keeps the mail and answers for it.
func (c *session) store(m Mail, raw []byte) error {
	m.ID, m.At = c.s.nextID(), c.s.now().UTC()
	answer := "2.0.0 Ok: queued as " + m.ID
	if c.s.prof.renames {
		raw = rename(raw, m.ID, m.At)
		answer = "Ok " + m.ID
	}
	if err := c.s.box.add(m, raw); err != nil {
		c.s.log.Error("smtp: mail not stored", "err", err)
		return c.reply(451, "4.3.0 Error: queue file write error")
	}
	c.mails++
	c.s.mu.Lock()
	c.s.stats.Mails++
	c.s.mu.Unlock()
	if done, err := c.faultTo(AtStored, m.To); done {
		return err
	}
	if err := c.reply(250, answer); err != nil {
		return err
	}
	_, err := c.faultTo(AtDone, m.To)
	return err
}

func (c *session) inData(n int) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.stats.InData += n
}

// body reads up to the final dot and unstuffs. bad is the refusal that the dot
// will get for a body that broke the rules ("550 5.5.2 …").
func (c *session) body(to []string) (raw []byte, bad string, err error) {
	fault, struck := c.s.fire(AtBody, to)
	after := fault.After
	if after == 0 {
		after = 64
	}
	var buf bytes.Buffer
	wrong := func(text string) {
		if bad == "" {
			bad = text
		}
	}
	header, total, lineLen, fresh := true, 0, 0, true
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(idle))
		b, err := c.r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, "", err
		}
		whole := err == nil
		total += len(b)
		if struck && (total >= after || fresh && string(b) == ".\r\n") {
			struck, b = false, bytes.Clone(b) // a Hang reads on and would overwrite b
			if done, err := c.strike(fault); done {
				return nil, "", err
			}
		}
		if fresh {
			if string(b) == ".\r\n" {
				return buf.Bytes(), bad, nil
			}
			if b[0] == '.' { // stuffed, or a bare-LF imitation of the end
				b = b[1:]
			}
			lineLen = 0
		}
		if fresh && string(b) == "\r\n" {
			header = false
		}
		lineLen += len(b)
		text, crlf := bytes.CutSuffix(b, []byte("\r\n"))
		switch {
		case whole && !crlf:
			wrong("550 5.5.2 Error: bare <LF> received")
		case whole && bytes.IndexByte(text, '\r') >= 0:
			wrong("550 5.5.2 Error: bare <CR> received")
		}
		if lineLen > maxLine {
			wrong("554 5.6.0 Line too long: 1000 octets at most, with <CR><LF>")
		}
		if bytes.IndexByte(b, 0) >= 0 {
			wrong("554 5.6.0 NUL in the message")
		}
		if !c.bit8 || header && !c.utf8 {
			if slices.ContainsFunc(b, func(x byte) bool { return x >= 0x80 }) {
				if header && !c.utf8 {
					wrong("554 5.6.7 Eight-bit header without SMTPUTF8")
				} else {
					wrong("554 5.6.1 Eight-bit body without BODY=8BITMIME")
				}
			}
		}
		if buf.Len()+len(b) > c.s.cfg.MaxBytes {
			wrong("552 5.3.4 Message size exceeds fixed limit")
			buf.Reset()
		} else if bad == "" {
			buf.Write(b)
		}
		fresh = whole
	}
}

// path reads "FROM:<a@b> KEY=VALUE …" without the blanks that RFC 5321 forbids.
func path(arg, key string) (addr string, params []string, ok bool) {
	if len(arg) < len(key) || !strings.EqualFold(arg[:len(key)], key) {
		return "", nil, false
	}
	rest, ok := strings.CutPrefix(arg[len(key):], "<")
	if !ok {
		return "", nil, false
	}
	addr, rest, ok = strings.Cut(rest, ">")
	if !ok || rest != "" && rest[0] != ' ' {
		return "", nil, false
	}
	return addr, strings.Fields(rest), true
}

// validAddress checks the form of a mailbox; quoted local parts and address
// literals are not accepted.
func validAddress(a string, utf8 bool) bool {
	at := strings.LastIndexByte(a, '@')
	if at < 1 || at > 64 || len(a) > 254 || at == len(a)-1 {
		return false
	}
	local, domain := a[:at], a[at+1:]
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return false
	}
	for _, r := range local {
		if r > 126 && !utf8 || r <= ' ' || r == 127 || strings.ContainsRune(`()<>[]:;@\,"`, r) {
			return false
		}
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			ok := r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 126 && utf8
			if !ok {
				return false
			}
		}
	}
	return true
}
