package smtp

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Sizes and times of a session.
const (
	maxLine    = 1000            // octets of a text line with CR LF, RFC 5321 4.5.3.1.6
	maxCommand = 2048            // octets of a command with our parameters (512 and more by extensions)
	maxErrors  = 20              // refused commands before 421, as Postfix's hard error limit
	idle       = 5 * time.Minute // RFC 5321 4.5.3.2.7
)

// errGone ends a session: the connection is closed or about to be.
var errGone = errors.New("session over")

// session is one connection.
type session struct {
	s       *Server
	conn    net.Conn
	raw     net.Conn // below TLS, for Reset
	r       *bufio.Reader
	hanging bool // guarded by s.mu

	hello    string
	extended bool // EHLO, not HELO
	secure   bool
	user     string
	errors   int
	mails    int // accepted on this connection

	mail *Mail // between MAIL and the end of the mail
	utf8 bool
	bit8 bool
}

func newSession(s *Server, conn net.Conn) *session {
	_, secure := conn.(*tls.Conn)
	return &session{s: s, conn: conn, raw: conn, r: bufio.NewReaderSize(conn, 16<<10), secure: secure}
}

// close ends the connection; with reset the client sees an RST where the
// transport has one.
func (c *session) close(reset bool) {
	raw := c.raw
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	if t, ok := raw.(*net.TCPConn); ok && reset {
		_ = t.SetLinger(0)
	}
	raw.Close()
}

// run speaks SMTP until the connection ends.
func (c *session) run() {
	defer c.close(false)
	if err := c.greet(); err != nil {
		return
	}
	for {
		line, err := c.line()
		if err != nil {
			return
		}
		if err := c.command(line); err != nil {
			return
		}
		if c.errors >= maxErrors {
			_ = c.reply(421, "4.7.0 "+c.s.cfg.Domain+" Error: too many errors")
			return
		}
	}
}

// greet sends the 220, unless a fault or a limit forbids.
func (c *session) greet() error {
	if done, err := c.fault(AtConnect); done {
		return errors.Join(err, errGone)
	}
	if max := c.s.Limits().Connections; max > 0 && c.s.Stats().Open > max {
		return errors.Join(c.reply(421, "4.7.0 Too many concurrent connections"), errGone)
	}
	return c.reply(220, c.s.cfg.Domain+" ESMTP imreport simulator")
}

// line reads a command without its CR LF. What breaks the rules of a line is
// answered here and the next line read.
func (c *session) line() (string, error) {
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(idle))
		b, err := c.r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = c.r.ReadSlice('\n')
			}
			if err == nil {
				err = c.refuse(500, "5.5.2 Line too long")
			}
			if err != nil {
				return "", err
			}
			continue
		case err != nil:
			return "", err
		}
		text, ok := strings.CutSuffix(string(b), "\r\n")
		switch {
		case !ok:
			err = c.refuse(500, "5.5.2 Error: bare <LF> received")
		case strings.ContainsAny(text, "\r\x00"):
			err = c.refuse(500, "5.5.2 Error: bare <CR> or NUL received")
		case len(b) > maxCommand:
			err = c.refuse(500, "5.5.2 Line too long")
		default:
			return text, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// reply writes one reply; the lines of a longer one are separated by "\n".
func (c *session) reply(code int, text string) error {
	if d := c.s.Limits().ReplyDelay; d > 0 && !c.wait(d) {
		return errGone
	}
	var b strings.Builder
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		fmt.Fprintf(&b, "%d%s%s\r\n", code, sep, l)
	}
	c.s.mu.Lock()
	c.s.stats.Replies[strconv.Itoa(code)]++
	c.s.mu.Unlock()
	c.s.log.Debug("smtp", "to", c.conn.RemoteAddr(), "reply", strings.TrimSpace(b.String()))
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Minute))
	_, err := io.WriteString(c.conn, b.String())
	return err
}

// refuse replies to a wrong command and counts it.
func (c *session) refuse(code int, text string) error {
	c.errors++
	return c.reply(code, text)
}

// fault lets a fault strike. done means that the command has had its answer or
// the connection its end (then err is not nil).
func (c *session) fault(at Phase) (done bool, err error) {
	var to []string
	if c.mail != nil {
		to = c.mail.To
	}
	return c.faultTo(at, to)
}

func (c *session) faultTo(at Phase, to []string) (done bool, err error) {
	f, ok := c.s.fire(at, to)
	if !ok {
		return false, nil
	}
	c.s.log.Debug("smtp", "to", c.conn.RemoteAddr(), "fault", f.ID, "at", at, "do", f.Do)
	return c.strike(f)
}

func (c *session) strike(f Fault) (done bool, err error) {
	switch f.Do {
	case Drop, Reset:
		c.close(f.Do == Reset)
		return true, errGone
	case Reply:
		code, text := f.reply()
		err := c.reply(code, text)
		if code == 421 {
			err = errors.Join(err, errGone)
		}
		return true, err
	default: // Hang
		if !c.wait(f.For) {
			return true, errGone
		}
		return false, nil
	}
}

// wait sits still for d of the server's time, 0 meaning for ever, or until
// Release. It returns false when the connection ended meanwhile.
func (c *session) wait(d time.Duration) bool {
	var until time.Time
	if d > 0 {
		until = time.Now().Add(c.s.real(d))
	}
	c.s.mu.Lock()
	if c.s.closed {
		c.s.mu.Unlock()
		return false
	}
	c.hanging = true
	c.s.stats.Hanging++
	released := c.s.released
	_ = c.conn.SetReadDeadline(until)
	c.s.mu.Unlock()

	_, err := c.r.Peek(1) // notices a client that gives up

	c.s.mu.Lock()
	c.hanging = false
	_ = c.conn.SetReadDeadline(time.Time{})
	c.s.mu.Unlock()
	if err == nil { // the client already says more: let it wait
		var timer <-chan time.Time
		if d > 0 {
			timer = time.After(time.Until(until))
		}
		select {
		case <-timer:
		case <-released:
		}
	}
	c.s.mu.Lock()
	c.s.stats.Hanging--
	closed := c.s.closed
	c.s.mu.Unlock()
	var ne net.Error
	return !closed && (err == nil || errors.As(err, &ne) && ne.Timeout())
}

// command obeys one command. An error ends the session.
func (c *session) command(line string) error {
	verb, arg, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO", "HELO":
		return c.cmdHello(strings.ToUpper(verb) == "EHLO", arg)
	case "AUTH":
		return c.cmdAuth(arg)
	case "STARTTLS":
		return c.cmdStartTLS(arg)
	case "MAIL":
		return c.cmdMail(arg)
	case "RCPT":
		return c.cmdRcpt(arg)
	case "DATA":
		return c.cmdData(arg)
	case "RSET":
		if done, err := c.fault(AtRset); done {
			return err
		}
		c.mail = nil
		return c.reply(250, "2.0.0 Ok")
	case "NOOP":
		return c.reply(250, "2.0.0 Ok")
	case "VRFY":
		return c.reply(252, "2.5.2 Cannot VRFY, but will accept the message and try")
	case "HELP":
		return c.reply(214, "2.0.0 RFC 5321")
	case "QUIT":
		if done, err := c.fault(AtQuit); done {
			return err
		}
		return errors.Join(c.reply(221, "2.0.0 Bye"), errGone)
	case "EXPN", "TURN", "SEND", "SOML", "SAML", "BDAT", "ETRN":
		return c.refuse(502, "5.5.1 Command not implemented")
	}
	return c.refuse(500, "5.5.2 Error: command not recognized")
}
