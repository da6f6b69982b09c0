package smtp

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

func (c *session) cmdHello(extended bool, name string) error {
	if done, err := c.fault(AtHello); done {
		return err
	}
	if name == "" || strings.Contains(name, " ") {
		return c.refuse(501, "5.5.4 Syntax: EHLO hostname")
	}
	c.hello, c.extended, c.mail = name, extended, nil
	text := c.s.cfg.Domain
	if extended {
		ext := []string{"PIPELINING", "SIZE " + strconv.Itoa(c.s.cfg.MaxBytes), "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "AUTH PLAIN LOGIN"}
		if c.s.cfg.TLS != nil && !c.secure {
			ext = append(ext, "STARTTLS")
		}
		text += " greets " + name + "\n" + strings.Join(ext, "\n")
	}
	return c.reply(250, text)
}

func (c *session) cmdStartTLS(arg string) error {
	switch {
	case c.s.cfg.TLS == nil:
		return c.refuse(502, "5.5.1 STARTTLS is not offered")
	case c.secure:
		return c.refuse(503, "5.5.1 TLS already active")
	case arg != "":
		return c.refuse(501, "5.5.4 Syntax: STARTTLS")
	case c.r.Buffered() > 0: // commands injected before the handshake
		return errors.Join(c.reply(421, "4.7.0 Commands after STARTTLS before TLS"), errGone)
	}
	if err := c.reply(220, "2.0.0 Ready to start TLS"); err != nil {
		return err
	}
	t := tls.Server(c.conn, c.s.cfg.TLS)
	if err := t.Handshake(); err != nil {
		return err
	}
	c.s.mu.Lock()
	c.conn = t
	c.s.mu.Unlock()
	c.r = bufio.NewReaderSize(t, 16<<10)
	c.secure, c.hello, c.user, c.mail = true, "", "", nil
	return nil
}

func (c *session) cmdAuth(arg string) error {
	if done, err := c.fault(AtAuth); done {
		return err
	}
	switch {
	case !c.extended:
		return c.refuse(503, "5.5.1 Error: send EHLO first")
	case c.user != "":
		return c.refuse(503, "5.5.1 Error: already authenticated")
	case c.mail != nil:
		return c.refuse(503, "5.5.1 Error: MAIL transaction in progress")
	}
	mech, initial, has := strings.Cut(arg, " ")
	var user, pass string
	switch strings.ToUpper(mech) {
	case "PLAIN":
		text, err := c.challenge("", initial, has)
		if err != nil {
			return c.saslError(err)
		}
		parts := strings.Split(text, "\x00")
		if len(parts) != 3 {
			return c.refuse(501, "5.5.2 Malformed AUTH PLAIN")
		}
		user, pass = parts[1], parts[2]
	case "LOGIN":
		var err error
		if user, err = c.challenge("Username:", initial, has); err == nil {
			pass, err = c.challenge("Password:", "", false)
		}
		if err != nil {
			return c.saslError(err)
		}
	default:
		return c.refuse(504, "5.5.4 Unrecognized authentication type")
	}
	if user == "" || c.s.cfg.Username != "" && (user != c.s.cfg.Username || pass != c.s.cfg.Password) {
		return c.refuse(535, "5.7.8 Authentication credentials invalid")
	}
	c.user = user
	return c.reply(235, "2.7.0 Authentication successful")
}

// errSASL is a base64 or "*" problem of the client, answered with 501.
var errSASL = errors.New("bad SASL response")

func (c *session) saslError(err error) error {
	if errors.Is(err, errSASL) {
		return c.refuse(501, "5.5.2 Cannot decode the AUTH response")
	}
	return err
}

// challenge asks one SASL question, unless the answer came with the command.
func (c *session) challenge(ask, initial string, has bool) (string, error) {
	if !has {
		if err := c.reply(334, base64.StdEncoding.EncodeToString([]byte(ask))); err != nil {
			return "", err
		}
		var err error
		if initial, err = c.line(); err != nil {
			return "", err
		}
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(initial, "="))
	if err != nil {
		return "", errSASL
	}
	return string(b), nil
}

func (c *session) cmdMail(arg string) error {
	switch {
	case c.hello == "":
		return c.refuse(503, "5.5.1 Error: send EHLO first")
	case c.mail != nil:
		return c.refuse(503, "5.5.1 Error: nested MAIL command")
	case c.s.cfg.Username != "" && c.user == "":
		return c.refuse(530, "5.7.0 Authentication required")
	}
	if max := c.s.Limits().PerConnection; max > 0 && c.mails >= max {
		return errors.Join(c.reply(421, "4.7.0 Too many messages on this connection"), errGone)
	}
	addr, params, ok := path(arg, "FROM:")
	if !ok {
		return c.refuse(501, "5.5.4 Syntax: MAIL FROM:<address>")
	}
	m := Mail{From: addr, Hello: c.hello, Remote: c.conn.RemoteAddr().String(), User: c.user, TLS: c.secure}
	c.utf8, c.bit8 = false, false
	for _, p := range params {
		key, val, _ := strings.Cut(p, "=")
		switch strings.ToUpper(key) {
		case "SIZE":
			n, err := strconv.Atoi(val)
			if err != nil {
				return c.refuse(501, "5.5.4 Bad SIZE")
			}
			if n > c.s.cfg.MaxBytes {
				return c.refuse(552, "5.3.4 Message size exceeds fixed limit")
			}
		case "BODY":
			switch strings.ToUpper(val) {
			case "8BITMIME":
				c.bit8 = true
			case "7BIT":
			default:
				return c.refuse(501, "5.5.4 Unknown BODY type")
			}
		case "SMTPUTF8":
			c.utf8, c.bit8 = true, true
		case "ENVID":
			m.EnvID = val
		case "RET", "AUTH":
		default:
			return c.refuse(555, "5.5.4 Unsupported option: "+key)
		}
	}
	if len(params) > 0 && !c.extended {
		return c.refuse(555, "5.5.4 Parameters need EHLO")
	}
	if addr != "" && !validAddress(addr, c.utf8) {
		return c.refuse(553, "5.1.7 Bad sender address syntax")
	}
	if done, err := c.fault(AtMail); done {
		return err
	}
	c.mail = &m
	return c.reply(250, "2.1.0 Ok")
}

func (c *session) cmdRcpt(arg string) error {
	if c.mail == nil {
		return c.refuse(503, "5.5.1 Error: need MAIL command")
	}
	addr, params, ok := path(arg, "TO:")
	if !ok {
		return c.refuse(501, "5.5.4 Syntax: RCPT TO:<address>")
	}
	for _, p := range params {
		key, _, _ := strings.Cut(p, "=")
		if k := strings.ToUpper(key); k != "NOTIFY" && k != "ORCPT" {
			return c.refuse(555, "5.5.4 Unsupported option: "+key)
		}
	}
	if !validAddress(addr, c.utf8) {
		return c.refuse(553, "5.1.3 Bad recipient address syntax")
	}
	if max := c.s.Limits().Recipients; max > 0 && len(c.mail.To) >= max {
		return c.reply(452, "4.5.3 Error: too many recipients")
	}
	if done, err := c.faultTo(AtRcpt, []string{addr}); done {
		return err
	}
	c.mail.To = append(c.mail.To, addr)
	return c.reply(250, "2.1.5 Ok")
}
